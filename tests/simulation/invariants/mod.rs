//! What must always hold, one file each (QUALITY §1). A checker is a function of what it is given, and each has
//! a test in which a fabricated bad record makes it fail.

pub mod begins;
pub mod ended;
pub mod hearsay;
pub mod i01;
pub mod i02;
pub mod i03;
pub mod i04;
pub mod i05;
pub mod i07;
pub mod i08;
pub mod i10;
pub mod i11;
pub mod i14;
pub mod i21;
pub mod i22;
pub mod losses;
pub mod members;

use crate::oracle::Step;

/// The invariants that one applied entry can break.
pub fn judge(step: &Step<'_>) -> Option<(&'static str, String)> {
    let judged = [
        ("I1", i01::judge(step)),
        ("I3", i03::judge(step)),
        ("I4", i04::judge(step)),
        ("I10", i10::judge_state(step)),
        ("I11", i11::refused_a_slot(step)),
        ("I21", i21::judge(step)),
        ("I22", i22::judge(step)),
        ("begins", begins::judge(step)),
        ("losses", losses::judge(step)),
        ("members", members::judge(step)),
    ];
    judged
        .into_iter()
        .find_map(|(name, result)| result.err().map(|detail| (name, detail)))
}
