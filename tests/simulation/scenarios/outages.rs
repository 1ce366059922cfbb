//! I22 and SPEC §6: voters, or databases, without a quorum, for less than the grace and for more.

use aegis_updates::base::ids::MemberId;
use aegis_updates::base::limits::RUN_STEP_MAX;
use aegis_updates::machine::command::Command;
use aegis_updates::plans::plan::Status;
use aegis_updates::plans::progress::Step;

use super::{PLAN_MS, after_silence, begun, ends, starts, story, three, until_in};
use crate::setting::plain;
use crate::world::World;

/// Freezes two of three daemons in a step of some node, for so long.
fn outage(step: Step, lasts_ms: u64) -> World {
    let mut world = three(2);
    until_in(&mut world, step);
    let until_ms = world.now + lasts_ms;
    for member in [MemberId(1), MemberId(2)] {
        world.freeze_daemon(member, until_ms);
    }
    world
}

#[test]
fn an_outage_below_the_grace_rolls_nothing_back() {
    for step in [Step::Draining, Step::Restarting, Step::Soaking] {
        let mut world = outage(step, 4_000);
        ends(&mut world, &Status::Completed);
        assert_eq!(starts(&world), [2, 2, 2], "{step}\n{}", story(&world));
    }
}

#[test]
fn an_outage_beyond_the_grace_takes_everything_back() {
    let mut world = outage(Step::Soaking, 15_000);
    ends(&mut world, &Status::RolledBack);
    let old = world.setting.old;
    for member in &world.members {
        assert_eq!(member.host.installed, Some(old), "{}", story(&world));
    }
}

/// Found by seed 115550 and four more: across a boot the wall clock told how long nothing had been appended, and one that
/// was set forward told of an outage that never was.
#[test]
fn a_clock_set_forward_across_a_boot_is_no_outage() {
    let mut world = three(2);
    until_in(&mut world, Step::Soaking);
    for member in [MemberId(1), MemberId(2), MemberId(3)] {
        let now_ms = world.now;
        world.power_off(member, now_ms + 1_000);
        world.member_mut(member).set_clock(now_ms, 3_600_000);
    }
    let noticed = world.run_until(PLAN_MS, |world| {
        let live = world.oracle.state.live_plan();
        live.is_none_or(|plan| plan.notice_until_run_ms.is_some())
    });
    assert!(noticed, "{}", story(&world));
    assert!(
        world.oracle.state.live_plan().is_none(),
        "{}",
        story(&world)
    );
}

/// Found on real daemons: a leader that was frozen with the others made an entry as it woke, and lost its term before
/// its next tick could tell how long nothing had been applied.
#[test]
fn a_silence_beyond_the_grace_is_told_by_whatever_entry_comes_after_it() {
    let mut world = three(2);
    until_in(&mut world, Step::Soaking);
    let live = world.oracle.state.clone();
    let grace_ms = world.setting.grace_ms;
    let leader = live.head.term.leader.expect("somebody leads");
    let noticed = |elapsed_ms: u64, opened: bool| {
        let mut state = live.clone();
        state.head.term.opened = opened;
        // The entry itself is refused: a term is opened once.
        let again = Command::OpenTerm { idle_ms: None };
        let refused = after_silence(&mut state, elapsed_ms, leader, again);
        assert_eq!(refused.is_err(), opened);
        state
            .live_plan()
            .and_then(|plan| plan.notice_until_run_ms)
            .is_some()
    };
    assert!(noticed(grace_ms + 1, true), "{}", story(&world));
    assert!(!noticed(grace_ms, true));
    assert!(
        !noticed(grace_ms + 1, false),
        "the opening has a measure of its own"
    );

    ends(&mut world, &Status::Completed);
    let mut over = world.oracle.state.clone();
    let before = over.plans.clone();
    let leader = over.head.term.leader.expect("somebody leads");
    let tick = Command::Tick { previous_ms: 0 };
    assert_eq!(after_silence(&mut over, grace_ms + 1, leader, tick), Ok(()));
    assert_eq!(over.plans, before, "no plan was live");
}

/// Found by seed 1035539: a leader went on stamping what it could not commit, and all of that time was `run` time once it
/// was applied. Then a host was called late whose word had been on its way through the outage.
#[test]
fn run_time_nearly_stands_still_in_an_outage() {
    let mut world = three(2);
    until_in(&mut world, Step::Soaking);
    let leader = world.log.leader.expect("somebody leads");
    let (before_ms, lasts_ms) = (world.oracle.state.run_ms(), 5_000);
    let until_ms = world.now + lasts_ms;
    for member in (1..=3).map(MemberId).filter(|member| *member != leader) {
        world.freeze_daemon(member, until_ms);
    }
    let node = world.member(leader).name.clone();
    let told = world.oracle.state.head.applied + 5;
    while world.now < until_ms {
        world.says("clear-drift", Command::ClearDrift { node: node.clone() });
        world.run_until(500, |_| false);
    }
    let caught_up = world.run_until(2_000, |world| world.oracle.state.head.applied > told);
    assert!(caught_up, "{}", story(&world));
    let passed_ms = world.oracle.state.run_ms() - before_ms;
    let may_ms = RUN_STEP_MAX.0 + 1_000;
    assert!(passed_ms <= may_ms, "{passed_ms} ms\n{}", story(&world));
}

/// Two of four hosts are silent for longer than the grace, and their databases served all the while. These then fail for
/// less than the grace: it was counted from when the hosts fell silent.
#[test]
fn a_loss_of_databases_begins_when_a_look_last_found_them_serving() {
    let mut world = begun(1, plain(4));
    let lives = world.run_until(PLAN_MS, |world| world.oracle.state.live_plan().is_some());
    assert!(lives, "{}", story(&world));
    let silent = [MemberId(3), MemberId(4)];
    let now_ms = world.now;
    for member in silent {
        world.freeze_daemon(member, now_ms + 20_000);
    }
    assert!(!world.run_until(12_000, lost), "{}", story(&world));
    for member in silent {
        let until_ms = world.now + world.setting.grace_ms - 2_000;
        let process = world.member_mut(member).host.process.as_mut();
        process.expect("its database runs").sick_until_ms = until_ms;
    }
    assert!(!world.run_until(12_000, lost), "{}", story(&world));
    ends(&mut world, &Status::Completed);
}

/// A loss is called, and its notice runs.
fn lost(world: &World) -> bool {
    let live = world.oracle.state.live_plan();
    live.is_some_and(|plan| plan.notice_until_run_ms.is_some())
}
