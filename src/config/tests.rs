//! The configuration's own tests.

use super::check::check;
use super::example::EXAMPLE;
use super::load::{Error, parse};
use super::{Config, Profile};

fn read(text: &str, variables: &[(&str, &str)]) -> Result<Config, Error> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    parse(text, "config.toml", variables.iter().map(own))
}

fn problem_keys(text: &str, variables: &[(&str, &str)]) -> Vec<&'static str> {
    let config = read(text, variables).expect("well-formed");
    check(&config).iter().map(|problem| problem.key).collect()
}

#[test]
fn the_example_is_sound_also_with_everything_uncommented() {
    assert_eq!(problem_keys(EXAMPLE, &[]), Vec::<&str>::new());
    let commented_in: Vec<String> = EXAMPLE
        .lines()
        .skip(2)
        .take_while(|line| !line.starts_with("# [database.http]"))
        .map(|line| line.strip_prefix("# ").unwrap_or(line).to_owned())
        .collect();
    assert_eq!(
        problem_keys(&commented_in.join("\n"), &[]),
        Vec::<&str>::new()
    );
}

#[test]
fn defaults_shown_in_the_example_are_the_defaults() {
    let bare = read(EXAMPLE, &[]).expect("well-formed");
    let shown = EXAMPLE
        .replace("# quorum_loss_grace", "quorum_loss_grace")
        .replace("# api =", "api =")
        .replace("# members =", "members =")
        .replace("# probes", "probes")
        .replace("# agent_check", "agent_check")
        .replace("# profile", "profile")
        .replace("# read =", "read =")
        .replace("# write =", "write =")
        .replace("# data_dir", "data_dir")
        .replace("# control_socket", "control_socket")
        .replace("# adapter", "adapter")
        .replace("# log =", "log =")
        .replace("# timeout =", "timeout =")
        .replace("# filter", "filter")
        .replace("# rejoin_evidence", "rejoin_evidence")
        .replace("# max_voters", "max_voters")
        .replace("# insecure_plaintext", "insecure_plaintext")
        .replace("# name =", "name =");
    assert_eq!(read(&shown, &[]), Ok(bare));
}

#[test]
fn an_unknown_key_names_the_nearest() {
    let text = EXAMPLE.replace("install_path", "instal_path");
    let Err(Error::UnknownKey { key, nearest, .. }) = read(&text, &[]) else {
        panic!("accepted");
    };
    assert_eq!(
        (key.as_str(), nearest.as_deref()),
        ("instal_path", Some("install_path"))
    );
    let error =
        read(EXAMPLE, &[("AEGIS_UPDATES_LISTEN__APPI", "127.0.0.1:1")]).expect_err("refused");
    assert!(error.to_string().contains("`api`"), "{error}");
}

#[test]
fn variables_override_the_file_and_others_are_left_alone() {
    let config = read(
        EXAMPLE,
        &[
            ("AEGIS_UPDATES_LISTEN__API", "127.0.0.1:9999"),
            ("AEGIS_UPDATES_RAFT__PROFILE", "wan"),
            ("AEGIS_UPDATES_CLUSTER__QUORUM_LOSS_GRACE", "30s"),
            ("AEGIS_UPDATES_CLUSTER__MAX_VOTERS", "3"),
            ("AEGIS_UPDATES_DATABASE__ARGUMENTS", "[\"--port\", \"1\"]"),
            ("AEGIS_UPDATES_CONTROL_SOCKET", "/elsewhere"),
            ("AEGIS_ADMIN_PASSWORD__X", "secret"),
        ],
    )
    .expect("well-formed");
    assert_eq!(config.listen.api.port(), 9999);
    assert_eq!(config.raft.profile, Profile::Wan);
    assert_eq!(config.cluster.max_voters, 3);
    assert_eq!(config.database.arguments, ["--port", "1"]);
    assert_eq!(check(&config), []);
}

#[test]
fn what_is_refused_names_its_key() {
    let refused = |name, value| problem_keys(EXAMPLE, &[(name, value)]);
    for (name, value, key) in [
        ("AEGIS_UPDATES_LISTEN__API", "0.0.0.0:7460", "listen.api"),
        (
            "AEGIS_UPDATES_LISTEN__PROBES",
            "127.0.0.1:7460",
            "listen.probes",
        ),
        (
            "AEGIS_UPDATES_LISTEN__MEMBERS",
            "0.0.0.0:7461",
            "listen.members_advertised",
        ),
        (
            "AEGIS_UPDATES_CLUSTER__QUORUM_LOSS_GRACE",
            "1s",
            "cluster.quorum_loss_grace",
        ),
        (
            "AEGIS_UPDATES_RAFT__PROFILE",
            "wan",
            "cluster.quorum_loss_grace",
        ),
        ("AEGIS_UPDATES_RAFT__HEARTBEAT", "100ms", "raft"),
        (
            "AEGIS_UPDATES_CLUSTER__MAX_VOTERS",
            "4",
            "cluster.max_voters",
        ),
        (
            "AEGIS_UPDATES_DATABASE__ADDRESS",
            "127.0.0.1:9090",
            "database.address",
        ),
        (
            "AEGIS_UPDATES_DATABASE__INSTALL_PATH",
            "aegis-server",
            "database.install_path",
        ),
        ("AEGIS_UPDATES_DATABASE__ADAPTER", "http", "database.http"),
    ] {
        assert_eq!(refused(name, value), [key], "{name}={value}");
    }
    let open = [
        ("AEGIS_UPDATES_LISTEN__API", "0.0.0.0:7460"),
        ("AEGIS_UPDATES_LISTEN__INSECURE_PLAINTEXT", "true"),
    ];
    assert_eq!(problem_keys(EXAMPLE, &open), Vec::<&str>::new());
}
