//! Who may do what: principals, roles, and tokens of which only a hash is kept.

pub mod principal;
pub mod secret;
pub mod token;
