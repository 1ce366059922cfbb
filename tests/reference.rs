//! The reference node is what later tests judge the product by, so it is judged first: that it is a
//! real database, and that each fault mode does what its name says. Nothing of the product is here.

mod support;

#[path = "reference/database.rs"]
mod database;
#[path = "reference/faults.rs"]
mod faults;
#[path = "reference/origin.rs"]
mod origin;
