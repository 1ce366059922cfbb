//! A disk for each host: ext4 on a loop file, whose power can be cut. What was not synced is then gone.
//! Nothing but the test's own directories is ever mounted, cut or unmounted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use aegis_updates::demo::cluster::Cluster;
use aegis_updates::demo::cluster::end::{end_all_below, processes_below};

use crate::support::wait::wait_until;

const PATIENCE: Duration = Duration::from_secs(20);
/// A roll leaves two binaries behind, and a run may have a hundred. The image is sparse.
const BYTES: u64 = 8 << 30;
/// `_IOR('X', 125, __u32)` with "do not flush the journal": as if the power went.
const SHUTDOWN: &str = "import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";

/// Mounted over the hosts' directories; unmounted when dropped, which must be before the cluster is.
pub struct Disks {
    mounted: Vec<(PathBuf, PathBuf)>,
}

/// False, said loudly, where power cannot be cut.
pub fn can_be_cut() -> bool {
    let root = rustix::process::geteuid().is_root();
    let tool = |name: &str| {
        let found = Command::new(name).arg("--version").output();
        found.is_ok_and(|output| output.status.success())
    };
    if !root {
        println!("skipped: needs root");
    } else if !tool("python3") || !tool("mount") || !Path::new("/dev/loop-control").exists() {
        println!("skipped: needs python3, mount and loop devices");
    } else {
        return true;
    }
    false
}

impl Disks {
    /// Moves every host of a cluster whose processes have ended onto a disk of its own.
    pub fn under(cluster: &Cluster) -> Self {
        let mut disks = Self {
            mounted: Vec::new(),
        };
        let root = cluster.directory().to_owned();
        for host in &cluster.hosts {
            let image = root.join(format!("{}.disk", host.name));
            let aside = root.join(format!("{}.before", host.name));
            fs::File::create(&image).unwrap().set_len(BYTES).unwrap();
            run("mkfs.ext4", &["-q", "-F", text(&image)]);
            fs::rename(&host.directory, &aside).unwrap();
            fs::create_dir(&host.directory).unwrap();
            disks.mounted.push((image, host.directory.clone()));
            disks.mount(&host.directory);
            let from = aside.join(".");
            run("cp", &["-a", text(&from), text(&host.directory)]);
            run("sync", &["-f", text(&host.directory)]);
        }
        disks
    }

    /// Cuts the power of these hosts at once, ends what ran on them, and gives the power back.
    pub async fn cut(&self, hosts: &[PathBuf]) {
        for directory in hosts {
            assert!(self.mounted.iter().any(|(_, at)| at == directory));
            run("python3", &["-c", SHUTDOWN, text(directory)]);
        }
        for directory in hosts {
            end_all_below(directory);
            wait_until(PATIENCE, "the host's processes have ended", async || {
                processes_below(directory).is_empty()
            })
            .await;
            wait_until(PATIENCE, "the disk is let go", async || {
                let output = Command::new("umount").arg(directory).output();
                output.unwrap().status.success()
            })
            .await;
            self.mount(directory);
        }
    }

    fn mount(&self, directory: &Path) {
        let found = self.mounted.iter().find(|(_, at)| at == directory);
        let (image, _) = found.unwrap();
        run("mount", &["-o", "loop", text(image), text(directory)]);
    }
}

impl Drop for Disks {
    fn drop(&mut self) {
        for (_, directory) in &self.mounted {
            end_all_below(directory);
            // The loop device goes with the mount. Lazily, so that a panic leaves nothing mounted.
            let _ = Command::new("umount").arg("-l").arg(directory).output();
        }
    }
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
