//! Losses of the databases' quorum that are none, that are not told, and of which nothing comes.

use aegis_updates::base::ids::PlanId;
use aegis_updates::journal::fact::Fact;
use aegis_updates::machine::command::Command;
use aegis_updates::machine::state::State;
use aegis_updates::plans::plan::{Direction, Status};

use super::{evidence, judged, record, take, world};
use crate::invariants::losses::{self, Word};

const SERVES: Word = Word {
    healthy_ago_ms: 500,
    lost_for_ms: None,
};

const fn lost(healthy_ago_ms: u64, lost_for_ms: u64) -> Word {
    Word {
        healthy_ago_ms,
        lost_for_ms: Some(lost_for_ms),
    }
}

/// Three databases of which two must serve, and a grace of six seconds.
#[test]
fn a_loss_told_too_early_or_not_at_all_and_a_take_while_it_lasts() {
    let world = world();
    let mut state = world.oracle.state.clone();
    let told = Command::LoseQuorum {
        plan: PlanId(1),
        lost: Vec::new(),
    };
    let judge = |state: &State, words: [Word; 3], decision: Option<&Command>| {
        losses::decided(state, &words, decision)
    };
    let gone = [SERVES, lost(6_900, 6_001), lost(6_900, 6_001)];
    assert_eq!(judge(&state, gone, Some(&told)), Ok(()));
    assert!(judge(&state, gone, None).is_err(), "it is told");
    for early in [
        [SERVES, SERVES, lost(9_000, 8_000)],
        [SERVES, lost(6_000, 5_500), lost(9_000, 8_000)],
    ] {
        assert!(judge(&state, early, Some(&told)).is_err(), "{early:?}");
        assert_eq!(judge(&state, early, None), Ok(()), "{early:?}");
    }
    let update = take(&world, 2, evidence([true; 3], 0));
    let short = [SERVES, lost(900, 400), lost(900, 400)];
    assert!(judge(&state, short, Some(&update)).is_err());
    assert_eq!(judge(&state, [SERVES; 3], Some(&update)), Ok(()));
    let plan = state.plans.get_mut(&PlanId(1)).unwrap();
    plan.notice_until_run_ms = Some(1);
    assert_eq!(judge(&state, gone, None), Ok(()), "it has been told");
}

#[test]
fn a_loss_without_notice_and_a_notice_without_a_turn() {
    let world = world();
    let told = Command::LoseQuorum {
        plan: PlanId(1),
        lost: Vec::new(),
    };
    let tick = Command::Tick { previous_ms: 0 };
    let fact = record(Fact::QuorumLost {
        plan: PlanId(1),
        cause: "databases do not serve: n1, n2".to_owned(),
    });
    let state = &world.oracle.state;
    let after = |status, notice| {
        let mut state = state.clone();
        let plan = state.plans.get_mut(&PlanId(1)).unwrap();
        (plan.status, plan.notice_until_run_ms) = (status, notice);
        state
    };
    let paused = |quorum_lost| Status::Paused {
        of: Direction::Forward,
        quorum_lost,
    };
    let judge = |command, after: &State, facts: &[_]| {
        judged(losses::judge, command, state, after, facts, 1)
    };
    let facts = [fact];
    let later = Some(u64::MAX);
    for noticed in [after(Status::InProgress, later), after(paused(true), None)] {
        assert_eq!(judge(&told, &noticed, &facts), Ok(()));
    }
    for shrugged in [after(Status::InProgress, None), after(paused(false), None)] {
        assert!(judge(&told, &shrugged, &facts).is_err());
    }
    assert_eq!(judge(&tick, &after(Status::InProgress, later), &[]), Ok(()));
    assert!(judge(&tick, &after(Status::InProgress, Some(0)), &[]).is_err());
}
