//! The bytes of the data file: its header, its records, and how a file is read back.
//! Nothing here writes; store.rs does.
//!
//! A record is length (4, little-endian), the first 8 bytes of the payload's SHA-256, and the payload
//! as JSON. Only the last record can be torn, since each is synced before the next is acknowledged.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const HEAD_LEN: usize = 4 + 8;

/// One key as the database answers it; the field names are the real database's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub key: String,
    pub value: serde_json::Value,
    pub ttl: Option<u64>,
    pub created_at: u64,
    pub updated_at: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    Set(Entry),
    Delete { key: String },
}

pub type Entries = BTreeMap<String, Entry>;

/// What a data file held.
#[derive(Debug)]
pub struct Content {
    pub entries: Entries,
    /// Bytes that are good; what follows is a torn tail.
    pub good_len: usize,
}

/// The first line of a data file.
pub fn header(format: u32) -> String {
    format!("reference-data {format}\n")
}

/// The format that the file's first line names.
pub fn format_of(bytes: &[u8]) -> Result<u32, String> {
    let line = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    std::str::from_utf8(line)
        .ok()
        .and_then(|line| line.strip_prefix("reference-data "))
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| "its first line is not that of a data file".to_owned())
}

pub fn encode(record: &Record) -> Result<Vec<u8>, String> {
    let payload = serde_json::to_vec(record).map_err(|source| source.to_string())?;
    let length =
        u32::try_from(payload.len()).map_err(|_| "the value is larger than 4 GiB".to_owned())?;
    let mut bytes = Vec::with_capacity(HEAD_LEN + payload.len());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&checksum(&payload));
    bytes.extend_from_slice(&payload);
    Ok(bytes)
}

/// Replays a whole file, header included.
pub fn replay(bytes: &[u8]) -> Result<Content, String> {
    let mut good_len = header(format_of(bytes)?).len();
    let mut entries = Entries::new();
    while let Some(rest) = bytes.get(good_len..).filter(|rest| !rest.is_empty()) {
        match next(rest) {
            Next::Record { record, length } => {
                record.apply(&mut entries);
                good_len += length;
            }
            Next::Torn => break,
            Next::Damaged => {
                return Err(format!(
                    "the record at byte {good_len} is damaged and others follow it"
                ));
            }
        }
    }
    Ok(Content { entries, good_len })
}

impl Record {
    pub fn apply(self, entries: &mut Entries) {
        match self {
            Self::Set(entry) => {
                entries.insert(entry.key.clone(), entry);
            }
            Self::Delete { key } => {
                entries.remove(&key);
            }
        }
    }
}

enum Next {
    Record { record: Record, length: usize },
    Torn,
    Damaged,
}

fn next(rest: &[u8]) -> Next {
    let Some((length, after)) = rest.split_first_chunk::<4>() else {
        return Next::Torn;
    };
    let Some((sum, payloads)) = after.split_first_chunk::<8>() else {
        return Next::Torn;
    };
    let length = u32::from_le_bytes(*length) as usize;
    let Some(payload) = payloads.get(..length) else {
        return Next::Torn;
    };
    if checksum(payload) == *sum
        && let Ok(record) = serde_json::from_slice(payload)
    {
        return Next::Record {
            record,
            length: HEAD_LEN + length,
        };
    }
    if payloads.len() == length {
        Next::Torn
    } else {
        Next::Damaged
    }
}

fn checksum(payload: &[u8]) -> [u8; 8] {
    let digest = Sha256::digest(payload);
    let mut sum = [0; 8];
    sum.copy_from_slice(&digest[..8]); // A SHA-256 digest has 32 bytes.
    sum
}
