//! Durations as milliseconds, written `"30s"` for people and kept as integers in the log.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::text::serde_as_text;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MalformedDuration(pub String);

impl Millis {
    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds * 1000)
    }

    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl FromStr for Millis {
    type Err = MalformedDuration;

    fn from_str(text: &str) -> Result<Self, MalformedDuration> {
        let malformed = || MalformedDuration(text.chars().take(40).collect());
        let split = text
            .find(|c: char| !c.is_ascii_digit())
            .ok_or_else(malformed)?;
        let (digits, unit) = text.split_at(split);
        let number: u64 = digits.parse().map_err(|_| malformed())?;
        let factor = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(malformed()),
        };
        number.checked_mul(factor).map(Self).ok_or_else(malformed)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0;
        let units = [
            (86_400_000, "d"),
            (3_600_000, "h"),
            (60_000, "m"),
            (1_000, "s"),
        ];
        match units
            .iter()
            .find(|(size, _)| ms >= *size && ms.is_multiple_of(*size))
        {
            Some((size, unit)) => write!(f, "{}{unit}", ms / size),
            None => write!(f, "{ms}ms"),
        }
    }
}

impl fmt::Display for MalformedDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a duration; write for example 500ms, 30s, 5m, 2h or 7d",
            self.0
        )
    }
}

impl std::error::Error for MalformedDuration {}

serde_as_text!(Millis);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_back() {
        for ms in [
            0,
            1,
            999,
            1_000,
            1_500,
            30_000,
            60_000,
            90_000,
            3_600_000,
            604_800_000,
        ] {
            assert_eq!(Millis(ms).to_string().parse(), Ok(Millis(ms)));
        }
        for (ms, text) in [(0, "0ms"), (1_500, "1500ms"), (3_600_000, "1h")] {
            assert_eq!(Millis(ms).to_string(), text);
        }
        for bad in ["", "30", "s", "-1s", "1.5s", "1w", "99999999999999999999d"] {
            assert!(bad.parse::<Millis>().is_err(), "{bad}");
        }
    }
}
