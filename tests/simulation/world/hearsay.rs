//! What databases hear of each other, and what leaders and hosts make of it.

use std::collections::BTreeMap;

use aegis_updates::base::failure::Class;
use aegis_updates::base::ids::MemberId;
use aegis_updates::fleet::observation::Rejoin;
use aegis_updates::machine::command::{Command, NodeFailure};

use super::World;
use crate::invariants::hearsay;
use crate::invariants::losses::Word;

/// How often a database tells its peers that it is there.
const HEARTBEAT_MS: u64 = 500;

impl World {
    /// What this leader heard of every database.
    pub fn words(&self, id: MemberId) -> Vec<Word> {
        let member = self.member(id);
        let heard = member.lead.iter().flat_map(|lead| {
            let names = member.state.nodes.keys();
            names.map(|name| lead.word(name, self.now))
        });
        heard.collect()
    }

    /// A node that is failed for ill health was ill, as far as this leader heard.
    pub fn ill_is_ill(&mut self, id: MemberId, command: &Command) {
        let Command::FailNode(NodeFailure {
            node,
            class: Class::HealthGateFailed,
            detail,
            ..
        }) = command
        else {
            return;
        };
        let lead = self.member(id).lead.as_ref();
        if let (true, Some(lead)) = (detail.starts_with("unhealthy for"), lead)
            && let Err(detail) = hearsay::fell_ill(&lead.word(node, self.now))
        {
            self.oracle.broken("hearsay", format!("{node}: {detail}"));
        }
    }

    /// What this host's peers say of its database.
    pub fn peers_of(&self, id: MemberId) -> BTreeMap<String, Option<u64>> {
        let heard = self.truth.stopped_and_heard_ms(id).1 / HEARTBEAT_MS * HEARTBEAT_MS;
        self.members
            .iter()
            .filter(|other| other.id != id && !other.removed && other.has_power())
            .filter(|other| self.links.passes(other.id, id) && self.links.passes(id, other.id))
            .filter(|other| other.host.is_healthy(self.now))
            .map(|other| (other.name.to_string(), Some(heard)))
            .collect()
    }

    /// What the work in hand rests on for having rejoined, if that is its peers' word.
    pub fn takes_peers_word(&self, id: MemberId) -> bool {
        let machine = self.member(id).agent.machine.as_ref();
        let work = machine.and_then(|machine| machine.ledger.work.as_ref());
        work.is_some_and(|work| work.rejoin == Some(Rejoin::Peers))
    }

    /// A host has just taken its peers' word: they heard its database since it was stopped.
    pub fn was_seen_again(&mut self, id: MemberId) {
        let (stopped_ms, heard_ms) = self.truth.stopped_and_heard_ms(id);
        let judged = hearsay::seen_again(stopped_ms, heard_ms);
        self.truth.judged("hearsay", id, judged);
    }
}
