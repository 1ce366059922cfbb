//! What every entry goes through before and after its handler: keys, terms, versions, silence, records.

use super::rig::{Log, PLAN, WALL, execute, name, spec};
use crate::access::principal::{Principal, Role};
use crate::access::token::{Grant, Token};
use crate::base::digest::Digest;
use crate::base::failure::Class;
use crate::base::ids::MemberId;
use crate::base::limits::{
    REASON_LENGTH_MAX, REQUEST_KEY_TTL, REQUEST_KEYS_MAX, RUN_STEP_MAX, TOKENS_MAX,
};
use crate::base::version::Cluster;
use crate::fleet::intent::Which;
use crate::fleet::observation::Database;
use crate::journal::fact::Fact;
use crate::machine::apply::{apply, apply_first_of_term, apply_membership};
use crate::machine::check::{Violation, check};
use crate::machine::command::{Command, NodeFailure, Purpose};
use crate::machine::refusal::Refusal;
use crate::machine::state::{Reply, Request};
use crate::machine::submission::{Position, RequestKey, Submission};
use crate::plans::plan::{Direction, Scope, Status};
use crate::plans::progress;
use crate::plans::strategy::Strategy;

fn operator() -> Principal {
    Principal::Token {
        id: "operator".to_owned(),
        role: Role::Operator,
    }
}

fn create() -> Submission {
    Submission {
        elapsed_ms: 0,
        run_ms: None,
        wall_ms: WALL,
        actor: operator(),
        reason: None,
        request: Some(key("first", b"body")),
        command: Command::CreatePlan(spec(Strategy::default())),
    }
}

fn key(key: &str, body: &[u8]) -> RequestKey {
    RequestKey {
        key: key.to_owned(),
        body: Digest::of(body),
    }
}

fn entered(log: &mut Log, submission: &Submission) -> Result<Reply, Refusal> {
    let position = Position {
        index: log.state.head.applied + 1,
        term: log.term,
        leader: MemberId(1),
    };
    let outcome = apply(&mut log.state, position, submission);
    log.facts = outcome
        .facts
        .into_iter()
        .map(|record| record.fact)
        .collect();
    outcome.result
}

#[test]
fn a_write_that_comes_again_gets_the_same_answer_and_does_nothing() {
    let mut log = Log::of(3);
    let first = entered(&mut log, &create()).unwrap();
    assert_eq!(entered(&mut log, &create()), Ok(first.clone()));
    assert_eq!((log.state.plans.len(), log.facts.len()), (1, 0));
    let mut other = create();
    other.request = Some(key("first", b"another body"));
    let reused = Refusal::KeyReused {
        key: "first".to_owned(),
    };
    assert_eq!(entered(&mut log, &other), Err(reused));
    let mut later = create();
    later.wall_ms = WALL + REQUEST_KEY_TTL.0;
    assert_eq!(entered(&mut log, &later), Ok(first));
    later.wall_ms += 1;
    entered(&mut log, &later).unwrap();
    assert_eq!(log.state.plans.len(), 2, "it was forgotten");
    later.request = Some(key("second", b"body"));
    entered(&mut log, &later).unwrap();
    assert_eq!(log.state.requests.len(), 2);
}

#[test]
fn keys_are_remembered_as_far_as_there_is_room() {
    let mut log = Log::of(3);
    let kept = |number: usize| {
        let key = key(&number.to_string(), b"");
        let kept = Request {
            key: key.clone(),
            wall_ms: WALL,
            result: Ok(Reply::Done),
        };
        ((operator(), key.key), kept)
    };
    log.state.requests = (1..REQUEST_KEYS_MAX).map(kept).collect();
    let mut full = log.again();
    entered(&mut log, &create()).unwrap();
    full.state.requests.extend([kept(0)]);
    let limit = REQUEST_KEYS_MAX;
    let refused = Err(Refusal::RequestTableFull { limit });
    assert_eq!(entered(&mut full, &create()), refused);
}

#[test]
fn tokens_are_as_many_as_there_is_room_for_and_dead_ones_make_some() {
    let token = |number: usize, grants| {
        let token = Token {
            id: number.to_string(),
            hash: Digest::of(b"secret"),
            grants,
            expires_wall_ms: WALL + 1,
            revoked: false,
        };
        (token.id.clone(), token)
    };
    let another = || Command::CreateToken {
        id: "another".to_owned(),
        hash: Digest::of(b"other"),
        grants: Grant::Join,
        ttl_ms: 1,
    };
    let mut log = Log::of(1);
    let viewer = Grant::Role(Role::Viewer);
    log.state.tokens = (1..TOKENS_MAX)
        .map(|number| token(number, viewer))
        .collect();
    log.again().order(another()).unwrap();
    let limit = TOKENS_MAX;
    let full = Err(Refusal::TooManyTokens { limit });
    log.state.tokens.extend([token(0, Grant::Join)]);
    assert_eq!(log.again().order(another()), full);
    let mut revoked = log.again();
    let id = "7".to_owned();
    revoked.order(Command::RevokeToken { id }).unwrap();
    revoked.order(another()).unwrap();
    assert!(!revoked.state.tokens.contains_key("7"));
    assert_eq!(revoked.state.tokens.len(), TOKENS_MAX);
    log.wall_ms = WALL + 1;
    log.order(another()).unwrap();
    assert_eq!(log.state.tokens.len(), TOKENS_MAX, "one died, one came");
}

