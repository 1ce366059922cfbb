//! The command line at a real member: whose right it uses, how it ends, and that a reader who goes away
//! early ends its words quietly.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use aegis_updates::access::principal::Role;
use aegis_updates::plans::strategy::Strategy;
use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use super::rig::Rig;
use super::scene::{secret_of, spec};

/// How a run ended, and what it said.
struct Ended {
    status: i32,
    out: String,
    err: String,
}

struct Operator {
    home: TempDir,
    endpoint: String,
}

impl Operator {
    fn new(rig: &Rig) -> Self {
        Self {
            home: TempDir::new().unwrap(),
            endpoint: format!("http://{}", rig.api),
        }
    }

    /// Blocking, so it belongs on a thread of its own.
    fn command(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aegis-updates"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.home.path())
            .env("AEGIS_UPDATES_ENDPOINT", &self.endpoint)
            .envs(environment.iter().copied())
            .stdin(Stdio::null());
        command
    }

    async fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
        let mut command = self.command(arguments, environment);
        let output = tokio::task::spawn_blocking(move || command.output());
        let output = output.await.unwrap().unwrap();
        Ended {
            status: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_comes_from_a_file_or_the_environment_and_the_nearer_one_counts() {
    let rig = Rig::of(1).await;
    let operator = Operator::new(&rig);
    let who = ["token", "whoami", "-o", "name"];
    let nobody = operator.run(&who, &[]).await;
    assert_eq!(nobody.status, 4, "{}", nobody.err);
    assert!(nobody.err.contains("AEGIS_UPDATES_TOKEN"), "{}", nobody.err);

    let context = operator.file("context.token", &secret_of(Role::Viewer));
    let contexts = format!(
        "current = \"here\"\n[contexts.here]\nendpoints = []\ntoken_file = \"{context}\"\n"
    );
    operator.file(".config/aegis-updates/cli.toml", &contexts);
    assert_eq!(operator.run(&who, &[]).await.out, "token viewer-1\n");

    let secret = secret_of(Role::Operator);
    let given = [("AEGIS_UPDATES_TOKEN", secret.as_str())];
    assert_eq!(operator.run(&who, &given).await.out, "token operator-1\n");
    let empty = [("AEGIS_UPDATES_TOKEN", "")];
    assert_eq!(operator.run(&who, &empty).await.out, "token viewer-1\n");

    let file = operator.file("admin.token", &format!("{}\n", secret_of(Role::Admin)));
    let both = [given[0], ("AEGIS_UPDATES_TOKEN_FILE", file.as_str())];
    assert_eq!(operator.run(&who, &both).await.out, "token admin-1\n");
    let flag = [&who[..], &["--token-file", file.as_str()]].concat();
    assert_eq!(operator.run(&flag, &given).await.out, "token admin-1\n");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_to_fail_has_its_own_status_and_says_what_to_do() {
    let rig = Rig::of(1).await;
    let operator = Operator::new(&rig);
    let secret = secret_of(Role::Viewer);
    let viewer = [("AEGIS_UPDATES_TOKEN", secret.as_str())];
    let cases: [(&[&str], i32, &str); 7] = [
        (&["plan", "show", "p-9"], 3, "unknown_plan"),
        (&["plan", "show", "nine"], 2, "malformed_plan_id"),
        (&["plan", "pause", "p-9"], 4, "forbidden"),
        (
            &["plan", "show", "p-9", "--endpoint", "here"],
            2,
            "https://host:port",
        ),
        (
            &["status", "--endpoint", "unix:/nowhere"],
            5,
            "is the daemon running?",
        ),
        (&["watch"], 2, "there is no plan yet"),
        (&["cluster", "remove", "node-1"], 3, "--yes"),
    ];
    for (arguments, status, says) in cases {
        let ended = operator.run(arguments, &viewer).await;
        assert_eq!(ended.status, status, "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains(says), "{arguments:?}: {}", ended.err);
        assert_eq!(ended.out, "", "{arguments:?}");
    }
    let whole = operator
        .run(&["cluster", "show", "-o", "json"], &viewer)
        .await;
    assert_eq!(whole.status, 0, "{}", whole.err);
    let whole: serde_json::Value = serde_json::from_str(&whole.out).unwrap();
    assert_eq!(whole["leader"], "node-1");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_is_left_says_that_the_plan_goes_on() {
    let rig = Rig::running().await;
    let operator = Operator::new(&rig);
    let secret = secret_of(Role::Viewer);
    let viewer = [("AEGIS_UPDATES_TOKEN", secret.as_str())];
    let late = operator.run(&["watch", "--timeout", "1s"], &viewer).await;
    assert_eq!(late.status, 6, "{}", late.err);
    assert!(late.err.contains("the plan goes on"), "{}", late.err);

    // It names no plan: the live one is meant, though a newer one waits.
    rig.create(spec(None, Strategy::default())).await;
    let mut command = operator.command(&["watch"], &viewer);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let left = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        // What happened so far is told at once; then Ctrl-C.
        let first = lines.next().unwrap().unwrap();
        let pid = Pid::from_child(&child);
        rustix::process::kill_process(pid, Signal::INT).unwrap();
        let rest: Vec<_> = lines.map(Result::unwrap).collect();
        (child.wait().unwrap(), first, rest.join("\n"))
    });
    let (status, first, rest) = left.await.unwrap();
    assert!(first.contains("plan InProgress"), "{first}");
    assert_eq!(status.code(), Some(6), "{rest}");
    assert!(rest.contains("detached; the plan goes on"), "{rest}");
    assert!(rest.contains("watch p-1"), "{rest}");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_goes_away_early_is_no_error() {
    let rig = Rig::of(1).await;
    let operator = Operator::new(&rig);
    let secret = secret_of(Role::Viewer);
    let viewer = [("AEGIS_UPDATES_TOKEN", secret.as_str())];
    let cases: [&[&str]; 4] = [
        &["completions", "bash"],
        &["config", "example"],
        &["journal", "list", "-o", "json"],
        &["plan", "show", "p-9"],
    ];
    for arguments in cases {
        for close_errors in [false, true] {
            let mut command = operator.command(arguments, &viewer);
            let ended = tokio::task::spawn_blocking(move || {
                let (reader, writer) = std::io::pipe().unwrap();
                drop(reader);
                command.stdout(writer.try_clone().unwrap());
                match close_errors {
                    true => command.stderr(writer),
                    false => command.stderr(Stdio::piped()),
                };
                let mut child = command.spawn().unwrap();
                drop(command);
                let mut said = String::new();
                if let Some(mut errors) = child.stderr.take() {
                    errors.read_to_string(&mut said).unwrap();
                }
                (child.wait().unwrap(), said)
            });
            let (status, said) = ended.await.unwrap();
            let expected = if arguments[0] == "plan" { 3 } else { 0 };
            assert_eq!(status.code(), Some(expected), "{arguments:?}: {said}");
            assert!(!said.contains("panicked"), "{arguments:?}: {said}");
        }
    }
    rig.end().await;
}
