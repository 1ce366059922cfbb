//! Words everything else is said in: ids, digests, durations, versions, failure classes, bounds.
//! No rule of the product and no input or output lives here.

pub(crate) mod text;

pub mod digest;
pub mod duration;
pub mod failure;
pub mod ids;
pub mod limits;
pub mod numbers;
pub mod packed;
pub mod sabotage;
pub mod version;
