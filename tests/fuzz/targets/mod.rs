//! One file a target: its seeds, and what must hold for whatever bytes take their place.

mod configuration;
mod entries;
mod images;
mod ledgers;
mod messages;
mod requests;
mod rows;
mod texts;
