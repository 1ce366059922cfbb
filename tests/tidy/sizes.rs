//! How long files and functions may be, and what a file begins with. Knows no floors.

use super::File;
use super::lexer::{Token, tokens};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
/// Most files are to be read in one go.
const SHORT_FILE_LINES: usize = 300;
const SHORT_FILES_PERCENT_MIN: usize = 90;

pub fn violations(files: &[File]) -> Vec<String> {
    let rust: Vec<_> = files.iter().filter(|file| file.is_rust()).collect();
    let mut found: Vec<_> = rust.iter().flat_map(|file| of_file(file)).collect();
    let long = rust
        .iter()
        .filter(|file| file.text.lines().count() >= SHORT_FILE_LINES);
    let long: Vec<_> = long.map(|file| file.path.as_str()).collect();
    if (rust.len() - long.len()) * 100 < rust.len() * SHORT_FILES_PERCENT_MIN {
        found.push(format!(
            "{} of {} files have {SHORT_FILE_LINES} lines or more, over {} %: {}",
            long.len(),
            rust.len(),
            100 - SHORT_FILES_PERCENT_MIN,
            long.join(", ")
        ));
    }
    found
}

fn of_file(file: &File) -> Vec<String> {
    let mut found = Vec::new();
    let lines = file.text.lines().count();
    if lines > FILE_LINES_MAX {
        found.push(format!(
            "{}: {lines} lines, more than {FILE_LINES_MAX}",
            file.path
        ));
    }
    if !file.text.starts_with("//! ") {
        found.push(format!(
            "{}:1: does not begin with `//!` and what lives here",
            file.path
        ));
    }
    let functions = functions(&tokens(&file.text))
        .into_iter()
        .filter(|function| function.lines > FUNCTION_LINES_MAX);
    found.extend(functions.map(|Function { name, line, lines }| {
        format!(
            "{}:{line}: fn {name} has {lines} lines, more than {FUNCTION_LINES_MAX}",
            file.path
        )
    }));
    found
}

struct Function {
    name: String,
    line: usize,
    lines: usize,
}

/// From the line of `fn` to that of the closing brace; a declaration without a body has none.
fn functions(tokens: &[Token]) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, pair) in tokens.windows(2).enumerate() {
        if pair[0].text != "fn" || !pair[1].is_word() {
            continue;
        }
        if let Some(end) = end_of_body(&tokens[at..]) {
            let lines = end - pair[0].line + 1;
            found.push(Function {
                name: pair[1].text.clone(),
                line: pair[0].line,
                lines,
            });
        }
    }
    found
}

fn end_of_body(tokens: &[Token]) -> Option<usize> {
    let mut brackets = 0_usize;
    let mut braces = 0_usize;
    for token in tokens {
        match token.text.as_str() {
            "(" | "[" => brackets += 1,
            ")" | "]" => brackets = brackets.checked_sub(1)?,
            ";" if braces == 0 && brackets == 0 => return None,
            "{" => braces += 1,
            "}" => {
                braces = braces.checked_sub(1)?;
                if braces == 0 && brackets == 0 {
                    return Some(token.line);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        // Short neighbours keep the share of short files out of the way.
        let mut files = vec![File::new("src/base/x.rs", text)];
        files.extend((0..20).map(|number| File::new(&format!("src/base/y{number}.rs"), "//! x\n")));
        violations(&files)
    }

    #[test]
    fn a_long_file_is_found() {
        assert_eq!(
            found(&format!("//! x\n{}", "\n".repeat(499))),
            Vec::<String>::new()
        );
        assert_eq!(
            found(&format!("//! x\n{}", "\n".repeat(500))),
            ["src/base/x.rs: 501 lines, more than 500"]
        );
    }

    #[test]
    fn a_file_that_does_not_say_what_it_holds_is_found() {
        assert_eq!(
            found("use x;\n"),
            ["src/base/x.rs:1: does not begin with `//!` and what lives here"]
        );
    }

    #[test]
    fn a_long_function_is_found() {
        let function = |lines: usize| {
            format!(
                "//! x\nfn f(a: [u8; 2]) {{\n{}}}\n",
                "a;\n".repeat(lines - 2)
            )
        };
        assert_eq!(found(&function(70)), Vec::<String>::new());
        assert_eq!(
            found(&function(71)),
            ["src/base/x.rs:2: fn f has 71 lines, more than 70"]
        );
    }

    #[test]
    fn a_declaration_has_no_length() {
        let text = format!(
            "//! x\ntrait T {{ fn f(&self) -> [u8; 3]; }}\nfn g() {{}}\n{}",
            "\n".repeat(100)
        );
        assert_eq!(found(&text), Vec::<String>::new());
    }

    #[test]
    fn too_many_files_of_middling_length_are_found() {
        let long = format!("//! x\n{}", "\n".repeat(299));
        let mut files = vec![File::new("src/base/a.rs", &long)];
        files.extend((0..9).map(|number| File::new(&format!("src/base/y{number}.rs"), "//! x\n")));
        assert_eq!(violations(&files), Vec::<String>::new(), "one in ten");
        files.pop();
        assert_eq!(violations(&files).len(), 1, "one in nine");
    }
}
