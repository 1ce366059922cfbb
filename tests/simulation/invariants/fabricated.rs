//! Bad records by hand, and the checker that must refuse each. A checker that cannot fail proves nothing.

#[path = "fabricated/begins.rs"]
mod begins;
#[path = "fabricated/losses.rs"]
mod losses;

use aegis_updates::base::digest::Digest;
use aegis_updates::base::ids::{Generation, MemberId, NodeName, PlanId};
use aegis_updates::decision::waiting::Wait;
use aegis_updates::fleet::intent::{Begin, Evidence, Goal, Intent, Taken, Which};
use aegis_updates::fleet::node::Slot;
use aegis_updates::fleet::observation::Database;
use aegis_updates::fleet::view::Heard;
use aegis_updates::journal::fact::Fact;
use aegis_updates::journal::record::Record;
use aegis_updates::machine::command::{Command, Purpose, Take};
use aegis_updates::machine::state::{Reply, State};
use aegis_updates::machine::submission::Position;
use aegis_updates::plans::gates::{Gate, Red};
use aegis_updates::plans::plan::Status;
use aegis_updates::plans::progress;
use aegis_updates::plans::spec::Binary;

use crate::invariants::{i01, i02, i03, i04, i10, i11, i22};
use crate::oracle::{Step, Times};
use crate::random::Random;
use crate::setting::plain;
use crate::world::World;
use crate::world::truth::Truth;

/// A formed cluster of three with a live plan, all nodes staged.
fn world() -> World {
    let mut world = World::new(1, plain(3), false);
    world.form();
    let staged = world.run_until(60_000, |world| {
        let live = world.oracle.state.live_plan();
        live.is_some_and(|plan| plan.all_staged())
    });
    assert!(staged, "{:?}", world.oracle.violation());
    world
}

fn name(number: usize) -> NodeName {
    format!("n{number}").parse().unwrap()
}

fn evidence(healthy: [bool; 3], age_ms: u64) -> Vec<Evidence> {
    let one = |(number, healthy): (usize, bool)| Evidence {
        node: name(number + 1),
        healthy,
        age_ms,
    };
    healthy.into_iter().enumerate().map(one).collect()
}

fn take(world: &World, node: usize, evidence: Vec<Evidence>) -> Command {
    let plan = world.oracle.state.live_plan().unwrap();
    Command::Take(Take {
        plan: plan.id,
        revision: plan.revision,
        node: name(node),
        after: Generation::default(),
        purpose: Purpose::Update,
        evidence,
    })
}

