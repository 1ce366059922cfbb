//! This member's copy of the core: writing through whoever leads, reading at a point in the log or as it
//! is, and the journal. What is written is decided by others.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aegis_updates_raft::application::Payload;
use aegis_updates_raft::member::{Member, NotAppended, ProposeError, ReadError};
use aegis_updates_raft::store::HostClock;
use aegis_updates_raft::view::{ConsensusView, Role};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::clock;
use super::evidence::Evidence;
use super::machine::{Published, decode_reply, encode_submission};
use super::peers::client::{self, Unanswered};
use super::peers::wire::{self, SubmitAnswer, SubmitAsk, Written};
use super::service::{Call, Place, Unavailable};
use crate::access::principal::Principal;
use crate::base::ids::MemberId;
use crate::base::limits::{CLOCK_SKEW_MAX, RECONNECT_GRACE};
use crate::journal::record::Record;
use crate::machine::command::{Change, Command, Raise};
use crate::machine::refusal::Refusal;
use crate::machine::since::since;
use crate::machine::state::State;
use crate::machine::submission::Submission;

/// How soon a write is tried again when nothing announces that a try could go better: at first, and at
/// the slowest. A hundred requests that wait for a quorum must not busy the host that waits with them.
const AGAIN: Duration = Duration::from_millis(20);
const AGAIN_MAX: Duration = Duration::from_millis(160);
/// The leader answers this much sooner than its asker gives up, so that the answer still arrives.
const ANSWER_SPARE: Duration = Duration::from_millis(100);

/// How long a client's write or read may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    pub write: Duration,
    pub read: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            write: Duration::from_secs(2),
            read: Duration::from_secs(2),
        }
    }
}

/// Clones share it.
#[derive(Clone)]
pub struct Replica(Arc<Inner>);

struct Inner {
    member: Member,
    published: Arc<Published>,
    evidence: Arc<Evidence>,
    clock: Arc<dyn HostClock>,
    timeouts: Timeouts,
    /// When the last entry was stamped here: two entries on their way at once must not both count the
    /// time since the same earlier one.
    stamped: Mutex<Instant>,
    /// The newest moment at which the leader told this member that a majority stood behind it.
    contact: Mutex<Option<Instant>>,
    /// Said when it changes.
    clock_is_wrong: AtomicBool,
}

/// A proposal that did not come to be applied, as far as this member knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unwritten {
    /// In no log, for certain.
    Never(Unavailable),
    Unknown,
}

impl Replica {
    pub fn new(
        member: Member,
        published: Arc<Published>,
        evidence: Arc<Evidence>,
        clock: Arc<dyn HostClock>,
        timeouts: Timeouts,
    ) -> Self {
        Self(Arc::new(Inner {
            member,
            published,
            evidence,
            clock,
            timeouts,
            stamped: Mutex::new(Instant::now()),
            contact: Mutex::new(None),
            clock_is_wrong: AtomicBool::new(false),
        }))
    }

    pub fn member(&self) -> &Member {
        &self.0.member
    }

    pub fn me(&self) -> MemberId {
        MemberId(self.0.member.id())
    }

    pub fn clock(&self) -> &dyn HostClock {
        &*self.0.clock
    }

    pub fn timeouts(&self) -> Timeouts {
        self.0.timeouts
    }

    pub fn published(&self) -> &Published {
        &self.0.published
    }

    pub fn evidence(&self) -> &Evidence {
        &self.0.evidence
    }

    pub fn state(&self) -> Arc<State> {
        self.0.published.state()
    }

    /// Where the cluster lets artifacts come from; nowhere before it is formed.
    pub fn origins(&self) -> Vec<String> {
        let state = self.state();
        let cluster = state.head.cluster.as_ref();
        cluster.map_or_else(Vec::new, |cluster| cluster.settings.url_allow.clone())
    }

    pub fn consensus(&self) -> ConsensusView {
        self.0.member.view()
    }

    /// The term that this member leads and whose opening entry is applied; `None` when it does not lead,
    /// or must not decide yet.
    pub fn opened_term(&self) -> Option<u64> {
        let view = self.consensus();
        let state = self.state();
        let term = &state.head.term;
        (view.role == Role::Leader && view.term == term.number && term.opened).then_some(view.term)
    }

    /// Writes through whoever leads, within the write timeout. Tried again only while it is certain that
    /// nothing was appended.
    pub async fn submit(&self, call: Call) -> Result<Written, Unavailable> {
        let deadline = Instant::now() + self.0.timeouts.write;
        self.submit_by(call, deadline).await
    }

