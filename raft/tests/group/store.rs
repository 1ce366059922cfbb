//! Whose store is opened, which format, and what a damaged or failing disk does.

use std::fs;

use crate::support::{LATE, World, agree, eventually, files_in, identity, leads, node, put};
use aegis_updates_raft::fatal::Fatal;
use aegis_updates_raft::member::ImagePolicy;
use aegis_updates_raft::store::{Identity, OpenError, Presence, Store};
use tempfile::TempDir;

fn open(dir: &TempDir, identity: Identity, presence: Presence) -> Result<Store, OpenError> {
    Store::open(dir.path(), identity, presence, Fatal::new(|_| {}))
}

#[test]
fn a_store_is_made_once_and_opened_by_its_owner_only() {
    let dir = TempDir::new().unwrap();
    drop(open(&dir, identity(1), Presence::MayBeNew).unwrap());
    drop(open(&dir, identity(1), Presence::MayBeNew).unwrap());
    drop(open(&dir, identity(1), Presence::MustExist).unwrap());
    for other in [
        identity(2),
        Identity {
            cluster: "rock".to_owned(),
            ..identity(1)
        },
        Identity {
            incarnation: 2,
            ..identity(1)
        },
    ] {
        let refused = open(&dir, other.clone(), Presence::MustExist).err();
        assert!(
            matches!(&refused, Some(OpenError::Foreign { found, .. }) if *found == identity(1)),
            "{other}"
        );
    }
}

#[test]
fn an_emptied_store_is_refused_under_an_identity_that_had_one() {
    let dir = TempDir::new().unwrap();
    let refused = open(&dir, identity(1), Presence::MustExist).err();
    assert!(matches!(refused, Some(OpenError::Empty { .. })));
    assert_eq!(
        files_in(dir.path()),
        Vec::<String>::new(),
        "refusing leaves nothing behind"
    );
    drop(open(&dir, identity(1), Presence::MayBeNew).unwrap());
    fs::remove_dir_all(dir.path().join("db")).unwrap();
    let refused = open(&dir, identity(1), Presence::MustExist).err();
    assert!(
        matches!(
            refused,
            Some(OpenError::Empty { .. } | OpenError::Unreadable { .. })
        ),
        "{refused:?}"
    );
}

/// Its database is put back from a copy that was made before it voted and appended more.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_whose_store_forgot_what_it_acknowledged_is_not_started() {
    let mut world = World::new();
    let mut hosts = world.form(1).await;
    let copy = world.store_dir(1).join("copy");
    let database = world.store_dir(1).join("db");
    let halt = async |host: crate::support::Host| host.member.shutdown().await;
    halt(hosts.pop().unwrap()).await;
    fs::create_dir(&copy).unwrap();
    for name in files_in(&database) {
        fs::copy(database.join(&name), copy.join(&name)).unwrap();
    }
    let host = world.start(1).await;
    leads(&host).await;
    put(&host, "key", "acknowledged").await.unwrap();
    halt(host).await;

    fs::remove_dir_all(&database).unwrap();
    fs::rename(&copy, &database).unwrap();
    let open = |presence| {
        let dir = world.store_dir(1);
        Store::open(&dir, identity(1), presence, Fatal::new(|_| {})).err()
    };
    for presence in [Presence::MustExist, Presence::MayBeNew] {
        let refused = open(presence).expect("it has forgotten");
        assert!(matches!(refused, OpenError::Forgotten { .. }), "{refused}");
        let said = refused.to_string();
        assert!(said.contains("join anew: it gets a new id"), "{said}");
    }
    fs::remove_dir_all(&database).unwrap();
    let refused = open(Presence::MayBeNew).expect("all of it is gone");
    assert!(matches!(refused, OpenError::Forgotten { .. }), "{refused}");
}

#[test]
fn a_store_of_a_newer_version_is_refused_by_name() {
    let dir = TempDir::new().unwrap();
    drop(open(&dir, identity(1), Presence::MayBeNew).unwrap());
    fs::write(dir.path().join("format"), "99\n").unwrap();
    let refused = open(&dir, identity(1), Presence::MayBeNew).err().unwrap();
    assert!(matches!(refused, OpenError::NewerFormat { found: 99, .. }));
    assert!(
        refused.to_string().contains("start the newer daemon"),
        "{refused}"
    );
}

#[test]
fn two_processes_do_not_share_a_store() {
    let dir = TempDir::new().unwrap();
    let _held = open(&dir, identity(1), Presence::MayBeNew).unwrap();
    let refused = open(&dir, identity(1), Presence::MayBeNew).err();
    assert!(matches!(refused, Some(OpenError::Unreadable { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_image_is_built_anew_from_the_state() {
    let mut world = World::new();
    world.images = ImagePolicy {
        entries: 40,
        log_bytes: u64::MAX,
        keep: 8,
    };
    let mut hosts = world.form(1).await;
    for value in 0..120 {
        put(&hosts[0], &format!("k{value}"), "x").await.unwrap();
    }
    let images = world.store_dir(1).join("images");
    let image = || {
        files_in(&images)
            .into_iter()
            .find(|name| name.ends_with(".image"))
    };
    eventually("an image is built", || image().is_some()).await;
    let host = hosts.pop().unwrap();
    let rows = host.register.rows();
    host.member.shutdown().await;

    let path = images.join(image().unwrap());
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();

    let host = world.start(1).await;
    leads(&host).await;
    assert_eq!(host.register.rows(), rows);
    let learner = world.start(2).await;
    host.member
        .add_learner(2, node(2, &learner.address), LATE)
        .await
        .unwrap();
    agree(&[&host, &learner]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_fatal_failure_nothing_is_acknowledged() {
    let dir = TempDir::new().unwrap();
    let told: std::sync::Arc<std::sync::Mutex<Vec<String>>> = Default::default();
    let noted = told.clone();
    let fatal = Fatal::new(move |reason| noted.lock().unwrap().push(reason.to_owned()));
    let store = Store::open(dir.path(), identity(1), Presence::MayBeNew, fatal.clone()).unwrap();
    fatal.trip("the disk is gone");
    fatal.trip("and again");
    drop(store);
    assert_eq!(*told.lock().unwrap(), ["the disk is gone"]);
    let refused = Store::open(dir.path(), identity(1), Presence::MayBeNew, fatal).err();
    assert!(matches!(refused, Some(OpenError::Unreadable { .. })));
}
