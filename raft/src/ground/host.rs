//! The host's own: its sockets, its threads, RocksDB.

use std::io;
use std::sync::mpsc::channel;
use std::thread::{Builder, JoinHandle};

use tokio::task::{JoinError, spawn_blocking};

pub(crate) use openraft_rt_tokio::TokioRuntime as Runtime;
pub(crate) use rocksdb as rocks;
pub(crate) use std::sync::mpsc::Sender;
pub use tokio::net::{TcpListener, TcpStream};

/// Runs work that blocks where it holds nobody up, and waits for it.
pub(crate) async fn off_runtime<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    spawn_blocking(work).await
}

/// Runs long work on a thread of its own; nobody waits for it.
pub(crate) fn apart(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

/// A thread that works off what it is sent, all at once that has come meanwhile, until nobody can send.
pub(crate) struct Worker(JoinHandle<()>);

pub(crate) fn worker<T: Send + 'static>(
    name: &str,
    work: impl Fn(Vec<T>) + Send + 'static,
) -> io::Result<(Sender<T>, Worker)> {
    let (sender, receiver) = channel();
    let thread = Builder::new().name(name.to_owned()).spawn(move || {
        while let Ok(first) = receiver.recv() {
            let mut group = vec![first];
            group.extend(receiver.try_iter());
            work(group);
        }
    })?;
    Ok((sender, Worker(thread)))
}

impl Worker {
    pub(crate) fn join(self) {
        // It has nothing to tell; a panic of it has been said.
        let _ = self.0.join();
    }
}
