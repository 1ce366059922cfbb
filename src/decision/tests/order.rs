//! Who is next: the unhealthy first, then followers, the leader's node last and only after a handoff.

use super::table::{Table, name};
use crate::base::ids::MemberId;
use crate::base::limits::TAKE_AGE_MAX;
use crate::fleet::intent::{Begin, Which};
use crate::fleet::node::Answered;
use crate::fleet::observation::Answer;
use crate::machine::command::Command;
use crate::plans::progress::Status;
use crate::plans::strategy::Order;

#[test]
fn followers_by_name_then_leadership_moves_before_its_node_is_taken() {
    let mut table = Table::of(3);
    assert_eq!(table.taken().as_deref(), Some("n2"));
    table.update([2]);
    assert_eq!(table.taken().as_deref(), Some("n3"));
    table.update([3]);
    let decision = table.decide();
    assert_eq!(
        (decision.proposal, decision.handoff),
        (None, Some(MemberId(2)))
    );
}

#[test]
fn an_unhealthy_follower_goes_first_and_outranks_its_zone() {
    let mut table = Table::of(5);
    table.plan().strategy.order = Order::Zone;
    for (number, zone) in [(1, "b"), (2, "b"), (3, "a"), (4, "b"), (5, "c")] {
        table.node(number).zone = Some(zone.to_owned());
    }
    assert_eq!(table.taken().as_deref(), Some("n3"));
    table.sicken(5, 0);
    assert_eq!(table.taken().as_deref(), Some("n5"));
}

#[test]
fn a_zone_waits_until_the_one_before_is_done_the_leaders_node_included() {
    let mut table = Table::of(3);
    table.plan().strategy.order = Order::Zone;
    for (number, zone) in [(1, "a"), (2, "a"), (3, "b")] {
        table.node(number).zone = Some(zone.to_owned());
    }
    table.update([2]);
    assert_eq!(table.decide().handoff, Some(MemberId(2)));
    table.progress(1).status = Status::Updating { step: None };
    table.give_slot(1);
    let waits = table.waits();
    assert_eq!(waits.first().map(String::as_str), Some("host_working"));
    assert!(
        waits.contains(&"gate_previous_wave".to_owned()),
        "{waits:?}"
    );
}

#[test]
fn leadership_goes_to_a_voter_that_is_caught_up_and_done_and_holds_no_slot() {
    let last = || {
        let mut table = Table::of(5);
        table.update([2, 3, 4, 5]);
        table
    };
    let mut table = last();
    table.lag(2);
    assert_eq!(table.decide().handoff, Some(MemberId(3)));
    // An unhealthy leader's node is due before the others, so some voters are not done yet.
    let mut table = Table::of(5);
    table.update([3]);
    table.sicken(1, 0);
    assert_eq!(table.decide().handoff, Some(MemberId(3)));
    let mut table = last();
    table.plan().strategy.max_unavailable = 2;
    table.give_slot(2);
    assert_eq!(table.decide().handoff, Some(MemberId(3)));
}

#[test]
fn with_nobody_to_lead_that_is_recorded_and_then_the_leaders_node_is_taken() {
    let mut table = Table::of(3);
    table.update([2, 3]);
    for number in [2, 3] {
        table.plan().strategy.max_unavailable = 3;
        table.plan().strategy.min_available = Some(0);
        table.give_slot(number);
    }
    table.state.head.membership.voters.remove(&MemberId(3));
    let recorded = Command::HandoffFailed {
        target: None,
        reason: "no other voter is caught up and free".to_owned(),
    };
    assert_eq!(table.decide().proposal, Some(recorded));
    let mut table = Table::of(3);
    table.update([2, 3]);
    table.state.head.term.handoff_failed = true;
    assert_eq!(table.taken().as_deref(), Some("n1"));
    let mut alone = Table::of(3);
    alone.update([2, 3]);
    alone
        .state
        .head
        .membership
        .voters
        .retain(|member| *member == MemberId(1));
    assert_eq!(alone.taken().as_deref(), Some("n1"));
}

#[test]
fn back_goes_the_unhealthy_node_then_the_most_recently_changed_and_the_leaders_last() {
    let mut table = Table::of(5);
    table.update([1, 2, 3, 4]);
    table.turn();
    for (number, changed) in [(1, 400), (2, 100), (3, 300), (4, 200)] {
        table.progress(number).since_run_ms = changed;
    }
    assert_eq!(table.taken().as_deref(), Some("n3"));
    table.sicken(2, 0);
    assert_eq!(table.taken().as_deref(), Some("n2"));
    let mut table = Table::of(3);
    table.update([1]);
    table.turn();
    assert!(table.decide().handoff.is_some());
}

#[test]
fn a_node_that_never_began_is_not_taken_back() {
    let mut table = Table::of(3);
    table.update([2, 3]);
    table.progress(3).begun = false;
    table.turn();
    assert_eq!(table.taken().as_deref(), Some("n2"));
    table.progress(2).status = Status::RolledBack;
    assert_eq!(table.decide().proposal, None::<Command>);
    assert!(table.state.nodes.contains_key(&name(3)));
}

#[test]
fn a_take_that_can_no_longer_be_begun_is_made_again_when_its_host_is_heard() {
    let taken = |age_ms: u64| {
        let mut table = Table::of(3);
        let take = table.decide().proposal.expect("a take");
        table.commit(take);
        table.state.head.clock.run_ms += age_ms;
        table
    };
    let (fresh, old) = (TAKE_AGE_MAX.0, TAKE_AGE_MAX.0 + 1);
    assert_eq!(taken(fresh).taken(), None);
    assert_eq!(taken(old).taken().as_deref(), Some("n2"));
    let mut next_term = taken(0);
    next_term.view.term += 1;
    next_term.state.head.term.number += 1;
    assert_eq!(next_term.taken().as_deref(), Some("n2"));
    let mut silent = taken(old);
    silent.silence(2, 1);
    assert_eq!(silent.taken(), None);
    let mut shut = taken(old);
    shut.sicken(3, 0);
    assert_eq!(shut.taken(), None);
    let mut begun = taken(old);
    let generation = begun.node(2).generation;
    begun.node(2).open = vec![Begin {
        generation,
        which: Which::First,
        attempt: 1,
    }];
    assert_eq!(begun.taken(), None);
    let mut answered = taken(old);
    answered.node(2).answered = Some(Answered {
        answer: Answer::StoodDown,
        acted: false,
    });
    assert_eq!(answered.taken(), None);
}

#[test]
fn a_turned_plan_waits_for_an_update_before_its_boundary_and_takes_back_one_past_it() {
    let at_work = |which| {
        let mut table = Table::of(3);
        let take = table.decide().proposal.expect("a take");
        table.commit(take);
        let generation = table.node(2).generation;
        table.node(2).open = vec![Begin {
            generation,
            which,
            attempt: 1,
        }];
        table.progress(2).begun = true;
        table.turn();
        table
    };
    assert_eq!(at_work(Which::Second).taken().as_deref(), Some("n2"));
    let stood_down = at_work(Which::First).decide().proposal;
    assert!(matches!(stood_down, Some(Command::StandDown { .. })));
}

#[test]
fn a_released_node_is_taken_again_once_its_host_is_heard() {
    for (is_heard, taken) in [(false, None), (true, Some("n2"))] {
        let mut table = Table::of(3);
        table.progress(2).status = Status::Updating { step: None };
        if !is_heard {
            table.silence(2, 1_000);
        }
        assert_eq!(table.taken().as_deref(), taken);
    }
}
