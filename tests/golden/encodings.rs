//! What lies in logs and stores, by name and shape: members of two builds read each other's. A change here
//! is a change for a cluster's disks and is made on purpose, with `machine::since` or a default in mind.

use aegis_updates::access::principal::Principal;
use aegis_updates::access::token::Grant;
use aegis_updates::base::digest::Digest;
use aegis_updates::base::ids::{Generation, MemberId, PlanId};
use aegis_updates::base::version::{Cluster, Supported};
use aegis_updates::control::machine::encode_submission;
use aegis_updates::fleet::intent::{Begin, Which};
use aegis_updates::machine::apply::apply;
use aegis_updates::machine::command::{Change, Command, Founder, Raise, Settings};
use aegis_updates::machine::image;
use aegis_updates::machine::state::State;
use aegis_updates::machine::submission::{Position, RequestKey, Submission};
use serde_json::{Map, Value};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/encodings.json");
const ME: MemberId = MemberId(1);

fn submission(name: &str, command: Command) -> Submission {
    Submission {
        elapsed_ms: 3,
        run_ms: None,
        wall_ms: 1_700_000_000_000,
        actor: Principal::Member { member: ME },
        reason: Some("why".to_owned()),
        request: Some(RequestKey {
            key: format!("key of {name}"),
            body: Digest::of(b"body"),
        }),
        command,
    }
}

fn entries() -> Vec<(&'static str, Submission)> {
    let founder = Founder {
        cluster: "c".to_owned(),
        node: "a".parse().unwrap(),
        member: ME,
        address: "http://127.0.0.1:1".to_owned(),
        api: "http://127.0.0.1:2".to_owned(),
        peer: "127.0.0.1:3".to_owned(),
        zone: None,
        settings: Settings {
            quorum_loss_grace_ms: 10_000,
            url_allow: vec!["https://a.example/".to_owned()],
            voters_max: 5,
        },
        token: Some(("first".to_owned(), Digest::of(b"secret"))),
    };
    let begin = Begin {
        generation: Generation {
            incarnation: 1,
            number: 7,
        },
        which: Which::First,
        attempt: 2,
    };
    let raise = Raise {
        to: Some(Cluster(2)),
        supported: [("a".parse().unwrap(), Supported::FIRST)].into(),
    };
    let token = Command::CreateToken {
        id: "join".to_owned(),
        hash: Digest::of(b"join"),
        grants: Grant::Join,
        ttl_ms: 60_000,
    };
    let node = "a".parse().unwrap();
    let change = Change::Add {
        member: MemberId(2),
    };
    let commands = [
        ("open_term", Command::OpenTerm { idle_ms: None }),
        ("form", Command::Form(founder)),
        ("tick", Command::Tick { previous_ms: 4 }),
        ("create_token", token),
        ("open_membership", Command::OpenMembership { change }),
        ("begin", Command::Begin { node, begin }),
        ("pause", Command::Pause { plan: PlanId(1) }),
        ("finalize", Command::Finalize(raise)),
    ];
    commands
        .map(|(name, command)| (name, submission(name, command)))
        .into()
}

/// Of a state that holds a row of every kind but a plan's.
fn rows() -> Vec<image::Row> {
    let mut state = State::default();
    for (index, (_, entry)) in (1..).zip(entries()) {
        let position = Position {
            index,
            term: 1,
            leader: ME,
        };
        // Some are refused here; what they look like in the log is all that is wanted of them.
        apply(&mut state, position, &entry);
    }
    let rows = image::all(&state).unwrap();
    for kind in ["head", "node/", "token/", "request/"] {
        let of_kind = |(key, _): &image::Row| key.starts_with(kind.as_bytes());
        assert!(rows.iter().any(of_kind), "no row {kind}");
    }
    rows
}

fn shown() -> Value {
    let read = |bytes: &[u8]| rmp_serde::from_slice::<Value>(bytes).unwrap();
    let entries = entries().into_iter().map(|(name, entry)| {
        let bytes = encode_submission(&entry).unwrap();
        assert_eq!(bytes[0], 1, "the layout");
        (format!("entry {name}"), read(&bytes[1..]))
    });
    let rows = rows().into_iter().map(|(key, value)| {
        let key = String::from_utf8(key).unwrap();
        (format!("row {key}"), read(&value))
    });
    Value::Object(entries.chain(rows).collect::<Map<_, _>>())
}

#[test]
fn entries_and_rows_are_as_they_were() {
    let now = serde_json::to_string_pretty(&shown()).unwrap() + "\n";
    let was = std::fs::read_to_string(GOLDEN).unwrap_or_default();
    assert!(
        now == was,
        "logs and stores would be written otherwise; if that is meant, put this into tests/golden/encodings.json:\n{now}"
    );
}

/// What an older build wrote is read, and means the same.
#[test]
fn what_was_written_is_read() {
    let was = std::fs::read_to_string(GOLDEN).unwrap();
    let was: Map<String, Value> = serde_json::from_str(&was).unwrap();
    for (name, entry) in entries() {
        let bytes = rmp_serde::to_vec_named(&was[&format!("entry {name}")]).unwrap();
        let read: Submission = rmp_serde::from_slice(&bytes).unwrap();
        assert_eq!(read, entry, "{name}");
    }
    let rows = was.iter().filter_map(|(name, row)| {
        let key = name.strip_prefix("row ")?.as_bytes().to_vec();
        Some((key, rmp_serde::to_vec_named(row).unwrap()))
    });
    let read = image::restore(rows).unwrap();
    assert_eq!(image::all(&read).unwrap(), self::rows());
}
