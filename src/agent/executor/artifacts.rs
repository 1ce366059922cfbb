//! Acts on binaries: fetched and judged, kept, written beside the install path, renamed over it.

use std::path::PathBuf;
use std::time::Duration;

use super::Executor;
use super::failures::of_binary;
use crate::agent::binary::probe::Probe;
use crate::agent::binary::{
    Client, Limits, Running, apply_binary, backup_current_binary, discard, download_binary,
    installed_durably, kept_durably, prepare, prepared, require_room, stage_binary, verify_sha256,
};
use crate::agent::boot;
use crate::agent::machine::{Failure, FailureKind, Gave, Source};
use crate::base::digest::Digest;
use crate::base::duration::Millis;
use crate::plans::origins::Origins;
use crate::plans::spec::Binary;

/// A dead origin is told from a slow one within this.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Files that one swap makes in a directory: the new one, and one more while it is written.
const INODES_NEEDED: u64 = 2;

impl Executor {
    pub(super) async fn stage(
        &self,
        target: &Binary,
        url: &str,
        timeout: Millis,
    ) -> Result<Gave, Failure> {
        let origins = Origins::parse(self.link.origins());
        let origins = origins.map_err(|refused| of_binary(refused.into()))?;
        let client = Client::new(origins, CONNECT_TIMEOUT).map_err(of_binary)?;
        let limits = Limits {
            deadline: timeout.as_duration(),
            ..Limits::default()
        };
        let directory = &self.places.artifacts;
        let fetched = download_binary(&client, url, directory, &target.digest, &limits)
            .await
            .map_err(of_binary)?;
        let staged = stage_binary(&fetched.path, &target.digest)
            .await
            .map_err(of_binary)?;
        let probe = Probe::new(self.adapter.probe_arguments().to_vec());
        probe
            .run(&staged.path, Some(&self.lock))
            .await
            .map_err(of_binary)?;
        // The swap writes the new file, and the backup may write the old one: found out now, while
        // every node still serves.
        let beside = crate::agent::files::parent(&self.places.install_path);
        for directory in [beside, self.places.backups.as_path()] {
            require_room(directory, staged.size, INODES_NEEDED).map_err(of_binary)?;
        }
        Ok(Gave::Nothing)
    }

    pub(super) async fn check_backup(&self, digest: &Digest) -> Result<Gave, Failure> {
        let path = self.backup(digest);
        verify_sha256(&path, digest).await.map_err(of_binary)?;
        Ok(Gave::Nothing)
    }

    pub(super) async fn back_up(&self, digest: &Digest) -> Result<Gave, Failure> {
        let kept = kept_durably(&self.places.backups, digest);
        if kept.await.map_err(of_binary)? {
            return Ok(Gave::Nothing);
        }
        let running = match self.running().await? {
            Some(running) => Running::Process(running.life.pid),
            None => Running::Path(self.places.install_path.clone()),
        };
        let backup = backup_current_binary(running, &self.places.backups)
            .await
            .map_err(of_binary)?;
        if backup.digest == *digest {
            return Ok(Gave::Nothing);
        }
        let found = backup.digest.short();
        let wanted = digest.short();
        Err(Failure::new(
            FailureKind::Lasting,
            format!("the binary to keep is {wanted}, and {found} was found"),
        ))
    }

    pub(super) async fn prepare(&self, digest: &Digest, from: Source) -> Result<Gave, Failure> {
        let install_path = &self.places.install_path;
        if prepared(install_path, digest)
            .await
            .map_err(of_binary)?
            .is_some()
        {
            return Ok(Gave::Nothing);
        }
        let source = match from {
            Source::Staged | Source::Backup => self.kept(digest, from),
            Source::Running => match self.running().await? {
                Some(running) => PathBuf::from(format!("/proc/{}/exe", running.life.pid)),
                None => {
                    return Err(Failure::new(
                        FailureKind::Passing,
                        "no database runs whose binary could be put back",
                    ));
                }
            },
        };
        prepare(&source, install_path, digest)
            .await
            .map_err(of_binary)?;
        Ok(Gave::Nothing)
    }

    pub(super) async fn remove_prepared(&self) -> Result<Gave, Failure> {
        discard(&self.places.install_path)
            .await
            .map_err(of_binary)?;
        Ok(Gave::Nothing)
    }

    pub(super) async fn swap(
        &self,
        digest: &Digest,
        not_after_ms: Option<u64>,
    ) -> Result<Gave, Failure> {
        let install_path = &self.places.install_path;
        if installed_durably(install_path, digest)
            .await
            .map_err(of_binary)?
        {
            return Ok(Gave::Nothing);
        }
        let Some(prepared) = prepared(install_path, digest).await.map_err(of_binary)? else {
            return Err(Failure::new(
                FailureKind::Passing,
                format!(
                    "no verified file {} lies beside the install path",
                    digest.short()
                ),
            ));
        };
        // Looked at last: hashing a large file takes time, and a frozen host may wake here.
        if not_after_ms.is_some_and(|end| boot::now_ms() > end) {
            return Err(Failure::new(
                FailureKind::Lapsed,
                "the begin's lease ended before the rename",
            ));
        }
        apply_binary(&prepared).await.map_err(of_binary)?;
        Ok(Gave::Nothing)
    }

    /// The named place first. The other serves as well: a plan that takes another back stages what lies
    /// among the backups, and a file of this digest is this binary wherever it lies.
    fn kept(&self, digest: &Digest, from: Source) -> PathBuf {
        let staged = self.places.artifacts.join(digest.to_string());
        let (first, other) = match from {
            Source::Backup => (self.backup(digest), staged),
            Source::Staged | Source::Running => (staged, self.backup(digest)),
        };
        if first.exists() { first } else { other }
    }

    fn backup(&self, digest: &Digest) -> PathBuf {
        self.places.backups.join(digest.to_string())
    }
}
