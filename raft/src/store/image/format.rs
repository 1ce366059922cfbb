//! The bytes of an image: a magic, a header, rows, a count. Which rows belong into it is not decided here.
//!
//! `AEGISIMG` · format (u32) · header length (u32) · header (MessagePack, named) · per row: column (u8, 1
//! state, 2 journal) · key length (u32) · value length (u32) · key · value · at the end: 0 (u8) · number of
//! rows (u64). Numbers are little-endian. The SHA-256 over all of it travels beside the file.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::super::columns::{JOURNAL, STATE};
use super::super::state::AppliedRow;
use crate::encoding::{decode, encode};

const MAGIC: &[u8; 8] = b"AEGISIMG";
const FORMAT: u32 = 1;
const END: u8 = 0;
const COLUMNS: [(u8, &str); 2] = [(1, STATE), (2, JOURNAL)];
const BUFFER: usize = 64 << 10;
/// No row and no header comes near it; a greater length is damage, and must not be allocated.
const LENGTH_MAX: u32 = 64 << 20;

pub(super) struct Writer {
    file: BufWriter<File>,
    digest: Sha256,
    bytes: u64,
    rows: u64,
}

impl Writer {
    pub(super) fn new(file: File, applied: &AppliedRow) -> io::Result<Self> {
        let mut writer = Self {
            file: BufWriter::with_capacity(BUFFER, file),
            digest: Sha256::new(),
            bytes: 0,
            rows: 0,
        };
        let header = encode(applied)?;
        writer.put(MAGIC)?;
        writer.put(&FORMAT.to_le_bytes())?;
        writer.put(&length(&header)?.to_le_bytes())?;
        writer.put(&header)?;
        Ok(writer)
    }

    pub(super) fn row(&mut self, column: &str, key: &[u8], value: &[u8]) -> io::Result<()> {
        let tag = COLUMNS
            .iter()
            .find(|(_, name)| *name == column)
            .map(|(tag, _)| *tag);
        let tag = tag.ok_or_else(|| {
            io::Error::other(format!("column {column} does not belong into an image"))
        })?;
        self.put(&[tag])?;
        self.put(&length(key)?.to_le_bytes())?;
        self.put(&length(value)?.to_le_bytes())?;
        self.put(key)?;
        self.put(value)?;
        self.rows += 1;
        Ok(())
    }

    /// Writes the end and syncs the file. Gives its length and checksum.
    pub(super) fn finish(mut self) -> io::Result<(u64, [u8; 32])> {
        self.put(&[END])?;
        self.put(&self.rows.to_le_bytes())?;
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        Ok((self.bytes, self.digest.finalize().into()))
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes)
    }
}

/// Reads an image whose checksum was compared before.
pub(super) struct Reader {
    file: BufReader<File>,
    rows: u64,
    pub(super) applied: AppliedRow,
}

pub(super) struct Row {
    pub(super) column: &'static str,
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
}

impl Reader {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = BufReader::with_capacity(BUFFER, File::open(path)?);
        let magic: [u8; 8] = take(&mut file)?;
        if &magic != MAGIC {
            return Err(damaged("it does not begin like an image"));
        }
        let format = u32::from_le_bytes(take(&mut file)?);
        if format > FORMAT {
            return Err(damaged(&format!(
                "it has format {format}, this version reads up to {FORMAT}"
            )));
        }
        let header_length = u32::from_le_bytes(take(&mut file)?);
        let applied = decode("image header", &take_long(&mut file, header_length)?)?;
        Ok(Self {
            file,
            rows: 0,
            applied,
        })
    }

    /// The next row; `None` at the end, whose count must agree.
    pub(super) fn row(&mut self) -> io::Result<Option<Row>> {
        let [tag] = take(&mut self.file)?;
        if tag == END {
            let rows = u64::from_le_bytes(take(&mut self.file)?);
            return if rows == self.rows {
                Ok(None)
            } else {
                Err(damaged(&format!(
                    "{rows} rows promised, {} found",
                    self.rows
                )))
            };
        }
        let column = COLUMNS
            .iter()
            .find(|(known, _)| *known == tag)
            .map(|(_, name)| *name);
        let column = column.ok_or_else(|| damaged(&format!("column {tag} is not known")))?;
        let key_length = u32::from_le_bytes(take(&mut self.file)?);
        let value_length = u32::from_le_bytes(take(&mut self.file)?);
        let key = take_long(&mut self.file, key_length)?;
        let value = take_long(&mut self.file, value_length)?;
        self.rows += 1;
        Ok(Some(Row { column, key, value }))
    }

    fn at_end(&mut self) -> io::Result<()> {
        if self.file.fill_buf()?.is_empty() {
            return Ok(());
        }
        Err(damaged("something follows its end"))
    }
}

/// Reads it from end to end: false when it is no image that this version understands, whatever its checksum.
pub(super) fn is_readable(path: &Path) -> io::Result<bool> {
    let whole = || {
        let mut reader = Reader::open(path)?;
        while reader.row()?.is_some() {}
        reader.at_end()
    };
    match whole() {
        Ok(()) => Ok(true),
        Err(error) if is_damage(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The bytes are wrong, and the disk is not.
fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
    )
}

/// Length and SHA-256 of a file.
pub(super) fn digest(path: &Path) -> io::Result<(u64, [u8; 32])> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let bytes = io::copy(&mut file, &mut digest)?;
    Ok((bytes, digest.finalize().into()))
}

fn take<const N: usize>(file: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn take_long(file: &mut impl Read, length: u32) -> io::Result<Vec<u8>> {
    if length > LENGTH_MAX {
        return Err(damaged(&format!(
            "a length of {length} bytes is beyond every limit"
        )));
    }
    // Grows with what is there, not with what is promised.
    let mut bytes = Vec::new();
    file.take(length.into()).read_to_end(&mut bytes)?;
    if bytes.len() < length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

fn length(bytes: &[u8]) -> io::Result<u32> {
    u32::try_from(bytes.len())
        .ok()
        .filter(|length| *length <= LENGTH_MAX)
        .ok_or_else(|| io::Error::other("a row is too long for an image"))
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the image cannot be read: {what}"),
    )
}
