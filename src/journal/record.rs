//! A fact with its place, times, actor and reason, chained to the one before it.

use serde::{Deserialize, Serialize};

use super::fact::Fact;
use crate::base::digest::Digest;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Log index of the entry, and the fact's number within it.
    pub index: u64,
    pub ordinal: u32,
    pub term: u64,
    pub run_ms: u64,
    pub wall_ms: u64,
    pub actor: String,
    pub reason: Option<String>,
    pub fact: Fact,
    /// SHA-256 over the previous record's chain hash and this record without it.
    pub chain: Digest,
}

impl Record {
    /// The row key in the journal column: big-endian, so that key order is journal order.
    pub fn key(index: u64, ordinal: u32) -> Vec<u8> {
        let mut key = index.to_be_bytes().to_vec();
        key.extend_from_slice(&ordinal.to_be_bytes());
        key
    }

    /// The chain hash this record must carry after `previous`.
    pub fn link(&self, previous: &Digest) -> Digest {
        let Self {
            index,
            ordinal,
            term,
            run_ms,
            wall_ms,
            actor,
            reason,
            fact,
            chain: _,
        } = self;
        let body = serde_json::json!([index, ordinal, term, run_ms, wall_ms, actor, reason, fact]);
        let mut bytes = previous.as_bytes().to_vec();
        bytes.extend_from_slice(body.to_string().as_bytes());
        Digest::of(&bytes)
    }
}

/// The first record that does not follow from the one before it.
pub fn first_break(start: Digest, records: &[Record]) -> Option<(u64, u32)> {
    let mut previous = start;
    for record in records {
        if record.chain != record.link(&previous) {
            return Some((record.index, record.ordinal));
        }
        previous = record.chain;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_or_missing_record_breaks_the_chain() {
        let start = Digest::of(b"start");
        let mut previous = start;
        let mut records: Vec<Record> = Vec::new();
        for index in 1..=4 {
            let fact = Fact::MembershipClosed { done: true };
            let mut record = Record {
                index,
                ordinal: 0,
                term: 1,
                run_ms: 0,
                wall_ms: 0,
                actor: "a".into(),
                reason: None,
                fact,
                chain: start,
            };
            record.chain = record.link(&previous);
            previous = record.chain;
            records.push(record);
        }
        assert_eq!(first_break(start, &records), None);
        let mut forged = records.clone();
        forged[2].actor = "b".into();
        assert_eq!(first_break(start, &forged), Some((3, 0)));
        records.remove(1);
        assert_eq!(first_break(start, &records), Some((3, 0)));
    }
}
