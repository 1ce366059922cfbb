//! Ports for processes that must be told their port before they start: the demo's leases.

pub use aegis_updates::demo::ports::Port;

pub fn lease() -> Port {
    Port::lease().expect("a port is free")
}
