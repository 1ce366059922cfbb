//! Downloads from an origin that is honest, broken or hostile (QUALITY F18).

use std::fs;
use std::path::Path;
use std::time::Duration;

use aegis_updates::agent::binary::{Client, Downloaded, Error, Limits, download_binary};
use aegis_updates::base::digest::Digest;
use aegis_updates::base::failure::Class;
use aegis_updates::plans::origins::Origins;

use crate::support::origin::{Mode, Origin};

const SIZE: usize = 300_000;

fn bytes() -> Vec<u8> {
    (0..SIZE).map(|number| (number % 251) as u8).collect()
}

fn limits() -> Limits {
    Limits {
        size_max: 1 << 20,
        slowest_rate: 64 << 10,
        window: Duration::from_millis(500),
        deadline: Duration::from_secs(20),
    }
}

fn client(allowed: &[&str]) -> Client {
    Client::new(Origins::parse(allowed).unwrap(), Duration::from_secs(5)).unwrap()
}

async fn fetch(url: &str, directory: &Path, limits: &Limits) -> Result<Downloaded, Error> {
    let client = client(&["http://127.0.0.1/", "http://"]);
    download_binary(&client, url, directory, &Digest::of(&bytes()), limits).await
}

/// What the directory holds under a digest's name.
fn finished(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).unwrap();
    entries
        .filter(|entry| entry.as_ref().unwrap().file_name().len() == 64)
        .count()
}

