//! What the host's driver needs of the cluster. The control floor gives it; nothing here knows how.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::adapter::Peer;
use super::machine::Applied;
use crate::fleet::intent::Begin;
use crate::fleet::observation::Observation;
use crate::fleet::view::Sample;

pub trait Link: Send + Sync + 'static {
    /// What the log says of this host's node; `None` while it does not know the node.
    fn applied(&self) -> Option<Applied>;

    /// Wakes whenever that may have changed.
    fn changes(&self) -> watch::Receiver<u64>;

    /// The newest term whose leader has begun to decide. A new one knows nothing of this host yet.
    fn term(&self) -> u64;

    /// The databases of the other nodes.
    fn peers(&self) -> Vec<Peer>;

    /// Origins from which the cluster lets artifacts come.
    fn origins(&self) -> Vec<String>;

    /// How long ago this host last knew that the group could commit.
    fn contact_age(&self) -> Duration;

    fn observe(&self, observation: Observation) -> BoxFuture<'_, Told>;

    /// Asked of the leader, who appends it only while its gates hold.
    fn begin(&self, begin: Begin) -> BoxFuture<'_, Told>;

    fn sample(&self, sample: Sample) -> BoxFuture<'_, ()>;
}

/// What became of something that was told to the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Taken,
    Refused(String),
    /// Nobody took it.
    Undelivered(String),
    /// It may have been taken.
    Unknown,
}
