//! What must always hold, one file each. The simulation's own judges serve here too where they need nothing
//! of its world.

#[path = "../../../simulation/invariants/ended.rs"]
pub mod ended;
pub mod i02;
#[path = "../../../simulation/invariants/i05.rs"]
pub mod i05;
#[path = "../../../simulation/invariants/i07.rs"]
pub mod i07;
#[path = "../../../simulation/invariants/i08.rs"]
pub mod i08;
#[path = "../../../simulation/invariants/i14.rs"]
pub mod i14;
pub mod oracle;
pub mod order;
pub mod quorum;
pub mod registers;
