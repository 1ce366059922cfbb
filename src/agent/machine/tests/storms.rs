//! Many things at once, from a seed: crashes, reboots, lost contact, shut gates, sick binaries, failing acts,
//! generations one after the other. Then it calms down, and the node must come back clean.

use super::rig::{Dies, Rig, new, old, rollback, stage, update};
use crate::agent::machine::{Failure, FailureKind};
use crate::base::digest::Digest;
use crate::fleet::intent::{Goal, Which};
use crate::fleet::observation::Answer;

const ACTS: [&str; 12] = [
    "stage",
    "drain",
    "wait_drained",
    "undrain",
    "flush",
    "back_up",
    "prepare",
    "remove_prepared",
    "swap",
    "stop",
    "start",
    "ask_peers",
];
const KINDS: [FailureKind; 4] = [
    FailureKind::Passing,
    FailureKind::Lasting,
    FailureKind::TimedOut,
    FailureKind::DiskFull,
];

/// Draws from a seed by hashing, so that a run is fixed by its number.
struct Draw {
    seed: u64,
    count: u64,
}

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.count += 1;
        let text = format!("{} {}", self.seed, self.count);
        let bytes = *Digest::of(text.as_bytes()).as_bytes();
        let drawn = u64::from_le_bytes([
            bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7],
        ]);
        usize::try_from(drawn % end as u64).expect("smaller than a usize")
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

fn disturb(rig: &mut Rig, draw: &mut Draw) {
    match draw.below(16) {
        0 => rig.crash(),
        1 => {
            rig.now.boot = Digest::of(&rig.now.ms.to_le_bytes());
            rig.crash();
        }
        2 => rig.contact = !rig.contact,
        3 => rig.grants = [Which::First, Which::Second].into(),
        4 => {
            rig.grants.remove(&draw.of(&[Which::First, Which::Second]));
        }
        5 => {
            rig.sick.insert(draw.of(&[old().digest, new().digest]));
        }
        6 => rig.sick.clear(),
        7 => {
            let act = draw.of(&ACTS);
            rig.dies = Some((act, draw.of(&[Dies::Before, Dies::After])));
        }
        8 | 9 => {
            let (act, kind) = (draw.of(&ACTS), draw.of(&KINDS));
            let times = draw.below(3) + 1;
            let failure = Failure::new(kind, "planned");
            rig.failures
                .extend(std::iter::repeat_n((act, failure), times));
        }
        10 => rig.freeze_ms_before = Some((draw.of(&ACTS), 20_000)),
        11 => rig.unseen = !rig.unseen,
        12 => rig.applied.live = !rig.applied.live,
        13 => rig.running = None,
        _ => {
            let marked = draw.below(2) == 0;
            let goals = [update(), rollback(marked), stage(None), Goal::StandDown];
            rig.intend(goals[draw.below(goals.len())].clone());
        }
    }
}

/// What a leader does in the end: the node goes back, however often that takes.
fn calm(rig: &mut Rig, seed: u64) {
    rig.contact = true;
    rig.unseen = false;
    rig.applied.live = true;
    rig.sick.clear();
    rig.failures.clear();
    rig.dies = None;
    rig.freeze_ms_before = None;
    rig.grants = [Which::First, Which::Second].into();
    for _ in 0..10 {
        rig.pass(1_000);
        let healthy = rig.running.is_some();
        rig.intend(rollback(!healthy));
        if matches!(rig.finish(), Answer::RolledBack { .. }) {
            rig.pass(20_000);
            assert_eq!(rig.running, Some(old().digest), "seed {seed}");
            assert!(rig.host.ledger.outbox.is_empty(), "seed {seed}");
            rig.assert_clean();
            return;
        }
    }
    panic!("seed {seed} did not calm down: {:?}", rig.host);
}

#[test]
fn after_every_storm_the_node_comes_back_clean() {
    let mut updated = 0;
    let mut boundaries = 0;
    for seed in 0..100 {
        let mut rig = Rig::new();
        let mut draw = Draw { seed, count: 0 };
        rig.intend(update());
        for _ in 0..40 {
            let ms = draw.of(&[250, 1_000, 3_000, 12_000]);
            rig.pass(ms);
            disturb(&mut rig, &mut draw);
            let answered = rig.applied.answered.as_ref();
            updated +=
                usize::from(answered.is_some_and(|it| matches!(it.answer, Answer::Updated { .. })));
        }
        boundaries += rig.acts.iter().filter(|act| **act == "swap").count();
        calm(&mut rig, seed);
    }
    assert!(
        updated > 10 && boundaries > 50,
        "the storms leave room for work: {updated} updated, {boundaries} swaps"
    );
}
