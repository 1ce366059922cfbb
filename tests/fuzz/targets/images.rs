//! Image files: one that is not refused gives the rows that were written, and a state or a plain refusal.

use std::path::Path;

use aegis_updates::machine::image;
use aegis_updates_raft::application::Column;
use aegis_updates_raft::store::image_rows;

use crate::corpus::moments;
use crate::runner::{Target, Verdict};

#[test]
fn images() {
    // In memory where there is such a file system: every image written is synced.
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let dir = dir.expect("a directory");
    let path = dir.path().join("fuzzed.image");
    let mut seeds = Vec::new();
    for moment in moments().iter().step_by(97) {
        let rows = image::all(&moment.state).expect("it is encoded");
        let row = |(key, value)| (Column::Application, key, value);
        let mut rows: Vec<_> = rows.into_iter().map(row).collect();
        rows.push((Column::Journal, vec![0; 12], b"{}".to_vec()));
        image_rows::write(&path, &rows).expect("it is written");
        seeds.push(std::fs::read(&path).expect("it is read"));
    }
    let target = Target {
        name: "images",
        seeds,
        shape: None,
        inputs: 3_000,
        judge: &|_, bytes| judge(&path, bytes),
    };
    target.run();
}

fn judge(path: &Path, bytes: &[u8]) -> Result<Verdict, String> {
    std::fs::write(path, bytes).map_err(|error| error.to_string())?;
    let rows = image_rows::read(path).map_err(|error| error.to_string())?;
    let Some(rows) = rows else {
        return Ok(Verdict::Unread);
    };
    image_rows::write(path, &rows).map_err(|error| error.to_string())?;
    let again = image_rows::read(path).map_err(|error| error.to_string())?;
    if again.as_ref() != Some(&rows) {
        return Err("the rows are others when they are read again".to_owned());
    }
    let application =
        |(column, key, value)| (column == Column::Application).then_some((key, value));
    match image::restore(rows.into_iter().filter_map(application)) {
        Ok(state) => image::digest(&state).map(|_| Verdict::Accepted),
        Err(_) => Ok(Verdict::Refused),
    }
}
