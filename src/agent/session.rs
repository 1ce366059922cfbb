//! Starting a program in a session of its own, with limits, and ending a process group.
//! The only `unsafe` of the host's part: code between fork and exec.

use std::io;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal};
use tokio::process::{Child, Command};

/// Bounds of the kernel for a process; `None` leaves what the parent has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResourceLimits {
    pub cpu_s: Option<u64>,
    pub address_space_bytes: Option<u64>,
    pub open_files: Option<u64>,
    pub file_size_bytes: Option<u64>,
    pub processes: Option<u64>,
    pub core_bytes: Option<u64>,
}

impl ResourceLimits {
    fn pairs(&self) -> [(Resource, Option<u64>); 6] {
        let Self {
            cpu_s,
            address_space_bytes,
            open_files,
            file_size_bytes,
            processes,
            core_bytes,
        } = *self;
        [
            (Resource::Cpu, cpu_s),
            (Resource::As, address_space_bytes),
            (Resource::Nofile, open_files),
            (Resource::Fsize, file_size_bytes),
            (Resource::Nproc, processes),
            (Resource::Core, core_bytes),
        ]
    }
}

/// Lets the program start as leader of a new session, hence of a new process group, without a
/// terminal, so that no signal meant for its parent reaches it.
#[allow(unsafe_code)] // The standard library has no other way to act between fork and exec.
pub fn own_session(command: &mut Command, limits: ResourceLimits) {
    let limits = limits.pairs();
    // SAFETY: the closure runs in the forked child and makes plain system calls only (rustix's Linux
    // backend has no libc state); it allocates nothing, takes no lock, and captures `Copy` data.
    unsafe {
        command.pre_exec(move || {
            rustix::process::setsid()?;
            for (resource, limit) in limits {
                if limit.is_some() {
                    let both = Rlimit {
                        current: limit,
                        maximum: limit,
                    };
                    rustix::process::setrlimit(resource, both)?;
                }
            }
            Ok(())
        });
    }
}

/// Starts a program whose file may have been closed for writing only just now: another thread that
/// forked meanwhile holds it open for the moment until its own exec, and exec answers "text file busy".
pub async fn spawn(command: &mut Command) -> io::Result<Child> {
    const TRIES: u32 = 40;
    const PAUSE: Duration = Duration::from_millis(25);
    for _ in 1..TRIES {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                tokio::time::sleep(PAUSE).await;
            }
            outcome => return outcome,
        }
    }
    command.spawn()
}

/// Kills every process of the group that `leader` leads or led. None left is success.
pub fn end_group(leader: u32) -> io::Result<()> {
    match i32::try_from(leader).ok().and_then(Pid::from_raw) {
        // Pid 1 would mean the whole machine to `kill`, and no program of ours can be it.
        Some(pid) if !pid.is_init() => match rustix::process::kill_process_group(pid, Signal::KILL)
        {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(errno) => Err(errno.into()),
        },
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "no process group has this number",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;

    #[tokio::test]
    async fn a_program_leads_its_own_session_and_has_its_limits() {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "ulimit -n; cut -d' ' -f6 /proc/$$/stat; echo $$"])
            .stdout(Stdio::piped());
        let limits = ResourceLimits {
            open_files: Some(33),
            ..ResourceLimits::default()
        };
        own_session(&mut command, limits);
        let child = spawn(&mut command).await.unwrap();
        let output = child.wait_with_output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "33");
        assert_eq!(lines[1], lines[2], "its session is its own pid");
    }

    #[tokio::test]
    async fn ending_a_group_ends_grandchildren_too() {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "sleep 600 & echo $!; wait"])
            .stdout(Stdio::piped());
        own_session(&mut command, ResourceLimits::default());
        let mut child = spawn(&mut command).await.unwrap();
        let leader = child.id().unwrap();
        let mut line = String::new();
        let mut stdout = tokio::io::BufReader::new(child.stdout.take().unwrap());
        tokio::io::AsyncBufReadExt::read_line(&mut stdout, &mut line)
            .await
            .unwrap();
        end_group(leader).unwrap();
        child.wait().await.unwrap();
        // The pipe reaches its end only when the grandchild, which holds it too, is gone.
        let mut rest = String::new();
        let read = tokio::io::AsyncReadExt::read_to_string(&mut stdout, &mut rest);
        tokio::time::timeout(Duration::from_secs(10), read)
            .await
            .unwrap()
            .unwrap();
        end_group(leader).unwrap();
        assert!(end_group(1).is_err() && end_group(0).is_err());
    }
}
