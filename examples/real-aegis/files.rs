//! Files made from a sound executable that are not, or not quite, that executable. None is run from
//! where it is written.

use std::fs;
use std::path::Path;

use aegis_updates::demo::error::Error;
use aegis_updates::demo::releases::Release;

/// Where an ELF header names the machine (System V gABI, chapter 4), and two machines.
const MACHINE_AT: usize = 18;
const X86_64: u16 = 62;
const AARCH64: u16 = 183;

/// Runs as before, under another digest: what follows the last section is nobody's.
pub fn padded(sound: &Release, version: &str, out: &Path) -> Result<Release, Error> {
    written(sound, version, out, |bytes| {
        bytes.extend_from_slice(version.as_bytes());
    })
}

pub fn truncated(sound: &Release, version: &str, out: &Path) -> Result<Release, Error> {
    written(sound, version, out, |bytes| bytes.truncate(bytes.len() / 2))
}

pub fn for_another_machine(sound: &Release, version: &str, out: &Path) -> Result<Release, Error> {
    written(sound, version, out, |bytes| {
        if let Some(field) = bytes.get_mut(MACHINE_AT..MACHINE_AT + 2) {
            let other = if field == X86_64.to_le_bytes() {
                AARCH64
            } else {
                X86_64
            };
            field.copy_from_slice(&other.to_le_bytes());
        }
    })
}

fn written(
    sound: &Release,
    version: &str,
    out: &Path,
    change: impl FnOnce(&mut Vec<u8>),
) -> Result<Release, Error> {
    let from = &sound.path;
    let mut bytes = fs::read(from).map_err(Error::at("read", from.display()))?;
    change(&mut bytes);
    fs::write(out, bytes).map_err(Error::at("write", out.display()))?;
    Release::of(version, out)
}
