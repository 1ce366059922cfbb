//! A member's disk has no room left, or none behind it: a file system whose device is out of room fails a sync
//! once and may call the next one done. The member ends by the first write that fails, the others go on, nothing
//! acknowledged is lost, and with room the member comes back, or says what it cannot read. `RUNS=n` tries more.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use aegis_updates::demo::cluster::Cluster;
use aegis_updates::demo::cluster::end::end_all_below;
use serde_json::json;
use tokio::time::{Duration, timeout};

use crate::fail_points::armed;
use crate::one_node::{host, leader};
use crate::power::disks::{can_be_cut, run, text};
use crate::stage::PATIENCE;
use crate::support::wait::{wait_for, wait_until};
use crate::tally::Tally;

const ROOM: u64 = 256 << 20;
/// What is left of it when writing begins; a store makes use of less than the last of these.
const LEFT: [u64; 4] = [0, 8 << 10, 64 << 10, 256 << 10];
const WRITES_MAX: usize = 1_500;
const WRITE_PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The file system itself is full.
    Full,
    /// The device under it is: syncs fail, then lie.
    Lies,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "members on disks without room: minutes, and loop devices; run on demand with RUNS=n"]
async fn a_member_without_room_ends_and_nothing_acknowledged_is_lost() {
    if !can_be_cut() {
        return;
    }
    let runs: usize = std::env::var("RUNS").map_or(4, |text| text.parse().unwrap());
    let mut tally = Tally::new("member-disk");
    for run in 0..runs {
        for kind in [Kind::Full, Kind::Lies] {
            let leads = run % 2 == 0;
            let outcome = play(kind, leads, LEFT[run % LEFT.len()]).await;
            println!("{kind:?} {run}, leader {leads}: {outcome:?}");
            let place = if leads { "leader" } else { "follower" };
            tally.ran(&format!("{kind:?}-{place}"), outcome);
        }
    }
    tally.end();
}

async fn play(kind: Kind, leads: bool, left: u64) -> Result<String, String> {
    let mut cluster = armed::cluster().await;
    let played = struck(&mut cluster, kind, leads, left).await;
    if played.is_err() {
        println!("kept: {}", cluster.keep().display());
    }
    played
}

async fn struck(
    cluster: &mut Cluster,
    kind: Kind,
    leads: bool,
    left: u64,
) -> Result<String, String> {
    let lead = leader(cluster).await;
    let names = cluster.names();
    let wanted = |name: &String| (*name == lead) == leads;
    let name = names.into_iter().find(wanted).unwrap();
    cluster.host_mut(&name).unwrap().kill().await.unwrap();
    let disk = Disk::under(&host(cluster, &name).directory, kind);
    cluster.start_daemon(&name).unwrap();
    armed::members_agree(cluster).await;
    if leads {
        lead_again(cluster, &name).await;
    }
    disk.fill(left);
    let acknowledged = write_until_ended(cluster, &name).await?;
    // The others go on without it, whoever led.
    let after = write(cluster, "after").await;
    after.map_err(|why| format!("the others do not go on: {why}"))?;
    disk.make_room().await;
    cluster.start_daemon(&name).unwrap();
    let outcome = match answers_or_ends(cluster, &name).await {
        None => {
            armed::members_agree(cluster).await;
            "came-back"
        }
        Some(why) => {
            let words = fs::read_to_string(host(cluster, &name).daemon_log()).unwrap();
            let data = host(cluster, &name).directory.join("updater");
            if !words.contains(data.to_str().unwrap()) {
                return Err(format!("{why}, and does not say what is damaged: {words}"));
            }
            "refused"
        }
    };
    for (key, id) in &acknowledged {
        let again = write(cluster, key).await;
        if again.as_ref() != Ok(id) {
            return Err(format!("{key} was {id}, and is {again:?} now"));
        }
    }
    end_all_below(cluster.directory());
    drop(disk);
    Ok(format!("{outcome}-{kind:?}"))
}

/// The member is asked for until it leads again.
async fn lead_again(cluster: &Cluster, name: &str) {
    let mut tries = 0;
    wait_for(PATIENCE, "it leads again", async || {
        tries += 1;
        let body = json!({ "to": name });
        let key = format!("transfer-{name}-{tries}");
        let path = "/cluster/leader";
        // Refused where it leads already.
        let _ = cluster.api.post(path, &body, &key, PATIENCE).await;
        (cluster.leader().await.ok()? == name).then_some(())
    })
    .await;
}

