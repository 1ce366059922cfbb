//! A real daemon dies at each labelled place, one by one, and is started again.

mod labels;

pub mod armed;

mod behind;
mod forming;
mod rolls;
mod truncated;
