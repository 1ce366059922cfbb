//! Every system call of one update and one rollback: the process is killed as it makes the N-th, or the
//! call fails with EIO; then a new process goes on.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::job::{Act, Job, Laid};
use crate::support::strace::{Strace, is_here};
use crate::tally::Tally;

/// Tells a copy of this test what to do, and where.
const CHILD: &str = "SWEEP_CHILD";

/// Calls that change a file or a name, or that make a change last; one kind each, whatever its form.
const CALLS: [&str; 12] = [
    "rename,?renameat,renameat2",
    "fsync",
    "fdatasync",
    "openat",
    "unlink,?unlinkat",
    "write,?pwrite64",
    "copy_file_range,?sendfile",
    "ioctl",
    "fchmod,?chmod,?fchmodat",
    "fchown,?chown",
    "fsetxattr,?setxattr",
    "flock",
];
/// More of one kind than one update makes.
const NTH_MAX: usize = 400;
/// An act takes a fraction of a second.
const HANGS_AFTER: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy)]
enum Fault {
    Kill,
    Eio,
}

/// Of each kind of call every so many-th in an ordinary run; every one with `SYSCALLS=all`.
fn stride() -> usize {
    match std::env::var("SYSCALLS").as_deref() {
        Ok("all") => 1,
        _ => 8,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_cut_at_any_system_call_leaves_old_or_new() {
    sweep("syscalls-update", Act::Update).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_cut_at_any_system_call_leaves_old_or_new() {
    sweep("syscalls-rollback", Act::RollBack).await;
}

async fn sweep(net: &'static str, act: Act) {
    if !is_here() {
        return;
    }
    let mut tally = Tally::new(net);
    for (number, calls) in CALLS.into_iter().enumerate() {
        for fault in [Fault::Kill, Fault::Eio] {
            // Each kind begins elsewhere, so that an ordinary run has first ones and later ones.
            let mut nth = 1 + number % stride();
            while nth <= NTH_MAX {
                let name = format!("{fault:?}:{}", calls.split(',').next().unwrap());
                match play(act, calls, fault, nth).await {
                    Ok(None) => break,
                    Ok(Some(left)) => tally.ran(&name, Ok(left.to_owned())),
                    Err(why) => tally.ran(&name, Err(format!("at {calls} number {nth}: {why}"))),
                }
                nth += stride();
            }
        }
    }
    tally.end();
}

/// Whoever renamed it may have died before the directory was synced.
#[tokio::test(flavor = "multi_thread")]
async fn what_lies_there_already_is_synced_before_it_counts() {
    if !is_here() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    Job::lay(root.path());
    finish(root.path(), Act::Update).await.unwrap();
    let mut child = begin(root.path(), Act::Update).await;
    let log = root.path().join("strace");
    let arguments = ["-y", "-e", "trace=fsync"];
    let Some(strace) = Strace::attach(child.id().unwrap(), &arguments, &log).await else {
        return;
    };
    go(&mut child).await;
    assert!(child.wait().await.unwrap().success());
    let seen = strace.until_end().await;
    for name in ["artifacts", "backups", "host"] {
        let directory = format!("<{}>", root.path().join(name).display());
        assert!(seen.contains(&directory), "{name} was not synced:\n{seen}");
    }
}

/// What the fault left installed; `None` when there were fewer such calls.
async fn play(
    act: Act,
    calls: &str,
    fault: Fault,
    nth: usize,
) -> Result<Option<&'static str>, String> {
    let root = tempfile::tempdir().unwrap();
    let job = Job::lay(root.path());
    let laid = Laid::of(&job);
    if act == Act::RollBack {
        finish(root.path(), Act::Update).await?;
    }
    let mut child = begin(root.path(), act).await;
    let (signal, error) = ("signal=KILL", "error=EIO");
    let with = match fault {
        Fault::Kill => signal,
        Fault::Eio => error,
    };
    let inject = format!("inject={calls}:{with}:when={nth}");
    let trace = format!("trace={calls}");
    let log = root.path().join("strace");
    let strace = Strace::attach(child.id().unwrap(), &["-e", &trace, "-e", &inject], &log).await;
    let Some(strace) = strace else {
        return Ok(None);
    };
    go(&mut child).await;
    // The write that failed may have been the one by which the runtime wakes itself: a process that hangs so is ended.
    if timeout(HANGS_AFTER, child.wait()).await.is_err() {
        child.kill().await.unwrap();
    }
    let seen = strace.until_end().await;
    let met = seen.contains("(INJECTED)") || seen.contains("killed by SIGKILL");
    let left = job.look(&laid)?;
    finish(root.path(), act).await?;
    let after = job.look(&laid)?;
    let wanted = match act {
        Act::Update => "new",
        Act::RollBack => "old",
    };
    if after != wanted {
        return Err(format!("recovery left {after}"));
    }
    job.is_tidy()?;
    Ok(met.then_some(left))
}

/// A copy of this test that waits for a line before it begins.
async fn begin(root: &Path, act: Act) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "syscalls::child_body",
            "--ignored",
            "--nocapture",
        ])
        .env(CHILD, format!("{act:?}:{}", root.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains("waiting") {
            break;
        }
    }
    child
}

async fn go(child: &mut Child) {
    // A child that was killed as it read has had its fault.
    let _ = child.stdin.as_mut().unwrap().write_all(b"go\n").await;
}

/// The whole act in a fresh process, undisturbed.
async fn finish(root: &Path, act: Act) -> Result<(), String> {
    let mut child = begin(root, act).await;
    go(&mut child).await;
    let output = child.wait_with_output().await.unwrap();
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "a fresh process could not go on: {}",
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

#[test]
#[ignore = "the body of a process that other tests start"]
fn child_body() {
    let Ok(told) = std::env::var(CHILD) else {
        return;
    };
    let (act, root) = told.split_once(':').unwrap();
    let act = match act {
        "Update" => Act::Update,
        _ => Act::RollBack,
    };
    println!("waiting");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let job = Job::at(Path::new(root));
    let url = format!("file://{root}/origin/release");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let done = runtime.block_on(job.run(act, &url));
    if let Err(why) = done {
        eprintln!("{why}");
        std::process::exit(1);
    }
}
