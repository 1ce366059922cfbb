//! The resident's one loop: what is desired, what runs, and what is done about the difference.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};

use super::backoff::Backoff;
use super::child::Database;
use super::log;
use super::memory::Memory;
use super::settings::Settings;
use super::socket::Command;
use super::wire::{Desired, Exit, Outcome, Reply, Request, Status};
use crate::agent::binary::Digests;
use crate::agent::files::{self, Error, at};
use crate::agent::process::proc;
use crate::base::digest::Digest;

/// A log may outgrow its bound by what the database writes in this time.
const LOG_LOOK_INTERVAL: Duration = Duration::from_secs(5);

pub struct Keeper {
    settings: Settings,
    memory: Memory,
    digests: Arc<Digests>,
    desired: Desired,
    database: Option<Database>,
    /// What the last start command expected: it may run also when the list does not name it.
    expected: Option<Digest>,
    backoff: Backoff,
    start_at: Option<Instant>,
    restarts: u64,
    last_exit: Option<Exit>,
    problem: Option<String>,
    /// Who waits for the database's end, and until when.
    stops: Vec<(Instant, oneshot::Sender<Reply>)>,
    shutting_down: bool,
}

impl Keeper {
    /// Goes on from what an earlier resident left.
    pub async fn begin(settings: Settings) -> Result<Self, Error> {
        let (mut memory, life, desired) = Memory::recall(&settings)?;
        let database = life.and_then(|life| Database::watch(life).ok());
        memory.database_is(database.as_ref().map(|database| database.life))?;
        let start_at = (database.is_none() && desired == Desired::Up).then(Instant::now);
        Ok(Self {
            settings,
            memory,
            digests: Arc::default(),
            desired,
            database,
            expected: None,
            backoff: Backoff::default(),
            start_at,
            restarts: 0,
            last_exit: None,
            problem: None,
            stops: Vec::new(),
            shutting_down: false,
        })
    }

    /// Until a shutdown is done. An error means that the data directory cannot be written.
    pub async fn run(mut self, mut inbox: mpsc::Receiver<Command>) -> Result<(), Error> {
        let mut look = tokio::time::interval(LOG_LOOK_INTERVAL);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !(self.shutting_down && self.database.is_none()) {
            let next = self.next_deadline();
            tokio::select! {
                Some((request, reply)) = inbox.recv() => self.handle(request, reply).await?,
                exit = ended(&mut self.database) => self.database_ended(exit)?,
                () = at_deadline(next) => self.on_time().await?,
                _ = look.tick() => self.rotate_log().await,
            }
        }
        Ok(())
    }

    async fn handle(
        &mut self,
        request: Request,
        reply: oneshot::Sender<Reply>,
    ) -> Result<(), Error> {
        match request {
            Request::Status => self.answer(reply, Outcome::Done),
            Request::Stop { timeout_ms } => self.stop(timeout_ms, reply)?,
            Request::Shutdown { timeout_ms } => {
                self.shutting_down = true;
                self.stop(timeout_ms, reply)?;
            }
            Request::Start { expected } => {
                self.desired = Desired::Up;
                self.memory.desire(self.desired)?;
                self.expected = expected;
                self.backoff.begin_anew();
                let outcome = match &self.database {
                    Some(database) if database.stopping => Outcome::StillStopping,
                    Some(_) => Outcome::Done,
                    None => self.start(true).await?,
                };
                self.answer(reply, outcome);
            }
        }
        Ok(())
    }

    fn stop(&mut self, timeout_ms: u64, reply: oneshot::Sender<Reply>) -> Result<(), Error> {
        // A service manager that ends the resident must find the database up again after its next start.
        if !self.shutting_down {
            self.desired = Desired::Down;
            self.memory.desire(self.desired)?;
        }
        self.start_at = None;
        self.problem = None;
        let Some(database) = &mut self.database else {
            self.answer(reply, Outcome::Done);
            return Ok(());
        };
        let terminated = database.terminate();
        terminated.map_err(at("signal the database of", &self.settings.install_path))?;
        let timeout = Duration::from_millis(timeout_ms);
        // A timeout beyond what the clock can hold is no timeout; a year serves as well.
        let end = Instant::now().checked_add(timeout);
        let end = end.unwrap_or_else(|| Instant::now() + Duration::from_secs(365 * 86_400));
        self.stops.push((end, reply));
        // The next start needs this digest; while the database saves is the time to work it out.
        let (digests, path) = (
            Arc::clone(&self.digests),
            self.settings.install_path.clone(),
        );
        tokio::task::spawn_blocking(move || digests.of_path(&path));
        Ok(())
    }

    fn database_ended(&mut self, exit: Exit) -> Result<(), Error> {
        tracing::info!(?exit, "the database ended");
        self.database = None;
        self.memory.database_is(None)?;
        let lived = Duration::from_millis(exit.lived_ms);
        let asked = exit.asked;
        self.last_exit = Some(exit);
        for (_, reply) in std::mem::take(&mut self.stops) {
            self.answer(reply, Outcome::Done);
        }
        if self.desired == Desired::Up && !self.shutting_down {
            let now = Instant::now();
            // Ended as asked, and wanted again meanwhile: that is no crash.
            let delay = if asked {
                Duration::ZERO
            } else {
                self.backoff.failed(now, lived)
            };
            self.start_at = Some(now + delay);
        }
        Ok(())
    }

