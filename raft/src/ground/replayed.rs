//! What stands in for the host where a run is replayed: turmoil's sockets; work that would block is done at once; a
//! worker is a task that takes as long as the seed says. Nothing here asks the host for time, threads or chance.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use openraft_rt::deterministic_rng::DeterministicRng;
use openraft_rt_tokio::TokioRuntime;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::sleep;

pub(crate) use tokio::sync::mpsc::UnboundedSender as Sender;
pub use turmoil::net::{TcpListener, TcpStream};

use super::memory;

pub(crate) type Runtime = DeterministicRng<TokioRuntime>;

/// In a hundred: how often the disk takes long.
const SLOW: u64 = 2;
const SLOW_MS: u64 = 150;
const USUAL_MS: u64 = 3;

thread_local! {
    static CHANCE: Cell<u64> = const { Cell::new(0) };
    /// For who looks between two steps.
    static LAST_MS: Cell<u64> = const { Cell::new(0) };
}

/// Before the first host of a run: all stores are empty, and chance begins with `seed`.
pub fn begin(seed: u64) {
    CHANCE.set(seed);
    LAST_MS.set(0);
    memory::forget();
}

/// Since the run began, the same on every host.
pub fn now_ms() -> u64 {
    let now = turmoil::sim_elapsed().unwrap_or_else(|| Duration::from_millis(LAST_MS.get()));
    // Hosts take turns within a step; nobody who compares two of them may see time go back.
    let now_ms = u64::try_from(now.as_millis())
        .unwrap_or(u64::MAX)
        .max(LAST_MS.get());
    LAST_MS.set(now_ms);
    now_ms
}

/// A number below `bound`, by SplitMix64.
pub(super) fn below(bound: u64) -> u64 {
    let next = CHANCE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    CHANCE.set(next);
    let mixed = (next ^ (next >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % bound.max(1)
}

/// What consensus draws within `life` comes from the seed.
pub async fn drawing<F: Future>(life: F) -> F::Output {
    Runtime::scope(below(u64::MAX), life).await
}

pub(crate) async fn off_runtime<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    Ok(work())
}

pub(crate) fn apart(_: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    work();
    Ok(())
}

pub(crate) struct Worker(JoinHandle<()>);

pub(crate) fn worker<T: Send + 'static>(
    _: &str,
    work: impl Fn(Vec<T>) + Send + 'static,
) -> io::Result<(Sender<T>, Worker)> {
    let (sender, mut receiver) = unbounded_channel();
    let task = tokio::spawn(async move {
        while let Some(first) = receiver.recv().await {
            let most = if below(100) < SLOW { SLOW_MS } else { USUAL_MS };
            sleep(Duration::from_millis(below(most))).await;
            let mut group = vec![first];
            while let Ok(next) = receiver.try_recv() {
                group.push(next);
            }
            work(group);
        }
    });
    Ok((sender, Worker(task)))
}

impl Worker {
    /// Nobody can wait for a task here; what it had not done is not done.
    pub(crate) fn join(self) {
        self.0.abort();
    }
}