    pub async fn submit_by(&self, call: Call, deadline: Instant) -> Result<Written, Unavailable> {
        if let Some(refused) = self.not_yet(&call.command) {
            return Ok(refused);
        }
        let mut pause = AGAIN;
        loop {
            let mut applied = self.0.published.watch();
            let view = self.consensus();
            if !view.running {
                return Err(Unavailable::ShuttingDown);
            }
            let tried = match view.leader {
                Some(leader) if leader == view.id => self.write_here(&call, deadline).await,
                Some(leader) => self.carry(MemberId(leader), &call, deadline).await,
                None => Err(Unwritten::Never(Unavailable::NoLeader)),
            };
            let lost = match tried {
                // Refused for being early; a refusal changes nothing, and is not kept under its key.
                Ok(written) if written.result == Err(Refusal::TermNotOpen) => Unavailable::NoLeader,
                Ok(written) => return Ok(written),
                Err(Unwritten::Unknown) => return Err(Unavailable::OutcomeUnknown),
                Err(Unwritten::Never(lost)) => lost,
            };
            let mut progress = self.0.member.watch();
            let (leader, term, role) = (view.leader, view.term, view.role);
            // Whichever comes first; each is only a hint that another try may go better.
            tokio::select! {
                _ = progress.wait_for(|now| (now.leader, now.term, now.role) != (leader, term, role)) => {}
                _ = applied.changed() => {}
                () = sleep_until(deadline.min(Instant::now() + pause)) => {}
            }
            if Instant::now() + AGAIN >= deadline {
                return Err(lost);
            }
            pause = AGAIN_MAX.min(pause * 2);
        }
    }

    /// Appends here, as the leader, once this term's opening entry is applied.
    pub async fn write_here(&self, call: &Call, deadline: Instant) -> Result<Written, Unwritten> {
        let Some(term) = self.opened_term() else {
            return Err(Unwritten::Never(Unavailable::NoLeader));
        };
        if let Some(refused) = self.not_yet(&call.command) {
            return Ok(refused);
        }
        let mut call = call.clone();
        self.say_who_was_heard(term, &mut call.command);
        self.propose_in(term, call, deadline).await
    }

    /// The refusal of an entry kind whose cluster version is not reached: in the log it would stop the
    /// members that do not know it.
    fn not_yet(&self, command: &Command) -> Option<Written> {
        let (asked, current) = (since(command), self.state().head.version);
        (asked > current).then_some(Written {
            index: 0,
            term: 0,
            result: Err(Refusal::ClusterVersion { asked, current }),
        })
    }

    /// Only the leader knows which hosts answer; whatever the caller wrote is overwritten.
    fn say_who_was_heard(&self, term: u64, command: &mut Command) {
        let (node, heard) = match command {
            Command::ReleaseSlot { node, heard, .. } => (node, heard),
            Command::OpenMembership {
                change: Change::Remove { node, reachable },
            } => (node, reachable),
            Command::Finalize(Raise { supported, .. }) => {
                *supported = self.0.evidence.supported(term);
                return;
            }
            _ => return,
        };
        let within = RECONNECT_GRACE.as_duration();
        *heard = self.0.evidence.heard_within(term, node, within);
    }

    /// Appends here while this member leads exactly `term`.
    pub async fn propose_in(
        &self,
        term: u64,
        call: Call,
        deadline: Instant,
    ) -> Result<Written, Unwritten> {
        let opening = matches!(call.command, Command::OpenTerm { .. });
        let bytes = encode_submission(&self.stamp(call)).map_err(|error| {
            tracing::error!(%error, "a submission cannot be written");
            Unwritten::Never(Unavailable::NoLeader)
        })?;
        let payload = match opening {
            true => Payload::opening(bytes),
            false => Payload::new(bytes),
        };
        let within = deadline.saturating_duration_since(Instant::now());
        let proposed = self.0.member.propose_in_term(term, payload, within).await;
        let reply = proposed.map_err(unwritten)?;
        let result = decode_reply(&reply.bytes).map_err(|error| {
            tracing::error!(%error, index = reply.index, "an entry's reply cannot be read");
            Unwritten::Unknown
        })?;
        Ok(Written {
            index: reply.index,
            term: reply.term,
            result,
        })
    }

    /// `run` moves by the monotonic time since this member applied the previous entry, one step at most.
    fn stamp(&self, call: Call) -> Submission {
        let now = Instant::now();
        let applied_at = self.0.published.newest().at;
        let mut stamped = self
            .0
            .stamped
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let elapsed = now.saturating_duration_since(applied_at.max(*stamped));
        *stamped = now;
        let elapsed_ms = millis(elapsed);
        let since_applied = now.saturating_duration_since(applied_at);
        let Call {
            actor,
            reason,
            request,
            command,
        } = call;
        Submission {
            elapsed_ms,
            run_ms: clock::run_ms(elapsed_ms, millis(since_applied)),
            wall_ms: self.wall_ms(),
            actor,
            reason,
            request,
            command,
        }
    }

