//! Every planted bug, and the nets that are to catch it, the quickest first. A test holds the list and the flags in
//! the sources together.

pub struct Canary {
    pub name: &'static str,
    pub nets: &'static [Net],
}

pub enum Net {
    /// The simulation, from its first seed.
    Seeds,
    Test {
        executable: &'static str,
        test: &'static str,
        variables: &'static [(&'static str, &'static str)],
    },
}

const SEEDS: &[Net] = &[Net::Seeds];
const ROUNDS: &[Net] = &[Net::Test {
    executable: "cluster",
    test: "chaos::rounds",
    variables: &[("ROUNDS", "40")],
}];
const DAEMONS: &[Net] = &[Net::Test {
    executable: "daemons",
    test: "rounds::rounds",
    variables: &[("ROUNDS", "1"), ("FROM", "3")],
}];
const DAMAGE: &[Net] = &[Net::Test {
    executable: "sweeps",
    test: "damage::a_flipped_bit_is_found_before_anything_rests_on_it",
    variables: &[],
}];
const POINTS: &[Net] = &[Net::Test {
    executable: "sweeps",
    test: "fail_points::rolls::a_daemon_dies_at_each_label_of_a_roll",
    variables: &[("LABELS", "state.before")],
}];
/// The second needs root: a page cache outlives any process, so only a file system that is shut down shows it on a
/// real disk.
const POWER: &[Net] = &[
    Net::Test {
        executable: "replay",
        test: "seeds",
        variables: &[("SEEDS", "40")],
    },
    Net::Test {
        executable: "sweeps",
        test: "power::what_was_acknowledged_survives_power_cuts",
        variables: &[("CUTS", "10")],
    },
];
const ORDER: &[Net] = &[Net::Test {
    executable: "sweeps",
    test: "order::a_swap_is_durable_before_the_database_is_stopped",
    variables: &[],
}];

pub const CANARIES: &[Canary] = &[
    caught_by("leader-first", SEEDS),
    caught_by("no-health-version", SEEDS),
    caught_by("alive-voters-counted", SEEDS),
    caught_by("any-term-begins", SEEDS),
    caught_by("leader-change-is-loss", SEEDS),
    caught_by("sick-waits-for-slot", SEEDS),
    caught_by("timeout-frees-slot", SEEDS),
    caught_by("wall-clock-deadlines", SEEDS),
    caught_by("old-generation-answers", SEEDS),
    caught_by("lease-ignored", SEEDS),
    caught_by("slot-unchecked", SEEDS),
    caught_by("rollback-under-normal-gates", SEEDS),
    caught_by("any-attempt", SEEDS),
    caught_by("longest-loss-counts", SEEDS),
    caught_by("quorum-ack-ignored", SEEDS),
    caught_by("unknown-is-safe", SEEDS),
    caught_by("no-second-begin", SEEDS),
    caught_by("drained-frees-slot", SEEDS),
    caught_by("sickness-frees-slot", SEEDS),
    caught_by("any-plan-begins", SEEDS),
    caught_by("skipped-begins", SEEDS),
    caught_by("way-back-moves", SEEDS),
    // Chosen from the specification alone, by somebody who had not seen the nets.
    caught_by("begin-gates-unchecked", SEEDS),
    caught_by("stand-down-past-boundary", SEEDS),
    caught_by("stale-rejoin", SEEDS),
    caught_by("silence-is-sickness", SEEDS),
    caught_by("mixed-is-rolled-back", SEEDS),
    caught_by("keys-forgotten", ROUNDS),
    caught_by("stale-reads", ROUNDS),
    caught_by("skip-drain", DAEMONS),
    caught_by("digest-not-verified", DAMAGE),
    caught_by("rename-not-synced", ORDER),
    caught_by("bytes-not-synced", ORDER),
    caught_by("applied-apart", POINTS),
    caught_by("log-not-synced", POWER),
];

const fn caught_by(name: &'static str, nets: &'static [Net]) -> Canary {
    Canary { name, nets }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Where the flags are.
    const FLAGS: [&str; 2] = ["src/base/sabotage.rs", "raft/src/sabotage.rs"];

    #[test]
    fn the_list_names_every_flag_in_the_sources_once() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut flags = BTreeSet::new();
        for file in FLAGS {
            let text = fs::read_to_string(root.join(file)).expect("the flags are there");
            let named = |line: &str| {
                let (before, name) = line.trim().strip_suffix("\",")?.split_once(" \"")?;
                let names = before.ends_with('=') || before.ends_with("=>");
                names.then(|| name.to_owned())
            };
            flags.extend(text.lines().filter_map(named));
        }
        let listed: BTreeSet<_> = CANARIES
            .iter()
            .map(|canary| canary.name.to_owned())
            .collect();
        assert_eq!(listed, flags);
        assert_eq!(listed.len(), CANARIES.len(), "each once");
        assert!(CANARIES.len() >= 20 && CANARIES.iter().all(|canary| !canary.nets.is_empty()));
    }
}
