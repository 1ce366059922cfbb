//! Raising the cluster version: by an operator's command only, and only once every member is known to
//! support it. It never falls: what is written at a version stays.

use crate::journal::fact::Fact;
use crate::machine::apply::Context;
use crate::machine::command::Raise;
use crate::machine::refusal::{Refusal, Unfit};
use crate::machine::state::{Reply, State};

pub fn finalize(
    state: &mut State,
    context: &mut Context<'_>,
    raise: &Raise,
) -> Result<Reply, Refusal> {
    let Raise { to, supported } = raise;
    let current = state.head.version;
    if *to == Some(current) {
        return Ok(Reply::Unchanged);
    }
    // A joiner that is not in the state yet was not asked what it supports.
    if state.head.membership.is_changing() {
        return Err(Refusal::MembershipChanging);
    }
    let newest = supported.values().map(|known| known.newest).max();
    let asked = to.or(newest).unwrap_or(current);
    if asked < current {
        return Err(Refusal::ClusterVersion { asked, current });
    }
    let unfit = |node: &crate::base::ids::NodeName| {
        let supports = supported.get(node).copied();
        let fit = supports.is_some_and(|known| known.includes(asked));
        (!fit).then(|| Unfit {
            node: node.clone(),
            supports,
        })
    };
    let members: Vec<_> = state.nodes.keys().filter_map(unfit).collect();
    if !members.is_empty() {
        let version = asked;
        return Err(Refusal::VersionUnsupported { version, members });
    }
    if asked == current {
        return Ok(Reply::Unchanged);
    }
    state.head.version = asked;
    context.facts.push(Fact::VersionRaised {
        from: current,
        to: asked,
    });
    Ok(Reply::Done)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::access::principal::Principal;
    use crate::base::ids::{MemberId, NodeName};
    use crate::base::version::{Cluster, Supported};
    use crate::machine::command::{Change, Founder, Settings};
    use crate::machine::handle::membership;
    use crate::machine::submission::Position;

    fn act<T>(what: impl FnOnce(&mut Context<'_>) -> T) -> (T, Vec<Fact>) {
        let actor = Principal::Member {
            member: MemberId(1),
        };
        let mut context = Context {
            position: Position {
                index: 9,
                term: 1,
                leader: MemberId(1),
            },
            actor: &actor,
            reason: None,
            facts: Vec::new(),
        };
        let result = what(&mut context);
        (result, context.facts)
    }

    /// Two nodes, `a` and `b`.
    fn formed() -> State {
        let mut state = State::default();
        let founder = Founder {
            cluster: "c".to_owned(),
            node: "a".parse().unwrap(),
            member: MemberId(1),
            address: String::new(),
            api: String::new(),
            peer: String::new(),
            zone: None,
            settings: Settings {
                quorum_loss_grace_ms: 1,
                url_allow: Vec::new(),
                voters_max: 3,
            },
            token: None,
        };
        act(|context| membership::form(&mut state, context, &founder))
            .0
            .unwrap();
        let mut other = state.nodes.values().next().unwrap().clone();
        other.name = "b".parse().unwrap();
        state.nodes.insert(other.name.clone(), other);
        state
    }

    fn supports(newest: &[(&str, u32)]) -> BTreeMap<NodeName, Supported> {
        let one = |(name, newest): &(&str, u32)| {
            let supported = Supported {
                oldest: Cluster(1),
                newest: Cluster(*newest),
            };
            (name.parse().unwrap(), supported)
        };
        newest.iter().map(one).collect()
    }

    fn raised(
        state: &mut State,
        to: Option<u32>,
        newest: &[(&str, u32)],
    ) -> (Result<Reply, Refusal>, Vec<Fact>) {
        let raise = Raise {
            to: to.map(Cluster),
            supported: supports(newest),
        };
        act(|context| finalize(state, context, &raise))
    }

    #[test]
    fn it_is_raised_once_every_member_is_known_to_support_it() {
        for (to, newest) in [
            (None, &[("a", 2)][..]),
            (Some(2), &[("a", 2)]),
            (None, &[("a", 2), ("b", 1)]),
            (Some(2), &[("a", 2), ("b", 1)]),
            (Some(3), &[("a", 2), ("b", 2)]),
            (Some(2), &[]),
            (None, &[]),
        ] {
            let mut state = formed();
            let (result, facts) = raised(&mut state, to, newest);
            let refused = matches!(result, Err(Refusal::VersionUnsupported { .. }));
            assert!(refused, "{to:?} {newest:?}: {result:?}");
            assert_eq!((state.head.version, facts), (Cluster(1), Vec::new()));
        }
        let mut state = formed();
        let (result, _) = raised(&mut state, Some(2), &[("a", 2), ("b", 3)]);
        assert_eq!((result, state.head.version), (Ok(Reply::Done), Cluster(2)));
        let again = raised(&mut state, Some(2), &[]);
        assert_eq!(again, (Ok(Reply::Unchanged), Vec::new()));
    }

    #[test]
    fn the_newest_that_any_supports_is_meant_and_nothing_older() {
        let mut state = formed();
        let all = [("a", 3), ("b", 3)];
        let (result, facts) = raised(&mut state, None, &all);
        assert_eq!(result, Ok(Reply::Done));
        let (from, to) = (Cluster(1), Cluster(3));
        assert_eq!(facts, [Fact::VersionRaised { from, to }]);
        assert_eq!(raised(&mut state, None, &all).0, Ok(Reply::Unchanged));
        let (asked, current) = (Cluster(2), Cluster(3));
        let lower = raised(&mut state, Some(2), &all).0;
        assert_eq!(lower, Err(Refusal::ClusterVersion { asked, current }));
    }

    #[test]
    fn not_while_a_member_may_be_joining() {
        let mut state = formed();
        let member = MemberId(3);
        state.head.membership.opened = Some(Change::Add { member });
        let result = raised(&mut state, None, &[("a", 2), ("b", 2)]).0;
        assert_eq!(result, Err(Refusal::MembershipChanging));
    }
}
