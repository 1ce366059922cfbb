//! Balancer, load, observer and report of the demo, on real reference nodes rolled by hand: the test
//! does with plain signals and readiness what the product will do, well and badly.

mod support;

#[path = "demo_parts/world.rs"]
mod world;

#[path = "demo_parts/balancer.rs"]
mod balancer;
#[path = "demo_parts/observer.rs"]
mod observer;
#[path = "demo_parts/roll.rs"]
mod roll;