fn judged(
    judge: impl Fn(&Step<'_>) -> Result<(), String>,
    command: &Command,
    before: &State,
    after: &State,
    facts: &[Record],
    leader: u64,
) -> Result<(), String> {
    let times = Times {
        appended_ms: 9_000,
        wall_bound_ms: after.head.clock.wall_ms,
        ..Times::default()
    };
    judge(&Step {
        now_ms: 10_000_000,
        position: Position {
            index: 99,
            term: before.head.term.number,
            leader: MemberId(leader),
        },
        appended_ms: 10_000_000,
        command,
        before: Some(before),
        after,
        result: &Ok(Reply::Done),
        facts,
        times: &times,
    })
}

fn record(fact: Fact) -> Record {
    Record {
        index: 99,
        ordinal: 0,
        term: 1,
        run_ms: 0,
        wall_ms: 0,
        actor: String::new(),
        reason: None,
        fact,
        chain: Digest::of(b""),
    }
}

#[test]
fn i1_a_take_on_too_little_or_too_old_evidence() {
    let world = world();
    let state = &world.oracle.state;
    let bad = |evidence| judged(i01::judge, &take(&world, 2, evidence), state, state, &[], 1);
    assert_eq!(bad(evidence([true, true, true], 3_000)), Ok(()));
    assert!(bad(evidence([true, true, true], 3_001)).is_err());
    assert!(bad(evidence([false, true, true], 0)).is_err());
    let mut over = state.clone();
    for number in [1, 3] {
        let slot = Slot {
            plan: PlanId(1),
            was_healthy: true,
            ran: None,
            since_run_ms: 0,
        };
        over.nodes.get_mut(&name(number)).unwrap().slot = Some(slot);
    }
    assert!(
        judged(
            i01::judge,
            &take(&world, 2, evidence([true; 3], 0)),
            state,
            &over,
            &[],
            1
        )
        .is_err()
    );
}

#[test]
fn i2_two_nodes_down_by_plan() {
    let mut world = world();
    let mut truth = Truth::default();
    for number in [1, 2] {
        let id = MemberId(number);
        world.member_mut(id).host.ready = false;
        truth.looked(id, true);
        truth.traffic(id, &world.members, world.now, true);
        assert_eq!(i02::judge(&truth, 1).is_err(), number == 2);
    }
}

#[test]
fn i3_another_node_unhealthy_or_unknown_or_too_few_voters() {
    let world = world();
    let state = &world.oracle.state;
    let bad = |evidence| judged(i03::judge, &take(&world, 2, evidence), state, state, &[], 1);
    assert_eq!(bad(evidence([true, true, true], 0)), Ok(()));
    assert!(bad(evidence([true, true, false], 0)).is_err());
    let mut unknown = evidence([true, true, true], 0);
    unknown.pop();
    assert!(bad(unknown).is_err());
    assert_eq!(i03::voters_stay(2, 3), Ok(()));
    assert!(i03::voters_stay(1, 3).is_err());
}

#[test]
fn i4_the_leaders_node_first_and_a_begin_of_another_term() {
    let world = world();
    let state = &world.oracle.state;
    let of = |node| {
        judged(
            i04::judge,
            &take(&world, node, Vec::new()),
            state,
            state,
            &[],
            1,
        )
    };
    assert_eq!(of(2), Ok(()));
    assert!(of(1).is_err());
    let begun_in = |term| {
        let mut before = state.clone();
        let node = before.nodes.get_mut(&name(2)).unwrap();
        let binary = Binary {
            version: "1.0.0".to_owned(),
            digest: Digest::of(b""),
        };
        node.intent = Some(Intent {
            generation: node.generation,
            plan: PlanId(1),
            goal: Goal::Rollback {
                target: binary,
                marked: false,
            },
            deadlines: Default::default(),
            taken: Some(Taken {
                term,
                run_ms: 0,
                was_healthy: true,
                evidence: Vec::new(),
            }),
        });
        let begin = Begin {
            generation: node.generation,
            which: Which::First,
            attempt: 1,
        };
        let command = Command::Begin {
            node: name(2),
            begin,
        };
        judged(i04::judge, &command, &before, state, &[], 1)
    };
    let term = state.head.term.number;
    assert_eq!(begun_in(term), Ok(()));
    assert!(begun_in(term - 1).is_err());
}

#[test]
fn i10_completed_with_another_version_and_rolled_back_with_the_new_binary() {
    let world = world();
    let mut state = world.oracle.state.clone();
    let plan = state.plans.get_mut(&PlanId(1)).unwrap();
    plan.status = Status::Completed;
    for node in plan.nodes.values_mut() {
        node.status = progress::Status::Updated;
        node.begun = true;
    }
    let target = plan.target_of(&name(1)).unwrap();
    let runs = |version: &str| Database {
        digest: Some(target.digest),
        installed: None,
        version: Some(version.to_owned()),
        healthy: true,
        drained: false,
    };
    let judge = |state: &State| i10::ended_truly(state, state.plan(PlanId(1)).unwrap());
    for node in state.nodes.values_mut() {
        node.database = runs(&target.version);
    }
    assert_eq!(judge(&state), Ok(()));
    state.nodes.get_mut(&name(2)).unwrap().database = runs("0.0.1");
    assert!(judge(&state).is_err());
    let really = |installed, says: &str| {
        let runs = i10::Runs {
            installed,
            says: Some(says.to_owned()),
        };
        i10::really(
            state.plan(PlanId(1)).unwrap(),
            "n1",
            &runs,
            target.digest,
            &target.version,
        )
    };
    assert_eq!(really(Some(target.digest), &target.version), Ok(()));
    assert!(really(Some(target.digest), "0.0.1").is_err());
    assert!(really(None, &target.version).is_err());
    state.plans.get_mut(&PlanId(1)).unwrap().status = Status::RolledBack;
    assert!(judge(&state).is_err());
}

#[test]
fn i11_a_plan_that_moves_for_ever_and_a_node_left_drained() {
    let mut world = world();
    assert!(i11::unrest(&world).is_some(), "a live plan is no rest");
    let plan = world.oracle.state.plans.get_mut(&PlanId(1)).unwrap();
    plan.status = Status::Completed;
    world.run_until(2_000, |_| false);
    for member in &mut world.members {
        (member.host.ready, member.host.drained) = (true, false);
    }
    assert_eq!(
        world
            .members
            .iter()
            .find_map(|member| i11::left_out(member, world.now)),
        None
    );
    world.members[2].host.drained = true;
    assert!(i11::left_out(&world.members[2], world.now).is_some());
    assert!(i11::overdue("rollback_deadline passed; not rolled back: n1", true).is_err());
}

#[test]
fn i22_a_begin_without_quorum_and_a_loss_that_was_none() {
    assert_eq!(i22::quorum_behind(1_000), Ok(()));
    assert!(i22::quorum_behind(1_001).is_err());
    let world = world();
    let state = &world.oracle.state;
    let lost = record(Fact::QuorumLost {
        plan: PlanId(1),
        cause: "voters had no quorum".to_owned(),
    });
    let command = Command::Tick { previous_ms: 0 };
    let at = |appended_ms| {
        let times = Times {
            appended_ms,
            wall_bound_ms: state.head.clock.wall_ms,
            ..Times::default()
        };
        i22::judge(&Step {
            now_ms: 100_000,
            position: Position {
                index: 99,
                term: 1,
                leader: MemberId(1),
            },
            appended_ms: 100_000,
            command: &command,
            before: None,
            after: state,
            result: &Ok(Reply::Done),
            facts: std::slice::from_ref(&lost),
            times: &times,
        })
    };
    assert_eq!(at(80_000), Ok(()));
    assert!(at(99_000).is_err());
    let mut fast = state.clone();
    fast.head.clock.run_ms = u64::MAX;
    assert!(judged(i22::judge, &command, state, &fast, &[], 1).is_err());
    assert_eq!(i22::wall_is_a_majoritys(5_000, 5_000), Ok(()));
    assert!(i22::wall_is_a_majoritys(5_001, 5_000).is_err());
}

#[test]
fn chance_is_the_seed_and_nothing_else() {
    let draw = |seed| {
        let mut random = Random::new(seed);
        [
            random.next(),
            random.between(3, 9),
            u64::from(random.percent(50)),
            random.split().next(),
        ]
    };
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
}

#[test]
fn i11_a_sick_node_whose_way_back_waits_for_a_slot() {
    let mut world = world();
    let plan = world.oracle.state.plans.get_mut(&PlanId(1)).unwrap();
    plan.status = Status::RollingBack;
    let mut view = world.view(MemberId(1));
    let red = Red::new(Gate::Slot, "in hand: n1");
    let waits = [Wait::gate(&name(2), &red)];
    let state = &world.oracle.state;
    assert_eq!(
        i11::waits_for_a_slot(state, &view, &waits),
        Ok(()),
        "it is healthy"
    );
    let host = view.hosts.get_mut(&name(2)).unwrap();
    let Heard::Heard { sample, .. } = &mut host.heard else {
        panic!("it was heard");
    };
    sample.healthy = false;
    assert!(i11::waits_for_a_slot(state, &view, &waits).is_err());
    assert_eq!(i11::waits_for_a_slot(state, &view, &[]), Ok(()));
}
