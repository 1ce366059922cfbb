//! The observer outside: every process of every database from `/proc`, with its start, its end and the
//! digest of what it runs, and each database's own health answer over time. It asks no daemon.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use hyper::StatusCode;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::clock::Clock;
use super::process::{self, Life, Scanner};
use super::record::{Change, Health, Process, Record};
use super::wire;

/// Known processes are looked at this often: one small read each, and it bounds how late an end is seen.
const ALIVE_EVERY: Duration = Duration::from_millis(5);

/// Every how many of those looks the whole process list is read for new ones.
const SCAN_EVERY: u32 = 3;

/// Between two questions, or as long as the answer took: a database that is slow to answer would else be asked
/// all the time. At most twice the pace at which a drain looks for connections: there it sees none of ours.
const HEALTH_EVERY: Duration = Duration::from_millis(50);
const HEALTH_LIMIT: Duration = Duration::from_millis(1_000);
const HEALTH_PAUSE_MAX: Duration = Duration::from_millis(200);

/// A database to watch.
#[derive(Debug, Clone)]
pub struct Database {
    pub name: String,
    pub data_dir: PathBuf,
    /// `host:port`
    pub address: String,
}

/// A running observer. Dropping it ends the looking.
#[derive(Debug)]
pub struct Observer {
    record: Arc<Mutex<Record>>,
    /// Dropping it stops the scanning thread.
    stop: Option<Sender<()>>,
    scanning: Option<thread::JoinHandle<()>>,
    asking: Vec<JoinHandle<()>>,
}

impl Observer {
    pub fn start(databases: Vec<Database>, clock: Clock) -> std::io::Result<Self> {
        let record = Arc::new(Mutex::new(Record::default()));
        let (stop, stopped) = channel();
        let asking = databases
            .iter()
            .map(|database| {
                let (name, address) = (database.name.clone(), database.address.clone());
                tokio::spawn(ask(name, address, clock, Arc::clone(&record)))
            })
            .collect();
        let watch = Watch {
            clock,
            record: Arc::clone(&record),
            stopped,
        };
        // A thread, not a task: a busy runtime would make gaps in the record.
        let scanning = thread::Builder::new()
            .name("observer".to_owned())
            .spawn(move || watch.run(&databases))?;
        Ok(Self {
            record,
            stop: Some(stop),
            scanning: Some(scanning),
            asking,
        })
    }

    /// A copy of the record so far.
    pub fn record(&self) -> Record {
        lock(&self.record).clone()
    }

    /// Stops looking and returns the record, all digests computed.
    pub async fn finish(mut self) -> Record {
        self.stop = None;
        if let Some(scanning) = self.scanning.take() {
            // A panic of the thread leaves the record as it was; its scans tell.
            let _ = tokio::task::spawn_blocking(move || scanning.join()).await;
        }
        self.record()
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.stop = None;
        for task in &self.asking {
            task.abort();
        }
    }
}

struct Watch {
    clock: Clock,
    record: Arc<Mutex<Record>>,
    stopped: Receiver<()>,
}

impl Watch {
    fn run(&self, databases: &[Database]) {
        let mut scanner = Scanner::new(
            databases
                .iter()
                .map(|database| database.data_dir.clone())
                .collect(),
        );
        let mut alive: BTreeMap<Life, usize> = BTreeMap::new();
        let mut hashing = Vec::new();
        let mut last_scan_ms = None;
        for look in 0_u32.. {
            alive.retain(|life, index| {
                let lives = process::life(life.pid) == Some(*life);
                if !lives {
                    self.ended(*index);
                }
                lives
            });
            if look % SCAN_EVERY == 0
                && let Ok(found) = scanner.scan(self.clock.now_ms())
            {
                let now_ms = self.clock.now_ms();
                self.scanned(now_ms - last_scan_ms.replace(now_ms).unwrap_or(now_ms));
                for (database, life) in found {
                    let Some(database) = databases.get(database) else {
                        continue;
                    };
                    alive.entry(life).or_insert_with(|| {
                        let (index, thread) = self.began(&database.name, life);
                        hashing.extend(thread);
                        index
                    });
                }
            }
            if self.stopped.recv_timeout(ALIVE_EVERY) != Err(RecvTimeoutError::Timeout) {
                break;
            }
        }
        for thread in hashing {
            // Its only result is in the record; a panic leaves the digest unknown there.
            let _ = thread.join();
        }
    }

