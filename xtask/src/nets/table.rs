//! What nets say of themselves (`net NAME: runs=N violations=V … faults: kind=n …; covered: …`), as a table.

/// One row.
#[derive(Debug, Default, PartialEq)]
pub struct Line {
    name: String,
    runs: Option<u64>,
    violations: Option<u64>,
    skipped: Option<String>,
    /// Faults by kind and what was covered, in the net's own words.
    met: String,
    /// What a run of this length must have met, where the net says so.
    least: Option<String>,
    pub seconds: u64,
    pub failed: bool,
}

impl Line {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// Takes in what a line of the net's output tells, if it tells anything.
    pub fn take(&mut self, text: &str) {
        if let Some((_, why)) = text.split_once("skipped: ") {
            self.skipped = Some(why.to_owned());
        }
        if let Some((_, least)) = text.split_once("at least: ") {
            self.least = Some(least.to_owned());
        }
        let told = text
            .split_once("net ")
            .and_then(|(_, rest)| rest.split_once(": "));
        let Some((_, told)) = told.filter(|(_, told)| told.starts_with("runs=")) else {
            return;
        };
        let number = |key: &str| {
            let (_, rest) = told.split_once(key)?;
            rest.split(|char: char| !char.is_ascii_digit())
                .next()?
                .parse()
                .ok()
        };
        self.runs = number("runs=");
        self.violations = number("violations=");
        let met = told.split_once("faults:").map(|(_, met)| met);
        self.met = met.unwrap_or_default().trim().to_owned();
    }
}

pub fn of(lines: &[Line]) -> String {
    let mut text = format!(
        "{:<16} {:>8} {:>10} {:>8}  faults by kind; covered\n",
        "net", "runs", "violations", "seconds"
    );
    for line in lines {
        let number = |value: Option<u64>| value.map_or_else(|| "?".to_owned(), |it| it.to_string());
        let met = match (&line.skipped, line.failed) {
            (_, true) => format!("FAILED {}", line.met),
            (Some(why), _) if line.runs.is_none() => format!("skipped: {why}"),
            (Some(why), _) => format!("{}; skipped: {why}", line.met),
            _ => line.met.clone(),
        };
        text += &format!(
            "{:<16} {:>8} {:>10} {:>8}  {met}\n",
            line.name,
            number(line.runs),
            number(line.violations),
            line.seconds
        );
        if let Some(least) = &line.least {
            text += &format!("{:<16} at least: {least}\n", "");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_net_s_own_line_becomes_a_row() {
        let mut line = Line::new("paper");
        line.take("running 1 test");
        line.take(
            "net paper: runs=12 violations=0 seconds=3 faults: kill=4 cut=5 covered: 3/4 edges",
        );
        assert_eq!((line.runs, line.violations), (Some(12), Some(0)));
        line.take("at least: kill=3");
        let text = of(&[line]);
        assert!(text.contains("kill=4 cut=5 covered: 3/4 edges"));
        assert!(text.ends_with(" at least: kill=3\n"));
        let mut skipped = Line::new("power");
        skipped.take("skipped: needs root");
        assert!(of(&[skipped]).contains("skipped: needs root"));
        let mut partly = Line::new("paper");
        partly.take("  its third part skipped: needs haproxy");
        partly.take("net paper: runs=2 violations=0 faults: kill=1");
        assert!(of(&[partly]).contains("kill=1; skipped: needs haproxy"));
    }
}
