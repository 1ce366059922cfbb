//! Rows of the state: one that is read is the same row when it is written again, under the same key.

use std::collections::BTreeSet;

use aegis_updates::machine::check::check;
use aegis_updates::machine::image::{Row, all, restore};

use crate::corpus::moments;
use crate::runner::{Target, Verdict};

#[test]
fn rows() {
    let mut seeds = BTreeSet::new();
    for moment in moments().iter().step_by(7) {
        let rows = all(&moment.state).expect("it is encoded");
        seeds.extend(rows.iter().map(joined));
    }
    let target = Target {
        name: "rows",
        seeds: seeds.into_iter().collect(),
        shape: None,
        inputs: 40_000,
        judge: &|_, bytes| judge(bytes),
    };
    target.run();
}

/// The key's length, the key, the value.
fn joined((key, value): &Row) -> Vec<u8> {
    let mut bytes = (key.len() as u16).to_be_bytes().to_vec();
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(value);
    bytes
}

fn split(bytes: &[u8]) -> Option<Row> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (key, value) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    Some((key.to_vec(), value.to_vec()))
}

fn judge(bytes: &[u8]) -> Result<Verdict, String> {
    let Some(row) = split(bytes) else {
        return Ok(Verdict::Unread);
    };
    let key = row.0.clone();
    let Ok(state) = restore(std::iter::once(row)) else {
        return Ok(Verdict::Unread);
    };
    // Nonsense may break what must hold; it may not break who looks.
    let _ = check(&state);
    let written = all(&state)?;
    if !written.iter().any(|(written, _)| *written == key) {
        let keys: Vec<_> = written
            .iter()
            .map(|(key, _)| String::from_utf8_lossy(key))
            .collect();
        return Err(format!("it is written under {keys:?}"));
    }
    let again = restore(written.iter().cloned())?;
    match all(&again)? == written {
        true => Ok(Verdict::Accepted),
        false => Err("it is written otherwise the second time".to_owned()),
    }
}
