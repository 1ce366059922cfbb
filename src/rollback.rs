//! Rollback operations in the first seed's names. A file is put back by the code that the agent runs; nodes
//! are put back by the daemons, which alone may stop a database. Nothing is decided here.

use std::path::Path;

use crate::agent::binary::{Applied, Error, apply_binary, installed_durably, prepare};
use crate::base::digest::Digest;
use crate::orchestrator::{self, ClusterNode, UpdateOrchestrator};

/// Puts a kept binary back over the install path, if it is the expected one. At every instant the path
/// is exactly the old or exactly the new file; a process that runs the other goes on until it is restarted.
pub async fn restore_backup(
    backup: &Path,
    install_path: &Path,
    expected: &Digest,
) -> Result<Applied, Error> {
    if installed_durably(install_path, expected).await? {
        return Ok(Applied::AlreadyInstalled);
    }
    let prepared = prepare(backup, install_path, expected).await?;
    apply_binary(&prepared).await
}

/// Takes one node of a finished plan back: its backup restored, its database restarted and healthy.
pub async fn rollback_node(
    orchestrator: &UpdateOrchestrator,
    plan_id: &str,
    node: &ClusterNode,
) -> Result<(), orchestrator::Error> {
    rollback_nodes(orchestrator, plan_id, std::slice::from_ref(node)).await
}

/// Takes several nodes of a finished plan back, one after another as far as the plan's strategy says;
/// who leads goes last. Returns when all of them are back.
pub async fn rollback_nodes(
    orchestrator: &UpdateOrchestrator,
    plan_id: &str,
    nodes: &[ClusterNode],
) -> Result<(), orchestrator::Error> {
    orchestrator.take_back(plan_id, nodes).await
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn a_backup_is_restored_once_and_a_wrong_one_not_at_all() {
        let place = tempfile::tempdir().unwrap();
        let (backup, install_path) = (place.path().join("old"), place.path().join("database"));
        fs::write(&backup, b"the old binary").unwrap();
        fs::write(&install_path, b"the new binary").unwrap();
        fs::set_permissions(&install_path, fs::Permissions::from_mode(0o750)).unwrap();
        let old = Digest::of(b"the old binary");

        let other = Digest::of(b"another binary");
        let refused = restore_backup(&backup, &install_path, &other).await;
        assert!(refused.is_err(), "{refused:?}");
        assert_eq!(fs::read(&install_path).unwrap(), b"the new binary");

        let restored = restore_backup(&backup, &install_path, &old).await;
        assert_eq!(restored.unwrap(), Applied::Renamed);
        assert_eq!(fs::read(&install_path).unwrap(), b"the old binary");
        let mode = fs::metadata(&install_path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o750);
        let again = restore_backup(&backup, &install_path, &old).await;
        assert_eq!(again.unwrap(), Applied::AlreadyInstalled);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2);
    }
}
