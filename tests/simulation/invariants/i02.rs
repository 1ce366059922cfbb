//! I2: nodes down by plan that served at their host's last look are never more than `max_unavailable`, in real
//! time, whoever leads, whoever is frozen.

use crate::world::truth::Truth;

pub fn judge(truth: &Truth, allowed: usize) -> Result<(), String> {
    if truth.down_max <= allowed {
        return Ok(());
    }
    let down: Vec<String> = truth
        .down_by_plan()
        .map(|member| member.to_string())
        .collect();
    Err(format!(
        "members {} are down by plan at once, {allowed} are allowed",
        down.join(", ")
    ))
}
