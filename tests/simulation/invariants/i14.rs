//! I14: members at the same applied index have the same state digest. (That image, load, digest is the identity
//! is judged where a daemon restarts.)

use aegis_updates::base::digest::Digest;
use aegis_updates::base::ids::MemberId;

pub fn judge(member: MemberId, index: usize, known: Digest, digest: Digest) -> Result<(), String> {
    if known == digest {
        return Ok(());
    }
    Err(format!(
        "member {member} at {index} has {}, another had {}",
        digest.short(),
        known.short()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_differs_is_caught() {
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        assert_eq!(judge(MemberId(1), 16, one, one), Ok(()));
        assert!(judge(MemberId(1), 16, one, other).is_err());
    }
}
