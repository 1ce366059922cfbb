//! One life of a daemon, on a host of turmoil's: it is killed at any await, at times together with the power of its
//! host, and started again from what its disk kept.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aegis_updates::control::machine::Published;
use aegis_updates::control::station::Station;
use aegis_updates_raft::ground::{memory, replayed};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::daemon::{Place, open};
use super::ground;
use super::stage::{self, Order, Software};
use super::world::World;

/// In a hundred kills: how often what was not synced is lost.
const POWER_CUTS: u64 = 50;

pub struct Life {
    pub station: Arc<Station>,
    pub published: Arc<Published>,
    handle: Handle,
    address: IpAddr,
    disk: PathBuf,
    dying: Arc<AtomicBool>,
    world: Arc<World>,
}

impl Life {
    pub async fn begin(place: Arc<Place>, world: Arc<World>) -> Self {
        let address = place.address.ip();
        ground::wire(place.id, address);
        let (disk, kept) = (place.dir.path().join("raft"), world.clone());
        let dying = Arc::new(AtomicBool::new(false));
        let (tell, begun) = oneshot::channel();
        let ends = dying.clone();
        let software: Software = Box::new(move || {
            Box::pin(replayed::drawing(async move {
                let (station, published) = open(place, world, ends).await;
                // Whoever waits for it may have given up.
                let _ = tell.send((station, published, Handle::current()));
                std::future::pending().await
            }))
        });
        stage::order(Order::Start(address, software));
        let (station, published, handle) = begun.await.expect("a daemon begins");
        Self {
            station,
            published,
            handle,
            address,
            disk,
            dying,
            world: kept,
        }
    }

    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Its clocks and timers run on; nothing reaches it and nothing leaves it.
    pub fn freeze(&self) {
        for other in ground::others(self.address) {
            turmoil::hold(self.address, other);
        }
    }

    pub fn thaw(&self) {
        for other in ground::others(self.address) {
            turmoil::release(self.address, other);
        }
    }

    pub async fn end(self) {
        self.stop().await;
    }

    async fn stop(&self) {
        self.dying.store(true, Ordering::SeqCst);
        let (tell, done) = oneshot::channel();
        stage::order(Order::End(self.address, tell));
        done.await.expect("a host ends when it is told to");
    }

    pub async fn kill(self) {
        self.stop().await;
        if self.world.random().percent(POWER_CUTS) && memory::power_cut(&self.disk) {
            self.world.met.count("power_cut");
        }
    }
}
