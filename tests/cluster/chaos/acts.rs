//! What a daemon does to its model host: how long each act takes, when its effect falls, what it gives. A
//! daemon that dies drops the act before its effect, or after it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aegis_updates::agent::boot::now_ms;
use aegis_updates::agent::hands::Hands;
use aegis_updates::agent::ledger_file::LedgerFile;
use aegis_updates::agent::machine::{
    Act, Failure, FailureKind, Gave, Ledger, Look, Process as Seen, Source,
};
use aegis_updates::agent::readiness::{State, Switch};
use aegis_updates::agent::{adapter, files, process};
use aegis_updates::base::digest::Digest;
use aegis_updates::base::duration::Millis;
use aegis_updates::base::ids::NodeName;
use aegis_updates::fleet::view::Sample;
use futures_util::future::BoxFuture;
use tokio::time::sleep;

use super::fleet::{Fleet, Hosts};
use super::random::Random;

pub struct ModelHands {
    pub name: NodeName,
    pub fleet: Arc<Fleet>,
    pub file: LedgerFile,
    pub random: Mutex<Random>,
    pub acts: AtomicU64,
}

/// Says that the act is over, however it ends.
struct Acting<'a> {
    hands: &'a ModelHands,
    number: u64,
}

impl Drop for Acting<'_> {
    fn drop(&mut self) {
        let (name, number) = (&self.hands.name, self.number);
        self.hands.fleet.with(|hosts| hosts.act_ends(name, number));
    }
}

impl Hands for ModelHands {
    fn keep(&self, ledger: &Ledger) -> BoxFuture<'_, Result<(), files::Error>> {
        let (file, ledger) = (self.file.clone(), ledger.clone());
        Box::pin(async move {
            let kept = ledger.clone();
            files::off_runtime(move || file.save(&ledger)).await?;
            self.fleet.with(|hosts| hosts.kept(&self.name, &kept));
            Ok(())
        })
    }

    fn run<'a>(&'a self, act: &'a Act) -> BoxFuture<'a, Result<Gave, Failure>> {
        Box::pin(async move {
            let number = self.acts.fetch_add(1, Ordering::Relaxed);
            self.fleet
                .with(|hosts| hosts.act_starts(&self.name, number, act));
            let _acting = Acting {
                hands: self,
                number,
            };
            self.waits(1, 20).await;
            let result = match act {
                Act::Stop { timeout } => self.stop(*timeout).await,
                Act::Stage { target, .. } => self.stage(target.digest).await,
                _ => self.fleet.with(|hosts| effect(hosts, &self.name, act)),
            };
            self.waits(1, 20).await;
            result
        })
    }

    fn look(&self, _: bool, _: Millis) -> BoxFuture<'_, Result<Look, process::Error>> {
        Box::pin(async move {
            let at_ms = now_ms();
            let (database, process) = self.fleet.with(|hosts| hosts.looked(&self.name));
            self.waits(1, 10).await;
            Ok(Look {
                at_ms,
                database,
                process,
                detail: None,
            })
        })
    }

    fn sample<'a>(
        &'a self,
        ledger: &'a Ledger,
        look: &'a Look,
        switch: &'a Switch,
    ) -> BoxFuture<'a, Sample> {
        let database = look.database.clone();
        Box::pin(async move {
            Sample {
                healthy: database.healthy,
                version: database.version,
                digest: database.digest,
                ready: switch.now().state == State::Ready,
                drained: database.drained,
                safe_to_stop: Ok(()),
                disk_free_bytes: 1 << 40,
                generation: ledger.newest,
                step: ledger.step(),
            }
        })
    }

    fn drain_again(&self) -> BoxFuture<'_, Result<(), adapter::Error>> {
        Box::pin(async { Ok(()) })
    }
}

impl ModelHands {
    async fn waits(&self, least: u64, most: u64) {
        let ms = self.random.lock().unwrap().between(least, most);
        sleep(Duration::from_millis(ms)).await;
    }

    async fn stage(&self, digest: Digest) -> Result<Gave, Failure> {
        self.waits(5, 120).await;
        self.fleet.with(|hosts| {
            if now_ms() < hosts.origin_down_until_ms {
                let why = "the origin does not answer";
                return Err(Failure::new(FailureKind::Passing, why));
            }
            hosts.one(&self.name).host.staged.insert(digest);
            Ok(Gave::Nothing)
        })
    }

