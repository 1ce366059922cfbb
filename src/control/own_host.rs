//! The cluster as the driver of this member's own host sees it. Nothing is decided here.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::peers::wire::{BeginAnswer, BeginAsk};
use super::service::Unavailable;
use super::station::{Station, Unobserved};
use crate::agent::adapter::Peer;
use crate::agent::link::{Link, Told};
use crate::agent::machine::Applied;
use crate::base::ids::NodeName;
use crate::fleet::intent::Begin;
use crate::fleet::observation::Observation;
use crate::fleet::view::Sample;
use crate::machine::refusal::Refusal;

pub struct OwnHost {
    pub station: Arc<Station>,
    pub node: NodeName,
}

impl Link for OwnHost {
    fn applied(&self) -> Option<Applied> {
        let state = self.station.replica().state();
        let node = state.nodes.get(&self.node)?;
        let plan = node.intent.as_ref().map(|intent| intent.plan);
        let live = plan
            .and_then(|plan| state.plans.get(&plan))
            .is_some_and(|plan| plan.status.is_live());
        Some(Applied::of(node, live))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.station.replica().published().watch_index()
    }

    fn term(&self) -> u64 {
        self.station.replica().state().head.term.number
    }

    fn peers(&self) -> Vec<Peer> {
        let state = self.station.replica().state();
        let others = state.nodes.values().filter(|node| node.name != self.node);
        others
            .map(|node| Peer {
                name: node.name.to_string(),
                address: host_and_port(&node.address).to_owned(),
            })
            .collect()
    }

    fn origins(&self) -> Vec<String> {
        self.station.replica().origins()
    }

    fn contact_age(&self) -> Duration {
        self.station.replica().commit_age()
    }

    fn observe(&self, observation: Observation) -> BoxFuture<'_, Told> {
        Box::pin(async move {
            match self.station.observe(observation).await {
                Ok(()) => Told::Taken,
                // The report itself is fine; it came before the term's first word, and is sent again.
                Err(Unobserved::Refused(refusal @ Refusal::TermNotOpen)) => {
                    Told::Undelivered(refusal.to_string())
                }
                Err(Unobserved::Refused(refusal)) => Told::Refused(refusal.to_string()),
                Err(Unobserved::Unavailable(lost)) => lost_as_told(lost),
            }
        })
    }

    fn begin(&self, begin: Begin) -> BoxFuture<'_, Told> {
        let node = self.node.clone();
        Box::pin(async move {
            match self.station.ask_begin(BeginAsk { node, begin }).await {
                BeginAnswer::Granted { .. } => Told::Taken,
                BeginAnswer::Refused(refusal) => Told::Refused(refusal.to_string()),
                BeginAnswer::Unanswered(lost) => lost_as_told(lost),
            }
        })
    }

    fn sample(&self, sample: Sample) -> BoxFuture<'_, ()> {
        Box::pin(self.station.send_sample(self.node.clone(), sample))
    }
}

fn lost_as_told(lost: Unavailable) -> Told {
    match lost {
        Unavailable::OutcomeUnknown => Told::Unknown,
        Unavailable::QuorumLost | Unavailable::NoLeader | Unavailable::ShuttingDown => {
            Told::Undelivered(lost.to_string())
        }
    }
}

/// `http://host:port/` as `host:port`.
fn host_and_port(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::host_and_port;

    #[test]
    fn an_address_is_cut_to_host_and_port() {
        for address in [
            "http://10.0.0.1:9090",
            "https://10.0.0.1:9090/x",
            "10.0.0.1:9090",
        ] {
            assert_eq!(host_and_port(address), "10.0.0.1:9090");
        }
    }
}
