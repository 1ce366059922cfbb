//! Wall-clock milliseconds as RFC 3339, for people and programs.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// `None` for a time that no calendar has, and for zero: an entry before the log's clock began.
pub fn rfc3339(wall_ms: u64) -> Option<String> {
    if wall_ms == 0 {
        return None;
    }
    let nanoseconds = i128::from(wall_ms) * 1_000_000;
    let at = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok()?;
    at.format(&Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn milliseconds_are_kept() {
        let text = rfc3339(1_795_000_000_123);
        assert_eq!(text.as_deref(), Some("2026-11-18T11:06:40.123Z"));
        assert_eq!((rfc3339(u64::MAX), rfc3339(0)), (None, None));
    }
}
