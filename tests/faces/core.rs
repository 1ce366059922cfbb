//! A cluster of three in memory: the real `apply` over one state, without log, clock or network.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aegis_updates::access::principal::{Principal, Role};
use aegis_updates::access::secret::Secret;
use aegis_updates::access::token::Grant;
use aegis_updates::base::digest::Digest;
use aegis_updates::base::ids::{MemberId, NodeName};
use aegis_updates::control::service::{
    Call, Consensus, Consistency, Denied, HostView, Identity, MemberAct, Place, Preview, Readiness,
    Reading, Service, Unavailable,
};
use aegis_updates::decision::waiting::Wait;
use aegis_updates::journal::record::Record;
use aegis_updates::machine::apply::apply;
use aegis_updates::machine::command::{Command, Founder, Settings};
use aegis_updates::machine::state::{Reply, State};
use aegis_updates::machine::submission::{Position, RequestKey, Submission};
use aegis_updates::plans::spec::Spec;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use tokio::sync::watch;

pub struct Core {
    inner: Mutex<Inner>,
    applied: watch::Sender<u64>,
}

struct Inner {
    state: State,
    journal: Vec<Record>,
    unavailable: Option<Unavailable>,
    /// How it is from the end of the next write on.
    then: Option<Unavailable>,
    own_wall_ms: u64,
}

const ME: MemberId = MemberId(1);
const FORMED_WALL_MS: u64 = 1_795_000_000_000;
/// How long the tokens of [`Core::formed`] are good.
pub const TTL_MS: u64 = 1_000_000;

impl Core {
    /// Formed, with one node and a token for every role, whose secret is `secret_of`.
    pub fn formed() -> Arc<Self> {
        let core = Arc::new(Self {
            inner: Mutex::new(Inner {
                state: State::default(),
                journal: Vec::new(),
                unavailable: None,
                then: None,
                own_wall_ms: FORMED_WALL_MS,
            }),
            applied: watch::Sender::new(0),
        });
        let member = Principal::Member { member: ME };
        core.must(&member, Command::OpenTerm { idle_ms: None });
        core.must(&member, Command::Form(founder()));
        for role in Role::ALL {
            let command = Command::CreateToken {
                id: format!("{role}-1"),
                hash: Secret::from(secret_of(role).as_str()).hash(),
                grants: Grant::Role(role),
                ttl_ms: TTL_MS,
            };
            core.must(&member, command);
        }
        core
    }

    /// From now on nobody leads.
    pub fn lose(&self, how: Unavailable) {
        self.locked().unavailable = Some(how);
    }

    /// Time passes on this host, and nothing is appended.
    pub fn pass(&self, ms: u64) {
        self.locked().own_wall_ms += ms;
    }

    /// As [`Core::lose`], from the end of the next write on.
    pub fn lose_after_a_write(&self, how: Unavailable) {
        self.locked().then = Some(how);
    }

    /// Everything that a refused request must leave as it was.
    pub fn journal_length(&self) -> usize {
        self.locked().journal.len()
    }

    fn must(&self, actor: &Principal, command: Command) {
        let outcome = self.commit(actor.clone(), None, None, command);
        assert!(outcome.is_ok(), "{outcome:?}");
    }

