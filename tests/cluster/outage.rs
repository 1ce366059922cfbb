//! A leader that is cut off, and a member left alone: what is answered, how soon, and with which word.

use std::sync::Arc;
use std::time::Duration;

use aegis_updates::access::principal::Principal;
use aegis_updates::base::ids::NodeName;
use aegis_updates::control::service::{
    Consistency, Denied, MemberAct, Reading, Service, Unavailable,
};
use aegis_updates::control::station::Station;
use aegis_updates::machine::state::Reply;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::support::{Group, client, eventually, token};

/// The write timeout, and what SPEC allows on top of it.
const ANSWERED_WITHIN: Duration = Duration::from_millis(2_500);
/// Clients that write when the quorum goes, and requests that come after.
const CLIENTS: usize = 10;
const REQUESTS: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_others_go_on_when_their_leader_is_cut_off() {
    let group = Group::of(3).await;
    group.all_vote(3).await;
    let old = group.leader();
    let other = (old + 1) % 3;
    group.write_at(old, token("before")).await.unwrap();
    group.cuts.cut(group.members[old].id());
    eventually("a write is accepted again", async || {
        // One whose outcome was not known may have been made, and its like is refused from then on.
        let written = group.write_at(other, token("after")).await.is_ok();
        written || group.has(other, "after")
    })
    .await;
    let late = group.write_at(old, token("at-the-old-leader")).await;
    assert!(matches!(late, Err(Denied::Unavailable(_))), "{late:?}");
    group.cuts.heal();
    eventually(
        "the old leader has what was written without it",
        async || {
            let local = group.station(old).read(Consistency::Local).await.unwrap();
            local.state.tokens.contains_key("after")
        },
    )
    .await;
    let state = group.station(old).read(Consistency::Linearizable).await;
    let tokens = &state.unwrap().state.tokens;
    assert!(tokens.contains_key("before"));
    group.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_alone_answers_every_request_in_time_and_reads_locally() {
    let group = Group::of(3).await;
    group.all_vote(3).await;
    let leader = group.leader();
    a_member_is_left_alone(group, leader).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_alone_answers_every_request_in_time_and_reads_locally() {
    let group = Group::of(3).await;
    group.all_vote(3).await;
    let follower = (group.leader() + 1) % 3;
    a_member_is_left_alone(group, follower).await;
}

/// Clients write at one member without a pause while its network is cut, and many more come after that.
/// Each is a task of its own, as a connection is: requests that share one starve each other.
async fn a_member_is_left_alone(group: Group, alone: usize) {
    let group = Arc::new(group);
    let (cut, is_cut) = watch::channel(false);
    let busy = (0..CLIENTS).map(|client| {
        tokio::spawn(writes_until_cut(
            group.clone(),
            alone,
            client,
            is_cut.clone(),
        ))
    });
    let busy: Vec<_> = busy.collect();
    let last = format!("busy-{}-5", CLIENTS - 1);
    eventually("the clients are well under way", async || {
        group.has(alone, &last)
    })
    .await;
    for at in (0..3).filter(|at| *at != alone) {
        group.cuts.cut(group.members[at].id());
    }
    cut.send_replace(true);

    let after = (0..REQUESTS)
        .map(|number| tokio::spawn(write(group.clone(), alone, format!("after-{number}"), true)));
    let after: Vec<_> = after.collect();
    other_requests(&group, alone).await;
    let mut written = Vec::new();
    for one in after {
        let one = one.await.unwrap();
        assert!(one.answer.is_err(), "written without quorum: {one:?}");
        written.push(one);
    }
    for client in busy {
        written.extend(client.await.unwrap());
    }
    assert!(
        written.len() > REQUESTS && written.iter().any(|one| one.was_in_flight),
        "no request was in flight at the loss"
    );

    let local = group.station(alone).read(Consistency::Local).await.unwrap();
    assert!(local.state.tokens.contains_key("busy-0-0"));
    assert!(local.stale_ms.is_some_and(|age| age >= 1_000), "{local:?}");
    group.cuts.heal();
    let reading = eventually_read(&group, alone).await;
    for one in &written {
        one.check(reading.state.tokens.contains_key(&one.name));
    }
    Arc::into_inner(group)
        .expect("every task has ended")
        .end()
        .await;
}

/// What else may be asked: none of it may wait for a quorum for longer than a write does.
async fn other_requests(group: &Arc<Group>, alone: usize) {
    let other = group.station((alone + 1) % 3).identity().node;
    let mut asked = JoinSet::new();
    let ask = |what: &'static str, of: fn(Arc<Station>, NodeName) -> BoxFuture<'static, ()>| {
        in_time(
            what,
            of(group.members[alone].station.clone(), other.clone()),
        )
    };
    asked.spawn(ask("a linearizable read", |one, _| {
        Box::pin(async move {
            let read = one.read(Consistency::Linearizable).await;
            let lost = read.expect_err("there is no quorum");
            assert!(matches!(
                lost,
                Unavailable::QuorumLost | Unavailable::NoLeader
            ));
        })
    }));
    asked.spawn(ask("a transfer", |one, other| {
        Box::pin(async move {
            let moved = one.transfer_leader(actor(), None, other).await;
            assert!(is_unavailable(&moved), "{moved:?}");
        })
    }));
    asked.spawn(ask("a demotion", |one, other| {
        Box::pin(async move {
            let act = MemberAct::Demote;
            let demoted = one.change_member(actor(), None, other, act).await;
            assert!(is_unavailable(&demoted), "{demoted:?}");
        })
    }));
    // What a leader alone says of waits and hosts is its own view; a follower alone cannot ask.
    asked.spawn(ask("explain", |one, _| {
        Box::pin(async move {
            let lost = one.explain().await.err();
            assert_ne!(lost, Some(Unavailable::OutcomeUnknown));
        })
    }));
    asked.spawn(ask("the hosts", |one, _| {
        Box::pin(async move {
            assert_eq!(one.hosts().await.len(), 3);
        })
    }));
    while let Some(answered) = asked.join_next().await {
        answered.unwrap();
    }
}

fn actor() -> Principal {
    client(token("x")).actor
}

#[derive(Debug)]
struct Write {
    name: String,
    was_in_flight: bool,
    answer: Result<Reply, Denied>,
}

impl Write {
    /// `is_there`: whether the cluster has it, once it is one again.
    fn check(&self, is_there: bool) {
        match &self.answer {
            Ok(_) => assert!(is_there, "acknowledged and lost: {self:?}"),
            Err(Denied::Unavailable(Unavailable::OutcomeUnknown)) => {}
            Err(Denied::Unavailable(Unavailable::QuorumLost | Unavailable::NoLeader)) => {
                assert!(!is_there, "called not written, and there it is: {self:?}");
            }
            Err(other) => panic!("answered with another code: {other:?}"),
        }
    }
}

async fn writes_until_cut(
    group: Arc<Group>,
    at: usize,
    client: usize,
    is_cut: watch::Receiver<bool>,
) -> Vec<Write> {
    let mut written = Vec::new();
    while !*is_cut.borrow() {
        let name = format!("busy-{client}-{}", written.len());
        let mut one = write(group.clone(), at, name, false).await;
        one.was_in_flight = *is_cut.borrow();
        written.push(one);
    }
    written
}

async fn write(group: Arc<Group>, at: usize, name: String, was_in_flight: bool) -> Write {
    let answer = in_time(&name, group.write_at(at, token(&name))).await;
    Write {
        name,
        was_in_flight,
        answer,
    }
}

async fn in_time<T>(what: &str, request: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let answer = request.await;
    let took = began.elapsed();
    assert!(took <= ANSWERED_WITHIN, "{what} took {took:?}");
    answer
}

fn is_unavailable(answer: &Result<Reply, Denied>) -> bool {
    matches!(
        answer,
        Err(Denied::Unavailable(
            Unavailable::QuorumLost | Unavailable::NoLeader | Unavailable::OutcomeUnknown
        ))
    )
}

async fn eventually_read(group: &Group, at: usize) -> Reading {
    let mut reading = None;
    eventually("a linearizable read is answered again", async || {
        reading = group.station(at).read(Consistency::Linearizable).await.ok();
        reading.is_some()
    })
    .await;
    reading.unwrap()
}
