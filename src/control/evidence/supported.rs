//! Which cluster versions the daemons support, as far as the leader heard it lately.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::{Evidence, Known};
use crate::base::ids::NodeName;
use crate::base::limits::HEALTH_AGE_MAX;
use crate::base::version::Supported;

impl Evidence {
    /// Of those whose host this leader heard lately, in this term.
    pub fn supported(&self, term: u64) -> BTreeMap<NodeName, Supported> {
        self.supported_at(term, Instant::now())
    }

    fn supported_at(&self, term: u64, now: Instant) -> BTreeMap<NodeName, Supported> {
        let listening = self.lock();
        let known = listening.as_ref().filter(|known| known.term == term);
        let fresh = |known: &Known| {
            let (at, _) = known.newest.as_ref()?;
            let age = now.saturating_duration_since(*at);
            known
                .supports
                .filter(|_| age <= HEALTH_AGE_MAX.as_duration())
        };
        known
            .into_iter()
            .flat_map(|listening| &listening.hosts)
            .filter_map(|(name, known)| Some((name.clone(), fresh(known)?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::sample;
    use super::*;

    #[test]
    fn what_a_daemon_supports_is_known_only_while_it_is_heard() {
        let evidence = Evidence::default();
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let name: NodeName = "a".parse().unwrap();
        let told = Some(Supported::OURS);
        evidence.take_at(3, name.clone(), sample(true), told, start);
        let known = BTreeMap::from([(name.clone(), Supported::OURS)]);
        assert_eq!(evidence.supported_at(3, after(2_900)), known);
        assert_eq!(evidence.supported_at(3, after(3_100)), BTreeMap::new());
        assert_eq!(evidence.supported_at(4, start), BTreeMap::new());
        // The daemon that took its place does not say.
        evidence.take_at(3, name, sample(true), None, after(100));
        assert_eq!(evidence.supported_at(3, after(200)), BTreeMap::new());
    }
}