    /// What this leader's entries say of the wall clock: its own counts no more than any other voter's, and without
    /// the word of a majority the time is the log's, and as long since as this member's monotonic clocks say.
    pub fn wall_ms(&self) -> u64 {
        let own_ms = clock::wall_ms(&self.0.clock.now());
        let state = self.state();
        let term = self.consensus().term;
        let voters = &state.head.membership.voters;
        let wall_ms = self
            .0
            .evidence
            .majority_wall_ms(term, voters, self.me(), own_ms);
        let Some(wall_ms) = wall_ms else {
            // The state was read before: never longer than it is.
            let elapsed_ms = millis(self.0.published.newest().at.elapsed());
            let newest = self.member().newest_append_not_opening();
            let now = self.0.clock.now();
            return clock::without_a_majority(&state.head, newest.as_ref(), &now, elapsed_ms);
        };
        let wrong = wall_ms.abs_diff(own_ms) > CLOCK_SKEW_MAX.0;
        if wrong != self.0.clock_is_wrong.swap(wrong, Ordering::Relaxed) {
            match wrong {
                true => tracing::warn!(
                    own_ms,
                    wall_ms,
                    "this host's wall clock is not a majority's"
                ),
                false => tracing::info!("this host's wall clock is a majority's again"),
            }
        }
        wall_ms
    }

    async fn carry(
        &self,
        leader: MemberId,
        call: &Call,
        deadline: Instant,
    ) -> Result<Written, Unwritten> {
        let left = deadline.saturating_duration_since(Instant::now());
        let Call {
            actor,
            reason,
            request,
            command,
        } = call.clone();
        let ask = SubmitAsk {
            actor,
            reason,
            request,
            command,
            within_ms: millis(left.saturating_sub(ANSWER_SPARE)),
        };
        let peers = self.0.member.peer_client();
        match client::ask(&peers, leader, wire::SUBMIT, &ask, left).await {
            Ok(SubmitAnswer::Applied(written)) => Ok(written),
            Ok(SubmitAnswer::Never(lost)) => Err(Unwritten::Never(lost)),
            Ok(SubmitAnswer::Unknown) | Err(Unanswered::Lost(_)) => Err(Unwritten::Unknown),
            Err(Unanswered::NotTaken(_)) => Err(Unwritten::Never(Unavailable::NoLeader)),
        }
    }

    /// This member's state, once it holds all that was committed when the read began.
    pub async fn read(&self) -> Result<Arc<State>, Unavailable> {
        match self.0.member.read_index(self.0.timeouts.read).await {
            Ok(_) => Ok(self.state()),
            Err(ReadError::QuorumLost | ReadError::TimedOut) => Err(Unavailable::QuorumLost),
            Err(ReadError::NoLeader) => Err(Unavailable::NoLeader),
            Err(ReadError::Fatal(_)) => Err(Unavailable::ShuttingDown),
        }
    }

    /// Waits until this member has applied `index`; false when that was not in time.
    pub async fn reached(&self, index: u64, deadline: Instant) -> bool {
        let mut applied = self.0.published.watch();
        let reached = applied.wait_for(|newest| newest.index >= index);
        matches!(timeout_at(deadline, reached).await, Ok(Ok(_)))
    }

    /// The leader said that a majority stood behind it at `at`.
    pub fn note_contact(&self, at: Instant) {
        let mut contact = self
            .0
            .contact
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *contact = Some(contact.map_or(at, |known| known.max(at)));
    }

    /// How long ago this member last knew that the cluster could commit.
    pub fn commit_age(&self) -> Duration {
        let contact = *self
            .0
            .contact
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let applied_at = self.0.published.newest().at;
        let known = contact.map_or(applied_at, |contact| contact.max(applied_at));
        let heard = known.elapsed();
        let view = self.consensus();
        view.quorum_ack_age.map_or(heard, |age| age.min(heard))
    }

    /// Journal records after `after`, oldest first.
    pub fn journal(&self, after: Option<Place>, limit: usize) -> io::Result<Vec<Record>> {
        let from = match after {
            None => Vec::new(),
            Some((index, u32::MAX)) => Record::key(index + 1, 0),
            Some((index, ordinal)) => Record::key(index, ordinal + 1),
        };
        let end = Record::key(u64::MAX, u32::MAX);
        let rows = self.0.member.journal(&from, &end, limit, false)?;
        let read = rows
            .into_iter()
            .map(|(_, value)| serde_json::from_slice(&value));
        read.collect::<Result<_, _>>().map_err(io::Error::other)
    }

    /// A call in this member's own name.
    pub fn own(&self, command: Command) -> Call {
        Call {
            actor: Principal::Member { member: self.me() },
            reason: None,
            request: None,
            command,
        }
    }
}

fn unwritten(error: ProposeError) -> Unwritten {
    match error {
        ProposeError::NotAppended { reason, .. } => Unwritten::Never(match reason {
            NotAppended::QuorumLost => Unavailable::QuorumLost,
            NotAppended::NotLeader | NotAppended::Transferring | NotAppended::OtherTerm => {
                Unavailable::NoLeader
            }
        }),
        // A core that died may have written the entry before.
        ProposeError::Unknown | ProposeError::Fatal(_) => Unwritten::Unknown,
    }
}

pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
