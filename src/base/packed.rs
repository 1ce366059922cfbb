//! Reading MessagePack that may be anybody's: bounded in depth, for a decoder follows what is nested on its thread's
//! stack, and a stack that overflows takes the whole process with it.

use serde::de::DeserializeOwned;

use super::limits::NESTING_MAX;

pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, rmp_serde::decode::Error> {
    let mut reader = rmp_serde::Deserializer::from_read_ref(bytes);
    reader.set_max_depth(NESTING_MAX);
    T::deserialize(&mut reader)
}

#[cfg(test)]
mod tests {
    use serde::de::IgnoredAny;

    use super::decode;

    /// `[[[…]]]`.
    fn nested(deep: usize) -> Vec<u8> {
        let mut bytes = vec![0x91; deep];
        bytes.push(0xc0);
        bytes
    }

    #[test]
    fn what_is_nested_without_end_is_an_error_and_not_the_end() {
        assert!(decode::<IgnoredAny>(&nested(50)).is_ok());
        assert!(decode::<IgnoredAny>(&nested(1_000_000)).is_err());
    }
}
