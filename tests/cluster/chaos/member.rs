//! One life of a daemon, in a runtime of its own: so it can be killed at any await like a process, frozen like one,
//! and started again from its disk.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use aegis_updates::control::machine::Published;
use aegis_updates::control::station::Station;
use tokio::runtime::{Builder, Handle, Runtime};

use super::daemon::{Place, open};
use super::world::World;
use crate::support::LATE;

/// One life of a daemon.
pub struct Life {
    pub station: Arc<Station>,
    pub published: Arc<Published>,
    runtime: Runtime,
    gate: Arc<Gate>,
    dying: Arc<AtomicBool>,
}

/// Holds the only thread of a runtime.
#[derive(Default)]
struct Gate {
    shut: Mutex<bool>,
    opened: Condvar,
}

impl Life {
    pub async fn begin(place: Arc<Place>, world: Arc<World>) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(format!("member-{}", place.id))
            .enable_all()
            .build()
            .unwrap();
        let dying = Arc::new(AtomicBool::new(false));
        let began = runtime.spawn(open(place, world, dying.clone()));
        let (station, published) = began.await.unwrap();
        Self {
            station,
            published,
            runtime,
            gate: Arc::default(),
            dying,
        }
    }

    pub fn handle(&self) -> Handle {
        self.runtime.handle().clone()
    }

    /// Everything stands still but what a kernel or a disk does by itself.
    pub fn freeze(&self) {
        *self.gate.shut.lock().unwrap() = true;
        let gate = self.gate.clone();
        self.runtime.spawn(async move { gate.hold() });
    }

    pub fn thaw(&self) {
        *self.gate.shut.lock().unwrap() = false;
        self.gate.opened.notify_all();
    }

    /// The round is over.
    pub async fn end(self) {
        self.kill().await;
    }

    /// Like a kill: every task ends at the await where it stands, nothing is said or handed over.
    pub async fn kill(self) {
        self.dying.store(true, Ordering::SeqCst);
        self.thaw();
        let Self {
            station,
            published,
            runtime,
            ..
        } = self;
        drop((station, published));
        let ended = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(LATE));
        ended.await.unwrap();
    }
}

impl Gate {
    fn hold(&self) {
        let mut shut = self.shut.lock().unwrap();
        while *shut {
            shut = self.opened.wait(shut).unwrap();
        }
    }
}