    fn commit(
        &self,
        actor: Principal,
        reason: Option<String>,
        request: Option<RequestKey>,
        command: Command,
    ) -> Result<Reply, Denied> {
        let mut inner = self.locked();
        if let Some(unavailable) = inner.unavailable {
            return Err(unavailable.into());
        }
        let position = Position {
            index: inner.state.head.applied + 1,
            term: 1,
            leader: ME,
        };
        let submission = Submission {
            elapsed_ms: 1,
            run_ms: None,
            wall_ms: FORMED_WALL_MS,
            actor,
            reason,
            request,
            command,
        };
        let outcome = apply(&mut inner.state, position, &submission);
        inner.journal.extend(outcome.facts);
        inner.unavailable = inner.then.take();
        self.applied.send_replace(position.index);
        outcome.result.map_err(Denied::Refused)
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub fn secret_of(role: Role) -> String {
    format!("aut_{role}")
}

fn founder() -> Founder {
    Founder {
        cluster: "c-1".into(),
        node: "node-1".parse().expect("a name"),
        member: ME,
        address: "http://127.0.0.1:9090".into(),
        api: "http://127.0.0.1:7460".into(),
        peer: "127.0.0.1:7461".into(),
        zone: None,
        settings: Settings {
            quorum_loss_grace_ms: 10_000,
            url_allow: vec!["https://ok.example/".into()],
            voters_max: 5,
        },
        token: None,
    }
}

impl Service for Core {
    fn submit(&self, call: Call) -> BoxFuture<'_, Result<Reply, Denied>> {
        ready(self.commit(call.actor, call.reason, call.request, call.command)).boxed()
    }

    fn read(&self, consistency: Consistency) -> BoxFuture<'_, Result<Reading, Unavailable>> {
        let inner = self.locked();
        let reading = match (consistency, inner.unavailable) {
            (Consistency::Linearizable, Some(unavailable)) => Err(unavailable),
            (_, unavailable) => Ok(Reading {
                state: Arc::new(inner.state.clone()),
                stale_ms: unavailable.map(|_| 1_500),
            }),
        };
        ready(reading).boxed()
    }

    fn explain(&self) -> BoxFuture<'_, Result<Vec<Wait>, Unavailable>> {
        let outcome = self.locked().unavailable.map_or(Ok(Vec::new()), Err);
        ready(outcome).boxed()
    }

    fn preview(&self, _: Spec) -> BoxFuture<'_, Result<Preview, Denied>> {
        let preview = Preview {
            waves: Vec::new(),
            handoff_to: None,
            min_available: 0,
            red: Vec::new(),
            refused: None,
        };
        ready(Ok(preview)).boxed()
    }

    fn hosts(&self) -> BoxFuture<'_, BTreeMap<NodeName, HostView>> {
        ready(BTreeMap::new()).boxed()
    }

    fn answer_within(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn consensus(&self) -> Consensus {
        Consensus {
            leader: Some(ME),
            term: 1,
            role: "leader".into(),
            voters: vec![ME],
            learners: Vec::new(),
            quorum_ack_age_ms: Some(3),
            applied: self.locked().state.head.applied,
            changing: false,
        }
    }

    fn identity(&self) -> Identity {
        Identity {
            cluster: "c-1".into(),
            node: "node-1".parse().expect("a name"),
            member: ME,
            ca_fingerprint: Digest::of(b"ca"),
            peer: "127.0.0.1:7461".into(),
            insecure_plaintext: false,
        }
    }

    fn journal(
        &self,
        after: Option<Place>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Record>, Unavailable>> {
        let inner = self.locked();
        let later =
            |record: &&Record| after.is_none_or(|after| (record.index, record.ordinal) > after);
        let records = inner.journal.iter().filter(later).take(limit).cloned();
        ready(Ok(records.collect())).boxed()
    }

    fn applied(&self) -> watch::Receiver<u64> {
        self.applied.subscribe()
    }

    fn transfer_leader(
        &self,
        _: Principal,
        _: Option<String>,
        _: NodeName,
    ) -> BoxFuture<'_, Result<Reply, Denied>> {
        ready(Ok(Reply::Unchanged)).boxed()
    }

    fn change_member(
        &self,
        _: Principal,
        _: Option<String>,
        _: NodeName,
        _: MemberAct,
    ) -> BoxFuture<'_, Result<Reply, Denied>> {
        ready(Ok(Reply::Unchanged)).boxed()
    }

    fn readiness(&self) -> Readiness {
        Readiness {
            database_ready: false,
            alive: true,
            member_ready: true,
        }
    }

    fn wall_ms(&self) -> u64 {
        self.locked().own_wall_ms
    }
}
