//! What stands between clients and databases in an act: the demo's own balancer, or one that somebody
//! brings. How it learns who is ready is its own affair.

use std::net::SocketAddr;

use super::balancer::{Balancer, Event};

pub trait Front: std::fmt::Debug + Send {
    fn address(&self) -> SocketAddr;

    /// Names of the backends that get requests now.
    fn in_rotation(&self) -> Vec<String>;

    /// Everything that happened to backends so far, oldest first.
    fn events(&self) -> Vec<Event>;
}

impl Front for Balancer {
    fn address(&self) -> SocketAddr {
        self.address()
    }

    fn in_rotation(&self) -> Vec<String> {
        self.in_rotation()
    }

    fn events(&self) -> Vec<Event> {
        self.events()
    }
}
