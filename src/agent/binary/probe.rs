//! The probe: the new binary is run once, harmlessly, to see that it runs on this host at all.
//! Only a staged binary is probed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::Command;

use super::Error;
use crate::agent::files::at;
use crate::agent::lock::ExecutorLock;
use crate::agent::session::{self, ResourceLimits};

/// Enough of its words to tell why it failed.
const OUTPUT_MAX: usize = 2048;

#[derive(Debug, Clone)]
pub struct Probe {
    /// Without the program itself, as in `["--help"]`.
    pub arguments: Vec<String>,
    pub time_box: Duration,
    pub limits: ResourceLimits,
}

impl Probe {
    /// Generous for a program that prints a text and ends.
    pub fn new(arguments: Vec<String>) -> Self {
        Self {
            arguments,
            time_box: Duration::from_secs(10),
            limits: ResourceLimits {
                cpu_s: Some(10),
                // Runtimes reserve address space that they never touch.
                address_space_bytes: Some(16 << 30),
                open_files: Some(256),
                file_size_bytes: Some(16 << 20),
                // The kernel counts all of the user's threads, the running database's too.
                processes: Some(4096),
                core_bytes: Some(0),
            },
        }
    }

    /// Runs `binary` with an empty environment in a session of its own; afterwards nothing of it runs.
    /// The child holds `lock`, so that no later executor acts while it lives.
    pub async fn run(&self, binary: &Path, lock: Option<&ExecutorLock>) -> Result<(), Error> {
        let failed = |outcome: String, output: &File| Error::ProbeFailed {
            path: binary.to_owned(),
            outcome,
            output: last_words(output),
        };
        let staging = |doing| move |error| Error::Staging(at(doing, binary)(error));
        let output = tempfile::tempfile().map_err(staging("make an output file for"))?;
        let mut command = self
            .command(binary, &output, lock)
            .map_err(staging("prepare"))?;
        let mut child = match session::spawn(&mut command).await {
            Ok(child) => child,
            Err(error) => return Err(failed(format!("could not start: {error}"), &output)),
        };
        let leader = child.id();
        note(lock, leader)?;
        let ended = tokio::time::timeout(self.time_box, child.wait()).await;
        if let Some(leader) = leader {
            session::end_group(leader).map_err(staging("end the probe of"))?;
        }
        note(lock, None)?;
        match ended {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(failed(outcome_of(status), &output)),
            Ok(Err(error)) => Err(staging("wait for")(error)),
            Err(_) => {
                child.wait().await.map_err(staging("wait for"))?;
                Err(failed(
                    format!("did not end within {:?}", self.time_box),
                    &output,
                ))
            }
        }
    }

    fn command(
        &self,
        binary: &Path,
        output: &File,
        lock: Option<&ExecutorLock>,
    ) -> io::Result<Command> {
        let stdin = match lock {
            Some(lock) => lock.for_child()?,
            None => Stdio::null(),
        };
        let mut command = Command::new(binary);
        command
            .args(&self.arguments)
            .env_clear()
            .current_dir("/")
            .stdin(stdin)
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?)
            .kill_on_drop(true);
        session::own_session(&mut command, self.limits);
        Ok(command)
    }
}

/// A daemon that starts after this one's death finds the probe by this note.
fn note(lock: Option<&ExecutorLock>, leader: Option<u32>) -> Result<(), Error> {
    lock.map_or(Ok(()), |lock| lock.note_acting(leader))
        .map_err(Error::Staging)
}

fn outcome_of(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

fn last_words(output: &File) -> String {
    let length = output.metadata().map_or(0, |metadata| metadata.len());
    let mut bytes = vec![0; OUTPUT_MAX];
    let start = length.saturating_sub(OUTPUT_MAX as u64);
    let read = output.read_at(&mut bytes, start).unwrap_or_default();
    bytes.truncate(read);
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    if text.is_empty() {
        "it printed nothing".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn probe(script: &str, time_box: Duration) -> Result<(), Error> {
        let arguments = vec!["-c".to_owned(), script.to_owned()];
        let probe = Probe {
            time_box,
            ..Probe::new(arguments)
        };
        probe.run(Path::new("/bin/sh"), None).await
    }

    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_program_that_ends_well_passes_in_an_empty_environment() {
        // The shell itself sets PWD and the like; what the test's own environment has must be gone.
        probe("test -z \"$CARGO_MANIFEST_DIR$HOME$USER\"", LONG)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_program_that_fails_is_quoted() {
        let error = probe("echo libfoo.so is missing >&2; exit 3", LONG)
            .await
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("status 3") && text.contains("libfoo.so is missing"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_ended_with_all_its_children() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", file.display());
        let error = probe(&script, Duration::from_secs(1)).await.unwrap_err();
        assert!(error.to_string().contains("did not end within"), "{error}");
        let pid = std::fs::read_to_string(&file).unwrap();
        // A signal takes a moment. An orphan that nobody has reaped yet still has an entry, as a zombie.
        let runs = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
            stat.is_ok_and(|stat| !stat.contains(") Z "))
        };
        let end = tokio::time::Instant::now() + LONG;
        while runs() {
            let late = tokio::time::Instant::now() > end;
            assert!(!late, "the sleeping child still runs");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn a_program_that_fills_the_disk_is_stopped_by_its_limit() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("large");
        let script = format!("head -c 100M /dev/zero > {}", file.display());
        probe(&script, LONG).await.unwrap_err();
        assert!(std::fs::metadata(&file).unwrap().len() <= 16 << 20);
    }
}
