//! The journal: facts that applying an entry recorded, in a hash chain.

pub mod fact;
pub mod record;
