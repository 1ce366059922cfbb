//! Builds RocksDB once per machine, outside every clone, from the source that `librocksdb-sys`
//! bundles. Must not decide what the project does with it: callers get a directory.
//!
//! The crate itself compiles 344 translation units, about half an hour on two cores, and headers
//! are most of that. Here the same sources go into six units of `#include` lines: under seven
//! minutes. The result is kept under a key of crate version, compiler and flags, and the crate
//! links it through `ROCKSDB_LIB_DIR` and `ROCKSDB_STATIC`. Without those two a plain
//! `cargo build` compiles the bundled source as ever.

use std::fs::{self, File, TryLockError};
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

/// The directory that holds `librocksdb.a`, built first if this machine has none.
pub fn library(source: &Crate) -> Result<PathBuf, Failure> {
    let compiler = Compiler::found()?;
    let home = cache_home()?.join("aegis-updates").join("rocksdb");
    let kept = home.join(key(&source.version, &compiler));
    if is_whole(&kept) {
        return Ok(kept);
    }
    fs::create_dir_all(&home).map_err(at(home.display()))?;
    let _lock = locked(&home.join("lock"))?;
    if !is_whole(&kept) {
        build(source, &compiler, &kept)?;
    }
    Ok(kept)
}

struct Compiler {
    program: String,
    /// First line of `--version` and the machine it compiles for: two compilers with the same
    /// answer produce libraries that can stand for one another.
    identity: String,
    version: String,
}

impl Compiler {
    fn found() -> Result<Self, Failure> {
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

fn key(crate_version: &str, compiler: &Compiler) -> String {
    let recipe = format!(
        "{}\n{}\n{}\n{UNITS}",
        compiler.identity,
        FLAGS.join(" "),
        INCLUDES.join(" ")
    );
    format!(
        "{crate_version}-c++{}-{:016x}",
        compiler.version,
        checksum(recipe.as_bytes())
    )
}

fn cache_home() -> Result<PathBuf, Failure> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .ok_or_else(|| {
            Failure("neither XDG_CACHE_HOME nor HOME is an absolute path: set one of them".into())
        })
}

/// Two runs on one machine must not compile the same thing side by side. The kernel frees the lock
/// with its holder, however that ends.
fn locked(path: &Path) -> Result<File, Failure> {
    let file = File::create(path).map_err(at(path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            say(format!(
                "rocksdb: another run is building it; waiting for {}",
                path.display()
            ));
            file.lock().map_err(at(path.display()))?;
        }
        Err(TryLockError::Error(error)) => return Err(at(path.display())(error)),
    }
    Ok(file)
}

/// Compiles aside and renames at the end, so that a kept directory is always a whole one. Units of
/// an interrupted build are taken up again: each object gets its name only when it is complete.
fn build(source: &Crate, compiler: &Compiler, kept: &Path) -> Result<(), Failure> {
    let aside = kept.with_file_name(format!(
        "{}.building",
        kept.file_name().unwrap_or_default().to_string_lossy()
    ));
    fs::create_dir_all(&aside).map_err(at(aside.display()))?;
    let units = write_units(source, &aside)?;
    let jobs = jobs(units.len());
    say(format!(
        "rocksdb: compiling {} in {} units, {jobs} at a time, about 12 CPU minutes",
        source.version,
        units.len()
    ));
    compile(source, compiler, &units, jobs)?;

    let archive = aside.join("librocksdb.a");
    let objects = units.iter().map(|unit| unit.with_extension("o"));
    let _ = fs::remove_file(&archive);
    answer(Command::new("ar").arg("crs").arg(&archive).args(objects))?;
    write_manifest(&aside, source, compiler)?;
    for unit in &units {
        fs::remove_file(unit).map_err(at(unit.display()))?;
        fs::remove_file(unit.with_extension("o")).map_err(at(unit.display()))?;
    }
    File::open(&archive)
        .and_then(|file| file.sync_all())
        .map_err(at(archive.display()))?;
    if kept.exists() {
        say(format!(
            "rocksdb: {} does not match its manifest and is replaced",
            kept.display()
        ));
        fs::remove_dir_all(kept).map_err(at(kept.display()))?;
    }
    fs::rename(&aside, kept).map_err(at(kept.display()))?;
    say(format!("rocksdb: kept in {}", kept.display()));
    Ok(())
}

/// Neighbours in the crate's list share most headers and, in this version, no unnamed-namespace
/// name clashes within a unit; a new version that does clash fails here with the compiler's words.
fn write_units(source: &Crate, aside: &Path) -> Result<Vec<PathBuf>, Failure> {
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

fn jobs(units: usize) -> usize {
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

fn compile(
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

fn write_manifest(directory: &Path, source: &Crate, compiler: &Compiler) -> Result<(), Failure> {
    let archive = directory.join("librocksdb.a");
    let bytes = fs::read(&archive).map_err(at(archive.display()))?;
    let text = format!(
        "crate librocksdb-sys {}\ncompiler {}\nflags {}\n{}\n",
        source.version,
        compiler.identity,
        FLAGS.join(" "),
        manifest_line(&bytes),
    );
    let manifest = directory.join("manifest");
    fs::write(&manifest, text).map_err(at(manifest.display()))
}

fn manifest_line(archive: &[u8]) -> String {
    format!(
        "librocksdb.a {} bytes fnv1a-64 {:016x}",
        archive.len(),
        checksum(archive)
    )
}

fn is_whole(directory: &Path) -> bool {
    let manifest = fs::read_to_string(directory.join("manifest"));
    let archive = fs::read(directory.join("librocksdb.a"));
    match (manifest, archive) {
        (Ok(manifest), Ok(archive)) => manifest.lines().any(|line| line == manifest_line(&archive)),
        _ => false,
    }
}

/// FNV-1a: finds a torn or truncated file, and is no defence against a person, who could as well
/// change the source beside it.
fn checksum(bytes: &[u8]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    bytes.iter().fold(OFFSET, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(PRIME)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_is_fnv1a() {
        assert_eq!(checksum(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(checksum(b"foobar"), 0x8594_4171_f739_67e8);
    }

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
    fn another_compiler_or_crate_has_another_key() {
        let compiler = |identity: &str| Compiler {
            program: "c++".into(),
            identity: identity.into(),
            version: "12.2.0".into(),
        };
        let kept = key(
            "0.19.0+11.8.1",
            &compiler("c++ (Debian 12.2.0-14) x86_64-linux-gnu"),
        );
        assert!(kept.starts_with("0.19.0+11.8.1-c++12.2.0-"), "{kept}");
        assert_ne!(
            kept,
            key(
                "0.19.0+11.8.1",
                &compiler("c++ (Debian 12.2.0-14) aarch64-linux-gnu")
            )
        );
        assert_ne!(
            kept,
            key(
                "0.20.0",
                &compiler("c++ (Debian 12.2.0-14) x86_64-linux-gnu")
            )
        );
    }

    #[test]
    fn a_damaged_library_is_not_whole() {
        let directory = std::env::temp_dir().join(format!("xtask-rocksdb-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("librocksdb.a"), b"archive").unwrap();
        assert!(!is_whole(&directory), "no manifest");
        fs::write(
            directory.join("manifest"),
            format!("x\n{}\n", manifest_line(b"archive")),
        )
        .unwrap();
        assert!(is_whole(&directory));
        fs::write(directory.join("librocksdb.a"), b"archivE").unwrap();
        assert!(!is_whole(&directory), "another byte");
        fs::remove_dir_all(&directory).unwrap();
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
