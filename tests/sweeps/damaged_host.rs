//! A real daemon is started on files of which a bit was flipped: it names what it cannot read and ends, or
//! heals and agrees with the others. Its database serves all the while. `FLIPS=n` tries more places.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use aegis_updates::demo::cluster::Cluster;
use aegis_updates::demo::observer::Observer;

use crate::fail_points::armed;
use crate::one_node::{host, leader};
use crate::stage::{self, PATIENCE};
use crate::support::wait::wait_for;
use crate::tally::Tally;

/// What is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Ledger,
    Identity,
    Image,
    /// The write-ahead log of the store.
    Wal,
    /// Its table files.
    Table,
}

const VICTIMS: [Victim; 5] = [
    Victim::Ledger,
    Victim::Identity,
    Victim::Image,
    Victim::Wal,
    Victim::Table,
];

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_on_damaged_files_refuses_by_name_or_heals() {
    let flips: u64 = std::env::var("FLIPS").map_or(1, |text| text.parse().unwrap());
    let mut tally = Tally::new("damaged-host");
    let mut cluster = armed::cluster().await;
    let observer = stage::observe(&cluster).await;
    let lead = leader(&cluster).await;
    let names = cluster.names();
    let name = names.into_iter().find(|name| *name != lead).unwrap();
    for flip in 0..flips {
        for victim in VICTIMS {
            let outcome = play(
                &mut cluster,
                &observer,
                &name,
                victim,
                (flip + 1, flips + 1),
            )
            .await;
            println!("{victim:?} {flip}: {outcome:?}");
            tally.ran(&format!("{victim:?}"), outcome);
        }
    }
    tally.end();
}

async fn play(
    cluster: &mut Cluster,
    observer: &Observer,
    name: &str,
    victim: Victim,
    place: (u64, u64),
) -> Result<String, String> {
    cluster.host_mut(name).unwrap().kill().await.unwrap();
    let updater = host(cluster, name).directory.join("updater");
    let aside = host(cluster, name).directory.join("updater.whole");
    let copied = Command::new("cp")
        .arg("-a")
        .arg(&updater)
        .arg(&aside)
        .status();
    assert!(copied.unwrap().success());
    let Some(path) = file(&updater, victim) else {
        return Err("there is no such file".to_owned());
    };
    damage(&path, victim, place);
    let log = host(cluster, name).daemon_log();
    let said_before = fs::read_to_string(&log).unwrap().len();
    let before = observer.record().processes.len();
    cluster.start_daemon(name).unwrap();
    let ended = goes_on_or_ends(cluster, name).await;
    let words = fs::read_to_string(&log).unwrap().split_off(said_before);
    let outcome = match ended {
        None => {
            armed::members_agree(cluster).await;
            "healed"
        }
        Some(why) if why.contains("signal") => return Err(format!("{why}: {words}")),
        // It never ran on the damage, so the whole copy is as new as what it replaces.
        Some(_) if words.contains(updater.to_str().unwrap()) => {
            fs::remove_dir_all(&updater).unwrap();
            fs::rename(&aside, &updater).unwrap();
            cluster.start_daemon(name).unwrap();
            armed::members_agree(cluster).await;
            "refused"
        }
        Some(why) => return Err(format!("{why}, and does not say what is damaged: {words}")),
    };
    let _ = fs::remove_dir_all(&aside);
    if observer.record().processes.len() != before {
        return Err("a database was started or stopped".to_owned());
    }
    Ok(outcome.to_owned())
}

/// Why it ended; `None`: it answers.
async fn goes_on_or_ends(cluster: &mut Cluster, name: &str) -> Option<String> {
    let member = host(cluster, name).ports.api.address();
    let api = cluster.api.clone();
    wait_for(PATIENCE, "the daemon answers or ends", async || {
        if let Some(why) = cluster.host_mut(name).unwrap().ended() {
            return Some(Some(why));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let path = "/cluster?consistency=local";
        let answer = api.at(&member, "GET", path, None, None).await.ok()?;
        answer.status.is_success().then_some(None)
    })
    .await
}

fn file(updater: &Path, victim: Victim) -> Option<PathBuf> {
    match victim {
        Victim::Ledger => Some(updater.join("ledger/ledger.json")),
        Victim::Identity => Some(updater.join("member.json")),
        Victim::Image => newest(&updater.join("raft/images"), "image"),
        Victim::Wal => newest(&updater.join("raft/db"), "log"),
        Victim::Table => newest(&updater.join("raft/db"), "sst"),
    }
}

/// Names grow with age.
fn newest(directory: &Path, extension: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(directory).ok()?;
    let paths = entries.map(|entry| entry.unwrap().path());
    let of_kind = paths.filter(|path| path.extension().is_some_and(|found| found == extension));
    of_kind
        .filter(|path| path.metadata().is_ok_and(|file| file.len() > 0))
        .max()
}

/// At `place.0` of `place.1` parts. JSON has no checksum, so it is cut there instead.
fn damage(path: &Path, victim: Victim, place: (u64, u64)) {
    let mut bytes = fs::read(path).unwrap();
    let at = usize::try_from(bytes.len() as u64 * place.0 / place.1).unwrap();
    match victim {
        Victim::Ledger | Victim::Identity => bytes.truncate(at),
        Victim::Image | Victim::Wal | Victim::Table => bytes[at] ^= 1,
    }
    fs::write(path, bytes).unwrap();
}
