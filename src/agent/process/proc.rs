//! What the kernel says of processes and sockets (`/proc`). Read-only. Whose a process is, is judged elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// When the process started, in clock ticks since boot: with the pid, one life of one process.
/// `None`: there is no such process, or it has ended and only waits to be reaped.
pub fn start_ticks(pid: u32) -> Option<u64> {
    let stat = Stat::read(pid)?;
    (!stat.ended).then_some(stat.start_ticks)
}

/// As `start_ticks`, also for a child of ours that has ended and was not reaped yet.
pub fn start_ticks_also_when_ended(pid: u32) -> Option<u64> {
    Stat::read(pid).map(|stat| stat.start_ticks)
}

/// The session that the process belongs to, named by the pid of the process that began it.
pub fn session(pid: u32) -> Option<u32> {
    Stat::read(pid).map(|stat| stat.session)
}

struct Stat {
    ended: bool,
    session: u32,
    start_ticks: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// proc_pid_stat(5); the name in parentheses may itself hold blanks and parentheses.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let mut fields = rest.split_ascii_whitespace();
        let ended = matches!(fields.next()?, "Z" | "X" | "x");
        // Fields 6 (session) and 22 (starttime); the state just taken is field 3.
        let session = fields.nth(2)?.parse().ok()?;
        let start_ticks = fields.nth(15)?.parse().ok()?;
        Some(Self {
            ended,
            session,
            start_ticks,
        })
    }
}

/// The very file that the process executes, also when its path names another one by now.
pub fn open_executable(pid: u32) -> io::Result<File> {
    File::open(format!("/proc/{pid}/exe"))
}

/// The path that the executable had; the kernel's mark for a replaced or removed file is cut off.
pub fn executable_path(pid: u32) -> Option<PathBuf> {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let path = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let bytes = path.as_os_str().as_bytes();
    let bytes = bytes.strip_suffix(b" (deleted)").unwrap_or(bytes);
    Some(PathBuf::from(OsStr::from_bytes(bytes)))
}

/// The program's arguments, its own name first.
pub fn command_line(pid: u32) -> Option<Vec<String>> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    let words = bytes.split(|byte| *byte == 0);
    Some(
        words
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect(),
    )
}

/// Every process of this host that is not gone while we look.
pub fn processes() -> io::Result<Vec<u32>> {
    let entries = fs::read_dir("/proc")?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter_map(|name| name.parse().ok()).collect())
}

/// Who listens on a TCP port of this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Listening {
    pub sockets: usize,
    /// The first process found that holds one; `None` too when we may not look into it.
    pub pid: Option<u32>,
}

pub fn listening(port: u16) -> io::Result<Listening> {
    let inodes: Vec<u64> = sockets()?
        .into_iter()
        .filter(|socket| socket.local.port == port && socket.state == State::Listen)
        .map(|socket| socket.inode)
        .collect();
    Ok(Listening {
        sockets: inodes.len(),
        pid: if inodes.is_empty() {
            None
        } else {
            holder(&inodes)?
        },
    })
}

/// Established connections whose end on this host is `port`, and whose other end `own` does not hold: what
/// a drained database still serves for others.
pub fn connections(port: u16, own: u32) -> io::Result<usize> {
    let mut established = sockets()?;
    established.retain(|socket| socket.state == State::Established);
    let far_ends = established.iter().filter(|end| end.remote.port == port);
    let clients: BTreeMap<(&End, &End), u64> = far_ends
        .map(|end| ((&end.remote, &end.local), end.inode))
        .collect();
    let served = established.iter().filter(|end| end.local.port == port);
    let served: Vec<(&End, &End)> = served.map(|end| (&end.local, &end.remote)).collect();
    let on_this_host = served.iter().filter_map(|ends| clients.get(ends).copied());
    let on_this_host: Vec<u64> = on_this_host.collect();
    let ours = match on_this_host.is_empty() {
        true => 0,
        false => held(own, &on_this_host),
    };
    Ok(served.len() - ours)
}

/// `::ffff:0:0/96`, whose words the kernel prints in the machine's order.
#[cfg(target_endian = "little")]
const IPV4_MAPPED: &str = "0000000000000000FFFF0000";
#[cfg(target_endian = "big")]
const IPV4_MAPPED: &str = "00000000000000000000FFFF";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Established,
    Listen,
    Other,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct End {
    /// In the kernel's digits; an IPv4 address in IPv6 clothes is written as what it is.
    address: String,
    port: u16,
}

#[derive(Debug, PartialEq, Eq)]
struct Socket {
    local: End,
    remote: End,
    state: State,
    inode: u64,
}

