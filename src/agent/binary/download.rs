//! One download of one artifact: capped in size, in time and in patience, hashed while it is written,
//! and under its SHA-256 only when it is whole and synced. Judging its content is `stage`'s work.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aegis_updates_raft::fail_point::fail_point;
use hyper::body::Bytes;
use reqwest::redirect::Policy;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

use super::{Error, verify};
use crate::agent::files::{self, at};
use crate::agent::outgoing::{self, Trust};
use crate::base::digest::Digest;
use crate::plans::origins::{NotAllowed, Origins, same_origin};

/// A load balancer's hop or two; more is a loop.
const REDIRECTS_MAX: usize = 3;
/// Chunks between network and disk: enough to keep both busy, little to hold in memory.
const CHUNKS_IN_FLIGHT: usize = 16;

#[derive(Debug, Clone)]
pub struct Limits {
    /// In bytes.
    pub size_max: u64,
    /// In bytes per second, over each `window`: what sends less is given up.
    pub slowest_rate: u64,
    pub window: Duration,
    pub deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            size_max: 4 << 30,
            slowest_rate: 64 << 10,
            window: Duration::from_secs(30),
            deadline: Duration::from_secs(30 * 60),
        }
    }
}

/// Fetches from allowed origins, and follows a redirect only within one origin.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    origins: Origins,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// `<directory>/<SHA-256>`.
    pub path: PathBuf,
    pub size: u64,
    /// False: it lay there already, and was verified again.
    pub fetched: bool,
}

impl Client {
    pub fn new(origins: Origins, connect_timeout: Duration) -> Result<Self, Error> {
        let build = |trust| {
            outgoing::builder(trust)
                .redirect(within_one_origin())
                .connect_timeout(connect_timeout)
                .build()
        };
        // A host without any authority can still fetch over http and from files.
        let http = build(Trust::System)
            .or_else(|_| build(Trust::Only(Vec::new())))
            .map_err(|source| Error::Origin {
                url: "any origin".to_owned(),
                doing: "prepare to fetch from",
                source,
            })?;
        Ok(Self { http, origins })
    }

    /// The artifact's size as its origin tells it. An origin that knows no HEAD is asked for the file,
    /// and hung up on after the head of its answer.
    pub async fn size(&self, url: &str) -> Result<u64, Error> {
        let url = self.origins.check(url)?;
        if url.scheme() == "file" {
            let path = url.to_file_path().unwrap_or_default();
            let metadata = fs::metadata(&path).map_err(at("look at", &path));
            return metadata.map(|file| file.len()).map_err(Error::Staging);
        }
        let failed = |source| Error::Origin {
            url: url.to_string(),
            doing: "ask for the size of",
            source,
        };
        let mut answer = self.http.head(url.clone()).send().await.map_err(failed)?;
        if !answer.status().is_success() {
            answer = self.http.get(url.clone()).send().await.map_err(failed)?;
        }
        let status = answer.status();
        let length = answer.headers().get(reqwest::header::CONTENT_LENGTH);
        let size = length.and_then(|value| value.to_str().ok()?.parse().ok());
        size.filter(|_| status.is_success())
            .ok_or_else(|| Error::OriginRefused {
                url: url.to_string(),
                status: status.as_u16(),
            })
    }
}

/// What is not followed becomes the answer itself, whose status is then refused.
fn within_one_origin() -> Policy {
    Policy::custom(|attempt| {
        let near = attempt.previous().len() <= REDIRECTS_MAX
            && attempt
                .previous()
                .first()
                .is_some_and(|first| same_origin(first, attempt.url()));
        if near {
            attempt.follow()
        } else {
            attempt.stop()
        }
    })
}

