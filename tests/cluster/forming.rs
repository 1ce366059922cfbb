//! Forming, joining, voting, and that any member takes writes and answers reads.

use aegis_updates::control::service::{Consistency, Denied, MemberAct, Service};
use aegis_updates::machine::command::Command;
use aegis_updates::machine::refusal::Refusal;
use aegis_updates::machine::state::Reply;

use super::support::{Group, LATE, client, eventually, token};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_members_vote_and_a_write_at_a_follower_is_read_at_another() {
    let group = Group::of(3).await;
    group.all_vote(3).await;
    let leader = group.leader();
    let (one, other) = ((leader + 1) % 3, (leader + 2) % 3);
    let written = group.write_at(one, token("written-at-a-follower")).await;
    assert!(matches!(written, Ok(Reply::Token { .. })), "{written:?}");
    for at in [leader, one, other] {
        let reading = group.station(at).read(Consistency::Linearizable).await;
        let reading = reading.unwrap();
        assert_eq!(reading.stale_ms, None);
        assert!(reading.state.tokens.contains_key("written-at-a-follower"));
    }
    let journal = group.station(other).journal(None, 1_000).await.unwrap();
    let records: Vec<_> = journal.iter().map(|record| &record.fact).collect();
    assert!(!records.is_empty());
    assert_eq!(
        aegis_updates::journal::record::first_break(
            aegis_updates::machine::state::JournalHead::default().chain,
            &journal
        ),
        None
    );
    group.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_members_are_one_voter_and_leadership_moves_when_asked() {
    let mut group = Group::of(2).await;
    let seen = group.station(0).consensus();
    assert_eq!((seen.voters.len(), seen.learners.len()), (1, 1));
    group.join(3).await;
    group.all_vote(3).await;
    let to = (group.leader() + 1) % 3;
    let name = group.station(to).identity().node;
    let actor = client(token("x")).actor;
    // Asked at a third member, so that the request is carried to the leader.
    let asked = group.station((to + 1) % 3);
    let moved = asked.transfer_leader(actor, None, name).await;
    assert_eq!(moved, Ok(Reply::Done));
    eventually("the asked-for member leads", async || group.leader() == to).await;
    group.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_member_leaves_and_its_name_is_free() {
    let mut group = Group::of(3).await;
    group.all_vote(3).await;
    let gone = (group.leader() + 1) % 3;
    let name = group.station(gone).identity().node;
    let actor = client(token("x")).actor;
    let leader = group.station(group.leader());
    let removed = leader
        .change_member(actor, None, name.clone(), MemberAct::Remove)
        .await;
    assert_eq!(removed, Ok(Reply::Done));
    let state = leader.read(Consistency::Linearizable).await.unwrap().state;
    assert!(!state.nodes.contains_key(&name));
    assert_eq!(state.head.membership.opened, None);
    let old = group.members.remove(gone);
    let old_id = old.id();
    old.end().await;
    let number = old_id.0.try_into().unwrap();
    let new_id = group.join_as(number, "the same name again").await;
    assert!(new_id > old_id, "a member id is never used twice");
    let leader = group.station(group.leader());
    let state = leader.read(Consistency::Linearizable).await.unwrap().state;
    assert_eq!(state.nodes[&name].member, new_id);
    group.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_a_leader_decides_cannot_be_carried() {
    let group = Group::of(3).await;
    group.all_vote(3).await;
    let follower = (group.leader() + 1) % 3;
    let command = Command::CloseMembership { done: true };
    let refused = group.write_at(follower, command).await;
    assert_eq!(refused, Err(Denied::Refused(Refusal::NotTheLeader)));
    group.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demoted_member_stays_a_learner_until_it_is_promoted() {
    let group = Group::of(3).await;
    group.all_vote(3).await;
    let at = (group.leader() + 1) % 3;
    let name = group.station(at).identity().node;
    let member = group.members[at].id();
    let leader = group.station(group.leader());
    let actor = client(token("x")).actor;
    let change = async |act| {
        leader
            .change_member(actor.clone(), None, name.clone(), act)
            .await
    };
    assert_eq!(change(MemberAct::Demote).await, Ok(Reply::Done));
    // Longer than the leader takes to look for learners that could vote.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert!(leader.consensus().learners.contains(&member));
    assert_eq!(change(MemberAct::Promote).await, Ok(Reply::Done));
    assert!(leader.consensus().voters.contains(&member));
    group.end().await;
}

/// A change has two halves, and whoever began it may be gone between them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_is_half_done_is_finished_by_whoever_leads() {
    let group = Group::of(3).await;
    group.all_vote(3).await;
    let leader = group.leader();
    let at = (leader + 1) % 3;
    let member = group.members[at].id();
    let station = group.station(leader);
    let mut change = Box::pin(station.replica().member().demote(member.0, LATE));
    // It is begun, and never looked at again: the second half is not asked for.
    assert!(futures_util::poll!(&mut change).is_pending());
    eventually("the first half is applied", async || {
        station.replica().state().head.membership.joint
    })
    .await;
    drop(change);
    // It then gets its vote back by itself, since no operator's word is in the log.
    group.all_vote(3).await;
    group.end().await;
}
