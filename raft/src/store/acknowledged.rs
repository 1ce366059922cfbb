//! What this member has acknowledged, in a small file beside the database: a store that holds less has been
//! put back from an old copy, or lost its end, and its member would take promises back. Written after the sync
//! that covers it, so the note may lag behind the store and never leads.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::types::{Ballot, LogId, Position};

const FILE: &str = "acknowledged";
/// Two notes, each in a disk sector of its own: one that was torn leaves the one before it.
const SLOTS: u64 = 2;
const SLOT_BYTES: u64 = 512;
const WORDS: usize = 6;
const WORD: usize = 8;
const HAS_VOTE: u64 = 1;
const IS_COMMITTED: u64 = 2;
const HAS_LOG: u64 = 4;

pub(super) struct Acknowledged {
    file: File,
    inner: Mutex<Inner>,
}

/// A vote, and how far the log reaches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Promises {
    pub(super) vote: Option<Ballot>,
    /// Term and index of the newest entry.
    pub(super) log: Option<(u64, u64)>,
}

struct Inner {
    /// In the database, perhaps not synced.
    written: Promises,
    /// In the file.
    noted: Promises,
    /// A note of what was written before a truncation must not come after it.
    truncations: u64,
    sequence: u64,
}

/// What a sync that begins now will cover.
pub(super) struct Due {
    promises: Promises,
    truncations: u64,
}

impl Promises {
    pub(super) fn new(vote: Option<Ballot>, log: Option<LogId>) -> Self {
        let place = |id: LogId| {
            let at = Position::from(id);
            (at.term, at.index)
        };
        Self {
            vote,
            log: log.map(place),
        }
    }

    /// True when a store that holds these has forgotten some of `noted`.
    fn fall_short_of(&self, noted: &Self) -> bool {
        let vote = match (self.vote, noted.vote) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(held), Some(noted)) => {
                let taken_back = held.node != noted.node || (noted.committed && !held.committed);
                held.term < noted.term || (held.term == noted.term && taken_back)
            }
        };
        // Entries are replaced by those of a later term only.
        vote || self.log < noted.log
    }
}

impl fmt::Display for Promises {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.vote {
            Some(vote) => write!(f, "a vote for member {} in term {}", vote.node, vote.term)?,
            None => f.write_str("no vote")?,
        }
        match self.log {
            Some((term, index)) => write!(f, " and a log up to entry {index} of term {term}"),
            None => f.write_str(" and no log"),
        }
    }
}

impl Acknowledged {
    /// `Err` of the inner kind says what was noted and is not `held`. A file that is missing, or of which no
    /// note can be read, begins anew with what is held.
    pub(super) fn open(dir: &Path, held: Promises) -> io::Result<Result<Self, Promises>> {
        let path = dir.join(FILE);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        let newest = newest(&file)?;
        if let Some((_, noted)) = newest
            && held.fall_short_of(&noted)
        {
            return Ok(Err(noted));
        }
        let (sequence, noted) = newest.unwrap_or_default();
        let inner = Inner {
            written: held,
            noted,
            truncations: 0,
            sequence,
        };
        let opened = Self {
            file,
            inner: Mutex::new(inner),
        };
        if sequence == 0 {
            opened.file.set_len(SLOTS * SLOT_BYTES)?;
            opened.with(|inner| opened.put(inner, held))?;
            opened.file.sync_all()?;
            File::open(dir)?.sync_all()?;
        }
        Ok(Ok(opened))
    }

    pub(super) fn voted(&self, vote: Ballot) {
        self.with(|inner| inner.written.vote = Some(vote));
    }

    pub(super) fn appended(&self, last: LogId) {
        self.with(|inner| inner.written.log = Promises::new(None, Some(last)).log);
    }

    /// An image replaced what lies up to there.
    pub(super) fn purged(&self, upto: LogId) {
        let log = Promises::new(None, Some(upto)).log;
        self.with(|inner| inner.written.log = inner.written.log.max(log));
    }

    /// Before the entries after `last` are removed: what is noted of them is taken back first.
    pub(super) fn truncates(&self, last: Option<LogId>) -> io::Result<()> {
        let log = Promises::new(None, last).log;
        self.with(|inner| {
            inner.truncations += 1;
            inner.written.log = inner.written.log.min(log);
            if inner.noted.log <= log {
                return Ok(());
            }
            let lowered = Promises { log, ..inner.noted };
            self.put(inner, lowered)?;
            self.file.sync_data()
        })
    }

    pub(super) fn due(&self) -> Due {
        self.with(|inner| Due {
            promises: inner.written,
            truncations: inner.truncations,
        })
    }

    /// After a sync that began after `due` was asked for. How far the log reaches is left to the kernel to write
    /// back, a vote is not: the note costs no sync of its own while nobody is elected.
    pub(super) fn note(&self, due: &Due) -> io::Result<()> {
        self.with(|inner| {
            let mut noted = due.promises;
            if due.truncations != inner.truncations {
                noted.log = inner.noted.log;
            }
            if noted == inner.noted {
                return Ok(());
            }
            let votes = noted.vote != inner.noted.vote;
            self.put(inner, noted)?;
            match votes {
                true => self.file.sync_data(),
                false => Ok(()),
            }
        })
    }

