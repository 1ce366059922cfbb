//! Bytes made wrong on purpose, from one seed: bits, cuts, splices, and lengths that promise what is not there.

use std::collections::BTreeMap;

use crate::random::Random;

/// What was done to an input, for the count at the end.
pub type Kinds = BTreeMap<&'static str, u64>;

/// MessagePack's greatest lengths, numbers at the edges, text that parsers stumble over.
const BOMBS: [&[u8]; 14] = [
    &[0xdd, 0xff, 0xff, 0xff, 0xff],
    &[0xdf, 0xff, 0xff, 0xff, 0xff],
    &[0xdb, 0xff, 0xff, 0xff, 0xff],
    &[0xc6, 0xff, 0xff, 0xff, 0xff],
    &[0xdc, 0xff, 0xff],
    &[0xde, 0xff, 0xff],
    &[0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0],
    &[0xff, 0xff, 0xff, 0xff],
    b"18446744073709551615",
    b"-1",
    b"1e999",
    b"\\ud800",
    b"\"\"",
];

/// Deeper than any decoder may follow on a thread's stack.
const NESTING: usize = 50_000;
const NESTS: [&[u8]; 5] = [&[0x91], &[0x81, 0xa1, b'a'], b"[", b"{\"a\":", b"a."];

/// One to four changes.
pub fn bytes(random: &mut Random, of: &[u8], others: &[Vec<u8>], kinds: &mut Kinds) -> Vec<u8> {
    let mut bytes = of.to_vec();
    for _ in 0..random.between(1, 4) {
        let kind = once(random, &mut bytes, others);
        *kinds.entry(kind).or_default() += 1;
    }
    bytes
}

fn once(random: &mut Random, bytes: &mut Vec<u8>, others: &[Vec<u8>]) -> &'static str {
    let length = bytes.len() as u64;
    let at = random.between(0, length) as usize;
    let end = at + random.between(0, (length - at as u64).min(16)) as usize;
    match random.between(0, 9) {
        0..=2 if at < bytes.len() => {
            bytes[at] ^= 1 << random.between(0, 7);
            "bit"
        }
        3 if at < bytes.len() => {
            bytes[at] = random.next() as u8;
            "byte"
        }
        4 => {
            bytes.truncate(at);
            "cut"
        }
        5 => {
            bytes.drain(at..end);
            "hole"
        }
        6 => {
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
            "twice"
        }
        7 => {
            if let Some(other) = random.pick(others) {
                let from = random.between(0, other.len() as u64) as usize;
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            "splice"
        }
        8 if random.percent(4) => {
            let nest = random.pick(&NESTS).copied().unwrap_or(b"[");
            bytes.splice(at..at, nest.repeat(NESTING));
            "nest"
        }
        _ => {
            let bomb = random.pick(&BOMBS).copied().unwrap_or_default();
            bytes.splice(at..end, bomb.iter().copied());
            "bomb"
        }
    }
}
