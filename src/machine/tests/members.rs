//! Members that come and go, and the tokens that let them in.

use super::rig::{Log, PLAN, WALL, name};
use crate::access::principal::Role;
use crate::access::token::Grant;
use crate::base::digest::Digest;
use crate::base::ids::MemberId;
use crate::journal::fact::Fact;
use crate::machine::command::{Change, Command, Joiner};
use crate::machine::refusal::Refusal;
use crate::machine::state::Reply;
use crate::plans::strategy::Strategy;

const TTL: u64 = 60_000;

fn create(id: &str, grants: Grant) -> Command {
    Command::CreateToken {
        id: id.to_owned(),
        hash: Digest::of(id.as_bytes()),
        grants,
        ttl_ms: TTL,
    }
}

fn join(token: &str, number: u64, nonce: &str) -> Command {
    Command::Join(Joiner {
        token: Digest::of(token.as_bytes()),
        nonce: Digest::of(nonce.as_bytes()),
        node: name(number),
        address: String::new(),
        api: String::new(),
        peer: String::new(),
        zone: None,
    })
}

/// Three nodes, a join token and a viewer's.
fn open_house() -> Log {
    let mut log = Log::of(3);
    log.state.head.next_member = 4;
    log.order(create("join", Grant::Join)).unwrap();
    log.order(create("view", Grant::Role(Role::Viewer)))
        .unwrap();
    log
}

#[test]
fn a_join_token_lets_one_host_in_which_may_ask_again() {
    let mut log = open_house();
    let joined = log.member_says(4, join("join", 4, "x")).unwrap();
    assert!(matches!(
        joined,
        Reply::Joined {
            member: MemberId(4),
            ..
        }
    ));
    assert_eq!(log.member_says(4, join("join", 4, "x")), Ok(joined));
    for other in [join("join", 5, "x"), join("join", 4, "y")] {
        assert_eq!(log.refuses(4, other), Some(Refusal::BadJoinToken));
    }
}

#[test]
fn only_a_join_token_that_is_valid_and_of_that_secret_lets_a_host_in() {
    let log = open_house();
    let bad = Some(Refusal::BadJoinToken);
    assert_eq!(log.refuses(4, join("view", 4, "x")), bad);
    assert_eq!(log.refuses(4, join("guess", 4, "x")), bad);
    let taken = Refusal::NameTaken { node: name(3) };
    assert_eq!(log.refuses(4, join("join", 3, "x")), Some(taken));
    let mut revoked = log.again();
    let id = "join".to_owned();
    revoked.order(Command::RevokeToken { id }).unwrap();
    assert_eq!(revoked.refuses(4, join("join", 4, "x")), bad);
    let mut late = log.again();
    late.wall_ms = WALL + TTL - 1;
    assert_eq!(late.refuses(4, join("join", 4, "x")), None);
    late.wall_ms += 1;
    assert_eq!(late.refuses(4, join("join", 4, "x")), bad);
}

fn open(change: Change) -> Command {
    Command::OpenMembership { change }
}

fn remove(number: u64, reachable: bool) -> Change {
    let node = name(number);
    Change::Remove { node, reachable }
}

fn demote(number: u64) -> Change {
    Change::Demote { node: name(number) }
}

fn promote(number: u64) -> Change {
    Change::Promote { node: name(number) }
}

#[test]
fn one_change_of_members_at_a_time_is_announced() {
    let mut log = Log::of(3);
    assert_eq!(log.order(open(demote(2))), Ok(Reply::Done));
    let told = "demote n2".to_owned();
    assert_eq!(log.facts, [Fact::MembershipOpened { change: told }]);
    assert_eq!(log.order(open(demote(2))), Ok(Reply::Unchanged));
    let changing = Err(Refusal::MembershipChanging);
    assert_eq!(log.order(open(demote(3))), changing);
    let close = Command::CloseMembership { done: true };
    log.order(close.clone()).unwrap();
    assert_eq!(log.order(close), Err(Refusal::MembershipNotOpen));
}

#[test]
fn members_stay_while_a_node_is_in_hand_but_the_one_that_is_removed_may_be_it() {
    let mut log = Log::rolling(3, Strategy::default());
    log.works(2);
    let held = Some(Refusal::SlotHeld { node: name(2) });
    for change in [demote(3), demote(2), remove(3, false)] {
        assert_eq!(log.refuses(1, open(change)), held);
    }
    assert_eq!(log.refuses(1, open(remove(2, false))), None);
    let busy = Refusal::NodeBusy {
        node: name(2),
        plan: PLAN,
    };
    assert_eq!(log.refuses(1, open(remove(2, true))), Some(busy));
    let idle = Log::of(3);
    assert_eq!(idle.refuses(1, open(remove(2, true))), None);
    log.order(open(remove(2, false))).unwrap();
    log.order(Command::CloseMembership { done: true }).unwrap();
    assert!(!log.state.nodes.contains_key(&name(2)));
    assert!(!log.plan().nodes.contains_key(&name(2)));
}

#[test]
fn voters_are_never_more_than_the_cluster_may_have_and_never_none() {
    let mut log = Log::of(3);
    let settings = |log: &mut Log, voters_max| {
        let cluster = log.state.head.cluster.as_mut().unwrap();
        cluster.settings.voters_max = voters_max;
    };
    settings(&mut log, 4);
    assert_eq!(log.refuses(1, open(promote(2))), None);
    settings(&mut log, 3);
    let full = Refusal::VotersFull { limit: 3 };
    assert_eq!(log.refuses(1, open(promote(2))), Some(full));
    let last = |log: &Log, change| {
        let refused = log.refuses(1, open(change));
        matches!(refused, Some(Refusal::WouldLoseQuorum { .. }))
    };
    for voters in [2, 1] {
        log.state.head.membership.voters = (1..=voters).map(MemberId).collect();
        assert_eq!(last(&log, demote(1)), voters == 1);
        assert_eq!(last(&log, remove(1, false)), voters == 1);
        assert!(!last(&log, demote(3)), "it does not vote");
    }
}

#[test]
fn what_an_operator_made_a_learner_is_remembered_until_it_is_promoted_or_gone() {
    let mut log = Log::of(3);
    let mut change = |change, done| {
        log.order(open(change)).unwrap();
        log.order(Command::CloseMembership { done }).unwrap();
        log.state.head.membership.demoted.len()
    };
    assert_eq!(change(demote(2), false), 0);
    assert_eq!(change(demote(2), true), 1);
    assert_eq!(change(promote(2), true), 0);
    assert_eq!(change(demote(3), true), 1);
    assert_eq!(change(remove(3, false), true), 0);
}