/// Brings the artifact with this digest into `directory`.
pub async fn download_binary(
    client: &Client,
    url: &str,
    directory: &Path,
    expected: &Digest,
    limits: &Limits,
) -> Result<Downloaded, Error> {
    let path = directory.join(expected.to_string());
    if let Some(size) = already_there(&path, expected).await? {
        return Ok(Downloaded {
            path,
            size,
            fetched: false,
        });
    }
    let url = client.origins.check(url)?;
    let transfer = receive(client, &url, &path, limits);
    let whole = timeout(limits.deadline, transfer)
        .await
        .map_err(|_| Error::DeadlinePassed {
            url: url.to_string(),
            deadline: limits.deadline,
        })??;
    let expected = *expected;
    files::off_runtime(move || whole.keep(path, &expected)).await
}

/// The size, when the file is there and whole; a damaged one is removed.
async fn already_there(path: &Path, expected: &Digest) -> Result<Option<u64>, Error> {
    let (path, expected) = (path.to_owned(), *expected);
    files::off_runtime(move || {
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::Staging(at("look at", &path)(error))),
            Ok(metadata) => match verify::verify(&path, &expected) {
                Ok(()) => {
                    // Whoever renamed it may have died before the directory was synced.
                    files::sync_parent(&path).map_err(Error::Staging)?;
                    return Ok(Some(metadata.len()));
                }
                Err(Error::DigestMismatch { .. }) => {}
                Err(error) => return Err(error),
            },
        }
        files::remove_durably(&path).map_err(Error::Staging)?;
        Ok(None)
    })
    .await
}

async fn receive(client: &Client, url: &Url, path: &Path, limits: &Limits) -> Result<Part, Error> {
    let (chunks, inbox) = mpsc::channel(CHUNKS_IN_FLIGHT);
    let part = files::beside(path, ".", ".part");
    let writer = tokio::task::spawn_blocking(move || write(part, inbox));
    let fed = if url.scheme() == "file" {
        feed_from_file(url, limits, &chunks).await
    } else {
        feed_from_origin(client, url, limits, &chunks).await
    };
    drop(chunks);
    let written = match writer.await {
        Ok(written) => written,
        Err(error) => Err(Error::Staging(at("write", path)(io::Error::other(error)))),
    };
    // A writer that failed has closed its inbox; its error is the cause, not the feeder's.
    let part = written?;
    fed?;
    Ok(part)
}

