//! Who reaches what on the member listener, and a network that is cut in every way.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support;
use crate::support::{
    CLUSTER, Host, LATE, Register, SOON, TIMING, World, agree, eventually, leads, now, put,
};
use aegis_updates_raft::fatal::Fatal;
use aegis_updates_raft::member::{Member, NotAppended, Peers, ProposeError, Settings};
use aegis_updates_raft::network::{
    Faults, JOIN, Kind, PeerClient, PeerError, Verdict, ask_to_join,
};
use aegis_updates_raft::pki::{Authority, Credentials, fingerprint};
use aegis_updates_raft::store::{Identity, Presence, Store};
use aegis_updates_raft::view::Role;
use http::{Request, StatusCode};
use hyper::body::Bytes;
use serde::Serialize;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// A member with credentials of the test's choice that knows where member 1 of another group listens.
struct Stranger {
    member: Member,
    _dir: TempDir,
}

async fn stranger(id: u64, cluster: &str, credentials: Credentials, target: &Host) -> Stranger {
    let dir = TempDir::new().unwrap();
    let identity = Identity {
        cluster: cluster.to_owned(),
        member: id,
        incarnation: 1,
    };
    let store = Store::open(dir.path(), identity, Presence::MayBeNew, Fatal::new(|_| {})).unwrap();
    let peers = Peers {
        listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
        credentials,
        handler: Arc::new(|_, _| unreachable!("nobody asks a stranger")),
        joining: Arc::new(|_| false),
        anonymous_join: false,
        addresses: [(1, target.address.clone())].into(),
        faults: None,
    };
    let settings = Settings {
        timing: TIMING,
        images: Default::default(),
    };
    let member = Member::start(settings, store, Register::default(), peers)
        .await
        .unwrap();
    Stranger { member, _dir: dir }
}

fn get(path: &str) -> Request<Bytes> {
    Request::get(path).body(Bytes::new()).unwrap()
}

