//! I9: whenever anybody looks, the install path is exactly an old or a new file: its bytes whole, its mode and
//! owner as they were.

use std::collections::BTreeMap;

use crate::demo::tape::{InstallPath, Line, Tape};

pub fn check(tape: &Tape) -> Vec<String> {
    let mut first: BTreeMap<&str, &InstallPath> = BTreeMap::new();
    let mut found = Vec::new();
    for line in &tape.lines {
        let Line::Path(path) = line else { continue };
        let name = path.database.as_str();
        let known = path.sha256.as_ref().is_some_and(|sha256| {
            *sha256 == tape.header.installed || tape.plans().any(|plan| plan.sha256 == *sha256)
        });
        if !known {
            found.push(format!(
                "the install path of {name} held {:?} at {}",
                path.sha256, path.at_ms
            ));
            continue;
        }
        let was = first.entry(name).or_insert(path);
        let kept = (path.mode, path.owner, path.group) == (was.mode, was.owner, was.group);
        if !kept {
            found.push(format!(
                "the file of {name} at {} has mode {:o} of {}:{}, it had {:o} of {}:{}",
                path.at_ms, path.mode, path.owner, path.group, was.mode, was.owner, was.group
            ));
        }
    }
    let missing = tape.header.nodes.iter();
    let missing = missing.filter(|name| !first.contains_key(name.as_str()));
    found.extend(missing.map(|name| format!("nobody looked at the install path of {name}")));
    found
}

#[cfg(test)]
mod tests {
    use super::super::fabricated::{good, path};
    use super::*;

    #[test]
    fn another_file_none_at_all_and_another_mode_are_found() {
        for (sha256, mode, word) in [
            (Some("half"), 0o755, "held Some"),
            (None, 0o755, "held None"),
            (Some("new"), 0o4755, "has mode"),
        ] {
            let mut tape = good();
            assert_eq!(check(&tape), Vec::<String>::new());
            tape.lines.push(path(4_000, "n1", sha256, mode));
            assert!(check(&tape)[0].contains(word), "{word}");
        }
    }

    #[test]
    fn a_path_that_nobody_looked_at_is_found() {
        let mut tape = good();
        tape.lines
            .retain(|line| !matches!(line, Line::Path(path) if path.database == "n3"));
        assert!(check(&tape)[0].contains("nobody looked"));
    }
}
