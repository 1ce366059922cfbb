//! The nets that can run longer than CI has time for.

pub struct Net {
    pub name: &'static str,
    pub executable: &'static str,
    pub test: &'static str,
    /// What a sweep is told, so that it leaves nothing out; `--seeds` and `--rounds` tell the others.
    pub variables: &'static [(&'static str, &'static str)],
}

pub const NETS: &[Net] = &[Net {
    name: "simulation",
    executable: "simulation",
    test: "seeds",
    variables: &[],
}];
