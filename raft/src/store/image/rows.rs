//! An image file as nothing but its rows, for the fuzz net; nothing else uses this.

use std::fs::File;
use std::io;
use std::path::Path;

use super::super::columns::{JOURNAL, STATE};
use super::super::state::AppliedRow;
use super::format::{Reader, Writer, is_readable};
use crate::application::Column;

/// Where a row belongs, its key and its value.
pub type Row = (Column, Vec<u8>, Vec<u8>);

pub fn write(path: &Path, rows: &[Row]) -> io::Result<()> {
    let mut writer = Writer::new(File::create(path)?, &AppliedRow::default())?;
    for (column, key, value) in rows {
        let column = match column {
            Column::Application => STATE,
            Column::Journal => JOURNAL,
        };
        writer.row(column, key, value)?;
    }
    writer.finish().map(|_| ())
}

/// `None`: a receiver takes it for damaged.
pub fn read(path: &Path) -> io::Result<Option<Vec<Row>>> {
    if !is_readable(path)? {
        return Ok(None);
    }
    let mut reader = Reader::open(path)?;
    let mut rows = Vec::new();
    while let Some(row) = reader.row()? {
        let column = match row.column {
            JOURNAL => Column::Journal,
            _ => Column::Application,
        };
        rows.push((column, row.key, row.value));
    }
    Ok(Some(rows))
}
