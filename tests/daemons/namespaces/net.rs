//! A network of the test's own: a namespace for each host, whose one link leads to a bridge in the namespace of
//! this process. What is cut here is dropped: nobody is told, and no connection is reset.

use std::fs::{self, File, OpenOptions};
use std::net::Ipv4Addr;
use std::process::Command;

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, geteuid, kill_process};

/// So many runs at once on one machine have a network each.
const NETS_MAX: u8 = 8;
/// One place for everybody, as the names are: a directory for temporary files may be another for each.
const LOCKS: &str = "/run/aegis-updates-test-nets";
/// In each network, this process's own address.
const HERE: u8 = 254;
/// The link of a host, within its namespace.
const LINK: &str = "eth0";
/// A link address that nobody has.
const NOBODY: &str = "02:00:00:00:00:01";
/// A resident may start one more database between a look and its end; a few laps always suffice.
const LAPS_MAX: u32 = 100;

/// Taken away when dropped, which must be after what runs in it has ended. What a run leaves that was killed is
/// taken away by the next: a number whose lock is free belongs to nobody alive.
#[derive(Debug)]
pub struct Net {
    number: u8,
    hosts: Vec<String>,
    _lock: File,
}

impl Net {
    /// `None`, said loudly, where this machine or user cannot.
    pub fn lay(hosts: &[&str]) -> Option<Self> {
        let there = |tool: &str| Command::new(tool).arg("-V").output().is_ok();
        if !(geteuid().is_root() && there("ip") && there("nsenter")) {
            println!("skipped: needs root (network namespaces)");
            return None;
        }
        let (number, lock) = lease();
        let net = Self {
            number,
            hosts: hosts.iter().map(|name| (*name).to_owned()).collect(),
            _lock: lock,
        };
        match net.raise() {
            Ok(()) => Some(net),
            // Root of a container may be nobody here.
            Err(why) if why.contains("not permitted") => {
                println!("skipped: needs root (network namespaces)");
                None
            }
            Err(why) => panic!("{why}"),
        }
    }

    /// Where hosts reach this process.
    pub fn here(&self) -> Ipv4Addr {
        // Of the range for measuring networks (RFC 2544), which is nobody's real one.
        Ipv4Addr::new(198, 18, self.number, HERE)
    }

    pub fn address(&self, host: &str) -> Ipv4Addr {
        let place = self.hosts.iter().position(|name| name == host);
        let place = u8::try_from(place.unwrap() + 1).unwrap();
        Ipv4Addr::new(198, 18, self.number, place)
    }

    /// The command through which a process is started in a host's namespace; it becomes that process. Files,
    /// mounts and process ids stay those of everybody.
    pub fn enter(&self, host: &str) -> Vec<String> {
        let namespace = namespace(self.number, host);
        vec![
            "nsenter".to_owned(),
            format!("--net=/var/run/netns/{namespace}"),
        ]
    }

    /// Nothing reaches the host or leaves it any more.
    pub fn cut_off(&self, host: &str) {
        ip(&["link", "set", &device(self.number, host), "down"]).unwrap();
    }

    /// What the first sends to the second gets lost; the other way nothing changes. A route to nowhere would tell
    /// the sender at once: so it goes to a link address that nobody has.
    pub fn drop_way(&self, from: &str, to: &str) {
        let (namespace, address) = (namespace(self.number, from), self.address(to).to_string());
        let to_nobody = ["lladdr", NOBODY, "nud", "permanent", "dev", LINK];
        let cut = ["-n", &namespace, "neighbour", "replace", &address];
        ip(&[&cut[..], &to_nobody[..]].concat()).unwrap();
    }

    /// Everything gets through again.
    pub fn heal(&self) {
        for host in &self.hosts {
            let namespace = namespace(self.number, host);
            let known = ["dev", LINK, "nud", "permanent"];
            ip(&[&["-n", &namespace, "neighbour", "flush"], &known[..]].concat()).unwrap();
            ip(&["link", "set", &device(self.number, host), "up"]).unwrap();
        }
    }

