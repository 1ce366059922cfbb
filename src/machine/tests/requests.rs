//! What is refused before a plan exists, and again before it starts.

use super::rig::{ALLOWED, Log, PLAN, execute, healthy, new, old, spec};
use crate::base::digest::Digest;
use crate::base::ids::{MemberId, PlanId};
use crate::base::limits::{PENDING_EXPIRY, PENDING_PLANS_MAX, URL_LENGTH_MAX};
use crate::fleet::observation::Database;
use crate::machine::command::{Change, Command};
use crate::machine::refusal::Refusal;
use crate::machine::state::Reply;
use crate::plans::gates::Gate;
use crate::plans::plan::Status;
use crate::plans::spec::Spec;
use crate::plans::strategy::Strategy;

fn asked(log: &Log, spec: Spec) -> Option<Refusal> {
    log.again().order(Command::CreatePlan(spec)).err()
}

fn with(strategy: Strategy) -> Spec {
    spec(strategy)
}

#[test]
fn pending_plans_are_few_and_those_that_expired_do_not_count() {
    let mut log = Log::of(3);
    let create = || Command::CreatePlan(spec(Strategy::default()));
    for _ in 0..PENDING_PLANS_MAX {
        log.order(create()).unwrap();
    }
    let limit = PENDING_PLANS_MAX;
    let full = Refusal::TooManyPending { limit };
    assert_eq!(log.order(create()), Err(full.clone()));
    log.wall_ms += PENDING_EXPIRY.0;
    assert_eq!(log.order(create()), Err(full));
    assert_eq!(log.status(), Status::Pending);
    let mut executed = log.again();
    executed.order(execute()).unwrap();
    log.wall_ms += 1;
    let expired = matches!(log.order(execute()), Err(Refusal::WrongStatus { .. }));
    assert!(expired);
    log.order(create()).unwrap();
    assert_eq!(log.status(), Status::Cancelled);
    let newest = PlanId(PENDING_PLANS_MAX as u64 + 1);
    assert_eq!(log.state.plans[&newest].status, Status::Pending);
}

#[test]
fn a_plan_is_executed_once_and_beside_no_other() {
    let mut log = Log::of(3);
    for _ in 0..2 {
        let create = Command::CreatePlan(spec(Strategy::default()));
        log.order(create).unwrap();
    }
    let given = Some(2);
    let revised = log.again().order(Command::Execute {
        plan: PLAN,
        revision: given,
    });
    assert!(matches!(revised, Err(Refusal::RevisionMismatch { .. })));
    log.order(execute()).unwrap();
    assert_eq!(log.order(execute()), Ok(Reply::Unchanged));
    let second = log.order(Command::Execute {
        plan: PlanId(2),
        revision: None,
    });
    assert_eq!(second, Err(Refusal::PlanLive { plan: PLAN }));
    log.order(Command::Cancel { plan: PLAN }).unwrap();
    assert_eq!(log.status(), Status::Cancelled);
    let again = log.order(execute());
    assert!(matches!(again, Err(Refusal::WrongStatus { .. })));
}

#[test]
fn nothing_starts_during_a_membership_change_or_while_a_slot_is_held() {
    let mut log = Log::of(3);
    log.order(Command::CreatePlan(spec(Strategy::default())))
        .unwrap();
    let red = |log: &mut Log| match log.order(execute()) {
        Err(Refusal::NotReady { red }) => red.iter().map(|red| red.gate).collect(),
        _ => Vec::new(),
    };
    let member = MemberId(9);
    let change = Change::Add { member };
    let mut changing = log.again();
    changing.order(Command::OpenMembership { change }).unwrap();
    assert_eq!(red(&mut changing), [Gate::Membership]);
    let mut rolling = Log::rolling(3, Strategy::default());
    rolling.works(2);
    let slot = rolling.node(2).slot.clone();
    log.node(2).slot = slot;
    assert_eq!(red(&mut log), [Gate::Slot]);
}

#[test]
fn a_release_is_fetched_from_where_the_cluster_allows() {
    let log = Log::of(3);
    let of = |url: String| {
        let mut spec = spec(Strategy::default());
        spec.release.url = url;
        match asked(&log, spec) {
            Some(Refusal::UrlNotAllowed { why, .. }) => Some(why),
            other => {
                assert_eq!(other, None);
                None
            }
        }
    };
    assert!(of("https://b.example/new".to_owned()).is_some());
    let longest = format!("{ALLOWED}{}", "x".repeat(URL_LENGTH_MAX - ALLOWED.len()));
    assert_eq!(of(longest.clone()), None);
    assert_eq!(of(longest + "x").as_deref(), Some("it is too long"));
}

#[test]
fn a_node_that_runs_a_newer_version_or_another_file_is_refused_unless_the_plan_allows_it() {
    let runs = |version: &str| {
        let mut log = Log::of(3);
        log.node(2).database = Database {
            version: Some(version.to_owned()),
            ..healthy(old())
        };
        log
    };
    let ask = |log: &Log, allow_downgrade| {
        let refused = asked(
            log,
            with(Strategy {
                allow_downgrade,
                ..Strategy::default()
            }),
        );
        assert!(matches!(refused, None | Some(Refusal::Downgrade { .. })));
        refused.is_none()
    };
    assert!(ask(&runs("1.0.9"), false) && ask(&runs(&new().version), false));
    assert!(!ask(&runs("1.1.1"), false) && ask(&runs("1.1.1"), true));
    let mut drifted = Log::of(3);
    drifted.node(2).database.installed = Some(Digest::of(b"by hand"));
    let ask = |allow_drift| {
        asked(
            &drifted,
            with(Strategy {
                allow_drift,
                ..Strategy::default()
            }),
        )
    };
    assert!(matches!(ask(false), Some(Refusal::Drift { .. })));
    assert_eq!(ask(true), None);
}

#[test]
fn a_budget_leaves_a_majority_and_its_own_floor_standing() {
    let ask = |nodes, max_unavailable, min_available, allow_downtime| {
        asked(
            &Log::of(nodes),
            with(Strategy {
                max_unavailable,
                min_available,
                allow_downtime,
                ..Strategy::default()
            }),
        )
    };
    let is_unsafe = |refused| matches!(refused, Some(Refusal::QuorumUnsafe { .. }));
    assert_eq!(ask(3, 1, None, false), None);
    assert!(is_unsafe(ask(3, 0, None, false)));
    assert_eq!(ask(3, 1, Some(2), false), None);
    assert!(is_unsafe(ask(3, 1, Some(3), false)));
    // Two of three voters' hosts down are no majority; of two voters there never was one to lose.
    assert!(is_unsafe(ask(3, 2, Some(1), false)));
    assert_eq!(ask(5, 2, None, false), None);
    assert!(is_unsafe(ask(5, 3, Some(2), false)));
    assert_eq!(ask(2, 1, Some(1), false), None);
    assert_eq!(ask(2, 2, Some(1), false), None);
    assert_eq!(ask(1, 1, None, false), Some(Refusal::NoSecondNode));
    assert_eq!(ask(1, 1, None, true), None);
    assert_eq!(ask(3, 1, Some(0), false), Some(Refusal::NoSecondNode));
    assert_eq!(ask(3, 1, Some(0), true), None);
}
