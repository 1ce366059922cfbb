//! An update on a disk that is full at every size from "nothing fits" to "all fits", then with room again.

use std::path::{Path, PathBuf};
use std::process::Command;

use tokio::runtime::Runtime;

use crate::job::{Act, Job, Laid, release};
use crate::tally::Tally;

/// One page: what a file system in memory gives out.
const STEP: usize = 4096;

/// A file system in memory, unmounted when dropped.
struct Small(PathBuf);

impl Small {
    /// `None`, said loudly, where this process may not mount.
    fn mount(at: &Path, bytes: usize) -> Option<Self> {
        let size = format!("size={bytes}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(at)
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(at.to_owned()));
        }
        println!("skipped: needs root, and leave to mount");
        None
    }

    fn grow(&self, bytes: usize) {
        let size = format!("remount,size={bytes}");
        let grown = Command::new("mount")
            .args(["-o", &size])
            .arg(&self.0)
            .output();
        assert!(grown.unwrap().status.success());
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily, so that a panic leaves nothing mounted.
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn an_update_on_a_full_disk_leaves_old_or_new_and_goes_on_with_room() {
    let mut tally = Tally::new("full-disk");
    let file = release("new").len().div_ceil(STEP) * STEP;
    // Installed, at the origin, staged, kept, prepared, and a ledger.
    for bytes in (2 * file..7 * file).step_by(STEP) {
        match play(bytes) {
            Ok(None) => return,
            Ok(Some(left)) => tally.ran("enospc", Ok(left)),
            Err(why) => tally.ran("enospc", Err(format!("with {bytes} bytes: {why}"))),
        }
    }
    tally.end();
}

fn play(bytes: usize) -> Result<Option<String>, String> {
    let root = tempfile::tempdir().unwrap();
    // Laying the host out must not fail: it is full only afterwards.
    let Some(disk) = Small::mount(root.path(), 64 << 20) else {
        return Ok(None);
    };
    let job = Job::lay(root.path());
    let laid = Laid::of(&job);
    disk.grow(bytes.max(used(root.path())));
    let url = format!("file://{}/origin/release", root.path().display());
    let runtime = Runtime::new().unwrap();
    let first = runtime.block_on(job.run(Act::Update, &url));
    let left = job.look(&laid)?;
    let ended = match first {
        Ok(()) if left == "new" => "fitted",
        Ok(()) => return Err(format!("it says that it is done, and {left} is installed")),
        Err(_) => "refused",
    };
    disk.grow(64 << 20);
    runtime.block_on(job.run(Act::Update, &url))?;
    match job.look(&laid)? {
        "new" => job.is_tidy()?,
        other => return Err(format!("with room, {other} is installed")),
    }
    Ok(Some(format!("{left}-{ended}")))
}

/// A mounted file system cannot be made smaller than what is on it.
fn used(at: &Path) -> usize {
    let room = rustix::fs::statvfs(at).unwrap();
    usize::try_from((room.f_blocks - room.f_bfree) * room.f_frsize).unwrap()
}
