//! The HTTP face: one table of routes, each with its role, and one file per resource. Every answer that
//! is no success has one shape (`error`). A write's reason travels in the header `X-Reason`, its key for
//! safe retries in `Idempotency-Key`. Nothing here knows Raft; the core is `control::service`.

pub mod api;
pub mod openapi;
pub mod router;

pub mod auth;
pub mod call;
pub mod error;
pub mod kind;
pub mod limiter;
pub mod random;
pub mod refused;
pub mod when;

mod cluster;
mod create;
mod events;
mod journal;
mod members;
mod nodes;
mod plan_view;
mod plans;
mod seed;
mod steering;
mod tokens;

pub mod listen;
pub mod probes;