fn sockets() -> io::Result<Vec<Socket>> {
    let mut found = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        match fs::read_to_string(table) {
            Ok(text) => found.extend(text.lines().skip(1).filter_map(Socket::parse)),
            // A kernel without IPv6 has no second table.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

impl End {
    fn parse(text: &str) -> Option<Self> {
        let (address, port) = text.rsplit_once(':')?;
        let address = address.strip_prefix(IPV4_MAPPED).unwrap_or(address);
        Some(Self {
            address: address.to_owned(),
            port: u16::from_str_radix(port, 16).ok()?,
        })
    }
}

impl Socket {
    /// `sl local_address rem_address st tx:rx tr:tm->when retrnsmt uid timeout inode …` (proc_net_tcp)
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let local = End::parse(fields.nth(1)?)?;
        let remote = End::parse(fields.next()?)?;
        let state = match fields.next()? {
            "01" => State::Established,
            "0A" => State::Listen,
            _ => State::Other,
        };
        Some(Self {
            local,
            remote,
            state,
            inode: fields.nth(5)?.parse().ok()?,
        })
    }
}

fn holder(inodes: &[u64]) -> io::Result<Option<u32>> {
    Ok(processes()?.into_iter().find(|pid| held(*pid, inodes) > 0))
}

/// How many of the sockets the process holds. One that has ended, or that we may not look into, holds
/// nothing we can name.
fn held(pid: u32, inodes: &[u64]) -> usize {
    let Ok(entries) = fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fd")) else {
        return 0;
    };
    let open: BTreeSet<PathBuf> = entries
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .collect();
    let name = |inode: &u64| PathBuf::from(format!("socket:[{inode}]"));
    inodes
        .iter()
        .map(name)
        .filter(|it| open.contains(it))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    const NOBODY: u32 = u32::MAX;

    #[test]
    fn a_name_with_blanks_and_parentheses_does_not_shift_the_fields() {
        let line = "42 (a) (b c) S 1 42 7 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 1 0 987654 1 1";
        let stat = Stat::parse(line).unwrap();
        assert_eq!(
            (stat.ended, stat.session, stat.start_ticks),
            (false, 7, 987654)
        );
        assert!(
            Stat::parse("42 (x) Z 1 42 7 0 -1 0 1 0 0 0 1 2 0 0 20 0 1 0 5")
                .unwrap()
                .ended
        );
        assert!(Stat::parse("42 (x").is_none());
    }

    #[test]
    fn this_process_is_found_by_all_that_is_asked() {
        let own = std::process::id();
        assert!(start_ticks(own).unwrap() > 0);
        assert!(processes().unwrap().contains(&own));
        assert_eq!(
            executable_path(own).unwrap(),
            std::env::current_exe().unwrap()
        );
        assert_eq!(
            command_line(own).unwrap()[0],
            std::env::args().next().unwrap()
        );
        assert!(open_executable(own).unwrap().metadata().unwrap().len() > 0);
        assert_eq!(start_ticks(u32::MAX), None);
    }

    #[test]
    fn a_listener_and_its_connections_are_counted_by_the_hosts_end_only() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let own = Some(std::process::id());
        assert_eq!(
            listening(port).unwrap(),
            Listening {
                sockets: 1,
                pid: own
            }
        );
        assert_eq!(connections(port, NOBODY).unwrap(), 0);
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (_served, _) = listener.accept().unwrap();
        assert_eq!(connections(port, NOBODY).unwrap(), 1);
        drop(listener);
        assert_eq!(listening(port).unwrap(), Listening::default());
        drop(client);
    }

    #[test]
    fn what_a_process_holds_itself_is_not_counted_against_it() {
        for (listen, connect) in [
            ("127.0.0.1:0", "127.0.0.1"),
            ("[::]:0", "127.0.0.1"),
            ("[::1]:0", "::1"),
        ] {
            let Ok(listener) = TcpListener::bind(listen) else {
                // A machine without IPv6.
                continue;
            };
            let port = listener.local_addr().unwrap().port();
            let _client = TcpStream::connect((connect, port)).unwrap();
            let (_served, _) = listener.accept().unwrap();
            let counted = |own| connections(port, own).unwrap();
            let found = (counted(NOBODY), counted(std::process::id()));
            assert_eq!(found, (1, 0), "{listen}");
        }
    }

    #[test]
    fn ipv6_lines_parse_as_well() {
        let line = "   0: 00000000000000000000000001000000:1D24 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0000000000000000 100 0 0 10 0";
        let end = |address: &str, port| End {
            address: address.to_owned(),
            port,
        };
        let expected = Socket {
            local: end("00000000000000000000000001000000", 7460),
            remote: end("00000000000000000000000000000000", 0),
            state: State::Listen,
            inode: 12345,
        };
        assert_eq!(Socket::parse(line), Some(expected));
    }
}
