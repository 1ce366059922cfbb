//! I22: an outage up to `quorum_loss_grace` rolls nothing back: when the log calls the voters' quorum lost,
//! nothing was committed for about that long a little before.

/// The log counts from an entry's append to its commit; those before it may be committed in between.
const SLACK_MS: u64 = 2_000;
/// A loss is judged by the next entries, after an election or two.
pub const LATELY_MS: u64 = 30_000;

/// Times without a commit: how long, and when they ended.
#[derive(Debug, Default)]
pub struct Silences {
    newest_ms: Option<u64>,
    lately: Vec<(u64, u64)>,
}

impl Silences {
    pub fn commits(&mut self, now_ms: u64) {
        if let Some(newest_ms) = self.newest_ms.replace(now_ms) {
            self.lately.push((now_ms - newest_ms, now_ms));
        }
        self.lately
            .retain(|(_, end_ms)| now_ms - end_ms <= LATELY_MS);
    }

    pub fn called_lost(&self, grace_ms: u64) -> Result<(), String> {
        let longest = self.lately.iter().map(|(gap_ms, _)| *gap_ms).max();
        match longest {
            Some(gap_ms) if gap_ms + SLACK_MS > grace_ms => Ok(()),
            _ => Err(format!(
                "quorum was called lost, and the longest time without a commit was {longest:?} ms of {grace_ms}"
            )),
        }
    }
}

#[test]
fn a_quorum_called_lost_for_nothing_is_caught() {
    let mut silences = Silences::default();
    for now_ms in [0, 1_000, 2_500] {
        silences.commits(now_ms);
    }
    assert!(silences.called_lost(5_000).is_err());
    silences.commits(7_500);
    assert_eq!(silences.called_lost(5_000), Ok(()));
    silences.commits(38_000);
    silences.commits(39_000);
    assert_eq!(silences.called_lost(30_000), Ok(()));
}
