//! What each command does, one file a family. A handler checks everything before it changes anything.

pub mod begin;
pub mod edges;
pub mod failure;
pub mod membership;
#[cfg(feature = "next-version")]
pub mod next;
pub mod observe;
pub mod plans;
pub mod rollback;
pub mod slots;
pub mod steering;
pub mod take;
pub mod term;
pub mod tokens;
pub mod version;
