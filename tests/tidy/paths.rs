//! The paths that a Rust text names, in `use` lines and in code alike, groups written out. Knows
//! no rooms.

use super::lexer::{Token, tokens};

#[derive(Debug, PartialEq)]
pub struct Named {
    pub segments: Vec<String>,
    pub line: usize,
    /// How many `mod name { … }` of this file the path stands in; `super` counts them too.
    pub inline_modules: usize,
}

/// Paths of two segments or more, and single words that a `use` imports. A macro call by path is
/// left out: exported macros live at the crate's root, wherever they are written.
pub fn named(text: &str) -> Vec<Named> {
    let tokens = tokens(text);
    let depths = inline_modules(&tokens);
    let is = |at: Option<usize>, text: &str| at.is_some_and(|at| tokens[at].text == text);
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let mut before = at.checked_sub(1);
        if is(before, "::") {
            if !is_rooted(&tokens, at) {
                continue;
            }
            before = at.checked_sub(2);
        }
        if !token.is_word() || token.text == "use" {
            continue;
        }
        let mut paths = Vec::new();
        spelled_out(&tokens, at, &[], &mut paths);
        let imported = is(before, "use");
        let wanted = paths.into_iter().filter(|path| imported || path.len() > 1);
        found.extend(wanted.map(|segments| Named {
            segments,
            line: token.line,
            inline_modules: depths[at],
        }));
    }
    found
}

/// Whether the `::` before this word begins the path (`::std::fs`) rather than continuing one.
fn is_rooted(tokens: &[Token], at: usize) -> bool {
    let Some(before) = at.checked_sub(2).map(|before| &tokens[before]) else {
        return true;
    };
    before.text == "use" || !(before.is_word() || before.text == ">")
}

/// Adds every path that begins with `prefix` and goes on at `at`; answers where it ended.
fn spelled_out(
    tokens: &[Token],
    mut at: usize,
    prefix: &[String],
    paths: &mut Vec<Vec<String>>,
) -> usize {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.text == text);
    let mut path = prefix.to_vec();
    while let Some(token) = tokens.get(at).filter(|token| token.is_word()) {
        path.push(token.text.clone());
        at += 1;
        if !is(at, "::") {
            break;
        }
        at += 1;
    }
    if !is(at, "{") || !is(at.wrapping_sub(1), "::") {
        let grown = path.len() > prefix.len();
        if grown && (!is(at, "!") || is(at + 1, "=")) {
            paths.push(path);
        }
        return at;
    }
    at += 1;
    while at < tokens.len() && !is(at, "}") {
        let end = spelled_out(tokens, at, &path, paths);
        at = end.max(at + 1);
    }
    at + 1
}

fn inline_modules(tokens: &[Token]) -> Vec<usize> {
    let mut braces = Vec::new();
    let mut depth = 0;
    let mut depths = Vec::with_capacity(tokens.len());
    for (at, token) in tokens.iter().enumerate() {
        depths.push(depth);
        match token.text.as_str() {
            "{" => {
                let module = at >= 2 && tokens[at - 2].text == "mod";
                depth += usize::from(module);
                braces.push(module);
            }
            "}" => depth -= usize::from(braces.pop() == Some(true)),
            _ => {}
        }
    }
    depths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        named(text)
            .into_iter()
            .map(|path| path.segments.join("::"))
            .collect()
    }

    #[test]
    fn groups_are_written_out() {
        let paths = shown("use crate::{base::{ids, time::Moment}, http};");
        for path in [
            "crate::base::ids",
            "crate::base::time::Moment",
            "crate::http",
        ] {
            assert!(
                paths.iter().any(|found| found == path),
                "{path} is not in {paths:?}"
            );
        }
    }

    #[test]
    fn code_names_paths_as_well_as_imports() {
        assert_eq!(
            shown("let x: Vec<u8> = crate::agent::run(a != b::C);"),
            ["crate::agent::run", "b::C"]
        );
        assert_eq!(shown("use ::std::fs;"), ["std::fs"]);
        assert_eq!(shown("use tokio; let tokio = 1;"), ["tokio"]);
    }

    #[test]
    fn a_macro_by_path_is_no_path() {
        assert_eq!(shown("crate::base_id!(Name);"), Vec::<String>::new());
    }

    #[test]
    fn modules_inside_a_file_are_counted() {
        let depths: Vec<_> = named("mod a { mod b { x::y } } p::q")
            .iter()
            .map(|path| path.inline_modules)
            .collect();
        assert_eq!(depths, [2, 0]);
    }
}
