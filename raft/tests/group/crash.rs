//! A member killed with −9 at any moment, and one whose disk fails, lose nothing that they acknowledged.
//! The member runs in a child process: this test binary, started again.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use crate::support;
use crate::support::{CLUSTER, LATE, Register, SOON, TIMING, identity, node, payload};
use aegis_updates_raft::fatal::Fatal;
use aegis_updates_raft::member::{ImagePolicy, Member, Peers, Settings};
use aegis_updates_raft::pki::Authority;
use aegis_updates_raft::store::{Presence, Store};
use tempfile::TempDir;
use tokio::net::TcpListener;

const DIR: &str = "RAFT_CRASH_DIR";
const WRITERS: u64 = 8;
const ROUNDS: usize = 6;

/// The only entry point of the child; as a test of its own it does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let fatal = Fatal::new(|reason| {
        println!("fatal {reason}");
        std::process::exit(70);
    });
    let (member, register) = start(Path::new(&dir), fatal).await;
    let first = register.rows().len();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::spawn(write(member.clone(), writer, first)))
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
}

/// Prints a key once it is acknowledged. Values are long enough that files fill up within seconds.
async fn write(member: Member, writer: u64, first: usize) {
    for count in first.. {
        let key = format!("w{writer}-{count}");
        if member
            .propose(payload(&key, &"v".repeat(500)), SOON)
            .await
            .is_ok()
        {
            println!("acknowledged {key}");
        }
    }
}

async fn start(dir: &Path, fatal: Fatal) -> (Member, Register) {
    let store = Store::open(dir, identity(1), Presence::MayBeNew, fatal).unwrap();
    let authority = Authority::create(CLUSTER, support::now()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let peers = Peers {
        listener,
        credentials: support::credentials(&authority, CLUSTER, 1),
        handler: Arc::new(|_, _| unreachable!("it is alone")),
        joining: Arc::new(|_| false),
        anonymous_join: false,
        addresses: BTreeMap::new(),
        faults: None,
    };
    let images = ImagePolicy {
        entries: 200,
        log_bytes: u64::MAX,
        keep: 50,
    };
    let register = Register::default();
    let member = Member::start(
        Settings {
            timing: TIMING,
            images,
        },
        store,
        register.clone(),
        peers,
    )
    .await
    .unwrap();
    // It has a log from the second round on.
    let _ = member.init(node(1, &address)).await;
    member
        .watch()
        .wait_for(|now| now.leader == Some(1))
        .await
        .unwrap();
    (member, register)
}

fn spawn(mut command: Command, dir: &Path) -> Child {
    command
        .args([
            "crash::child",
            "--exact",
            "--nocapture",
            "--test-threads",
            "1",
        ])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The keys that the child acknowledged, until it printed `enough` of them or ended, and its last words.
fn listen(child: &mut Child, enough: usize) -> (Vec<String>, Option<String>) {
    let mut acknowledged = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some(reason) = line.strip_prefix("fatal ") {
            return (acknowledged, Some(reason.to_owned()));
        }
        acknowledged.extend(
            line.split_once("acknowledged ")
                .map(|(_, key)| key.to_owned()),
        );
        if acknowledged.len() == enough {
            // What it prints from now on is lost with the pipe; what was printed counts.
            child.kill().unwrap();
        }
    }
    (acknowledged, None)
}

/// Every key of `acknowledged` is there when the store is opened again.
async fn check(dir: &Path, acknowledged: &[String]) {
    let fatal = Fatal::new(|reason| panic!("{reason}"));
    let (member, register) = start(dir, fatal).await;
    member.read_index(LATE).await.unwrap();
    let rows = register.rows();
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|key| !rows.contains_key(key.as_bytes()))
        .collect();
    assert!(
        lost.is_empty(),
        "{} of {} acknowledged are gone: {lost:?}",
        lost.len(),
        acknowledged.len()
    );
    member.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_nothing_acknowledged_is_lost() {
    let dir = TempDir::new().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        // Different depths, through several images and purges.
        let enough = 37 + 311 * round;
        let mut child = spawn(Command::new(std::env::current_exe().unwrap()), dir.path());
        let (more, fatal) = listen(&mut child, enough);
        child.wait().unwrap();
        assert_eq!(fatal, None);
        assert!(more.len() >= enough);
        acknowledged.extend(more);
        check(dir.path(), &acknowledged).await;
    }
}

/// A file-size limit stands in for a full disk: the write-ahead log cannot grow any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_write_ends_the_process_and_loses_nothing_acknowledged() {
    let dir = TempDir::new().unwrap();
    let mut command = Command::new("bash");
    command.args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$0\" \"$@\""]);
    command.arg(std::env::current_exe().unwrap());
    let mut child = spawn(command, dir.path());
    let (acknowledged, fatal) = listen(&mut child, usize::MAX);
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(70), "{fatal:?}");
    assert!(fatal.is_some());
    assert!(
        acknowledged.len() > 100,
        "only {} acknowledged before the limit",
        acknowledged.len()
    );
    check(dir.path(), &acknowledged).await;
}
