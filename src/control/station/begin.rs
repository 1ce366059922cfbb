//! Begins, samples and observations: what a host tells the leader, and how the leader takes it.

use std::time::Duration;

use tokio::time::Instant;

use super::Station;
use crate::access::principal::Principal;
use crate::base::ids::{MemberId, NodeName};
use crate::base::limits::QUORUM_ACK_AGE_MAX;
use crate::base::version;
use crate::control::clock;
use crate::control::peers::client::{self, Unanswered};
use crate::control::peers::wire::{self, BeginAnswer, BeginAsk, SampleAnswer, SampleAsk, Written};
use crate::control::replica::{Unwritten, millis};
use crate::control::service::{Call, Unavailable};
use crate::decision;
use crate::fleet::observation::Observation;
use crate::fleet::view::Sample;
use crate::machine::command::Command;
use crate::machine::refusal::Refusal;

/// A sample is repeated each second, so a slow one is worth nothing.
const SAMPLE_TIMEOUT: Duration = Duration::from_secs(1);

impl Station {
    /// The leader's word on a begin that the host of member `from` sent: gates of this very moment,
    /// then the log.
    pub async fn begin(&self, from: MemberId, ask: BeginAsk) -> BeginAnswer {
        let Some(term) = self.replica.opened_term() else {
            return BeginAnswer::Unanswered(Unavailable::NoLeader);
        };
        let BeginAsk { node, begin } = ask;
        let state = self.replica.state();
        let view = self
            .replica
            .evidence()
            .view(&state, &self.replica.consensus());
        if let Err(refusal) = decision::begin::may(&state, &view, &node, &begin) {
            return BeginAnswer::Refused(refusal);
        }
        drop(state);
        let call = Call {
            actor: Principal::Member { member: from },
            reason: None,
            request: None,
            command: Command::Begin { node, begin },
        };
        let deadline = Instant::now() + self.replica.timeouts().write;
        match self.replica.propose_in(term, call, deadline).await {
            Ok(Written {
                index,
                result: Ok(_),
                ..
            }) => BeginAnswer::Granted { index },
            Ok(Written {
                result: Err(refusal),
                ..
            }) => BeginAnswer::Refused(refusal),
            Err(Unwritten::Never(lost)) => BeginAnswer::Unanswered(lost),
            Err(Unwritten::Unknown) => BeginAnswer::Unanswered(Unavailable::OutcomeUnknown),
        }
    }

    /// Sends this host's begin to whoever leads, once; the host makes a new attempt if it must.
    pub async fn ask_begin(&self, ask: BeginAsk) -> BeginAnswer {
        let view = self.replica.consensus();
        let lost = match view.leader {
            Some(leader) if leader == view.id => return self.begin(self.replica.me(), ask).await,
            Some(leader) => {
                let peers = self.replica.member().peer_client();
                let within = self.replica.timeouts().write;
                match client::ask(&peers, MemberId(leader), wire::BEGIN, &ask, within).await {
                    Ok(answer) => return answer,
                    Err(Unanswered::NotTaken(_)) => Unavailable::NoLeader,
                    Err(Unanswered::Lost(_)) => Unavailable::OutcomeUnknown,
                }
            }
            None => Unavailable::NoLeader,
        };
        BeginAnswer::Unanswered(lost)
    }

    /// Takes the sample of the host of member `from`, if this member leads.
    pub fn sample(&self, from: MemberId, ask: SampleAsk) -> SampleAnswer {
        let view = self.replica.consensus();
        let leads = view.leader == Some(view.id);
        let state = self.replica.state();
        let speaks = state
            .nodes
            .get(&ask.node)
            .is_some_and(|node| node.member == from);
        if leads && speaks {
            let evidence = self.replica.evidence();
            evidence.clock(view.term, from, ask.wall_ms);
            evidence.take(view.term, ask.node, ask.sample, ask.supports);
        }
        SampleAnswer {
            leads,
            quorum_ack_age_ms: view.quorum_ack_age.map(millis),
        }
    }

    /// Sends this host's sample to whoever leads. What comes back says whether the cluster can commit.
    pub async fn send_sample(&self, node: NodeName, sample: Sample) {
        let view = self.replica.consensus();
        let ask = SampleAsk {
            node,
            sample,
            supports: Some(version::Supported::OURS),
            wall_ms: Some(clock::wall_ms(&self.replica.clock().now())),
        };
        let sent = Instant::now();
        let answer = match view.leader {
            None => return,
            Some(leader) if leader == view.id => self.sample(self.replica.me(), ask),
            Some(leader) => {
                let peers = self.replica.member().peer_client();
                let to = MemberId(leader);
                match client::ask(&peers, to, wire::SAMPLE, &ask, SAMPLE_TIMEOUT).await {
                    Ok(answer) => answer,
                    Err(error) => {
                        tracing::debug!(%to, %error, "a sample did not arrive");
                        return;
                    }
                }
            }
        };
        let SampleAnswer {
            leads,
            quorum_ack_age_ms,
        } = answer;
        if leads && quorum_ack_age_ms.is_some_and(|age| age <= QUORUM_ACK_AGE_MAX.0) {
            self.replica.note_contact(sent);
        }
    }

    /// Commits what this host observed.
    pub async fn observe(&self, observation: Observation) -> Result<(), Unobserved> {
        let call = self.replica.own(Command::Observe(observation));
        match self.replica.submit(call).await {
            Ok(Written { result: Ok(_), .. }) => Ok(()),
            Ok(Written {
                result: Err(refusal),
                ..
            }) => Err(Unobserved::Refused(refusal)),
            Err(lost) => Err(Unobserved::Unavailable(lost)),
        }
    }
}

/// Why an observation is not in the log. One that may be is sent again: it is numbered, so a repetition
/// does no harm.
#[derive(Debug, Clone, PartialEq)]
pub enum Unobserved {
    Refused(Refusal),
    Unavailable(Unavailable),
}
