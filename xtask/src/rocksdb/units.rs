//! Compiles the crate's sources in a few large units. Must not know where the result is kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use crate::source::Crate;
use crate::step::{Failure, answer, at, say, shown};

/// Six units need about 2.1 GB each while they compile; fewer and larger ones would need more.
const UNITS: usize = 6;
const UNIT_MEMORY_KB: u64 = 2_500_000;

/// The flags of the crate's own build script for Linux without any compression feature, less its
/// warnings, which are not ours to act on; `-O2` as RocksDB's own release build has it.
const FLAGS: &[&str] = &[
    "-std=c++20",
    "-O2",
    "-g0",
    "-fPIC",
    "-w",
    "-include",
    "cstdint",
    "-DNDEBUG=1",
    "-DHAVE_ALIGNED_NEW",
    "-DHAVE_UINT128_EXTENSION",
    "-DOS_LINUX",
    "-DROCKSDB_PLATFORM_POSIX",
    "-DROCKSDB_LIB_IO_POSIX",
    "-DROCKSDB_SCHED_GETCPU_PRESENT",
    "-DROCKSDB_AUXV_GETAUXVAL_PRESENT",
    "-DROCKSDB_FALLOCATE_PRESENT",
    "-DROCKSDB_RANGESYNC_PRESENT",
    "-ffunction-sections",
    "-fdata-sections",
];

/// Include paths, relative to the crate's directory.
const INCLUDES: &[&str] = &[
    "rocksdb/include",
    "rocksdb",
    "rocksdb/third-party/gtest-1.8.1/fused-src",
    ".",
];

pub struct Compiler {
    pub program: String,
    /// First line of `--version` and the machine it compiles for: two compilers with the same
    /// answer produce libraries that can stand for one another.
    pub identity: String,
    pub version: String,
}

impl Compiler {
    pub fn found() -> Result<Self, Failure> {
        let program = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
        let ask = |flags: &[&str]| answer(Command::new(&program).args(flags));
        let line = ask(&["--version"])?
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
        let machine = ask(&["-dumpmachine"])?;
        let version = ask(&["-dumpfullversion", "-dumpversion"])?
            .trim()
            .to_owned();
        Ok(Self {
            program,
            identity: format!("{line} {}", machine.trim()),
            version,
        })
    }
}

/// All that decides what the library holds, besides the crate's version.
pub fn recipe(compiler: &Compiler) -> String {
    let (identity, flags, includes) = (&compiler.identity, FLAGS.join(" "), INCLUDES.join(" "));
    format!("{identity}\n{flags}\n{includes}\n{UNITS}")
}

/// Neighbours in the crate's list share most headers and, in this version, no unnamed-namespace
/// name clashes within a unit; a new version that does clash fails here with the compiler's words.
pub fn write(source: &Crate, aside: &Path) -> Result<Vec<PathBuf>, Failure> {
    let list = source.directory.join("rocksdb_lib_sources.txt");
    let text = fs::read_to_string(&list).map_err(at(list.display()))?;
    let files = sources(&text);
    let length = files.len().div_ceil(UNITS).max(1);
    let mut units = Vec::new();
    for (number, chunk) in files.chunks(length).enumerate() {
        let unit = aside.join(format!("unit{number}.cc"));
        let includes: String = chunk
            .iter()
            .map(|file| format!("#include \"{file}\"\n"))
            .collect();
        fs::write(&unit, includes).map_err(at(unit.display()))?;
        units.push(unit);
    }
    Ok(units)
}

/// The crate replaces RocksDB's generated version file by one of its own beside the list.
fn sources(list: &str) -> Vec<String> {
    let listed = list
        .split_whitespace()
        .filter(|file| *file != "util/build_version.cc");
    let mut files: Vec<_> = listed.map(|file| format!("rocksdb/{file}")).collect();
    files.push("build_version.cc".to_owned());
    files
}

/// As many compilers at once as cores and memory bear.
pub fn jobs(units: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| available_kb(&text));
    let by_memory = memory.map_or(cores, |kb| {
        usize::try_from(kb / UNIT_MEMORY_KB).unwrap_or(cores)
    });
    cores.min(by_memory).clamp(1, units.max(1))
}

fn available_kb(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse().ok()
}

struct Job {
    child: Child,
    shown: String,
    part: PathBuf,
    object: PathBuf,
}

pub fn compile(
    source: &Crate,
    compiler: &Compiler,
    units: &[PathBuf],
    jobs: usize,
) -> Result<(), Failure> {
    let mut waiting = units
        .iter()
        .filter(|unit| !unit.with_extension("o").exists());
    let mut running: Vec<Job> = Vec::new();
    let result = loop {
        while running.len() < jobs {
            let Some(unit) = waiting.next() else { break };
            match started(source, compiler, unit) {
                Ok(job) => running.push(job),
                Err(failure) => return Err(stopped(running, failure)),
            }
        }
        if running.is_empty() {
            break Ok(());
        }
        // Waiting for the oldest keeps this to std; units are of about the same length.
        if let Err(failure) = finished(running.remove(0)) {
            break Err(failure);
        }
    };
    result.map_err(|failure| stopped(running, failure))
}

fn started(source: &Crate, compiler: &Compiler, unit: &Path) -> Result<Job, Failure> {
    say(format!("rocksdb: {} {}", compiler.program, unit.display()));
    let part = unit.with_extension("part");
    let includes = INCLUDES.iter().map(|path| source.directory.join(path));
    let mut command = Command::new(&compiler.program);
    command.args(FLAGS);
    includes.for_each(|path| {
        command.arg("-I").arg(path);
    });
    command.arg("-c").arg(unit).arg("-o").arg(&part);
    let shown = shown(&command);
    let child = command.spawn().map_err(at(&shown))?;
    Ok(Job {
        child,
        shown,
        part,
        object: unit.with_extension("o"),
    })
}

fn finished(mut job: Job) -> Result<(), Failure> {
    let status = job.child.wait().map_err(at(&job.shown))?;
    if !status.success() {
        return Err(Failure(format!("failed with {status}: {}", job.shown)));
    }
    fs::rename(&job.part, &job.object).map_err(at(job.object.display()))
}

/// Compilers that outlive a failed run would write into the next one's directory.
fn stopped(running: Vec<Job>, failure: Failure) -> Failure {
    for mut job in running {
        let _ = job.child.kill();
        let _ = job.child.wait();
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crates_own_version_file_replaces_the_listed_one() {
        let files = sources("cache/cache.cc\nutil/build_version.cc util/coding.cc\n");
        assert_eq!(
            files,
            [
                "rocksdb/cache/cache.cc",
                "rocksdb/util/coding.cc",
                "build_version.cc"
            ]
        );
    }

    #[test]
    fn available_memory_is_read_from_its_line() {
        assert_eq!(
            available_kb("MemTotal: 9 kB\nMemAvailable:   5120000 kB\n"),
            Some(5_120_000)
        );
        assert_eq!(available_kb("MemTotal: 9 kB\n"), None);
    }
}
