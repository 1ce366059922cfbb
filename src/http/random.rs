//! The one place of this floor that draws from the system's random source: secrets, ids and keys.

#[expect(
    clippy::disallowed_methods,
    reason = "secrets and request keys must not be reproducible from any seed"
)]
pub fn bytes<const N: usize>() -> [u8; N] {
    rand::random()
}

/// So many random bytes in hexadecimal digits.
pub fn hexadecimal<const N: usize>() -> String {
    hex::encode(bytes::<N>())
}
