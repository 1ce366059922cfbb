//! The nets that can run longer than CI has time for.

pub struct Net {
    pub name: &'static str,
    pub executable: &'static str,
    pub test: &'static str,
    /// What a sweep is told, so that it leaves nothing out; `--seeds` and `--rounds` tell the others.
    pub variables: &'static [(&'static str, &'static str)],
    pub built: Built,
}

/// How a net's executable is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Built {
    /// With all others.
    Together,
    /// Apart, with other flags: what it runs can be replayed.
    Replayed,
}

const ALL_LABELS: &[(&str, &str)] = &[("LABELS", "all")];
/// Requests that are made up for each operation, besides those that follow from the description.
const MANY: &[(&str, &str)] = &[("EXAMPLES", "100")];
const ALL_CALLS: &[(&str, &str)] = &[("SYSCALLS", "all")];

pub const NETS: &[Net] = &[
    net("simulation", "simulation", "seeds", &[]),
    Net {
        built: Built::Replayed,
        ..net("replay", "replay", "seeds", &[("SEEDS", "500")])
    },
    net("cluster-chaos", "cluster", "chaos::rounds", &[]),
    net("daemons", "daemons", "rounds::rounds", &[]),
    net("namespaces", "daemons", "namespaces::cuts", &[]),
    net(
        "two-builds",
        "daemons",
        "two_builds::forth_and_back_and_no_way_back_once_finalized",
        &[],
    ),
    net(
        "power-cuts",
        "sweeps",
        "power::what_was_acknowledged_survives_power_cuts",
        &[("CUTS", "100")],
    ),
    net(
        "member-disk",
        "sweeps",
        "member_disk::a_member_without_room_ends_and_nothing_acknowledged_is_lost",
        &[],
    ),
    net(
        "points-rolls",
        "sweeps",
        "fail_points::rolls::a_daemon_dies_at_each_label_of_a_roll",
        ALL_LABELS,
    ),
    net(
        "points-forming",
        "sweeps",
        "fail_points::forming::a_host_dies_at_each_label_of_forming_and_joining",
        ALL_LABELS,
    ),
    net(
        "points-behind",
        "sweeps",
        "fail_points::behind::a_member_dies_at_each_label_of_an_image_that_it_gets",
        ALL_LABELS,
    ),
    net(
        "points-deposed",
        "sweeps",
        "fail_points::truncated::a_deposed_leader_dies_at_each_label_of_forgetting",
        ALL_LABELS,
    ),
    net(
        "calls-update",
        "sweeps",
        "syscalls::an_update_cut_at_any_system_call_leaves_old_or_new",
        ALL_CALLS,
    ),
    net(
        "calls-rollback",
        "sweeps",
        "syscalls::a_rollback_cut_at_any_system_call_leaves_old_or_new",
        ALL_CALLS,
    ),
    net(
        "awaits-update",
        "sweeps",
        "awaits::an_update_dropped_at_any_await_leaves_old_or_new",
        &[],
    ),
    net(
        "awaits-rollback",
        "sweeps",
        "awaits::a_rollback_dropped_at_any_await_leaves_old_or_new",
        &[],
    ),
    net(
        "swap-order",
        "sweeps",
        "order::a_swap_is_durable_before_the_database_is_stopped",
        &[],
    ),
    net("fuzz-entries", "fuzz", "targets::entries::entries", &[]),
    net("fuzz-rows", "fuzz", "targets::rows::rows", &[]),
    net("fuzz-images", "fuzz", "targets::images::images", &[]),
    net(
        "fuzz-ledgers",
        "fuzz",
        "targets::ledgers::ledgers_of_hosts",
        &[],
    ),
    net("fuzz-raft", "fuzz", "targets::messages::raft_bodies", &[]),
    net("fuzz-peers", "fuzz", "targets::messages::peer_bodies", &[]),
    net(
        "fuzz-settings",
        "fuzz",
        "targets::configuration::configuration",
        &[],
    ),
    net("fuzz-texts", "fuzz", "targets::texts::texts", &[]),
    net("fuzz-requests", "fuzz", "targets::requests::requests", &[]),
    net(
        "schema-admin",
        "fuzz",
        "schema::schema_as_an_administrator",
        MANY,
    ),
    net("schema-viewer", "fuzz", "schema::schema_as_a_viewer", MANY),
    net(
        "full-disk",
        "sweeps",
        "full_disk::an_update_on_a_full_disk_leaves_old_or_new_and_goes_on_with_room",
        &[],
    ),
    net(
        "bit-flips",
        "sweeps",
        "damage::a_flipped_bit_is_found_before_anything_rests_on_it",
        &[],
    ),
    net(
        "damaged-host",
        "sweeps",
        "damaged_host::a_daemon_on_damaged_files_refuses_by_name_or_heals",
        &[("FLIPS", "20")],
    ),
];

const fn net(
    name: &'static str,
    executable: &'static str,
    test: &'static str,
    variables: &'static [(&'static str, &'static str)],
) -> Net {
    Net {
        name,
        executable,
        test,
        variables,
        built: Built::Together,
    }
}
