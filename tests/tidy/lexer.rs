//! Splits Rust text into words and signs with their lines; comments and literals are dropped.
//! Knows no grammar.

#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// An identifier, a keyword, `::`, or one sign.
    pub text: String,
    pub line: usize,
}

impl Token {
    pub fn is_word(&self) -> bool {
        self.text
            .starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

pub fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        rest: text,
        line: 1,
    };
    let mut tokens = Vec::new();
    while let Some(first) = lexer.rest.chars().next() {
        let line = lexer.line;
        let length = lexer.skipped(first);
        if length > 0 {
            lexer.advance(length);
            continue;
        }
        let length = match first {
            _ if is_word(first) => lexer.while_true(is_word),
            ':' if lexer.rest.starts_with("::") => 2,
            _ => first.len_utf8(),
        };
        tokens.push(Token {
            text: lexer.rest[..length].to_owned(),
            line,
        });
        lexer.advance(length);
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
}

impl Lexer<'_> {
    /// Bytes of blank, comment or literal at the front; 0 when a token begins here.
    fn skipped(&self, first: char) -> usize {
        match first {
            _ if first.is_whitespace() => first.len_utf8(),
            '/' if self.rest.starts_with("//") => self.while_true(|c| c != '\n'),
            '/' if self.rest.starts_with("/*") => self.block_comment(),
            '"' => quoted(self.rest, '"'),
            '\'' => self.character(),
            'r' | 'b' | 'c' => self.prefixed_literal(),
            _ => 0,
        }
    }

    fn while_true(&self, holds: impl Fn(char) -> bool) -> usize {
        self.rest.find(|c| !holds(c)).unwrap_or(self.rest.len())
    }

    fn block_comment(&self) -> usize {
        let mut depth = 0;
        let mut at = 0;
        while at < self.rest.len() {
            let here = &self.rest.as_bytes()[at..];
            if here.starts_with(b"/*") {
                (depth, at) = (depth + 1, at + 2);
            } else if here.starts_with(b"*/") {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return at;
                }
            } else {
                at += 1;
            }
        }
        self.rest.len()
    }

    /// A character literal; a lifetime gives only its sign, its name then looks like a word.
    fn character(&self) -> usize {
        let mut chars = self.rest.chars().skip(1);
        match (chars.next(), chars.next()) {
            (Some('\\'), _) => quoted(self.rest, '\''),
            (Some(c), Some('\'')) => 2 + c.len_utf8(),
            _ => 1,
        }
    }

    /// `b"…"`, `c"…"`, `r#"…"#`, `br#"…"#`, `b'…'`; 0 for a word that begins with such a letter.
    fn prefixed_literal(&self) -> usize {
        let letters = self.while_true(|c| matches!(c, 'r' | 'b' | 'c'));
        let after = &self.rest[letters..];
        let raw = self.rest[..letters].contains('r');
        if letters > 2 {
            return 0;
        }
        if raw {
            let hashes = after.len() - after.trim_start_matches('#').len();
            if !after[hashes..].starts_with('"') {
                return 0;
            }
            let end = format!("\"{}", "#".repeat(hashes));
            let body = letters + hashes + 1;
            return self.rest[body..]
                .find(&end)
                .map_or(self.rest.len(), |at| body + at + end.len());
        }
        match after.chars().next() {
            Some('"') => letters + quoted(after, '"'),
            Some('\'') if letters == 1 && self.rest.starts_with('b') => {
                letters + quoted(after, '\'')
            }
            _ => 0,
        }
    }

    fn advance(&mut self, length: usize) {
        let (gone, rest) = self.rest.split_at(length);
        self.line += gone.matches('\n').count();
        self.rest = rest;
    }
}

/// Length of a literal from its opening quote to its closing one, escapes passed over.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        tokens(text)
            .into_iter()
            .filter(Token::is_word)
            .map(|token| token.text)
            .collect()
    }

    #[test]
    fn comments_and_literals_hold_no_words() {
        let text = r##"a /* b /* c */ d */ e // f
            "g \" h" i r#"j " k"# l b'm' 'n' '\'' o 'p: q br"r" breeze"##;
        assert_eq!(words(text), ["a", "e", "i", "l", "o", "p", "q", "breeze"]);
    }

    #[test]
    fn lines_are_counted_through_literals() {
        let lines: Vec<_> = tokens("a \"\n\n\" b\nc")
            .into_iter()
            .map(|token| token.line)
            .collect();
        assert_eq!(lines, [1, 3, 4]);
    }
}
