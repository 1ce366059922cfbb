//! No tracked file names a place that exists on one machine only. Knows no Rust.

use super::File;

/// Home directories and workspaces. Written in halves, so that this file does not find itself.
const PLACES: [(&str, &str); 4] = [
    ("/ho", "me/"),
    ("/Use", "rs/"),
    ("/ro", "ot/"),
    ("/wo", "rk/"),
];

pub fn violations(files: &[File]) -> Vec<String> {
    let places = PLACES.map(|(front, back)| format!("{front}{back}"));
    let mut found = Vec::new();
    for file in files {
        for (number, line) in file.text.lines().enumerate() {
            let named = places.iter().filter(|place| names(line, place));
            found.extend(named.map(|place| {
                format!(
                    "{}:{}: names {place}, which is a place on one machine",
                    file.path,
                    number + 1
                )
            }));
        }
    }
    found
}

/// Only an absolute path: `https://host/…` and `a/b/…` may hold the same letters.
fn names(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + place.len()..].chars().next();
        !before.is_some_and(|c| c.is_alphanumeric() || "-_.}/*~$".contains(c))
            && after.is_some_and(|c| c.is_alphanumeric() || c == '.')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_path_is_found() {
        for (front, back) in PLACES {
            let text = format!("ok\nlet x = \"{front}{back}me/project\";\n");
            let found = violations(&[File::new("README.md", &text)]);
            assert_eq!(found.len(), 1, "{text}");
            assert!(found[0].starts_with("README.md:2: "), "{found:?}");
        }
    }

    #[test]
    fn other_paths_that_hold_the_same_letters_are_not() {
        for (front, back) in PLACES {
            let text = format!(
                "https://example.org{front}{back}x and src{front}{back}x and $HOME{front}{back}x"
            );
            assert_eq!(
                violations(&[File::new("README.md", &text)]),
                Vec::<String>::new()
            );
        }
    }
}
