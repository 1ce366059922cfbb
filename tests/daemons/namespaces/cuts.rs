//! What is cut while a plan moves, and what must be seen of it while it is: that nothing gets through there,
//! and, where the leader is alone, another leader.

use std::collections::BTreeSet;
use std::time::Duration;

use aegis_updates::demo::error::Error;
use aegis_updates::demo::tape::Fault;
use aegis_updates::demo::wait::wait_until;
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use super::net::Net;
use super::reach::is_dropped;
use crate::rounds::ground::Ground;
use crate::stage::PATIENCE;

/// Longer than the longest election and a begin's lease, shorter than the grace for quorum loss.
const LASTS: Duration = Duration::from_millis(4_000);

/// One of three hosts leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cut {
    /// The leader's host from everybody, clients too.
    Off,
    /// What the leader's host sends to one of the others.
    OneWay,
    /// The two that do not lead from one another; the leader's sees both.
    Pair,
    /// The leader's host from the two others; clients reach all three.
    Minority,
}

pub const CUTS: [Cut; 4] = [Cut::Off, Cut::OneWay, Cut::Pair, Cut::Minority];

impl Cut {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::OneWay => "one_way",
            Self::Pair => "pair",
            Self::Minority => "minority",
        }
    }

    const fn leaves_leader_alone(self) -> bool {
        matches!(self, Self::Off | Self::Minority)
    }

    /// Cuts, waits, and heals. An error when the cut did not do what a cut does.
    pub async fn strike(self, ground: &Ground, net: &Net, leader: &str) -> Result<Fault, String> {
        let clock = ground.cluster.tools.clock;
        let mut others = ground.cluster.names();
        others.retain(|name| name != leader);
        let [first, second] = others.as_slice() else {
            panic!("there are not three hosts: {leader}, {others:?}");
        };
        let (from, to) = match self {
            Self::Pair => (first.as_str(), second),
            Self::Off | Self::OneWay | Self::Minority => (leader, first),
        };
        let (from_ms, healed) = (clock.now_ms(), Instant::now() + LASTS);
        match self {
            Self::Off => net.cut_off(leader),
            Self::OneWay => net.drop_way(leader, first),
            Self::Pair => both_ways(net, first, second),
            Self::Minority => {
                both_ways(net, leader, first);
                both_ways(net, leader, second);
            }
        }
        sleep_until(healed).await;
        let followed = word(ground, first).await;
        let dropped = is_dropped(net, from, to).await;
        net.heal();
        println!("  {leader} led; then {first} followed {followed:?}");
        let only = |name: &str| BTreeSet::from([name.to_owned()]);
        let when = |yes: bool| {
            if yes { only(leader) } else { BTreeSet::new() }
        };
        let fault = Fault {
            kind: self.name().to_owned(),
            from_ms,
            until_ms: clock.now_ms(),
            daemons: when(self.leaves_leader_alone()),
            databases: when(self == Self::Off),
            may_fail_plan: false,
        };
        if !dropped {
            return Err(format!("{}: {from} reached {to}", self.name()));
        }
        if self.leaves_leader_alone() && followed.as_deref().is_none_or(|name| name == leader) {
            return Err(format!(
                "{}: {leader} was alone and {first} followed {followed:?}",
                self.name()
            ));
        }
        Ok(fault)
    }
}

fn both_ways(net: &Net, one: &str, other: &str) {
    net.drop_way(one, other);
    net.drop_way(other, one);
}

/// Waits until every member names the same leader.
pub async fn one_leader(ground: &Ground) -> Result<(), Error> {
    wait_until(PATIENCE, "all members name one leader", async || {
        let mut named = BTreeSet::new();
        for name in ground.cluster.names() {
            named.insert(word(ground, &name).await);
        }
        named.len() == 1 && !named.contains(&None)
    })
    .await
}

/// Whom a member takes for the leader.
async fn word(ground: &Ground, name: &str) -> Option<String> {
    let member = ground.cluster.host(name).unwrap().ports.api.address();
    let path = "/cluster?consistency=local";
    let answer = ground.api().at(&member, "GET", path, None, None).await;
    let body = answer.ok()?.body;
    body.get("leader")
        .and_then(Value::as_str)
        .map(str::to_owned)
}
