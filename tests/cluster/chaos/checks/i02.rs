//! I2: nodes down by plan that served at their host's last look are never more than `max_unavailable`, in
//! real time, whoever leads, whoever is frozen.

pub fn judge_names(down: &[&str], allowed: usize) -> Result<(), String> {
    if down.len() <= allowed {
        return Ok(());
    }
    let down = down.join(", ");
    Err(format!(
        "{down} are down by plan at once, {allowed} are allowed"
    ))
}

#[test]
fn one_node_too_many_is_caught() {
    assert_eq!(judge_names(&["node-1"], 1), Ok(()));
    assert!(judge_names(&["node-1", "node-2"], 1).is_err());
}