    /// Opens the executable at once, since the process may be gone soon, and hashes it aside.
    fn began(&self, database: &str, life: Life) -> (usize, Option<thread::JoinHandle<()>>) {
        let executable = process::open_executable(life.pid);
        let index = {
            let mut record = lock(&self.record);
            record.processes.push(Process {
                database: database.to_owned(),
                life,
                started_at_ms: self.clock.at_boot_ms(process::start_boot_us(life)),
                ended_at_ms: None,
                digest: None,
            });
            record.processes.len() - 1
        };
        let record = Arc::clone(&self.record);
        let thread = executable.ok().map(|file| {
            thread::spawn(move || {
                let digest = process::digest(file).ok();
                if let Some(process) = lock(&record).processes.get_mut(index) {
                    process.digest = digest;
                }
            })
        });
        (index, thread)
    }

    fn ended(&self, index: usize) {
        let now_ms = self.clock.now_ms();
        if let Some(process) = lock(&self.record).processes.get_mut(index) {
            process.ended_at_ms = Some(now_ms);
        }
    }

    fn scanned(&self, gap_ms: u64) {
        let mut record = lock(&self.record);
        record.scans += 1;
        record.scan_gap_ms_max = record.scan_gap_ms_max.max(gap_ms);
    }
}

/// Asks one database for its health, on a new connection each time: a standing one would count as a
/// client that a drain waits for.
async fn ask(database: String, address: String, clock: Clock, record: Arc<Mutex<Record>>) {
    let mut last = None;
    loop {
        let asked = Instant::now();
        let health = match wire::get(&address, "/health", HEALTH_LIMIT).await {
            Ok((status, body)) => judge(status, &body),
            Err(_) => Health::Silent,
        };
        if last.as_ref() != Some(&health) {
            last = Some(health.clone());
            let mut record = lock(&record);
            // Under the lock, so that the changes of all databases are in order of time.
            let at_ms = clock.now_ms();
            record.changes.push(Change {
                at_ms,
                database: database.clone(),
                health,
            });
        }
        let took = asked.elapsed();
        sleep(took.clamp(HEALTH_EVERY, HEALTH_PAUSE_MAX)).await;
    }
}

fn judge(status: StatusCode, body: &[u8]) -> Health {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |field: &str| answer.get(field).and_then(Value::as_str);
    match (status, text("status"), text("version")) {
        (StatusCode::OK, Some("healthy"), Some(version)) => Health::Healthy {
            version: version.to_owned(),
        },
        _ => {
            let body: String = String::from_utf8_lossy(body).chars().take(80).collect();
            Health::Sick {
                answer: format!("{} {body}", status.as_u16()),
            }
        }
    }
}

fn lock(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_complete_healthy_answer_is_healthy() {
        let healthy = br#"{"status":"healthy","version":"1.0.0"}"#;
        assert_eq!(
            judge(StatusCode::OK, healthy),
            Health::Healthy {
                version: "1.0.0".to_owned()
            }
        );
        for (status, body) in [
            (StatusCode::SERVICE_UNAVAILABLE, &healthy[..]),
            (StatusCode::OK, br#"{"status":"healthy"}"#),
            (StatusCode::OK, br#"{"status":"heal"#),
            (
                StatusCode::OK,
                br#"{"status":"unhealthy","version":"1.0.0"}"#,
            ),
        ] {
            assert!(
                matches!(judge(status, body), Health::Sick { .. }),
                "{status}"
            );
        }
    }
}
