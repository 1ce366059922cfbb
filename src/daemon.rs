//! The daemon: it wires the floors together. Each floor's own work is done there, not here.

mod beside;
mod chance;
pub mod command;
mod error;
mod faces;
mod form;
mod host;
mod identity;
mod places;
mod serve;
mod worker;

pub use self::error::{EXIT_CONFIGURATION, EXIT_STORAGE, Error};
pub use self::form::{Error as FormError, Formed, init, join};
pub use self::host::{Error as HostError, resident_settings};
pub use self::identity::Identity;
pub use self::places::Places;
pub use self::serve::{Options, serve};
