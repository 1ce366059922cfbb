//! A tape in its file. What cannot be read is said with its line.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::error::Error;
use super::tape::{FORMAT, Header, Tape};

impl Tape {
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let mut text = Vec::new();
        let mut line = |value: serde_json::Result<String>| match value {
            Ok(value) => writeln!(text, "{value}").map_err(Error::at("write", path.display())),
            Err(why) => Err(Error(format!("a record cannot be written: {why}"))),
        };
        line(serde_json::to_string(&self.header))?;
        for each in &self.lines {
            line(serde_json::to_string(each))?;
        }
        fs::write(path, text).map_err(Error::at("write", path.display()))
    }

    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(Error::at("read", path.display()))?;
        let mut lines = text.lines().enumerate();
        let malformed = |number: usize, why: serde_json::Error| {
            Error(format!("{}:{}: {why}", path.display(), number + 1))
        };
        let (_, first) = lines
            .next()
            .ok_or_else(|| Error(format!("{} is empty", path.display())))?;
        let header: Header = serde_json::from_str(first).map_err(|why| malformed(0, why))?;
        if header.format != FORMAT {
            return Err(Error(format!(
                "{} is of format {}, this reads {FORMAT}",
                path.display(),
                header.format
            )));
        }
        let lines = lines
            .map(|(number, line)| serde_json::from_str(line).map_err(|why| malformed(number, why)))
            .collect::<Result<_, _>>()?;
        Ok(Self { header, lines })
    }
}

#[cfg(test)]
mod tests {
    use super::super::rules::fabricated::{self, fact};
    use super::*;

    #[test]
    fn a_tape_comes_back_from_its_file_as_it_was() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("tape");
        let mut tape = fabricated::good();
        tape.lines.push(fact(
            1,
            1,
            crate::journal::fact::Fact::MembershipClosed { done: true },
        ));
        tape.write(&path).unwrap();
        assert_eq!(Tape::read(&path).unwrap(), tape);
        fs::write(&path, "{}\n").unwrap();
        assert!(Tape::read(&path).is_err());
    }
}
