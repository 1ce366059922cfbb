//! The system packages that building RocksDB and its bindings needs on Debian, and what tests look
//! through: installed when we may. What the build needs is otherwise named in a line to run; tests say
//! themselves that they were skipped. Must not touch anything when nothing is missing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::step::{Failure, run, say, succeeds};

/// Where Debian puts it; elsewhere the rounds leave out what needs it.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// Looks at this machine, then does what `decision` says.
pub fn install_missing() -> Result<(), Failure> {
    let machine = Machine {
        cxx: std::env::var_os("CXX").is_some() || succeeds(Command::new("c++").arg("--version")),
        libclang: has_libclang(),
        strace: succeeds(Command::new("strace").arg("--version")),
        faketime: Path::new(FAKETIME).exists(),
        root: current_uid() == Some(0),
        apt_get: succeeds(Command::new("apt-get").arg("--version")),
        sudo: succeeds(Command::new("sudo").args(["-n", "true"])),
    };
    match decision(&machine) {
        Decision::Nothing => Ok(()),
        Decision::Install {
            packages,
            through_sudo,
        } => {
            say(format!("installing {}", packages.join(" ")));
            run(apt_get(through_sudo).args(["update"]))?;
            run(apt_get(through_sudo)
                .args(["install", "--yes", "--no-install-recommends"])
                .args(packages))
        }
        Decision::Tell { line } => Err(Failure(format!(
            "building RocksDB needs packages that this user may not install. Run this line, then the command again:\n  {line}"
        ))),
    }
}

struct Machine {
    cxx: bool,
    libclang: bool,
    strace: bool,
    faketime: bool,
    root: bool,
    apt_get: bool,
    sudo: bool,
}

#[derive(Debug, PartialEq)]
enum Decision {
    Nothing,
    Install {
        packages: Vec<&'static str>,
        through_sudo: bool,
    },
    Tell {
        line: String,
    },
}

fn decision(machine: &Machine) -> Decision {
    let mut packages = Vec::new();
    if !machine.cxx {
        packages.push("g++");
    }
    if !machine.libclang {
        packages.extend(["clang", "libclang-dev"]);
    }
    let may_install = machine.apt_get && (machine.root || machine.sudo);
    // Sweeps over system calls look through it; nothing is built with it.
    if !machine.strace && may_install {
        packages.push("strace");
    }
    // Rounds of real daemons move a clock with it.
    if !machine.faketime && may_install {
        packages.push("libfaketime");
    }
    if packages.is_empty() {
        return Decision::Nothing;
    }
    if may_install {
        return Decision::Install {
            packages,
            through_sudo: !machine.root,
        };
    }
    let install = format!("apt-get install --yes {}", packages.join(" "));
    Decision::Tell {
        line: if machine.root {
            install
        } else {
            format!("sudo {install}")
        },
    }
}

fn apt_get(through_sudo: bool) -> Command {
    let mut command = Command::new(if through_sudo { "sudo" } else { "apt-get" });
    if through_sudo {
        command.args(["-n", "apt-get"]);
    } else {
        command.env("DEBIAN_FRONTEND", "noninteractive");
    }
    // Our standard output is for data: `eval "$(cargo xtask setup)"` must not meet apt's words.
    command.stdout(std::io::stderr());
    command
}

/// The effective user from `/proc`, which spares a dependency on a syscall crate.
fn current_uid() -> Option<u32> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    effective_uid(&status)
}

fn effective_uid(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The places where bindgen's loader looks on Linux.
fn has_libclang() -> bool {
    if let Some(path) = std::env::var_os("LIBCLANG_PATH") {
        let path = PathBuf::from(path);
        return path.is_file() || holds_libclang(&path);
    }
    let versions = fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let homes = versions.flat_map(|path| [path.join("lib"), path]);
    homes
        .chain([
            "/usr/lib64".into(),
            "/usr/lib".into(),
            "/usr/local/lib".into(),
        ])
        .any(|home| holds_libclang(&home))
}

fn holds_libclang(directory: &Path) -> bool {
    let names = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name());
    names
        .filter_map(|name| name.into_string().ok())
        .any(|name| is_libclang(&name))
}

fn is_libclang(name: &str) -> bool {
    (name.starts_with("libclang.so") || name.starts_with("libclang-"))
        && name.contains(".so")
        && !name.starts_with("libclang-cpp")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: Machine = Machine {
        cxx: false,
        libclang: false,
        strace: true,
        faketime: true,
        root: true,
        apt_get: true,
        sudo: false,
    };

    #[test]
    fn nothing_missing_changes_nothing() {
        assert_eq!(
            decision(&Machine {
                cxx: true,
                libclang: true,
                ..BARE
            }),
            Decision::Nothing
        );
    }

    #[test]
    fn root_installs_only_what_is_missing() {
        let all = Decision::Install {
            packages: vec!["g++", "clang", "libclang-dev"],
            through_sudo: false,
        };
        assert_eq!(decision(&BARE), all);
        let clang = Decision::Install {
            packages: vec!["clang", "libclang-dev"],
            through_sudo: false,
        };
        assert_eq!(decision(&Machine { cxx: true, ..BARE }), clang);
    }

    #[test]
    fn what_only_tests_need_is_installed_or_left_out() {
        let built = Machine {
            cxx: true,
            libclang: true,
            strace: false,
            faketime: false,
            ..BARE
        };
        let strace = Decision::Install {
            packages: vec!["strace", "libfaketime"],
            through_sudo: false,
        };
        assert_eq!(decision(&built), strace);
        assert_eq!(
            decision(&Machine {
                root: false,
                ..built
            }),
            Decision::Nothing
        );
    }

    #[test]
    fn a_user_with_sudo_installs_through_it() {
        let expected = Decision::Install {
            packages: vec!["g++"],
            through_sudo: true,
        };
        assert_eq!(
            decision(&Machine {
                libclang: true,
                root: false,
                sudo: true,
                ..BARE
            }),
            expected
        );
    }

    #[test]
    fn others_are_told_the_exact_line() {
        let user = Machine {
            cxx: true,
            root: false,
            ..BARE
        };
        let line = "sudo apt-get install --yes clang libclang-dev".to_owned();
        assert_eq!(decision(&user), Decision::Tell { line });
        let elsewhere = Machine {
            cxx: true,
            apt_get: false,
            ..BARE
        };
        let line = "apt-get install --yes clang libclang-dev".to_owned();
        assert_eq!(decision(&elsewhere), Decision::Tell { line });
    }

    #[test]
    fn the_effective_user_is_the_second_number() {
        assert_eq!(
            effective_uid("Name:\tx\nUid:\t1000\t0\t1000\t1000\n"),
            Some(0)
        );
        assert_eq!(effective_uid(""), None);
    }

    #[test]
    fn only_the_c_library_of_clang_counts() {
        for name in [
            "libclang.so",
            "libclang.so.1",
            "libclang-14.so.1",
            "libclang-14.so.14.0.6",
        ] {
            assert!(is_libclang(name), "{name}");
        }
        for name in ["libclang-cpp.so.14", "libclang.a", "libclangAST.a"] {
            assert!(!is_libclang(name), "{name}");
        }
    }
}
