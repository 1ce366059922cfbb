//! Putting a binary in place: attributes kept, old or new at every instant, nothing swapped underneath.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use aegis_updates::agent::binary::{
    Applied, Error, apply_binary, discard, installed, prepare, prepared,
};
use aegis_updates::base::digest::Digest;
use aegis_updates::base::failure::Class;
use rustix::fs::{XattrFlags, getxattr, setxattr};

struct Shop {
    _directory: tempfile::TempDir,
    install_path: PathBuf,
    source: PathBuf,
}

const OLD: &[u8] = b"the old release";
const NEW: &[u8] = b"the new release";

impl Shop {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let install_path = directory.path().join("database");
        let source = directory.path().join("artifact");
        fs::write(&install_path, OLD).unwrap();
        fs::set_permissions(&install_path, Permissions::from_mode(0o750)).unwrap();
        fs::write(&source, NEW).unwrap();
        Self {
            _directory: directory,
            install_path,
            source,
        }
    }

    fn beside(&self) -> PathBuf {
        self.install_path
            .with_file_name(".database.aegis-updates-new")
    }
}

#[tokio::test]
async fn the_new_file_has_the_installed_files_owner_mode_and_attributes() {
    let shop = Shop::new();
    let attributed = setxattr(
        &shop.install_path,
        "user.origin",
        b"ops",
        XattrFlags::empty(),
    )
    .is_ok();
    let root = rustix::process::geteuid().is_root();
    if root {
        std::os::unix::fs::chown(&shop.install_path, Some(1234), Some(4321)).unwrap();
    } else {
        println!("skipped in part: needs root to give a file to another user");
    }
    // A change of owner clears the set-id bit, so the order of the acts shows here.
    fs::set_permissions(&shop.install_path, Permissions::from_mode(0o4750)).unwrap();
    let before = fs::metadata(&shop.install_path).unwrap();
    let ready = prepare(&shop.source, &shop.install_path, &Digest::of(NEW))
        .await
        .unwrap();
    assert_eq!(
        fs::read(&shop.install_path).unwrap(),
        OLD,
        "nothing is swapped yet"
    );
    assert_eq!(apply_binary(&ready).await.unwrap(), Applied::Renamed);
    let after = fs::metadata(&shop.install_path).unwrap();
    assert_eq!(fs::read(&shop.install_path).unwrap(), NEW);
    assert_eq!(after.mode(), before.mode());
    assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
    if attributed {
        let mut value = [0; 16];
        let length = getxattr(&shop.install_path, "user.origin", &mut value).unwrap();
        assert_eq!(&value[..length], b"ops");
    } else {
        println!("skipped in part: this file system has no user attributes");
    }
    assert!(!shop.beside().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_path_is_the_old_or_the_new_file_at_every_instant() {
    let shop = Shop::new();
    let done = AtomicBool::new(false);
    let looks = std::thread::scope(|scope| {
        let looker = scope.spawn(|| {
            let (mut old, mut new) = (0, 0);
            while !done.load(Ordering::Relaxed) {
                match fs::read(&shop.install_path).unwrap().as_slice() {
                    OLD => old += 1,
                    NEW => new += 1,
                    other => panic!("a third file was seen: {} bytes", other.len()),
                }
            }
            (old, new)
        });
        let handle = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| {
            for round in 0..100 {
                let bytes = if round % 2 == 0 { NEW } else { OLD };
                fs::write(&shop.source, bytes).unwrap();
                handle.block_on(async {
                    let digest = Digest::of(bytes);
                    let ready = prepare(&shop.source, &shop.install_path, &digest)
                        .await
                        .unwrap();
                    apply_binary(&ready).await.unwrap();
                });
            }
        });
        done.store(true, Ordering::Relaxed);
        looker.join().unwrap()
    });
    assert!(looks.0 > 0 && looks.1 > 0, "the looker saw both: {looks:?}");
}

#[tokio::test]
async fn a_daemon_that_restarts_goes_on_from_what_lies_there() {
    let shop = Shop::new();
    let digest = Digest::of(NEW);
    assert_eq!(prepared(&shop.install_path, &digest).await.unwrap(), None);
    let ready = prepare(&shop.source, &shop.install_path, &digest)
        .await
        .unwrap();
    assert_eq!(
        prepared(&shop.install_path, &digest).await.unwrap(),
        Some(ready.clone())
    );
    assert_eq!(
        prepared(&shop.install_path, &Digest::of(OLD))
            .await
            .unwrap(),
        None
    );
    apply_binary(&ready).await.unwrap();
    assert_eq!(
        apply_binary(&ready).await.unwrap(),
        Applied::AlreadyInstalled
    );
    assert_eq!(installed(&shop.install_path).await.unwrap(), Some(digest));
    discard(&shop.install_path).await.unwrap();
}

#[tokio::test]
async fn a_node_that_is_put_back_keeps_its_old_file_and_nothing_beside_it() {
    let shop = Shop::new();
    prepare(&shop.source, &shop.install_path, &Digest::of(NEW))
        .await
        .unwrap();
    discard(&shop.install_path).await.unwrap();
    discard(&shop.install_path).await.unwrap();
    assert!(!shop.beside().exists());
    assert_eq!(
        installed(&shop.install_path).await.unwrap(),
        Some(Digest::of(OLD))
    );
}

#[tokio::test]
async fn a_source_with_other_bytes_is_never_prepared() {
    let shop = Shop::new();
    fs::write(&shop.source, b"flipped").unwrap();
    let error = prepare(&shop.source, &shop.install_path, &Digest::of(NEW))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::DigestMismatch { .. }), "{error}");
    assert!(!shop.beside().exists());
}

/// What an attacker with write access to the directory tries between check and rename.
#[tokio::test]
async fn a_file_swapped_after_it_was_prepared_is_refused() {
    type Trick = fn(&Path);
    let tricks: [(&str, Trick); 5] = [
        ("other bytes in the same file", |path| {
            fs::write(path, b"evil").unwrap()
        }),
        ("another file with the same bytes", |path| {
            let aside = path.with_extension("evil");
            fs::write(&aside, NEW).unwrap();
            fs::rename(aside, path).unwrap();
        }),
        ("a symbolic link", |path| {
            let aside = path.with_extension("evil");
            fs::rename(path, &aside).unwrap();
            symlink(&aside, path).unwrap();
        }),
        ("a second name", |path| {
            fs::hard_link(path, path.with_extension("evil")).unwrap()
        }),
        ("gone", |path| fs::remove_file(path).unwrap()),
    ];
    for (name, trick) in tricks {
        let shop = Shop::new();
        let ready = prepare(&shop.source, &shop.install_path, &Digest::of(NEW))
            .await
            .unwrap();
        trick(&shop.beside());
        let error = apply_binary(&ready).await.expect_err(name);
        assert_ne!(error.class(), Class::DiskFull, "{name}");
        assert_eq!(fs::read(&shop.install_path).unwrap(), OLD, "{name}");
    }
}

#[tokio::test]
async fn an_install_path_that_is_a_link_is_refused_by_name() {
    let shop = Shop::new();
    let link = shop.install_path.with_file_name("link");
    symlink(&shop.install_path, &link).unwrap();
    let error = prepare(&shop.source, &link, &Digest::of(NEW))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NotPlain { .. }), "{error}");
    assert_eq!(error.class(), Class::ApplyFailed);
}
