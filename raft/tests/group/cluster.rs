//! Three members over real mutual TLS: writes, losses, handoffs, images, membership.

use std::time::Duration;

use crate::support;
use crate::support::{LATE, SOON, World, agree, eventually, leads, node, put};
use aegis_updates_raft::application::{EntryKind, Payload};
use aegis_updates_raft::member::{
    ImagePolicy, MembershipError, NotAppended, ProposeError, ReadError, TransferError,
};
use aegis_updates_raft::view::Role;
use tokio::time::Instant;

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_was_away_catches_up() {
    let mut world = World::new();
    let mut hosts = world.form(3).await;
    put(&hosts[0], "a", "1").await.unwrap();
    let away = hosts.pop().unwrap();
    away.member.shutdown().await;
    for value in 0..50 {
        put(&hosts[0], "a", &value.to_string()).await.unwrap();
    }
    let back = world.start(3).await;
    agree(&[&hosts[0], &hosts[1], &back]).await;
    assert_eq!(
        back.register.rows().get(b"a".as_slice()),
        Some(&b"=49".to_vec())
    );
    assert!(
        hosts
            .iter()
            .all(|host| host.failures.lock().unwrap().is_empty())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_application_sees_who_led_and_every_kind_of_entry() {
    let mut world = World::new();
    let hosts = world.form(2).await;
    let opening = Payload::opening(b"open=1".to_vec());
    hosts[0].member.propose(opening, SOON).await.unwrap();
    let reply = put(&hosts[0], "a", "1").await.unwrap();
    agree(&[&hosts[0], &hosts[1]]).await;

    let seen = hosts[1].register.0.lock().unwrap().seen.clone();
    let indexes: Vec<u64> = seen.iter().map(|entry| entry.index).collect();
    assert_eq!(indexes, (0..=reply.index).collect::<Vec<_>>());
    let of_term = seen
        .iter()
        .find(|entry| entry.kind == EntryKind::FirstOfTerm)
        .unwrap();
    assert_eq!((of_term.term, of_term.leader), (reply.term, 1));
    assert!(
        seen.iter()
            .any(|entry| entry.kind == EntryKind::Normal { opening: true })
    );
    let voters: Vec<_> = seen
        .iter()
        .filter_map(|entry| match &entry.kind {
            EntryKind::Membership(membership) => Some(membership.voter_ids()),
            _ => None,
        })
        .collect();
    assert_eq!(voters.last().unwrap(), &[1, 2].into());
    let normal = seen.last().unwrap();
    assert_eq!(
        (normal.term, normal.leader, &normal.kind),
        (reply.term, 1, &EntryKind::Normal { opening: false })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn leadership_is_handed_over() {
    let mut world = World::new();
    let hosts = world.form(3).await;
    put(&hosts[0], "a", "1").await.unwrap();
    let before = hosts[0].member.view().term;
    let term = hosts[0].member.transfer_leader(2, SOON).await.unwrap();
    assert!(term > before);
    leads(&hosts[1]).await;
    put(&hosts[1], "a", "2").await.unwrap();

    let refused = put(&hosts[0], "a", "3").await;
    let expected = ProposeError::NotAppended {
        leader_hint: Some(2),
        reason: NotAppended::NotLeader,
    };
    assert_eq!(refused, Err(expected));
    let stale = hosts[1]
        .member
        .propose_in_term(before, support::payload("a", "4"), SOON)
        .await;
    let expected = ProposeError::NotAppended {
        leader_hint: Some(2),
        reason: NotAppended::OtherTerm,
    };
    assert_eq!(stale, Err(expected));
    let again = hosts[0].member.transfer_leader(3, SOON).await;
    assert_eq!(
        again,
        Err(TransferError::NotLeader {
            leader_hint: Some(2)
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn leadership_is_not_handed_to_a_member_that_is_down() {
    let mut world = World::new();
    let mut hosts = world.form(3).await;
    hosts.pop().unwrap().member.shutdown().await;
    put(&hosts[0], "a", "1").await.unwrap();
    let refused = hosts[0]
        .member
        .transfer_leader(3, Duration::from_secs(1))
        .await;
    assert!(
        matches!(refused, Err(TransferError::TargetNotReady(_))),
        "{refused:?}"
    );
    assert_eq!(hosts[0].member.view().role, Role::Leader);
    put(&hosts[0], "a", "2").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_shuts_down_hands_over_first() {
    let mut world = World::new();
    let mut hosts = world.form(3).await;
    put(&hosts[0], "a", "1").await.unwrap();
    let term = hosts[0].member.view().term;
    hosts.remove(0).member.shutdown().await;
    // The handoff is over before the old leader is gone, so nobody had to wait for an election.
    eventually("one of the others leads", || {
        hosts
            .iter()
            .any(|host| host.member.view().role == Role::Leader)
    })
    .await;
    assert_eq!(hosts[0].member.view().term, term + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_are_linearizable_at_any_member() {
    let mut world = World::new();
    let hosts = world.form(3).await;
    for value in 0..20 {
        let reply = put(&hosts[0], "a", &value.to_string()).await.unwrap();
        for host in &hosts {
            let index = host.member.read_index(SOON).await.unwrap();
            assert!(index >= reply.index);
            let found = host.register.rows().get(b"a".as_slice()).cloned();
            assert_eq!(found, Some(format!("={value}").into_bytes()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_quorum_every_answer_comes_in_time_and_says_what_it_knows() {
    let mut world = World::new();
    let mut hosts = world.form(3).await;
    put(&hosts[0], "a", "1").await.unwrap();
    for host in hosts.drain(1..) {
        host.member.shutdown().await;
    }
    let leader = &hosts[0];
    let asked = Instant::now();
    let first = leader
        .member
        .propose(support::payload("a", "2"), Duration::from_secs(2))
        .await;
    assert!(
        asked.elapsed() < Duration::from_millis(2_300),
        "{:?}",
        asked.elapsed()
    );
    let lost = ProposeError::NotAppended {
        leader_hint: None,
        reason: NotAppended::QuorumLost,
    };
    assert!(
        matches!(&first, Err(ProposeError::Unknown)) || first == Err(lost.clone()),
        "{first:?}"
    );

    eventually("the leader's lease ends", || {
        leader
            .member
            .view()
            .quorum_ack_age
            .is_none_or(|age| age > Duration::from_secs(2))
    })
    .await;
    assert_eq!(put(leader, "a", "3").await, Err(lost));
    let read = leader.member.read_index(Duration::from_secs(3)).await;
    assert!(
        matches!(read, Err(ReadError::QuorumLost | ReadError::NoLeader)),
        "{read:?}"
    );
    assert_eq!(
        leader.register.rows().get(b"a".as_slice()),
        Some(&b"=1".to_vec())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_learner_far_behind_gets_an_image_and_survives_a_restart() {
    let mut world = World::new();
    world.images = ImagePolicy {
        entries: 50,
        log_bytes: u64::MAX,
        keep: 16,
    };
    let hosts = world.form(1).await;
    for value in 0..300 {
        put(&hosts[0], &format!("k{}", value % 40), &value.to_string())
            .await
            .unwrap();
    }
    let images = world.store_dir(1).join("images");
    eventually(
        "an image is built and older ones are gone",
        || matches!(support::files_in(&images).as_slice(), [one] if one.ends_with(".image")),
    )
    .await;

    let learner = world.start(2).await;
    hosts[0]
        .member
        .add_learner(2, node(2, &learner.address), LATE)
        .await
        .unwrap();
    agree(&[&hosts[0], &learner]).await;
    let first_seen = learner
        .register
        .0
        .lock()
        .unwrap()
        .seen
        .first()
        .unwrap()
        .index;
    assert!(
        first_seen > 200,
        "it was fed entries from {first_seen} on, not an image"
    );
    let all = |host: &support::Host| {
        host.member
            .journal(&[], &[0xff; 9], usize::MAX, false)
            .unwrap()
    };
    assert_eq!(all(&learner), all(&hosts[0]));
    assert_eq!(all(&learner).len(), 300);

    let rows = learner.register.rows();
    learner.member.shutdown().await;
    let learner = world.start(2).await;
    assert_eq!(learner.register.rows(), rows);
    put(&hosts[0], "k0", "last").await.unwrap();
    agree(&[&hosts[0], &learner]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_restarts_with_what_it_had() {
    let mut world = World::new();
    let mut hosts = world.form(1).await;
    for value in 0..20 {
        put(&hosts[0], &value.to_string(), "x").await.unwrap();
    }
    let before = hosts.pop().unwrap();
    let rows = before.register.rows();
    let applied = before.member.view().last_applied.unwrap();
    before.member.shutdown().await;
    let after = world.start(1).await;
    assert_eq!(after.register.rows(), rows);
    leads(&after).await;
    put(&after, "more", "y").await.unwrap();
    // State and `last_applied` are one batch: nothing is applied a second time.
    let first = after.register.0.lock().unwrap().seen[0].index;
    assert_eq!(first, applied + 1);
    let backwards = after.member.journal(&[], &[0xff; 9], 1, true).unwrap();
    assert_eq!(backwards.first().unwrap().1, b"more=y");
}

#[tokio::test(flavor = "multi_thread")]
async fn membership_changes_one_at_a_time() {
    let mut world = World::new();
    let hosts = world.form(3).await;
    let leader = &hosts[0].member;
    let follower = hosts[1].member.demote(3, SOON).await;
    assert_eq!(
        follower,
        Err(MembershipError::NotLeader {
            leader_hint: Some(1)
        })
    );
    let (first, second) = tokio::join!(leader.demote(3, LATE), leader.demote(2, LATE));
    assert_eq!((first, second), (Ok(()), Err(MembershipError::InProgress)));
    let view = leader.view();
    assert_eq!((view.voters, view.learners), ([1, 2].into(), [3].into()));
    assert!(!view.membership_changing);
    assert!(matches!(
        leader.remove(1, SOON).await,
        Err(MembershipError::Refused(_))
    ));
    leader.promote(3, LATE).await.unwrap();
    assert_eq!(leader.view().voters, [1, 2, 3].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_knows_when_it_appended_what() {
    let mut world = World::new();
    let mut hosts = world.form(1).await;
    let reply = put(&hosts[0], "a", "1").await.unwrap();
    let host = hosts.pop().unwrap();
    let appended = host.member.newest_append_not_opening().unwrap();
    assert_eq!(
        (appended.index, appended.term, appended.opening),
        (reply.index, reply.term, false)
    );
    let opening = host
        .member
        .propose(Payload::opening(b"open=1".to_vec()), SOON)
        .await
        .unwrap();
    let newest = host.member.newest_append().unwrap();
    assert_eq!((newest.index, newest.opening), (opening.index, true));
    assert_eq!(
        host.member.newest_append_not_opening(),
        Some(appended.clone())
    );

    host.member.shutdown().await;
    let again = world.start(1).await;
    // The new term's own empty entry does not count.
    leads(&again).await;
    assert_eq!(again.member.newest_append_not_opening(), Some(appended));
    assert!(again.member.newest_append().unwrap().opening);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_panics_ends_the_member_instead_of_leaving_it_half_alive() {
    let mut world = World::new();
    let hosts = world.form(1).await;
    let died = put(&hosts[0], "panic", "1").await;
    assert!(
        matches!(died, Err(ProposeError::Unknown | ProposeError::Fatal(_))),
        "{died:?}"
    );
    eventually("the fatal hook is called", || {
        !hosts[0].failures.lock().unwrap().is_empty()
    })
    .await;
    let told = hosts[0].failures.lock().unwrap().clone();
    assert!(told[0].contains("panicked"), "{told:?}");
    assert!(put(&hosts[0], "a", "1").await.is_err());
}
