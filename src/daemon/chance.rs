//! Random bytes for secrets and names, drawn from the system in one place.

/// 256 bits.
#[expect(
    clippy::disallowed_methods,
    reason = "secrets must not be repeatable from a seed"
)]
pub fn bytes() -> [u8; 32] {
    rand::random()
}