    /// One signal, then waits for the end; asked again, it only goes on waiting.
    async fn stop(&self, timeout: Millis) -> Result<Gave, Failure> {
        let lasts = self.random.lock().unwrap().between(20, 250);
        self.fleet.with(|hosts| {
            let one = hosts.one(&self.name);
            one.host.kept_running = false;
            if let Some(process) = &mut one.host.process
                && !process.stopping
            {
                process.stopping = true;
                one.ends_at_ms = Some(now_ms() + lasts);
                hosts.stopped(&self.name);
                hosts.taken_away_by_act(&self.name);
            }
        });
        let end = now_ms() + timeout.0;
        while self
            .fleet
            .with(|hosts| hosts.one(&self.name).host.process.is_some())
        {
            if now_ms() > end {
                return Err(Failure::new(FailureKind::TimedOut, "it does not stop"));
            }
            sleep(Duration::from_millis(10)).await;
        }
        Ok(Gave::Nothing)
    }
}

fn effect(hosts: &mut Hosts, name: &NodeName, act: &Act) -> Result<Gave, Failure> {
    let host = &mut hosts.one(name).host;
    match act {
        Act::CheckBackup { digest } => holds(host.backups.contains(digest), "no such backup"),
        Act::Drain { .. } => {
            // Not ready, it takes no traffic already.
            let away = host.ready && !host.drained;
            host.drained = true;
            if away {
                hosts.taken_away_by_act(name);
            }
            Ok(Gave::Nothing)
        }
        Act::Undrain => {
            host.drained = false;
            Ok(Gave::Nothing)
        }
        Act::WaitDrained { .. } | Act::Flush { .. } => Ok(Gave::Nothing),
        Act::BackUp { digest, .. } => {
            let process = host.process.as_ref();
            let runs = process.is_some_and(|process| process.digest == *digest);
            if runs || host.installed == Some(*digest) {
                host.backups.insert(*digest);
            }
            holds(host.backups.contains(digest), "nothing to back up from")
        }
        Act::Prepare { digest, from, .. } => {
            let process = host.process.as_ref();
            let kept = host.staged.contains(digest) || host.backups.contains(digest);
            let there = match from {
                Source::Staged | Source::Backup => kept,
                Source::Running => process.is_some_and(|process| process.digest == *digest),
            };
            if there {
                host.aside = Some(*digest);
            }
            holds(there, "nothing to prepare from")
        }
        Act::RemovePrepared => {
            host.aside = None;
            Ok(Gave::Nothing)
        }
        Act::Swap {
            digest,
            not_after_ms,
        } => swap(hosts, name, *digest, *not_after_ms),
        Act::Start { digest, .. } => start(hosts, name, *digest),
        Act::AskPeers { .. } => Ok(Gave::Peers(hosts.peers_of(name))),
        Act::Stop { .. } | Act::Stage { .. } => unreachable!("they wait, and are done elsewhere"),
    }
}

fn swap(
    hosts: &mut Hosts,
    name: &NodeName,
    digest: Digest,
    not_after_ms: Option<u64>,
) -> Result<Gave, Failure> {
    let host = &mut hosts.one(name).host;
    if host.installed == Some(digest) {
        return Ok(Gave::Nothing);
    }
    if host.aside != Some(digest) {
        let why = "no verified file lies beside the install path";
        return Err(Failure::new(FailureKind::Passing, why));
    }
    if not_after_ms.is_some_and(|end| now_ms() > end) {
        return Err(Failure::new(FailureKind::Lapsed, "the begin's lease ended"));
    }
    host.installed = Some(digest);
    host.aside = None;
    hosts.swapped(name, digest);
    Ok(Gave::Nothing)
}

fn start(hosts: &mut Hosts, name: &NodeName, digest: Digest) -> Result<Gave, Failure> {
    if hosts.one(name).host.process.is_none() {
        if hosts.one(name).host.installed != Some(digest) {
            let why = "another file is installed";
            return Err(Failure::new(FailureKind::Lasting, why));
        }
        hosts.start(name);
    }
    let host = &mut hosts.one(name).host;
    host.kept_running = true;
    match &host.process {
        Some(process) if process.digest == digest => Ok(Gave::Started {
            process: Seen {
                pid: u32::try_from(process.run).unwrap_or(u32::MAX),
                started: process.started_ms,
                kept: true,
            },
            digest,
        }),
        _ => Err(Failure::new(FailureKind::Passing, "it runs something else")),
    }
}

fn holds(so: bool, otherwise: &str) -> Result<Gave, Failure> {
    match so {
        true => Ok(Gave::Nothing),
        false => Err(Failure::new(FailureKind::Lasting, otherwise)),
    }
}