#[test]
fn nothing_is_admitted_before_its_term_is_open_its_cluster_formed_and_its_version_raised() {
    let mut log = Log::of(3);
    let mut told = create();
    told.reason = Some("x".repeat(REASON_LENGTH_MAX));
    entered(&mut log.again(), &told).unwrap();
    told.reason = Some("x".repeat(REASON_LENGTH_MAX + 1));
    let limit = REASON_LENGTH_MAX;
    let too_long = Err(Refusal::ReasonTooLong { limit });
    assert_eq!(entered(&mut log, &told), too_long);
    let mut old = log.again();
    old.state.head.version = Cluster(0);
    let refused = entered(&mut old, &create());
    assert!(matches!(refused, Err(Refusal::ClusterVersion { .. })));
    log.state.head.version = Cluster(2);
    entered(&mut log.again(), &create()).unwrap();
    log.term += 1;
    assert_eq!(entered(&mut log, &create()), Err(Refusal::TermNotOpen));
    log.lead(Command::OpenTerm { idle_ms: None });
    log.state.head.cluster = None;
    assert_eq!(entered(&mut log, &create()), Err(Refusal::NotFormed));
}

#[test]
fn a_term_is_entered_with_its_leader_by_whatever_entry_comes_first() {
    let mut log = Log::of(3);
    let position = |index, term, leader| Position {
        index,
        term,
        leader: MemberId(leader),
    };
    apply_first_of_term(&mut log.state, position(40, 8, 2));
    let term = log.state.head.term.clone();
    assert_eq!(
        (term.number, term.leader, term.opened),
        (8, Some(MemberId(2)), false)
    );
    assert_eq!(log.state.head.applied, 40);
    let members = [1, 2].map(MemberId);
    let mut change = |index, joint| {
        let at = position(index, 9, 3);
        apply_membership(&mut log.state, at, &members, &members, joint).len()
    };
    assert_eq!((change(41, true), change(42, false)), (0, 1));
    assert_eq!(log.state.head.term.leader, Some(MemberId(3)));
    assert_eq!(log.state.head.journal.last_index, 42);
}

#[test]
fn every_record_is_counted() {
    let mut log = Log::of(3);
    let before = log.state.head.journal.count;
    entered(&mut log, &create()).unwrap();
    assert_eq!(log.state.head.journal.count, before + 1);
    log.order(execute()).unwrap();
    let recorded = log.facts.len() as u64;
    assert_eq!(log.state.head.journal.count, before + 1 + recorded);
}

/// An entry that waited with others says what is left of their one step.
#[test]
fn run_advances_by_what_the_entry_says_and_one_step_at_most() {
    let passed = |elapsed_ms, run_ms| {
        let mut log = Log::of(1);
        let before_ms = log.state.run_ms();
        let told = Submission {
            elapsed_ms,
            run_ms,
            ..create()
        };
        let _ = entered(&mut log, &told);
        log.state.run_ms() - before_ms
    };
    assert_eq!(passed(900, None), 900);
    assert_eq!(passed(60_000, None), RUN_STEP_MAX.0);
    assert_eq!(passed(900, Some(300)), 300);
    assert_eq!(passed(900, Some(0)), 0);
    assert_eq!(passed(60_000, Some(60_000)), RUN_STEP_MAX.0);
}

/// A leader that applied nothing for a minute, though entries were due each second, lost its quorum.
#[test]
fn silence_is_a_loss_only_while_ticks_were_due() {
    let after = |mut log: Log| {
        let tick = Submission {
            elapsed_ms: 60_000,
            actor: Principal::Member {
                member: MemberId(1),
            },
            request: None,
            command: Command::Tick { previous_ms: 1 },
            ..create()
        };
        entered(&mut log, &tick).unwrap();
        let remembered = matches!(
            log.status(),
            Status::Paused {
                quorum_lost: true,
                ..
            }
        );
        remembered || log.plan().notice_until_run_ms.is_some()
    };
    let paused = |works: bool| {
        let mut log = Log::rolling(3, Strategy::default());
        if works {
            log.works(2);
        }
        log.order(Command::Pause { plan: PLAN }).unwrap();
        log
    };
    assert!(after(Log::rolling(3, Strategy::default())));
    assert!(!after(paused(false)));
    assert!(after(paused(true)));
}