async fn ask(client: &PeerClient, path: &str) -> Result<(StatusCode, String), PeerError> {
    let answer = client.request(1, get(path), SOON).await?;
    Ok((
        answer.status(),
        String::from_utf8(answer.body().to_vec()).unwrap(),
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn members_reach_the_products_routes_of_each_other() {
    let mut world = World::new();
    let hosts = world.form(2).await;
    let answer = ask(&hosts[1].member.peer_client(), "/health")
        .await
        .unwrap();
    assert_eq!(
        answer,
        (StatusCode::OK, "1 heard /health from member 2".to_owned())
    );
    let nowhere = hosts[1]
        .member
        .peer_client()
        .request(9, get("/health"), SOON)
        .await;
    assert_eq!(nowhere.unwrap_err(), PeerError::Unknown(9));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_ca_is_refused() {
    let mut world = World::new();
    let hosts = world.form(1).await;
    let other = Authority::create(CLUSTER, now()).unwrap();
    // It would trust us; it is our listener that must refuse.
    let trusting = Credentials {
        authority_pem: world.authority.certificate_pem().to_owned(),
        ..support::credentials(&other, CLUSTER, 2)
    };
    let stranger = stranger(2, CLUSTER, trusting, &hosts[0]).await;
    let refused = ask(&stranger.member.peer_client(), "/health").await;
    assert!(refused.is_err(), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_names_another_cluster_is_refused() {
    let mut world = World::new();
    let hosts = world.form(1).await;
    let credentials = world.credentials("rock", 2);
    let stranger = stranger(2, CLUSTER, credentials, &hosts[0]).await;
    let refused = ask(&stranger.member.peer_client(), "/health").await;
    assert!(refused.is_err(), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_with_the_name_of_another_member_is_not_spoken_to() {
    let mut world = World::new();
    let hosts = world.form(2).await;
    let credentials = world.credentials(CLUSTER, 3);
    let stranger = stranger(3, CLUSTER, credentials, &hosts[1]).await;
    let refused = ask(&stranger.member.peer_client(), "/health")
        .await
        .unwrap_err();
    let PeerError::NotSent { reason, .. } = &refused else {
        panic!("{refused:?}")
    };
    assert!(
        reason.contains("is member 2 of cluster paper, not member 1"),
        "{reason}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_member_is_refused_everywhere() {
    let mut world = World::new();
    let hosts = world.form(3).await;
    // Two of three suffice for its promotion: it may not know anybody's address yet.
    agree(&[&hosts[0], &hosts[2]]).await;
    let removed = hosts[2].member.peer_client();
    assert_eq!(ask(&removed, "/health").await.unwrap().0, StatusCode::OK);
    hosts[0].member.remove(3, LATE).await.unwrap();
    for path in ["/health", "/raft/v1/vote", JOIN] {
        assert_eq!(
            ask(&removed, path).await.unwrap().0,
            StatusCode::FORBIDDEN,
            "{path}"
        );
    }
    put(&hosts[0], "a", "1").await.unwrap();
    agree(&[&hosts[0], &hosts[1]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certified_member_that_is_not_admitted_yet_reaches_only_join() {
    let mut world = World::new();
    let hosts = world.form(1).await;
    let credentials = world.credentials(CLUSTER, 7);
    let newcomer = stranger(7, CLUSTER, credentials, &hosts[0]).await;
    let client = newcomer.member.peer_client();
    assert_eq!(ask(&client, JOIN).await.unwrap().0, StatusCode::OK);
    assert_eq!(
        ask(&client, "/health").await.unwrap().0,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_may_not_speak_for_another() {
    #[derive(Serialize)]
    struct Ballot {
        term: u64,
        node: u64,
        committed: bool,
    }
    #[derive(Serialize)]
    struct Ask {
        ballot: Ballot,
        last: Option<u64>,
        leadership_transfer: bool,
    }
    let mut world = World::new();
    let hosts = world.form(3).await;
    let term = hosts[0].member.view().term;
    let ballot = Ballot {
        term: term + 10,
        node: 3,
        committed: false,
    };
    let forged = rmp_serde::to_vec_named(&Ask {
        ballot,
        last: None,
        leadership_transfer: true,
    })
    .unwrap();
    let request = Request::post("/raft/v1/vote")
        .body(Bytes::from(forged))
        .unwrap();
    let answer = hosts[1]
        .member
        .peer_client()
        .request(1, request, SOON)
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let malformed = Request::post("/raft/v1/vote")
        .body(Bytes::from_static(b"?"))
        .unwrap();
    let answer = hosts[1]
        .member
        .peer_client()
        .request(1, malformed, SOON)
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(hosts[0].member.view().term, term);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_with_the_token_may_ask_to_join_and_nothing_else() {
    let mut world = World::new();
    let hosts = world.form(1).await;
    let address = &hosts[0].address;
    let ours = fingerprint(world.authority.certificate_pem()).unwrap();
    let answer = ask_to_join(address, ours, get(JOIN), SOON).await.unwrap();
    assert_eq!(
        answer.body(),
        "1 heard /join from a peer without certificate"
    );
    for path in ["/health", "/raft/v1/append"] {
        let answer = ask_to_join(address, ours, get(path), SOON).await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
    }
    let other = Authority::create(CLUSTER, now()).unwrap();
    let theirs = fingerprint(other.certificate_pem()).unwrap();
    assert!(ask_to_join(address, theirs, get(JOIN), SOON).await.is_err());
}

/// A network that can be cut while it is used.
#[derive(Default)]
struct Cut {
    rule: Mutex<Option<Rule>>,
    asked: Mutex<Vec<(u64, Kind)>>,
}

type Rule = fn(u64, u64, Kind) -> Verdict;

impl Cut {
    fn set(&self, rule: Option<Rule>) {
        *self.rule.lock().unwrap() = rule;
    }

    /// How often a member sent something.
    fn asked(&self, from: u64, kind: Kind) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|sent| **sent == (from, kind)).count()
    }
}

impl Faults for Cut {
    fn before(&self, from: u64, to: u64, kind: Kind) -> Verdict {
        self.asked.lock().unwrap().push((from, kind));
        self.rule
            .lock()
            .unwrap()
            .map_or(Verdict::Pass, |rule| rule(from, to, kind))
    }
}

async fn cut_world() -> (World, Arc<Cut>, Vec<Host>) {
    let mut world = World::new();
    let cut = Arc::new(Cut::default());
    world.faults = Some(cut.clone());
    let hosts = world.form(3).await;
    put(&hosts[0], "a", "1").await.unwrap();
    // A member that is cut off before it knows that it votes would ask nobody for anything.
    agree(&hosts.iter().collect::<Vec<_>>()).await;
    (world, cut, hosts)
}

/// The one of members 2 and 3 that leads, with a quorum.
async fn successor(hosts: &[Host]) -> &Host {
    let others = &hosts[1..];
    let leading = |host: &&Host| host.member.view().role == Role::Leader;
    eventually("one of the other two leads", || {
        others.iter().any(|host| leading(&host))
    })
    .await;
    let leader = others.iter().find(leading).unwrap();
    leads(leader).await;
    leader
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_cut_off_is_replaced_and_comes_back_as_a_follower() {
    let (_world, cut, hosts) = cut_world().await;
    cut.set(Some(|from, to, _| {
        if from == 1 || to == 1 {
            Verdict::Drop
        } else {
            Verdict::Pass
        }
    }));
    let leader = successor(&hosts).await;
    put(leader, "a", "2").await.unwrap();
    let refused = put(&hosts[0], "a", "lost").await;
    assert!(
        matches!(
            refused,
            Err(ProposeError::NotAppended {
                reason: NotAppended::QuorumLost,
                ..
            })
        ),
        "{refused:?}"
    );
    cut.set(None);
    eventually("it follows", || {
        hosts[0].member.view().role == Role::Follower
    })
    .await;
    agree(&[leader, &hosts[0], &hosts[1], &hosts[2]]).await;
    assert_eq!(
        hosts[0].register.rows().get(b"a".as_slice()),
        Some(&b"=2".to_vec())
    );
}

/// openraft #2080: its heartbeats arrive, so without the probe interval nobody would ever elect.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_heard_but_hears_nothing_is_replaced() {
    let (_world, cut, hosts) = cut_world().await;
    cut.set(Some(|_, to, _| {
        if to == 1 {
            Verdict::Drop
        } else {
            Verdict::Pass
        }
    }));
    let leader = successor(&hosts).await;
    put(leader, "a", "2").await.unwrap();
    cut.set(None);
    agree(&[leader, &hosts[0], &hosts[1], &hosts[2]]).await;
}

/// Pre-vote: a member that heard nobody for a while must not push the term up and depose the leader.
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_was_cut_off_does_not_disturb_the_leader() {
    let (_world, cut, hosts) = cut_world().await;
    let term = hosts[0].member.view().term;
    cut.set(Some(|from, to, _| {
        if from == 3 || to == 3 {
            Verdict::Drop
        } else {
            Verdict::Pass
        }
    }));
    eventually("it asks again and again whether it might win", || {
        cut.asked(3, Kind::PreVote) > 6
    })
    .await;
    assert_eq!(cut.asked(3, Kind::Vote), 0);
    assert!(
        hosts[2].member.leader_contact_age().unwrap()
            > Duration::from_millis(TIMING.election_max_ms)
    );
    cut.set(None);
    put(&hosts[0], "a", "2").await.unwrap();
    agree(&[&hosts[0], &hosts[2]]).await;
    let view = hosts[0].member.view();
    assert_eq!((view.term, view.role), (term, Role::Leader));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_never_answered_ends_at_its_deadline() {
    let (_world, cut, hosts) = cut_world().await;
    cut.set(Some(|_, _, kind| {
        if kind == Kind::Product {
            Verdict::Drop
        } else {
            Verdict::Pass
        }
    }));
    let asked = tokio::time::Instant::now();
    let within = Duration::from_millis(300);
    let late = hosts[1]
        .member
        .peer_client()
        .request(1, get("/health"), within)
        .await;
    assert!(
        matches!(late, Err(PeerError::NoAnswer { to: 1, .. })),
        "{late:?}"
    );
    assert!(asked.elapsed() < within + Duration::from_millis(300));
}
