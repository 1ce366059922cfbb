//! Nodes that the leader gives up: a host that answers but not what it was told, a node that stays ill.

use super::table::{Table, name};
use crate::base::digest::Digest;
use crate::base::duration::Millis;
use crate::base::failure::Class;
use crate::base::limits::{BEGIN_WAIT, RECONNECT_GRACE};
use crate::fleet::intent::{Begin, Goal, Which};
use crate::fleet::node::Answered;
use crate::fleet::observation::Answer;
use crate::machine::command::{Command, NodeFailure};
use crate::plans::plan::{Direction, Status as Plan};
use crate::plans::progress::{Status, Step};
use crate::plans::spec::Binary;
use crate::plans::strategy::Deadlines;

/// Whom the leader fails, and as what.
fn failed(table: &Table) -> Option<(String, Class)> {
    match table.decide().proposal {
        Some(Command::FailNode(NodeFailure { node, class, .. })) => Some((node.to_string(), class)),
        _ => None,
    }
}

/// `n2` was taken, and now stands there, its host having been told so.
fn told(status: Status) -> Table {
    let mut table = Table::of(3);
    table.plan().strategy.deadlines = deadlines();
    let taken = table.decide().proposal.expect("a take");
    table.commit(taken);
    let goes_back = matches!(status, Status::RollingBack { .. });
    if goes_back {
        table.turn();
    }
    let target = Binary {
        version: "1.0.0".to_owned(),
        digest: Digest::of(b"old"),
    };
    let intent = table.node(2).intent.as_mut().expect("an intent");
    match status {
        Status::Pending | Status::Staging => {
            intent.goal = Goal::Stage {
                target,
                url: None,
                allow_drift: false,
            }
        }
        Status::RollingBack { .. } => {
            intent.goal = Goal::Rollback {
                target,
                marked: false,
            }
        }
        _ => {}
    }
    table.progress(2).status = status;
    table
}

/// All of them different, and none a sum of others.
fn deadlines() -> Deadlines {
    Deadlines {
        staging: Millis(1_000_001),
        drain_grace: Millis(1_000_010),
        drain: Millis(1_000_100),
        flush: Millis(1_001_000),
        backup: Millis(1_010_000),
        stop: Millis(1_100_000),
        start: Millis(2_000_000),
        restart_retries: 2,
        verify: Millis(3_000_000),
        rejoin: Millis(4_000_000),
        ready_settle: Millis(4_000_001),
        soak: Millis(5_000_000),
        health_grace: Millis(5_000_001),
        ..Deadlines::default()
    }
}

/// The node's present step began so long ago, to the millisecond.
fn wait(table: &mut Table, spent: u64) {
    table.progress(2).since_run_ms = 0;
    table.state.head.clock.run_ms = spent;
}

#[test]
fn a_host_has_its_own_deadline_and_the_time_of_a_reconnection_for_every_step() {
    let of = |step| Status::Updating { step };
    let back = |step| Status::RollingBack { step };
    let cases = [
        (Status::Pending, 1_000_001, Class::StagingFailed),
        (Status::Staging, 1_000_001, Class::StagingFailed),
        (of(None), 2 * BEGIN_WAIT.0, Class::DrainFailed),
        (of(Some(Step::Draining)), 2_000_110, Class::DrainFailed),
        (of(Some(Step::Flushing)), 1_001_000, Class::FlushFailed),
        (of(Some(Step::BackingUp)), 2 * 1_010_000, Class::ApplyFailed),
        (
            of(Some(Step::Swapping)),
            1_010_000 + BEGIN_WAIT.0,
            Class::ApplyFailed,
        ),
        (
            of(Some(Step::Restarting)),
            7_100_000,
            Class::LauncherActivationFailed,
        ),
        (
            of(Some(Step::Verifying)),
            3_000_000,
            Class::HealthGateFailed,
        ),
        (of(Some(Step::Rejoining)), 8_000_001, Class::RejoinFailed),
        (
            of(Some(Step::Soaking)),
            100_000_010,
            Class::HealthGateFailed,
        ),
        (back(Some(Step::Flushing)), 1_001_000, Class::FlushFailed),
    ];
    for (status, deadline, class) in cases {
        let mut table = told(status.clone());
        wait(&mut table, deadline + RECONNECT_GRACE.0);
        assert_eq!(failed(&table), None, "{status:?}");
        wait(&mut table, deadline + RECONNECT_GRACE.0 + 1);
        let wanted = Some(("n2".to_owned(), class));
        assert_eq!(failed(&table), wanted, "{status:?}");
    }
}

#[test]
fn nobody_is_late_who_answered_or_is_silent_or_whose_plan_is_paused() {
    let late = || {
        let mut table = told(Status::Updating {
            step: Some(Step::Verifying),
        });
        wait(&mut table, 3_000_000 + RECONNECT_GRACE.0 + 1);
        table
    };
    assert!(failed(&late()).is_some());
    let mut answered = late();
    answered.node(2).answered = Some(Answered {
        answer: Answer::StoodDown,
        acted: false,
    });
    assert_eq!(failed(&answered), None);
    let mut silent = late();
    silent.silence(2, 1);
    assert_eq!(failed(&silent), None);
    let mut paused = late();
    paused.plan().status = Plan::Paused {
        of: Direction::Forward,
        quorum_lost: false,
    };
    paused.node(2).open = vec![second(&paused)];
    assert_eq!(failed(&paused), None);
}

/// It keeps the node from being put back for the pause.
fn second(table: &Table) -> Begin {
    Begin {
        generation: table.state.node(&name(2)).expect("a node").generation,
        which: Which::Second,
        attempt: 1,
    }
}

#[test]
fn only_a_node_that_is_updated_and_not_taken_back_fails_for_staying_ill() {
    let ill = || {
        let mut table = Table::of(3);
        let grace = table.plan().strategy.deadlines.health_grace;
        table.sicken(2, grace.0 + 1);
        table
    };
    assert_eq!(failed(&ill()), None);
    let mut updated = ill();
    updated.update([2]);
    let wanted = Some(("n2".to_owned(), Class::HealthGateFailed));
    assert_eq!(failed(&updated), wanted);
    updated.turn();
    assert_eq!(failed(&updated), None);
}
