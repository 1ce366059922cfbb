//! Watches the core and the disk: turns metrics into progress, a dead core or a stuck disk into the
//! fatal switch, and much log into an image. It decides nothing about the cluster.

use std::sync::Arc;
use std::time::Duration;

use openraft::RaftMetrics;
use openraft::async_runtime::WatchReceiver;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::settings::ImagePolicy;
use crate::network::Network;
use crate::store::Disk;
use crate::types::{Raft, Types};
use crate::view::Progress;

/// A write or sync that runs longer means a disk that is gone or as good as gone: a member that cannot
/// write must not keep the lead.
const STALL_MAX: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(super) struct Monitor {
    pub(super) raft: Raft,
    pub(super) disk: Arc<Disk>,
    pub(super) network: Network,
    pub(super) images: ImagePolicy,
}

pub(super) fn spawn(
    monitor: Monitor,
    stopped: watch::Receiver<bool>,
) -> (JoinHandle<()>, watch::Receiver<Progress>) {
    let applied = *monitor.disk.applied().borrow();
    let now = Progress::of(&monitor.raft.metrics().borrow_watched(), applied);
    let (sender, receiver) = watch::channel(now);
    (tokio::spawn(monitor.run(sender, stopped)), receiver)
}

impl Monitor {
    async fn run(self, progress: watch::Sender<Progress>, mut stopped: watch::Receiver<bool>) {
        let mut metrics = self.raft.metrics();
        let mut applied = self.disk.applied();
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = stopped.changed() => break,
                _ = look.tick() => self.look_at_disk().await,
                changed = metrics.changed() => if changed.is_err() { break },
                changed = applied.changed() => if changed.is_err() { break },
            }
            let now = {
                let metrics = metrics.borrow_watched();
                self.learn(&metrics);
                self.check(&metrics);
                Progress::of(&metrics, *applied.borrow())
            };
            progress.send_if_modified(|known| std::mem::replace(known, now) != now);
        }
        progress.send_modify(|known| known.running = false);
    }

    async fn look_at_disk(&self) {
        let busy = self.disk.busy_for();
        if busy > STALL_MAX {
            self.disk.fatal().trip(format_args!(
                "the store has been stuck in one operation for {busy:?}"
            ));
        }
        if self.disk.log_bytes() > self.images.log_bytes
            && self.raft.trigger().snapshot().await.is_ok()
        {
            self.disk.forget_log_bytes();
        }
    }

    fn learn(&self, metrics: &RaftMetrics<Types>) {
        for (id, node) in metrics.membership_config.nodes() {
            self.network.learn(*id, &node.peer_addr);
        }
    }

    /// A panic in the core leaves a member that looks alive: the process must end.
    fn check(&self, metrics: &RaftMetrics<Types>) {
        match &metrics.running_state {
            Ok(()) | Err(openraft::errors::Fatal::Stopped) => {}
            Err(error) => self
                .disk
                .fatal()
                .trip(format_args!("the core has died: {error}")),
        }
    }
}
