//! What befalls a host's machine: its disk stalls or takes no more files, its clock jumps.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::geteuid;
use tokio::time::sleep;

use super::ground::Ground;
use super::script::Trouble;
use super::strike::answers;
use crate::support::strace::{self, Strace};

/// How long each sync takes, in strace's microseconds, and for how long they do.
const SYNCS_STALL: &str = "inject=fsync,fdatasync:delay_enter=1500000";
const STALLED: Duration = Duration::from_millis(7_000);
const MOUNTS_MAX: u32 = 50;
const READ_ONLY: Duration = Duration::from_millis(4_000);
/// An hour and ten years, either way; the last is the right time again.
const JUMPS: [&str; 5] = ["+3600", "-3600", "+315360000", "-315360000", "+0"];
const BETWEEN_JUMPS: Duration = Duration::from_millis(2_000);
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// What this machine would need for the trouble and has not.
pub fn lacks(trouble: Trouble) -> Option<&'static str> {
    match trouble {
        Trouble::Stall if !strace::is_here() => Some("strace"),
        Trouble::ReadOnly if !geteuid().is_root() => Some("root"),
        Trouble::Clock if !Path::new(FAKETIME).exists() => Some("libfaketime"),
        _ => None,
    }
}

/// Every sync of the daemon takes long.
pub async fn stall(ground: &Ground, name: &str) {
    let host = ground.cluster.host(name).unwrap();
    let Some(pid) = host.daemon_pid() else {
        return;
    };
    let log = host.directory.join("stall");
    let arguments = ["-e", "trace=fsync,fdatasync", "-e", SYNCS_STALL];
    let Some(strace) = Strace::attach(pid, &arguments, &log).await else {
        return;
    };
    sleep(STALLED).await;
    strace.end().await;
}

/// A directory over which itself is mounted, for reading only; taken away when dropped.
struct Over(PathBuf);

impl Over {
    /// Anew when a file was opened for writing between the two mounts: the second is refused then.
    fn mount(directory: &Path) -> Result<Self, String> {
        let path = directory.to_str().unwrap();
        let mut tries = 0;
        loop {
            mount(&["--bind", path, path])?;
            let over = Self(directory.to_owned());
            tries += 1;
            match mount(&["-o", "remount,ro,bind", path]) {
                Ok(()) => return Ok(over),
                Err(why) if tries == MOUNTS_MAX => return Err(why),
                Err(_) => {}
            }
        }
    }
}

impl Drop for Over {
    fn drop(&mut self) {
        // Lazily: what was opened through it stays open.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("mount").args(arguments).output();
    let output = output.map_err(|why| why.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("mount {arguments:?}: {said}"))
}

/// Nothing new can be opened for writing below the daemon's directory. What it has open it may still write,
/// or it ends by the first write that fails and is started again with the disk as it was.
pub async fn read_only(ground: &mut Ground, name: &str) -> Result<(), String> {
    let data = ground.cluster.host(name).unwrap().directory.join("updater");
    let over = Over::mount(&data)?;
    sleep(READ_ONLY).await;
    drop(over);
    ground.restart_ended().await;
    answers(ground, name).await
}

/// The daemon's wall clock jumps under it, again and again.
pub async fn clock(ground: &mut Ground, name: &str) -> Result<(), String> {
    let offset = ground.cluster.host(name).unwrap().directory.join("offset");
    let jump = |to: &str| fs::write(&offset, to).unwrap();
    jump("+0");
    ground.kill(name).await;
    let environment = [
        ("LD_PRELOAD", FAKETIME.to_owned()),
        ("FAKETIME_TIMESTAMP_FILE", offset.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    ground.start_with(name, &environment).await;
    answers(ground, name).await?;
    for offset in JUMPS {
        jump(offset);
        sleep(BETWEEN_JUMPS).await;
    }
    ground.restart_ended().await;
    answers(ground, name).await?;
    ground.kill(name).await;
    ground.start(name).await;
    answers(ground, name).await
}