/// The answer that this key is given, if it is acknowledged.
async fn write(cluster: &Cluster, key: &str) -> Result<String, String> {
    let (path, body) = ("/cluster/join-tokens", json!({}));
    let answer = cluster.api.post(path, &body, key, WRITE_PATIENCE).await;
    let answer = answer.map_err(|error| error.to_string())?;
    Ok(answer["id"].to_string())
}

/// Writes until the member has ended; what was acknowledged meanwhile.
async fn write_until_ended(
    cluster: &mut Cluster,
    name: &str,
) -> Result<Vec<(String, String)>, String> {
    let mut acknowledged = Vec::new();
    for number in 0..WRITES_MAX {
        if cluster.host_mut(name).unwrap().ended().is_some() {
            // Its child is gone; what is left is the record of it.
            let _ = cluster.host_mut(name).unwrap().kill().await;
            return Ok(acknowledged);
        }
        let key = format!("write-{number}");
        if let Ok(id) = write(cluster, &key).await {
            acknowledged.push((key, id));
        }
    }
    Err(format!(
        "{name} went on through {} writes without room for them",
        acknowledged.len()
    ))
}

/// Why it ended; `None`: it answers.
async fn answers_or_ends(cluster: &mut Cluster, name: &str) -> Option<String> {
    let member = host(cluster, name).ports.api.address();
    let api = cluster.api.clone();
    wait_for(PATIENCE, "the daemon answers or ends", async || {
        if let Some(why) = cluster.host_mut(name).unwrap().ended() {
            return Some(Some(why));
        }
        let path = "/cluster?consistency=local";
        let asked = api.at(&member, "GET", path, None, None);
        let answer = timeout(WRITE_PATIENCE, asked).await.ok()?.ok()?;
        answer.status.is_success().then_some(None)
    })
    .await
}

/// Room of a fixed size below a host's `updater` directory, and a ballast that takes it.
struct Disk {
    kind: Kind,
    /// Where the memory is mounted that bounds the room.
    room: PathBuf,
    updater: PathBuf,
}

impl Disk {
    fn under(directory: &Path, kind: Kind) -> Self {
        let updater = directory.join("updater");
        let aside = directory.join("updater.before");
        let room = match kind {
            Kind::Full => updater.clone(),
            Kind::Lies => directory.join("room"),
        };
        fs::rename(&updater, &aside).unwrap();
        fs::create_dir(&updater).unwrap();
        fs::create_dir_all(&room).unwrap();
        let size = format!("size={ROOM}");
        run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", text(&room)]);
        let disk = Self {
            kind,
            room,
            updater,
        };
        if kind == Kind::Lies {
            // Larger than the room, so that only the room is ever short.
            let image = fs::File::create(disk.image()).unwrap();
            image.set_len(2 * ROOM).unwrap();
            run("mkfs.ext4", &["-q", "-F", text(&disk.image())]);
            disk.mount();
        }
        let from = aside.join(".");
        run("cp", &["-a", text(&from), text(&disk.updater)]);
        run("sync", &["-f", text(&disk.updater)]);
        disk
    }

    fn image(&self) -> PathBuf {
        self.room.join("image")
    }

    fn mount(&self) {
        let image = self.image();
        run("mount", &["-o", "loop", text(&image), text(&self.updater)]);
    }

    /// Takes all room but so many bytes.
    fn fill(&self, left: u64) {
        let ballast = fs::File::create(self.room.join("ballast")).unwrap();
        let none = rustix::fs::FallocateFlags::empty();
        loop {
            let room = rustix::fs::statvfs(&self.room).unwrap();
            let free = room.f_bavail * room.f_frsize;
            let taken = free.saturating_sub(left).max(1);
            // Its other user may take room between the look and the taking.
            match rustix::fs::fallocate(&ballast, none, 0, taken) {
                Err(rustix::io::Errno::NOSPC) if free > 0 => {}
                _ => return,
            }
        }
    }

    /// Gives the room back; what lies only in the page cache of a device that failed is lost.
    async fn make_room(&self) {
        if self.kind == Kind::Lies {
            end_all_below(self.updater.parent().unwrap());
            wait_until(PATIENCE, "the disk is let go", async || {
                let output = Command::new("umount").arg(&self.updater).output();
                output.unwrap().status.success()
            })
            .await;
        }
        fs::remove_file(self.room.join("ballast")).unwrap();
        if self.kind == Kind::Lies {
            // Its exit status tells what it repaired.
            let _ = Command::new("e2fsck")
                .args(["-f", "-y", text(&self.image())])
                .output();
            self.mount();
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, so that a panic leaves nothing mounted.
        for directory in [&self.updater, &self.room] {
            let _ = Command::new("umount").arg("-l").arg(directory).output();
        }
    }
}