    fn put(&self, inner: &mut Inner, noted: Promises) -> io::Result<()> {
        let sequence = inner.sequence + 1;
        let at = sequence % SLOTS * SLOT_BYTES;
        self.file.write_all_at(&encode(sequence, &noted), at)?;
        (inner.sequence, inner.noted) = (sequence, noted);
        Ok(())
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The newest note that can be read.
fn newest(file: &File) -> io::Result<Option<(u64, Promises)>> {
    let mut found = Vec::new();
    for slot in 0..SLOTS {
        let mut bytes = [0; (WORDS + 1) * WORD];
        match file.read_exact_at(&mut bytes, slot * SLOT_BYTES) {
            Ok(()) => found.extend(decode(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found.into_iter().max_by_key(|(sequence, _)| *sequence))
}

fn encode(sequence: u64, noted: &Promises) -> Vec<u8> {
    let vote = noted.vote.map_or((0, 0, 0), |vote| {
        let committed = if vote.committed { IS_COMMITTED } else { 0 };
        (vote.term, vote.node, HAS_VOTE | committed)
    });
    let log = noted
        .log
        .map_or((0, 0, 0), |(term, index)| (term, index, HAS_LOG));
    let words: [u64; WORDS] = [sequence, vote.0, vote.1, log.0, log.1, vote.2 | log.2];
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let sum = Sha256::digest(&bytes);
    bytes.extend_from_slice(&sum[..WORD]);
    bytes
}

fn decode(bytes: &[u8]) -> Option<(u64, Promises)> {
    let (body, sum) = bytes.split_at_checked(WORDS * WORD)?;
    if Sha256::digest(body)[..WORD] != *sum {
        return None;
    }
    let mut words = body
        .chunks_exact(WORD)
        .filter_map(|word| Some(u64::from_le_bytes(word.try_into().ok()?)));
    let mut next = || words.next().unwrap_or(0);
    let (sequence, term, node) = (next(), next(), next());
    let (log_term, index, has) = (next(), next(), next());
    let vote = Ballot {
        term,
        node,
        committed: has & IS_COMMITTED != 0,
    };
    let promises = Promises {
        vote: (has & HAS_VOTE != 0).then_some(vote),
        log: (has & HAS_LOG != 0).then_some((log_term, index)),
    };
    Some((sequence, promises))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::types::Elected;

    const fn vote(term: u64, node: u64, committed: bool) -> Ballot {
        Ballot {
            term,
            node,
            committed,
        }
    }

    fn entry(term: u64, index: u64) -> LogId {
        LogId::new(Elected { term, node: 1 }, index)
    }

    fn held(vote: Ballot, log: Option<(u64, u64)>) -> Promises {
        Promises {
            vote: Some(vote),
            log,
        }
    }

    fn open(dir: &TempDir, held: Promises) -> Result<Acknowledged, Promises> {
        Acknowledged::open(dir.path(), held).unwrap()
    }

    /// Notes `vote` and a log up to entry 9 of term 5.
    fn noted(dir: &TempDir, vote: Ballot) {
        let file = open(dir, Promises::default()).ok().unwrap();
        file.voted(vote);
        file.appended(entry(5, 9));
        file.note(&file.due()).unwrap();
    }

    #[test]
    fn a_store_that_holds_less_than_was_acknowledged_has_forgotten() {
        let dir = TempDir::new().unwrap();
        noted(&dir, vote(5, 2, true));
        let whole = held(vote(5, 2, true), Some((5, 9)));
        for less in [
            Promises::default(),
            Promises { log: None, ..whole },
            held(vote(5, 2, true), Some((5, 8))),
            held(vote(5, 2, true), Some((4, 20))),
            held(vote(4, 2, true), Some((5, 9))),
            held(vote(5, 1, true), Some((5, 9))),
            held(vote(5, 2, false), Some((5, 9))),
        ] {
            assert_eq!(open(&dir, less).err(), Some(whole), "{less}");
        }
        for enough in [
            whole,
            held(vote(6, 1, false), Some((5, 9))),
            held(vote(6, 1, true), Some((6, 7))),
        ] {
            assert!(open(&dir, enough).is_ok(), "{enough}");
        }
    }

    #[test]
    fn what_no_sync_covered_is_not_noted() {
        let dir = TempDir::new().unwrap();
        noted(&dir, vote(5, 2, true));
        let whole = held(vote(5, 2, true), Some((5, 9)));
        let file = open(&dir, whole).ok().unwrap();
        let due = file.due();
        file.appended(entry(5, 12));
        file.note(&due).unwrap();
        assert!(open(&dir, whole).is_ok());
        file.note(&file.due()).unwrap();
        assert!(open(&dir, whole).is_err());
    }

    #[test]
    fn a_truncated_end_is_not_missed() {
        let dir = TempDir::new().unwrap();
        noted(&dir, vote(5, 2, true));
        let file = open(&dir, held(vote(5, 2, true), Some((5, 9))))
            .ok()
            .unwrap();
        file.appended(entry(5, 12));
        let due = file.due();
        file.truncates(Some(entry(5, 6))).unwrap();
        let short = held(vote(5, 2, true), Some((5, 6)));
        assert!(open(&dir, short).is_ok(), "taken back before it is removed");
        file.note(&due).unwrap();
        assert!(open(&dir, short).is_ok(), "an older note comes too late");
        file.purged(entry(5, 30));
        file.note(&file.due()).unwrap();
        assert!(open(&dir, short).is_err(), "an image reached further");
    }

    #[test]
    fn a_torn_note_leaves_the_one_before_it() {
        let dir = TempDir::new().unwrap();
        noted(&dir, vote(5, 2, true));
        let path = dir.path().join(FILE);
        let mut bytes = fs::read(&path).unwrap();
        // The second note of the file lies in its first sector.
        bytes[3] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(open(&dir, Promises::default()).is_ok());
    }
}
