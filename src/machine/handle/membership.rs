//! Forming, joining, and the announcement of a membership change: one at a time, no take meanwhile.

use crate::access::principal::Role;
use crate::access::token::{Grant, SPENT, Token};
use crate::base::ids::{Generation, MemberId, NodeName};
use crate::base::limits::{NODES_MAX, TOKEN_TTL};
use crate::base::numbers::majority;
use crate::fleet::node::Node;
use crate::fleet::observation::Database;
use crate::journal::fact::Fact;
use crate::machine::apply::Context;
use crate::machine::command::{Change, Founder, Joiner};
use crate::machine::refusal::Refusal;
use crate::machine::state::{Cluster, Part, Reply, State};

pub fn form(
    state: &mut State,
    context: &mut Context<'_>,
    founder: &Founder,
) -> Result<Reply, Refusal> {
    if state.head.cluster.is_some() {
        return Err(Refusal::AlreadyFormed);
    }
    let Founder {
        cluster,
        node,
        member,
        address,
        api,
        peer,
        zone,
        settings,
        token,
    } = founder;
    state.head.cluster = Some(Cluster {
        id: cluster.clone(),
        incarnation: 1,
        settings: settings.clone(),
    });
    state.head.next_member = member.0.saturating_add(1);
    let addresses = Addresses {
        address,
        api,
        peer,
        zone,
    };
    insert_node(state, node, *member, &addresses);
    if let Some((id, hash)) = token {
        let expires_wall_ms = state.head.clock.wall_ms.saturating_add(TOKEN_TTL.0);
        let grants = Grant::Role(Role::Admin);
        let token = Token {
            id: id.clone(),
            hash: *hash,
            grants,
            expires_wall_ms,
            revoked: false,
        };
        state.tokens.insert(id.clone(), token);
        state.touched.insert(Part::Token(id.clone()));
    }
    context.facts.push(Fact::ClusterFormed {
        cluster: cluster.clone(),
        node: node.clone(),
        member: *member,
    });
    Ok(Reply::Joined {
        member: *member,
        incarnation: 1,
        cluster: cluster.clone(),
    })
}

/// Spends a join token on one host. The same joiner may come again: it gets the same member id.
pub fn join(
    state: &mut State,
    context: &mut Context<'_>,
    joiner: &Joiner,
) -> Result<Reply, Refusal> {
    let head = &state.head;
    let cluster = head.cluster.as_ref().ok_or(Refusal::NotFormed)?;
    let (cluster, incarnation) = (cluster.id.clone(), cluster.incarnation);
    let joined = |member| Reply::Joined {
        member,
        incarnation,
        cluster,
    };
    // Bound to this joiner's nonce and name, so that nobody retries into another's place.
    let spent = format!("{SPENT}{}/{}", joiner.nonce, joiner.node);
    let mine = |token: &Token| token.hash == joiner.token;
    if state.tokens.get(&spent).is_some_and(mine)
        && let Some(node) = state.nodes.get(&joiner.node)
    {
        return Ok(joined(node.member));
    }
    let id = unspent(state, joiner).ok_or(Refusal::BadJoinToken)?;
    if state.nodes.contains_key(&joiner.node) {
        return Err(Refusal::NameTaken {
            node: joiner.node.clone(),
        });
    }
    if state.nodes.len() >= NODES_MAX {
        return Err(Refusal::TooManyNodes { limit: NODES_MAX });
    }
    let member = MemberId(head.next_member);
    let reply = joined(member);
    state.head.next_member += 1;
    let Joiner {
        token: _,
        nonce: _,
        node,
        address,
        api,
        peer,
        zone,
    } = joiner;
    insert_node(
        state,
        node,
        member,
        &Addresses {
            address,
            api,
            peer,
            zone,
        },
    );
    // The spent token stays until it expires, for its joiner's retries.
    if let Some(token) = state.tokens.remove(&id) {
        state.touched.insert(Part::Token(id));
        state.touched.insert(Part::Token(spent.clone()));
        let token = Token {
            id: spent.clone(),
            ..token
        };
        state.tokens.insert(spent, token);
    }
    context.facts.push(Fact::NodeJoined {
        node: node.clone(),
        member,
    });
    Ok(reply)
}

/// The join token that this joiner carries, if it is good and nobody spent it.
fn unspent(state: &State, joiner: &Joiner) -> Option<String> {
    let now = state.head.clock.wall_ms;
    let good = |token: &&Token| {
        token.hash == joiner.token
            && token.grants == Grant::Join
            && token.is_valid_at(now)
            && !token.is_spent()
    };
    state
        .tokens
        .values()
        .find(good)
        .map(|token| token.id.clone())
}

