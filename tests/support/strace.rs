//! strace around a running process: waits until it is attached, and reads what it wrote.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(30);

pub struct Strace {
    child: Child,
    log: PathBuf,
}

/// False, said loudly, where it is not installed or may not be used.
pub fn is_here() -> bool {
    let found = std::process::Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let here = found.is_ok_and(|status| status.success());
    if !here {
        println!("skipped: needs strace");
    }
    here
}

impl Strace {
    /// Attached to `pid` and all threads and children that it begins; `None` when that is not allowed here.
    pub async fn attach(pid: u32, arguments: &[&str], log: &Path) -> Option<Self> {
        let words = log.with_extension("words");
        let stderr = fs::File::create(&words).unwrap();
        let mut child = Command::new("strace")
            .args(["-f", "-p", &pid.to_string(), "-o"])
            .arg(log)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let attached = wait_for(PATIENCE, "strace is attached", async || {
            if fs::read_to_string(&words)
                .unwrap_or_default()
                .contains("attached")
            {
                return Some(true);
            }
            child.try_wait().unwrap().map(|_| false)
        });
        match attached.await {
            true => Some(Self {
                child,
                log: log.to_owned(),
            }),
            false => {
                println!(
                    "skipped: needs leave to trace: {}",
                    fs::read_to_string(&words).unwrap()
                );
                None
            }
        }
    }

    /// Lets go of the process, if it still lives, and gives what was seen.
    pub async fn end(mut self) -> String {
        if let Some(pid) = self.child.id().and_then(|pid| Pid::from_raw(pid as i32)) {
            // Gone already is as good.
            let _ = kill_process(pid, Signal::INT);
        }
        self.child.wait().await.unwrap();
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until the traced process has ended.
    pub async fn until_end(mut self) -> String {
        self.child.wait().await.unwrap();
        fs::read_to_string(&self.log).unwrap()
    }
}
