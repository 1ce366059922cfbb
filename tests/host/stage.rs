//! Staging and probing with real releases of the reference node.

use std::fs;

use aegis_updates::agent::binary::probe::Probe;
use aegis_updates::agent::binary::{Error, stage_binary};
use aegis_updates::agent::lock::ExecutorLock;
use aegis_updates::base::digest::Digest;

use crate::support::release::Recipe;

fn help() -> Probe {
    Probe::new(vec!["--help".to_owned()])
}

#[tokio::test]
async fn a_sound_release_is_staged_and_probed() {
    let directory = tempfile::tempdir().unwrap();
    let release = Recipe::sound("1.1.0").mint(&directory.path().join("release"));
    let digest: Digest = release.sha256.parse().unwrap();
    let staged = stage_binary(&release.path, &digest).await.unwrap();
    let lock = ExecutorLock::take(&directory.path().join("executor.lock")).unwrap();
    help().run(&staged.path, Some(&lock)).await.unwrap();
}

#[tokio::test]
async fn a_truncated_release_and_one_for_another_machine_stop_at_staging() {
    let directory = tempfile::tempdir().unwrap();
    let release = Recipe::sound("1.1.0").mint(&directory.path().join("release"));
    let whole = fs::read(&release.path).unwrap();
    let path = directory.path().join("artifact");

    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let error = stage_binary(&path, &Digest::of(&whole[..whole.len() / 2]))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Truncated { .. }), "{error}");

    let mut foreign = whole;
    let other: u16 = if cfg!(target_arch = "aarch64") {
        62
    } else {
        183
    };
    foreign[18..20].copy_from_slice(&other.to_le_bytes());
    fs::write(&path, &foreign).unwrap();
    let error = stage_binary(&path, &Digest::of(&foreign))
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::WrongMachine { found, .. } if found == other),
        "{error}"
    );
}

#[tokio::test]
async fn a_release_that_does_not_run_here_fails_the_probe() {
    let directory = tempfile::tempdir().unwrap();
    let release = Recipe::sound("1.1.0").mint(&directory.path().join("release"));
    let mut broken = fs::read(&release.path).unwrap();
    // The entry point, moved to where nothing is mapped: the file is whole, and cannot run.
    broken[24..32].copy_from_slice(&0x7fff_ffff_f000_u64.to_le_bytes());
    let path = directory.path().join("broken");
    fs::write(&path, &broken).unwrap();
    let staged = stage_binary(&path, &Digest::of(&broken)).await.unwrap();
    let error = help().run(&staged.path, None).await.unwrap_err();
    assert!(
        matches!(&error, Error::ProbeFailed { outcome, .. } if outcome.contains("signal")),
        "{error}"
    );
}