/// Announces a change; from here to its end nothing is taken.
pub fn open(
    state: &mut State,
    context: &mut Context<'_>,
    change: &Change,
) -> Result<Reply, Refusal> {
    if state.head.membership.opened.as_ref() == Some(change) {
        return Ok(Reply::Unchanged);
    }
    if state.head.membership.is_changing() {
        return Err(Refusal::MembershipChanging);
    }
    let removed = match change {
        Change::Remove { node, .. } => Some(node),
        _ => None,
    };
    if let Some(held) = state
        .nodes
        .values()
        .find(|node| node.slot.is_some() && Some(&node.name) != removed)
    {
        return Err(Refusal::SlotHeld {
            node: held.name.clone(),
        });
    }
    check_change(state, change)?;
    state.head.membership.opened = Some(change.clone());
    context.facts.push(Fact::MembershipOpened {
        change: describe(change),
    });
    Ok(Reply::Done)
}

/// Ends the announced change. What openraft committed is in its own entries; a removed node leaves here.
pub fn close(state: &mut State, context: &mut Context<'_>, done: bool) -> Result<Reply, Refusal> {
    let Some(change) = state.head.membership.opened.take() else {
        return Err(Refusal::MembershipNotOpen);
    };
    context.facts.push(Fact::MembershipClosed { done });
    if done {
        remember_demotion(state, &change);
    }
    if let (Change::Remove { node, .. }, true) = (&change, done) {
        if state.nodes.remove(node).is_some() {
            state.touched.insert(Part::Node(node.clone()));
            context.facts.push(Fact::NodeRemoved { node: node.clone() });
        }
        let live = state.live_plan().map(|plan| plan.id);
        if let Some(id) = live {
            state.plan_mut(id)?.nodes.remove(node);
        }
    }
    Ok(Reply::Done)
}

/// What an operator made a learner is not promoted by itself.
fn remember_demotion(state: &mut State, change: &Change) {
    let (Change::Promote { node } | Change::Demote { node } | Change::Remove { node, .. }) = change
    else {
        return;
    };
    let Some(member) = state.nodes.get(node).map(|node| node.member) else {
        return;
    };
    let demoted = &mut state.head.membership.demoted;
    match change {
        Change::Demote { .. } => demoted.insert(member),
        _ => demoted.remove(&member),
    };
}

struct Addresses<'a> {
    address: &'a str,
    api: &'a str,
    peer: &'a str,
    zone: &'a Option<String>,
}

fn insert_node(state: &mut State, name: &NodeName, member: MemberId, addresses: &Addresses<'_>) {
    let incarnation = state
        .head
        .cluster
        .as_ref()
        .map_or(1, |cluster| cluster.incarnation);
    // A replacement under an old name starts above every generation the old host may still hold.
    let number = state.head.applied;
    let node = Node {
        name: name.clone(),
        member,
        address: addresses.address.to_owned(),
        api: addresses.api.to_owned(),
        peer: addresses.peer.to_owned(),
        zone: addresses.zone.clone(),
        generation: Generation {
            incarnation,
            number,
        },
        intent: None,
        open: Vec::new(),
        answered: None,
        sequence: 0,
        database: Database::default(),
        slot: None,
        drifted: None,
        #[cfg(feature = "next-version")]
        note: None,
    };
    state.nodes.insert(name.clone(), node);
    state.touched.insert(Part::Node(name.clone()));
}

fn check_change(state: &State, change: &Change) -> Result<(), Refusal> {
    let membership = &state.head.membership;
    let limit = state
        .head
        .cluster
        .as_ref()
        .map_or(0, |cluster| cluster.settings.voters_max);
    match change {
        Change::Add { .. } => Ok(()),
        Change::Promote { node } => {
            state.node(node)?;
            if membership.voters.len() >= limit {
                Err(Refusal::VotersFull { limit })
            } else {
                Ok(())
            }
        }
        Change::Demote { node } => {
            let member = state.node(node)?.member;
            keeps_a_voter(state, member)
        }
        Change::Remove { node, reachable } => {
            let found = state.node(node)?;
            let in_plan = state
                .live_plan()
                .filter(|plan| plan.nodes.contains_key(node));
            match in_plan {
                Some(plan) if *reachable => Err(Refusal::NodeBusy {
                    node: node.clone(),
                    plan: plan.id,
                }),
                _ => keeps_a_voter(state, found.member),
            }
        }
    }
}

fn keeps_a_voter(state: &State, member: MemberId) -> Result<(), Refusal> {
    let voters = &state.head.membership.voters;
    if voters.contains(&member) && majority(voters.len() - 1) > voters.len() - 1 {
        return Err(Refusal::WouldLoseQuorum {
            detail: "it is the last voter".to_owned(),
        });
    }
    Ok(())
}

fn describe(change: &Change) -> String {
    match change {
        Change::Add { member } => format!("add member {member}"),
        Change::Promote { node } => format!("promote {node}"),
        Change::Demote { node } => format!("demote {node}"),
        Change::Remove { node, .. } => format!("remove {node}"),
    }
}