    async fn on_time(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        let (late, waiting) = std::mem::take(&mut self.stops)
            .into_iter()
            .partition::<Vec<_>, _>(|(end, _)| *end <= now);
        self.stops = waiting;
        if !late.is_empty()
            && self.settings.kill_after_stop_timeout
            && let Some(database) = &self.database
        {
            let killed = database.kill();
            killed.map_err(at("kill the database of", &self.settings.install_path))?;
        }
        for (_, reply) in late {
            self.answer(reply, Outcome::StillStopping);
        }
        if self.start_at.is_some_and(|start| start <= now) && self.database.is_none() {
            self.restarts += u64::from(self.last_exit.is_some());
            self.start(false).await?;
        }
        Ok(())
    }

    /// Starts what is installed, if it may run; otherwise looks again later.
    async fn start(&mut self, asked: bool) -> Result<Outcome, Error> {
        self.start_at = None;
        self.rotate_log().await;
        let outcome = match self.permitted(asked).await {
            Err(why) => Outcome::NotAllowed { why },
            Ok(digest) => match self.start_permitted(digest).await {
                Ok(()) => Outcome::Done,
                Err(why) => Outcome::StartFailed { why },
            },
        };
        match &outcome {
            Outcome::NotAllowed { why } | Outcome::StartFailed { why } => {
                tracing::error!(%why, "the database was not started");
                self.problem = Some(why.clone());
                let now = Instant::now();
                self.start_at = Some(now + self.backoff.failed(now, Duration::ZERO));
            }
            _ => self.problem = None,
        }
        let life = self.database.as_ref().map(|database| database.life);
        self.memory.database_is(life)?;
        Ok(outcome)
    }

    /// Asked for by the daemon: exactly what it expects. Otherwise: that, or what it once allowed.
    async fn permitted(&self, asked: bool) -> Result<Digest, String> {
        let (digests, path) = (
            Arc::clone(&self.digests),
            self.settings.install_path.clone(),
        );
        let found = files::off_runtime(move || digests.of_path(&path)).await;
        let found = found.map_err(|error| format!("{error}: {}", error.source))?;
        let allowed = self.memory.allowed().map_err(|error| {
            format!(
                "{error} ({}): start the daemon, which writes it again",
                error.source
            )
        })?;
        let may_run = match (asked, allowed) {
            (true, _) if self.expected.is_some_and(|expected| expected != found) => false,
            (_, None) => true,
            (_, Some(allowed)) => self.expected == Some(found) || allowed.contains(&found),
        };
        if may_run {
            Ok(found)
        } else {
            let path = self.settings.install_path.display();
            Err(format!(
                "{path} has the SHA-256 {found}, which may not be started now: put the right file there, or let the daemon say that this one is right"
            ))
        }
    }

    async fn start_permitted(&mut self, digest: Digest) -> Result<(), String> {
        let database = Database::start(&self.settings)
            .await
            .map_err(|error| format!("{error}: {}", error.source))?;
        let (digests, pid) = (Arc::clone(&self.digests), database.life.pid);
        let runs = files::off_runtime(move || {
            proc::open_executable(pid).and_then(|file| digests.of_file(&file))
        });
        // A file swapped between the check and the start is running now, and must not.
        if let Ok(runs) = runs.await
            && runs != digest
        {
            let _ = database.kill();
            return Err(format!(
                "another binary ({runs}) was put in place during the start"
            ));
        }
        tracing::info!(pid, %digest, "the database was started");
        self.database = Some(database);
        Ok(())
    }

    async fn rotate_log(&self) {
        let Settings {
            log,
            log_size_max,
            logs_kept,
            ..
        } = self.settings.clone();
        let rotated = files::off_runtime(move || log::rotate(&log, log_size_max, logs_kept)).await;
        if let Err(error) = rotated {
            tracing::warn!(%error, source = %error.source, "the database's log was not rotated");
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let stops = self.stops.iter().map(|(end, _)| *end);
        stops.chain(self.start_at).min()
    }

    fn answer(&self, reply: oneshot::Sender<Reply>, outcome: Outcome) {
        // Whoever asked may be gone; the act is done all the same.
        let _ = reply.send(Reply {
            outcome,
            status: self.status(),
        });
    }

    fn status(&self) -> Status {
        Status {
            resident_pid: std::process::id(),
            desired: self.desired,
            database: self.database.as_ref().map(|database| database.life),
            stopping: self
                .database
                .as_ref()
                .is_some_and(|database| database.stopping),
            restarts: self.restarts,
            last_exit: self.last_exit.clone(),
            crash_loop: self.backoff.is_crash_loop(Instant::now()),
            problem: self.problem.clone(),
            sessions: self.memory.sessions.clone(),
        }
    }
}

async fn ended(database: &mut Option<Database>) -> Exit {
    match database {
        Some(database) => database.ended().await,
        None => std::future::pending().await,
    }
}

async fn at_deadline(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