#[tokio::test]
async fn an_honest_origin_is_read_once_and_the_file_is_named_by_its_digest() {
    let origin = Origin::start().await;
    let directory = tempfile::tempdir().unwrap();
    let url = origin.offer("server", bytes(), Mode::Honest);
    let first = fetch(&url, directory.path(), &limits()).await.unwrap();
    assert_eq!((first.size, first.fetched), (SIZE as u64, true));
    assert_eq!(
        first.path,
        directory.path().join(Digest::of(&bytes()).to_string())
    );
    assert_eq!(fs::read(&first.path).unwrap(), bytes());
    let again = fetch(&url, directory.path(), &limits()).await.unwrap();
    assert_eq!((again.path, again.fetched), (first.path.clone(), false));
    assert_eq!(origin.reads("server"), 1);

    let mut damaged = bytes();
    damaged[SIZE / 2] ^= 1;
    fs::write(&first.path, damaged).unwrap();
    assert!(
        fetch(&url, directory.path(), &limits())
            .await
            .unwrap()
            .fetched
    );
    assert_eq!(fs::read(&first.path).unwrap(), bytes());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn no_hostile_answer_leaves_a_finished_file() {
    let origin = Origin::start().await;
    let elsewhere = Origin::start().await;
    let honest = elsewhere.offer("server", bytes(), Mode::Honest);
    type Check = fn(&Error) -> bool;
    let cases: Vec<(&str, Mode, Check)> = vec![
        ("404", Mode::Status(404), |error| {
            matches!(error, Error::OriginRefused { status: 404, .. }) && !error.is_worth_a_retry()
        }),
        ("500", Mode::Status(500), |error| {
            matches!(error, Error::OriginRefused { status: 500, .. }) && error.is_worth_a_retry()
        }),
        ("short", Mode::EndsShort, |error| {
            matches!(error, Error::Origin { .. })
        }),
        ("endless", Mode::Endless, |error| {
            matches!(error, Error::TooLarge { .. })
        }),
        ("drip", Mode::Drip(Duration::from_millis(20)), |error| {
            matches!(error, Error::TooSlow { .. })
        }),
        ("silent", Mode::Silent, |error| {
            matches!(error, Error::TooSlow { received: 0, .. })
        }),
        ("away", Mode::Redirect(honest), |error| {
            matches!(error, Error::OriginRefused { status: 302, .. })
        }),
        ("loop", Mode::Redirect("/loop".to_owned()), |error| {
            matches!(error, Error::OriginRefused { status: 302, .. })
        }),
    ];
    for (name, mode, expected) in cases {
        let directory = tempfile::tempdir().unwrap();
        let url = origin.offer(name, bytes(), mode);
        let error = fetch(&url, directory.path(), &limits()).await.unwrap_err();
        assert!(expected(&error), "{name}: {error:?}");
        assert_eq!(error.class(), Class::StagingFailed, "{name}");
        assert_eq!(finished(directory.path()), 0, "{name}");
    }
    assert_eq!(elsewhere.reads("server"), 0, "another host is never asked");
}

#[tokio::test]
async fn a_redirect_within_the_origin_is_followed() {
    let origin = Origin::start().await;
    let directory = tempfile::tempdir().unwrap();
    origin.offer("there", bytes(), Mode::Honest);
    let url = origin.offer("here", Vec::new(), Mode::Redirect("/there".to_owned()));
    assert!(
        fetch(&url, directory.path(), &limits())
            .await
            .unwrap()
            .fetched
    );
}

#[tokio::test]
async fn content_that_changed_since_the_plan_is_refused() {
    let origin = Origin::start().await;
    let first = tempfile::tempdir().unwrap();
    let second = tempfile::tempdir().unwrap();
    let url = origin.offer("server", bytes(), Mode::ChangesContent);
    fetch(&url, first.path(), &limits()).await.unwrap();
    let error = fetch(&url, second.path(), &limits()).await.unwrap_err();
    assert!(matches!(error, Error::DigestMismatch { .. }), "{error:?}");
    assert_eq!(fs::read_dir(second.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_size_announced_beyond_the_limit_is_refused_before_a_byte_is_kept() {
    let origin = Origin::start().await;
    let directory = tempfile::tempdir().unwrap();
    let url = origin.offer("server", bytes(), Mode::Honest);
    let small = Limits {
        size_max: SIZE as u64 - 1,
        ..limits()
    };
    let error = fetch(&url, directory.path(), &small).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn a_steady_origin_still_has_a_deadline() {
    let origin = Origin::start().await;
    let directory = tempfile::tempdir().unwrap();
    let url = origin.offer("server", bytes(), Mode::Drip(Duration::from_millis(5)));
    let patient = Limits {
        slowest_rate: 1,
        deadline: Duration::from_millis(1500),
        ..limits()
    };
    let error = fetch(&url, directory.path(), &patient).await.unwrap_err();
    assert!(matches!(error, Error::DeadlinePassed { .. }), "{error:?}");
}

#[tokio::test]
async fn two_downloads_of_one_artifact_do_not_mix() {
    let origin = Origin::start().await;
    let directory = tempfile::tempdir().unwrap();
    let slow = origin.offer("slow", bytes(), Mode::Silent);
    let honest = origin.offer("honest", bytes(), Mode::Honest);
    let limits = limits();
    let first = fetch(&slow, directory.path(), &limits);
    let second = async {
        crate::support::wait::wait_until(limits.deadline, "the first transfer runs", async || {
            origin.reads("slow") == 1
        })
        .await;
        fetch(&honest, directory.path(), &limits).await
    };
    let (first, second) = tokio::join!(first, second);
    assert!(matches!(second, Err(Error::Busy { .. })), "{second:?}");
    assert!(matches!(first, Err(Error::TooSlow { .. })), "{first:?}");
    assert!(
        fetch(&honest, directory.path(), &limits)
            .await
            .unwrap()
            .fetched
    );
}

#[tokio::test]
async fn a_file_url_needs_an_entry_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let shelf = tempfile::tempdir().unwrap();
    let file = shelf.path().join("server");
    fs::write(&file, bytes()).unwrap();
    let url = format!("file://{}", file.display());
    let error = fetch(&url, directory.path(), &limits()).await.unwrap_err();
    assert!(matches!(error, Error::UrlNotAllowed(_)), "{error:?}");
    let allowing = client(&[&format!("file://{}", shelf.path().display())]);
    let expected = Digest::of(&bytes());
    let done = download_binary(&allowing, &url, directory.path(), &expected, &limits()).await;
    assert_eq!(fs::read(done.unwrap().path).unwrap(), bytes());
    let everything = client(&["file://"]);
    let nothing = Digest::of(b"");
    let device = "file:///dev/zero";
    let error = download_binary(&everything, device, directory.path(), &nothing, &limits()).await;
    let error = error.unwrap_err();
    assert!(matches!(error, Error::UrlNotAllowed(_)), "{error:?}");
}
