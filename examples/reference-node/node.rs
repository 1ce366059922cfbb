//! What the request handlers share: the parts of one running node. No behaviour.

use std::sync::Arc;

use crate::auth::Auth;
use crate::fault::Switch;
use crate::peers::Peers;
use crate::store::Store;
use crate::trailer::Release;

#[derive(Clone)]
pub struct Node {
    pub release: Arc<Release>,
    pub faults: Arc<Switch>,
    pub peers: Arc<Peers>,
    pub store: Arc<Store>,
    pub auth: Arc<Auth>,
    /// How often a node was started on this data directory, this start included.
    pub start: u64,
}