#[test]
fn an_impossible_state_pauses_its_plan_and_is_told() {
    let mut log = Log::rolling(3, Strategy::default());
    log.progress(2).rollback_target = None;
    let take = log.take(2, Purpose::Update, &[]);
    let refused = log.member_says(1, take);
    assert!(matches!(refused, Err(Refusal::Internal { .. })));
    assert!(matches!(log.status(), Status::Paused { .. }));
    assert!(matches!(
        log.facts[..],
        [Fact::Alarm { .. }, Fact::PlanStatus { .. }]
    ));
}

#[test]
fn what_must_hold_of_a_state_is_noticed_where_it_does_not() {
    let taken = || {
        let mut log = Log::rolling(3, Strategy::default());
        log.lead(log.take(2, Purpose::Update, &[]));
        log
    };
    let node = || name(2);
    let spoiled = |spoil: &dyn Fn(&mut Log)| {
        let mut log = taken();
        spoil(&mut log);
        check(&log.state)
    };
    assert_eq!(spoiled(&|_| {}), []);
    let apart = spoiled(&|log| log.node(2).generation.number += 1);
    assert_eq!(apart, [Violation::GenerationApart { node: node() }]);
    let without_slot = spoiled(&|log| log.node(2).slot = None);
    assert_eq!(without_slot, [Violation::TakeWithoutSlot { node: node() }]);
    let begun = spoiled(&|log| log.begin(2, Which::First).map(drop).unwrap());
    assert_eq!(begun, []);
    let nowhere = spoiled(&|log| {
        log.begin(2, Which::First).unwrap();
        log.node(2).open[0].generation.number += 1;
    });
    assert_eq!(nowhere, [Violation::BeginFromNowhere { node: node() }]);
    let over = spoiled(&|log| {
        let slot = log.node(2).slot.clone();
        log.node(3).slot = slot;
    });
    let (held, allowed) = (2, 1);
    assert_eq!(over, [Violation::OverBudget { held, allowed }]);
    let no_turn = Violation::PausedBackWithoutTurn { plan: PLAN };
    assert_eq!(
        spoiled(&|log| log.plan().status = Status::RollingBack),
        [no_turn]
    );
    let (of, quorum_lost) = (Direction::Forward, false);
    let paused = Status::Paused { of, quorum_lost };
    assert_eq!(spoiled(&|log| log.plan().status = paused.clone()), []);
    let mixed = spoiled(&|log| log.plan().status = Status::Completed);
    assert_eq!(mixed.len(), 3, "none is updated");
    let done = spoiled(&|log| {
        log.plan().status = Status::Completed;
        for number in 1..=3 {
            log.progress(number).status = progress::Status::Updated;
        }
    });
    assert_eq!(done, []);
}

#[test]
fn a_change_of_status_is_recorded_with_its_reason() {
    let mut log = Log::rolling(3, Strategy::default());
    let (plan, node) = (PLAN, name(2));
    log.order(Command::Pause { plan }).unwrap();
    let told = |log: &Log| match &log.facts[..] {
        [Fact::PlanStatus { from, to, .. }] => Some((from.clone(), to.clone())),
        _ => None,
    };
    let change = ("InProgress".to_owned(), "Paused".to_owned());
    assert_eq!(told(&log), Some(change));
    log.order(Command::SkipNode { plan, node }).unwrap();
    let reasons = |log: &Log| -> Vec<Option<String>> {
        let reason = |fact: &Fact| match fact {
            Fact::NodeStatus { detail, .. } => Some(detail.clone()),
            _ => None,
        };
        log.facts.iter().filter_map(reason).collect()
    };
    assert_eq!(reasons(&log), [Some("skipped by an operator".to_owned())]);
}

/// The rollback's deadline counts from the failure that began it.
#[test]
fn a_node_that_is_being_taken_back_turns_its_plan_once() {
    let mut log = Log::rolling(3, Strategy::default());
    log.update(2);
    let class = Class::HealthGateFailed;
    log.lead(Command::FailNode(NodeFailure {
        plan: PLAN,
        node: name(2),
        after: log.generation(2),
        class,
        detail: "it stayed ill".to_owned(),
        seen_run_ms: None,
    }));
    let failed = |fact: &Fact| matches!(fact, Fact::NodeStatus { class: Some(of), detail: Some(_), .. } if *of == class);
    assert!(log.facts.iter().any(failed));
    assert_eq!(log.scope(), Some(Scope::Nodes([name(2)].into())));
    log.node(2).database = Database {
        healthy: false,
        ..log.node(2).database.clone()
    };
    log.state.head.clock.run_ms += 5_000;
    log.lead(Command::Tick { previous_ms: 1 });
    assert_eq!(
        log.plan().turn.as_ref().map(|turn| turn.since_run_ms),
        Some(0)
    );
}
