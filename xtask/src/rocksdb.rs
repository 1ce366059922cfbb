//! Builds RocksDB once per machine, outside every clone, from the source that `librocksdb-sys`
//! bundles. Must not decide what the project does with it: callers get a directory.
//!
//! The crate itself compiles 344 translation units, about half an hour on two cores, and headers
//! are most of that. Here the same sources go into six units of `#include` lines: under seven
//! minutes. The result is kept under a key of crate version, compiler and flags, and the crate
//! links it through `ROCKSDB_LIB_DIR` and `ROCKSDB_STATIC`. Without those two a plain
//! `cargo build` compiles the bundled source as ever.

mod kept;
mod units;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::source::Crate;
use crate::step::{Failure, answer, at, say};
pub use kept::cache_home;
use units::Compiler;

/// The directory that holds `librocksdb.a`, built first if this machine has none.
pub fn library(source: &Crate) -> Result<PathBuf, Failure> {
    let compiler = Compiler::found()?;
    let home = kept::cache_home()?.join("aegis-updates").join("rocksdb");
    let place = home.join(key(&source.version, &compiler));
    if kept::is_whole(&place) {
        return Ok(place);
    }
    fs::create_dir_all(&home).map_err(at(home.display()))?;
    let _lock = kept::locked(&home.join("lock"))?;
    if !kept::is_whole(&place) {
        build(source, &compiler, &place)?;
    }
    Ok(place)
}

fn key(crate_version: &str, compiler: &Compiler) -> String {
    let recipe = kept::checksum(units::recipe(compiler).as_bytes());
    format!("{crate_version}-c++{}-{recipe:016x}", compiler.version)
}

/// Compiles aside and renames at the end, so that a kept directory is always a whole one. Units of
/// an interrupted build are taken up again: each object gets its name only when it is complete.
fn build(source: &Crate, compiler: &Compiler, place: &Path) -> Result<(), Failure> {
    let aside = place.with_file_name(format!(
        "{}.building",
        place.file_name().unwrap_or_default().to_string_lossy()
    ));
    fs::create_dir_all(&aside).map_err(at(aside.display()))?;
    let units = units::write(source, &aside)?;
    let jobs = units::jobs(units.len());
    say(format!(
        "rocksdb: compiling {} in {} units, {jobs} at a time, about 12 CPU minutes",
        source.version,
        units.len()
    ));
    units::compile(source, compiler, &units, jobs)?;

    let archive = aside.join("librocksdb.a");
    let objects = units.iter().map(|unit| unit.with_extension("o"));
    // `ar` would add to what an interrupted run left; most often there is nothing.
    let _ = fs::remove_file(&archive);
    answer(Command::new("ar").arg("crs").arg(&archive).args(objects))?;
    let description = format!(
        "librocksdb-sys {}\n{}",
        source.version,
        units::recipe(compiler)
    );
    kept::write_manifest(&aside, &description)?;
    for unit in &units {
        fs::remove_file(unit).map_err(at(unit.display()))?;
        fs::remove_file(unit.with_extension("o")).map_err(at(unit.display()))?;
    }
    File::open(&archive)
        .and_then(|file| file.sync_all())
        .map_err(at(archive.display()))?;
    if place.exists() {
        say(format!(
            "rocksdb: {} does not match its manifest and is replaced",
            place.display()
        ));
        fs::remove_dir_all(place).map_err(at(place.display()))?;
    }
    fs::rename(&aside, place).map_err(at(place.display()))?;
    say(format!("rocksdb: kept in {}", place.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_compiler_or_crate_has_another_key() {
        let compiler = |identity: &str| Compiler {
            program: "c++".into(),
            identity: identity.into(),
            version: "12.2.0".into(),
        };
        let debian = compiler("c++ (Debian 12.2.0-14) x86_64-linux-gnu");
        let kept = key("0.19.0+11.8.1", &debian);
        assert!(kept.starts_with("0.19.0+11.8.1-c++12.2.0-"), "{kept}");
        assert_ne!(kept, key("0.20.0", &debian));
        let arm = compiler("c++ (Debian 12.2.0-14) aarch64-linux-gnu");
        assert_ne!(kept, key("0.19.0+11.8.1", &arm));
    }
}