    /// One of the kernel's counters of a host's network, as `Udp:` and `NoPorts` name it.
    pub fn counter(&self, host: &str, protocol: &str, name: &str) -> u64 {
        let [enter, namespace] = self.enter(host).try_into().unwrap();
        let mut command = Command::new(enter);
        let output = command.args([&namespace, "cat", "/proc/net/snmp"]).output();
        let text = String::from_utf8(output.unwrap().stdout).unwrap();
        // A line of names, then one with their values.
        let mut lines = text.lines().filter(|line| line.starts_with(protocol));
        let names = lines.next().unwrap().split(' ');
        let mut pairs = names.zip(lines.next().unwrap().split(' '));
        let (_, value) = pairs.find(|(of, _)| *of == name).unwrap();
        value.parse().unwrap()
    }

    /// Everything of it that the machine lists.
    pub fn names(&self) -> Vec<String> {
        let hosts = self.hosts.iter();
        let of = |host: &String| [namespace(self.number, host), device(self.number, host)];
        let mut names: Vec<String> = hosts.flat_map(of).collect();
        names.push(device(self.number, ""));
        names
    }

    fn raise(&self) -> Result<(), String> {
        let bridge = device(self.number, "");
        let here = format!("{}/24", self.here());
        ip(&["link", "add", &bridge, "type", "bridge"])?;
        ip(&["address", "add", &here, "dev", &bridge])?;
        ip(&["link", "set", &bridge, "up"])?;
        for host in &self.hosts {
            let (namespace, outer) = (namespace(self.number, host), device(self.number, host));
            let address = format!("{}/24", self.address(host));
            let inner = ["peer", "name", LINK, "netns", &namespace];
            ip(&["netns", "add", &namespace])?;
            ip(&[&["link", "add", &outer, "type", "veth"], &inner[..]].concat())?;
            ip(&["link", "set", &outer, "master", &bridge])?;
            ip(&["link", "set", &outer, "up"])?;
            ip(&["-n", &namespace, "address", "add", &address, "dev", LINK])?;
            ip(&["-n", &namespace, "link", "set", LINK, "up"])?;
            ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
        }
        Ok(())
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        remove(self.number);
    }
}

/// The first number that nobody uses. Whatever was left under any such number is taken away.
fn lease() -> (u8, File) {
    let mut first = None;
    for number in 0..NETS_MAX {
        if let Some(lock) = locked(number) {
            remove(number);
            first.get_or_insert((number, lock));
        }
    }
    first.unwrap_or_else(|| panic!("{NETS_MAX} tests of networks run already"))
}

fn locked(number: u8) -> Option<File> {
    fs::create_dir_all(LOCKS).unwrap();
    let lock = OpenOptions::new()
        .create(true)
        .append(true)
        .open(format!("{LOCKS}/{number}"));
    let lock = lock.unwrap();
    let locked = flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok();
    locked.then_some(lock)
}

fn remove(number: u8) {
    let listed = |arguments: &[&str], begin: &str| -> Vec<String> {
        let text = ip(arguments).unwrap_or_default();
        let words = text
            .lines()
            .filter_map(|line| line.split([' ', '@']).next());
        let ours = words.filter(|name| name.starts_with(begin));
        ours.map(str::to_owned).collect()
    };
    for name in listed(&["netns", "list"], &namespace(number, "")) {
        end_all_in(&name);
        let _ = ip(&["netns", "delete", &name]);
    }
    for name in listed(&["-brief", "link"], &device(number, "")) {
        // Gone with its other end is as good.
        let _ = ip(&["link", "delete", &name]);
    }
}

/// Daemons, residents and databases of a test that was killed.
fn end_all_in(namespace: &str) {
    for _ in 0..LAPS_MAX {
        let pids = ip(&["netns", "pids", namespace]).unwrap_or_default();
        let pids = pids.lines().filter_map(|line| line.parse().ok());
        let pids: Vec<Pid> = pids.filter_map(Pid::from_raw).collect();
        if pids.is_empty() {
            return;
        }
        for pid in pids {
            // Gone already is as good.
            let _ = kill_process(pid, Signal::KILL);
        }
        std::thread::yield_now();
    }
}

fn namespace(number: u8, host: &str) -> String {
    format!("aegis-updates-test-{number:02}-{host}")
}

/// The kernel allows fifteen letters.
fn device(number: u8, host: &str) -> String {
    format!("aegupd{number:02}{host}")
}

fn ip(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("ip").args(arguments).output();
    let output = output.map_err(|why| format!("ip: {why}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("ip {arguments:?}: {said}"))
}