async fn feed_from_origin(
    client: &Client,
    url: &Url,
    limits: &Limits,
    chunks: &mpsc::Sender<Bytes>,
) -> Result<(), Error> {
    let mut pace = Pace::new(url, limits);
    let failed = |doing| {
        move |source| Error::Origin {
            url: url.to_string(),
            doing,
            source,
        }
    };
    let request = client.http.get(url.clone()).send();
    let mut response = pace.wait(request).await?.map_err(failed("fetch"))?;
    if !response.status().is_success() {
        return Err(Error::OriginRefused {
            url: url.to_string(),
            status: response.status().as_u16(),
        });
    }
    if response.content_length() > Some(limits.size_max) {
        return Err(too_large(url, limits));
    }
    let mut size = 0;
    while let Some(chunk) = pace
        .wait(response.chunk())
        .await?
        .map_err(failed("read the answer of"))?
    {
        size += chunk.len() as u64;
        pace.received(chunk.len() as u64)?;
        if size > limits.size_max {
            return Err(too_large(url, limits));
        }
        if chunks.send(chunk).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

async fn feed_from_file(
    url: &Url,
    limits: &Limits,
    chunks: &mpsc::Sender<Bytes>,
) -> Result<(), Error> {
    use tokio::io::AsyncReadExt;
    let source = url.to_file_path().map_err(|()| NotAllowed {
        url: url.to_string(),
        why: "it is no path of this host",
    })?;
    let mut file = tokio::fs::File::open(&source)
        .await
        .map_err(at("open", &source))
        .map_err(Error::Staging)?;
    let metadata = file.metadata().await.map_err(at("look at", &source));
    // A device or a pipe could give bytes for ever.
    if !metadata.map_err(Error::Staging)?.is_file() {
        return Err(Error::UrlNotAllowed(NotAllowed {
            url: url.to_string(),
            why: "it is no regular file",
        }));
    }
    let mut size = 0;
    loop {
        let mut chunk = vec![0; 256 * 1024];
        let read = file
            .read(&mut chunk)
            .await
            .map_err(at("read", &source))
            .map_err(Error::Staging)?;
        size += read as u64;
        if size > limits.size_max {
            return Err(too_large(url, limits));
        }
        chunk.truncate(read);
        if read == 0 || chunks.send(Bytes::from(chunk)).await.is_err() {
            return Ok(());
        }
    }
}

fn too_large(url: &Url, limits: &Limits) -> Error {
    Error::TooLarge {
        url: url.to_string(),
        size_max: limits.size_max,
    }
}

/// Cuts an origin off that sends less than the slowest rate over a window.
struct Pace<'a> {
    url: &'a Url,
    limits: &'a Limits,
    window_end: Instant,
    received: u64,
}

impl<'a> Pace<'a> {
    fn new(url: &'a Url, limits: &'a Limits) -> Self {
        Self {
            url,
            limits,
            window_end: Instant::now() + limits.window,
            received: 0,
        }
    }

    async fn wait<T>(&mut self, step: impl Future<Output = T>) -> Result<T, Error> {
        let mut step = std::pin::pin!(step);
        loop {
            match timeout_at(self.window_end, &mut step).await {
                Ok(done) => return Ok(done),
                Err(_) => self.next_window()?,
            }
        }
    }

    fn received(&mut self, bytes: u64) -> Result<(), Error> {
        self.received += bytes;
        if Instant::now() >= self.window_end {
            self.next_window()?;
        }
        Ok(())
    }

    fn next_window(&mut self) -> Result<(), Error> {
        let least = self.limits.slowest_rate as f64 * self.limits.window.as_secs_f64();
        if (self.received as f64) < least {
            return Err(Error::TooSlow {
                url: self.url.to_string(),
                received: self.received,
                window: self.limits.window,
            });
        }
        self.received = 0;
        self.window_end = Instant::now() + self.limits.window;
        Ok(())
    }
}

/// A transfer's bytes, locked against a second transfer of the same artifact.
struct Part {
    path: PathBuf,
    file: File,
    digest: Digest,
    size: u64,
}

fn write(path: PathBuf, mut chunks: mpsc::Receiver<Bytes>) -> Result<Part, Error> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(at("create", &path))
        .map_err(Error::Staging)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(Error::Busy { path }),
        Err(TryLockError::Error(error)) => return Err(Error::Staging(at("lock", &path)(error))),
    }
    file.set_len(0)
        .map_err(at("empty", &path))
        .map_err(Error::Staging)?;
    fail_point("download.created");
    let mut hasher = Sha256::new();
    let mut size = 0;
    while let Some(chunk) = chunks.blocking_recv() {
        (&file)
            .write_all(&chunk)
            .map_err(at("write", &path))
            .map_err(Error::Staging)?;
        hasher.update(&chunk);
        size += chunk.len() as u64;
    }
    Ok(Part {
        path,
        file,
        digest: Digest::from_bytes(hasher.finalize().into()),
        size,
    })
}

impl Part {
    fn keep(self, path: PathBuf, expected: &Digest) -> Result<Downloaded, Error> {
        if self.digest != *expected {
            files::remove_durably(&self.path).map_err(Error::Staging)?;
            return Err(Error::mismatch(&path, expected, self.digest));
        }
        fail_point("download.whole");
        self.file
            .sync_all()
            .map_err(at("sync", &self.path))
            .map_err(Error::Staging)?;
        fail_point("download.synced");
        files::rename_durably(&self.path, &path).map_err(Error::Staging)?;
        fail_point("download.kept");
        Ok(Downloaded {
            path,
            size: self.size,
            fetched: true,
        })
    }
}
