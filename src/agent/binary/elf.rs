//! Whether a file is a whole 64-bit program for this host's machine. Reads headers only: what the
//! program does is the probe's question. (ELF: System V gABI, chapters 4 and 5.)

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::Error;
use crate::agent::files::at;

/// `e_machine` of this build, which is this host's.
#[cfg(target_arch = "x86_64")]
pub const MACHINE: u16 = 62;
#[cfg(target_arch = "aarch64")]
pub const MACHINE: u16 = 183;
#[cfg(target_arch = "riscv64")]
pub const MACHINE: u16 = 243;

const HEADER_LENGTH: u64 = 64;
const SEGMENT_LENGTH: u64 = 56;
const SECTION_LENGTH: u64 = 64;
const CLASS_64: u8 = 2;
const LITTLE_ENDIAN: u8 = 1;
const TYPE_EXECUTABLE: u16 = 2;
const TYPE_SHARED: u16 = 3;
/// A section that occupies no bytes of the file.
const SECTION_NOBITS: u32 = 8;

pub fn check(file: &File, path: &Path) -> Result<(), Error> {
    Reader { file, path }.check()
}

struct Reader<'a> {
    file: &'a File,
    path: &'a Path,
}

impl Reader<'_> {
    fn check(&self) -> Result<(), Error> {
        let length = self
            .file
            .metadata()
            .map_err(at("look at", self.path))
            .map_err(Error::Staging)?
            .len();
        let magic = self.bytes(0, HEADER_LENGTH.min(length))?;
        if !magic.starts_with(b"\x7fELF") {
            return Err(self.not_elf("it does not begin with the ELF magic"));
        }
        self.within("ELF header", 0, HEADER_LENGTH, length)?;
        let header = magic;
        let machine = u16_at(&header, 18);
        if machine != MACHINE {
            return Err(Error::WrongMachine {
                path: self.path.to_owned(),
                found: machine,
            });
        }
        if header.get(4) != Some(&CLASS_64) || header.get(5) != Some(&LITTLE_ENDIAN) {
            return Err(self.not_elf("it is not 64-bit little-endian"));
        }
        if !matches!(u16_at(&header, 16), TYPE_EXECUTABLE | TYPE_SHARED) {
            return Err(self.not_elf("it is no executable (an object file or a core dump)"));
        }
        self.segments(&header, length)?;
        self.sections(&header, length)
    }

    fn segments(&self, header: &[u8], length: u64) -> Result<(), Error> {
        let (offset, size, count) = (u64_at(header, 32), u16_at(header, 54), u16_at(header, 56));
        if count == 0 || u64::from(size) != SEGMENT_LENGTH {
            return Err(self.not_elf("it has no program headers of the known form"));
        }
        let table_length = SEGMENT_LENGTH * u64::from(count);
        self.within("program header table", offset, table_length, length)?;
        let table = self.bytes(offset, table_length)?;
        for segment in table.chunks_exact(SEGMENT_LENGTH as usize) {
            self.within("segment", u64_at(segment, 8), u64_at(segment, 32), length)?;
        }
        Ok(())
    }

    /// The section table is the last thing a linker writes, so a cut file nearly always loses it.
    fn sections(&self, header: &[u8], length: u64) -> Result<(), Error> {
        let (offset, size, count) = (u64_at(header, 40), u16_at(header, 58), u16_at(header, 60));
        if offset == 0 || count == 0 {
            return Ok(());
        }
        if u64::from(size) != SECTION_LENGTH {
            return Err(self.not_elf("its section headers have an unknown form"));
        }
        let table_length = SECTION_LENGTH * u64::from(count);
        self.within("section header table", offset, table_length, length)?;
        let table = self.bytes(offset, table_length)?;
        for section in table.chunks_exact(SECTION_LENGTH as usize) {
            if u32_at(section, 4) != SECTION_NOBITS {
                self.within("section", u64_at(section, 24), u64_at(section, 32), length)?;
            }
        }
        Ok(())
    }

    fn within(&self, what: &'static str, offset: u64, size: u64, length: u64) -> Result<(), Error> {
        match offset.checked_add(size) {
            Some(end) if end <= length => Ok(()),
            end => Err(Error::Truncated {
                path: self.path.to_owned(),
                what,
                end: end.unwrap_or(u64::MAX),
                length,
            }),
        }
    }

    /// At most a table of 65,535 headers; callers check that it lies in the file.
    fn bytes(&self, offset: u64, length: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; length as usize];
        self.file
            .read_exact_at(&mut bytes, offset)
            .map_err(at("read", self.path))
            .map_err(Error::Staging)?;
        Ok(bytes)
    }

    fn not_elf(&self, why: &'static str) -> Error {
        Error::NotElf {
            path: self.path.to_owned(),
            why,
        }
    }
}

/// A field that lies beyond the bytes reads as zero, which every check above refuses or ignores.
fn field<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    bytes
        .get(offset..offset + N)
        .and_then(|field| field.try_into().ok())
        .unwrap_or([0; N])
}

fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes(field(bytes, offset))
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(field(bytes, offset))
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(field(bytes, offset))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn judge(bytes: &[u8]) -> Result<(), Error> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("binary");
        fs::write(&path, bytes).unwrap();
        check(&File::open(&path).unwrap(), &path)
    }

    fn own() -> Vec<u8> {
        fs::read("/bin/true").unwrap()
    }

    #[test]
    fn a_program_of_this_host_passes_also_with_bytes_after_its_end() {
        let mut bytes = own();
        judge(&bytes).unwrap();
        bytes.extend_from_slice(b"a trailer");
        judge(&bytes).unwrap();
    }

    #[test]
    fn a_program_cut_anywhere_is_truncated_or_no_program() {
        let whole = own();
        for length in (0..whole.len()).step_by(509).chain([whole.len() - 1]) {
            let error = judge(&whole[..length]).unwrap_err();
            let expected = match length {
                0..4 => matches!(error, Error::NotElf { .. }),
                _ => matches!(error, Error::Truncated { .. }),
            };
            assert!(expected, "cut at {length}: {error}");
        }
    }

    #[test]
    fn a_stripped_program_whose_segments_are_cut_is_truncated() {
        let mut bytes = own();
        // No section table: only the segments can tell.
        bytes[40..48].fill(0);
        bytes[60..62].fill(0);
        judge(&bytes).unwrap();
        bytes.truncate(bytes.len() / 2);
        let error = judge(&bytes).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Truncated {
                    what: "segment",
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn another_machine_is_named() {
        for other in [3u16, 40, 183, 62, 8]
            .into_iter()
            .filter(|other| *other != MACHINE)
        {
            let mut bytes = own();
            bytes[18..20].copy_from_slice(&other.to_le_bytes());
            let error = judge(&bytes).unwrap_err();
            assert!(
                matches!(error, Error::WrongMachine { found, .. } if found == other),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_no_program_is_refused() {
        let mut object = own();
        object[16] = 1;
        let mut narrow = own();
        narrow[4] = 1;
        for bytes in [
            b"#!/bin/sh\nexit 0\n".to_vec(),
            vec![0; 4096],
            object,
            narrow,
        ] {
            let error = judge(&bytes).unwrap_err();
            assert!(matches!(error, Error::NotElf { .. }), "{error}");
        }
    }

    #[test]
    fn offsets_that_overflow_are_truncation_and_no_panic() {
        let mut bytes = own();
        bytes[32..40].fill(0xff);
        assert!(matches!(judge(&bytes), Err(Error::Truncated { .. })));
    }
}
