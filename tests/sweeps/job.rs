//! One host's files without a cluster: the acts of an update and of a rollback, in the order and with the
//! looks of the executor, for processes and futures that are cut short anywhere.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aegis_updates::agent::binary::probe::Probe;
use aegis_updates::agent::binary::{
    Client, Limits, Running, apply_binary, backup_current_binary, download_binary,
    installed_durably, kept_durably, prepare, prepared, stage_binary, verify_sha256,
};
use aegis_updates::agent::ledger_file::LedgerFile;
use aegis_updates::agent::lock::ExecutorLock;
use aegis_updates::base::digest::Digest;
use aegis_updates::plans::origins::Origins;
use rustix::fs::{XattrFlags, getxattr, setxattr};

/// A killed predecessor's probe may hold the lock for a moment.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);
const ATTRIBUTE: &str = "user.origin";
const MODE: u32 = 0o750;

/// What is done to the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Update,
    RollBack,
}

#[derive(Debug, Clone)]
pub struct Job {
    root: PathBuf,
}

/// Everything about the installed file that must not change by accident.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Look {
    digest: Digest,
    mode: u32,
    owner: (u32, u32),
    attribute: Option<Vec<u8>>,
}

impl Job {
    /// A host whose directories were laid before.
    pub fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// The old release installed, the new one at an origin.
    pub fn lay(root: &Path) -> Self {
        let job = Self::at(root);
        for name in [
            "artifacts",
            "backups",
            "ledger",
            "resident",
            "host",
            "origin",
        ] {
            fs::create_dir_all(job.dir(name)).unwrap();
        }
        fs::write(job.install_path(), release("old")).unwrap();
        fs::set_permissions(job.install_path(), Permissions::from_mode(MODE)).unwrap();
        // Not every file system has them; what was not set is then compared as absent.
        let _ = setxattr(job.install_path(), ATTRIBUTE, b"ops", XattrFlags::empty());
        fs::write(job.dir("origin").join("release"), release("new")).unwrap();
        job
    }

    pub fn install_path(&self) -> PathBuf {
        self.dir("host").join("database")
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Says which of the two it left behind, when it is wholly one of them.
    pub fn look(&self, laid: &Laid) -> Result<&'static str, String> {
        let found = look_at(&self.install_path());
        let expected = |digest| Look {
            digest,
            ..laid.0.clone()
        };
        if found == expected(old()) {
            Ok("old")
        } else if found == expected(new()) {
            Ok("new")
        } else {
            Err(format!(
                "I9: neither old nor new: {found:?}, laid {:?}",
                laid.0
            ))
        }
    }

    /// What lies beside the install path after everything was finished: nothing.
    pub fn is_tidy(&self) -> Result<(), String> {
        let beside: Vec<_> = fs::read_dir(self.dir("host"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        match beside.as_slice() {
            [only] if only == "database" => Ok(()),
            _ => Err(format!("left beside the install path: {beside:?}")),
        }
    }

    pub async fn run(&self, act: Act, url: &str) -> Result<(), String> {
        let path = self.dir("ledger").join("executor.lock");
        let lock = ExecutorLock::take_or_end(&path, LOCK_PATIENCE)
            .await
            .map_err(said)?;
        self.note()?;
        match act {
            Act::Update => self.update(&lock, url).await?,
            Act::RollBack => self.roll_back().await?,
        }
        self.note()
    }

    /// The ledger is written before and after the acts.
    fn note(&self) -> Result<(), String> {
        let file = LedgerFile::new(&self.dir("ledger"), &self.dir("resident"));
        let mut ledger = file.load(&"n1".parse().unwrap()).map_err(said)?;
        ledger.sequence += 1;
        file.save(&ledger).map_err(said)
    }

    async fn update(&self, lock: &ExecutorLock, url: &str) -> Result<(), String> {
        let origins = Origins::parse(["file://", "http://"]).unwrap();
        let client = Client::new(origins, Duration::from_secs(10)).map_err(said)?;
        let artifacts = self.dir("artifacts");
        let limits = Limits::default();
        let fetched = download_binary(&client, url, &artifacts, &new(), &limits)
            .await
            .map_err(said)?;
        let staged = stage_binary(&fetched.path, &new()).await.map_err(said)?;
        let probe = Probe::new(Vec::new());
        probe.run(&staged.path, Some(lock)).await.map_err(said)?;
        if !kept_durably(&self.dir("backups"), &old())
            .await
            .map_err(said)?
        {
            let running = Running::Path(self.install_path());
            backup_current_binary(running, &self.dir("backups"))
                .await
                .map_err(said)?;
        }
        self.swap(&staged.path, &new()).await
    }

    async fn roll_back(&self) -> Result<(), String> {
        let kept = self.dir("backups").join(old().to_string());
        verify_sha256(&kept, &old()).await.map_err(said)?;
        self.swap(&kept, &old()).await
    }

    async fn swap(&self, source: &Path, digest: &Digest) -> Result<(), String> {
        let path = self.install_path();
        if installed_durably(&path, digest).await.map_err(said)? {
            return Ok(());
        }
        let ready = match prepared(&path, digest).await.map_err(said)? {
            Some(ready) => ready,
            None => prepare(source, &path, digest).await.map_err(said)?,
        };
        apply_binary(&ready).await.map(drop).map_err(said)
    }
}

/// As the installed file was when it was laid.
pub struct Laid(Look);

impl Laid {
    pub fn of(job: &Job) -> Self {
        Self(look_at(&job.install_path()))
    }
}

fn look_at(path: &Path) -> Look {
    let metadata = fs::symlink_metadata(path).unwrap();
    let mut value = [0; 16];
    let attribute = getxattr(path, ATTRIBUTE, &mut value).ok();
    Look {
        digest: Digest::of(&fs::read(path).unwrap()),
        mode: metadata.mode(),
        owner: (metadata.uid(), metadata.gid()),
        attribute: attribute.map(|length| value[..length].to_vec()),
    }
}

/// A program that runs, ends well, and is unlike the other one.
pub fn release(name: &str) -> Vec<u8> {
    let mut bytes = fs::read("/bin/true").unwrap();
    bytes.extend_from_slice(name.as_bytes());
    bytes
}

pub fn old() -> Digest {
    Digest::of(&release("old"))
}

pub fn new() -> Digest {
    Digest::of(&release("new"))
}

fn said(error: impl std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
