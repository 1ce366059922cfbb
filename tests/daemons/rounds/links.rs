//! A TCP proxy before each member's listener: links between members can be cut one way or both, delayed and
//! broken. Who connects is told by the socket's owner, since the traffic is encrypted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

/// Between two looks at a link that is cut.
const LAP: Duration = Duration::from_millis(10);

#[derive(Debug, Default)]
struct Rules {
    /// From, to.
    cut: BTreeSet<(String, String)>,
    delay: Duration,
    /// Grows when every connection is to break.
    broken: u64,
    /// The daemons' processes, by node.
    pids: BTreeMap<String, u32>,
}

#[derive(Debug, Clone, Default)]
pub struct Links {
    rules: Arc<Mutex<Rules>>,
}

/// One member's front door. Dropping it closes it.
#[derive(Debug)]
pub struct Door {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Links {
    /// Opens a door before `to`, which listens at `behind`.
    pub fn door(&self, to: &str, behind: SocketAddr) -> Door {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let (links, to) = (self.clone(), to.to_owned());
        let task = tokio::spawn(async move {
            // Dropped with the task, and the connections with it.
            let mut links_through = JoinSet::new();
            while let Ok((stream, from)) = listener.accept().await {
                let link = Link {
                    links: links.clone(),
                    to: to.clone(),
                    from: Arc::default(),
                    peer: from,
                };
                links_through.spawn(link.carry(stream, behind));
                while links_through.try_join_next().is_some() {}
            }
        });
        Door { address, task }
    }

    pub fn know(&self, pids: BTreeMap<String, u32>) {
        self.rules().pids = pids;
    }

    /// Nothing goes from the first to the second of each pair any more.
    pub fn cut(&self, pairs: impl IntoIterator<Item = (String, String)>) {
        self.rules().cut.extend(pairs);
    }

    pub fn delay(&self, by: Duration) {
        self.rules().delay = by;
    }

    /// Breaks every connection once.
    pub fn break_all(&self) {
        self.rules().broken += 1;
    }

    /// Everything goes through as it should.
    pub fn heal(&self) {
        let mut rules = self.rules();
        rules.cut.clear();
        rules.delay = Duration::ZERO;
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap()
    }
}

/// One connection through a door.
#[derive(Debug, Clone)]
struct Link {
    links: Links,
    to: String,
    /// Found when it first matters.
    from: Arc<Mutex<Option<String>>>,
    peer: SocketAddr,
}

impl Link {
    async fn carry(self, near: TcpStream, behind: SocketAddr) {
        let broken = self.links.rules().broken;
        let Ok(far) = TcpStream::connect(behind).await else {
            return;
        };
        for stream in [&near, &far] {
            // Without it small packets wait; the link works all the same.
            let _ = stream.set_nodelay(true);
        }
        let (near_in, near_out) = near.into_split();
        let (far_in, far_out) = far.into_split();
        tokio::select! {
            () = self.pass(near_in, far_out, true) => {}
            () = self.pass(far_in, near_out, false) => {}
            () = self.until_broken(broken) => {}
        }
    }

    /// `inward`: from the peer to the member behind the door.
    async fn pass(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, inward: bool) {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let Ok(count @ 1..) = from.read(&mut buffer).await else {
                return;
            };
            let delay = self.links.rules().delay;
            if !delay.is_zero() {
                sleep(delay).await;
            }
            while self.is_cut(inward) {
                sleep(LAP).await;
            }
            if to.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    }

    async fn until_broken(&self, broken: u64) {
        while self.links.rules().broken == broken {
            sleep(LAP * 5).await;
        }
    }

    fn is_cut(&self, inward: bool) -> bool {
        let rules = self.links.rules();
        if rules.cut.is_empty() {
            return false;
        }
        let mut from = self.from.lock().unwrap();
        if from.is_none() {
            *from = owner(self.peer.port(), &rules.pids);
        }
        let Some(from) = from.as_ref() else {
            return false;
        };
        let way = if inward {
            (from.clone(), self.to.clone())
        } else {
            (self.to.clone(), from.clone())
        };
        rules.cut.contains(&way)
    }
}

/// The node whose daemon holds the socket with this local port.
fn owner(port: u16, pids: &BTreeMap<String, u32>) -> Option<String> {
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let inode = table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (_, local) = fields.nth(1)?.rsplit_once(':')?;
        let inode = fields.nth(7)?;
        (u16::from_str_radix(local, 16) == Ok(port) && inode != "0").then(|| inode.to_owned())
    })?;
    let name = format!("socket:[{inode}]");
    let holds = |pid: &u32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten();
        let mut targets = files
            .flatten()
            .filter_map(|file| fs::read_link(file.path()).ok());
        targets.any(|target| target == Path::new(&name))
    };
    let mut found = pids.iter().filter(|(_, pid)| holds(pid));
    found.next().map(|(node, _)| node.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_cut_one_way_lets_the_other_through_and_heals() {
    let behind = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let links = Links::default();
    let door = links.door("b", behind.local_addr().unwrap());
    links.know(BTreeMap::from([("a".to_owned(), std::process::id())]));
    let mut near = TcpStream::connect(door.address).await.unwrap();
    let (mut far, _) = behind.accept().await.unwrap();
    let mut byte = [0];
    links.cut([("a".to_owned(), "b".to_owned())]);
    far.write_all(b"x").await.unwrap();
    near.read_exact(&mut byte).await.unwrap();
    assert_eq!(byte, *b"x");
    near.write_all(b"y").await.unwrap();
    let silent = tokio::time::timeout(Duration::from_millis(200), far.read_exact(&mut byte));
    assert!(silent.await.is_err(), "a cut link carried {byte:?}");
    links.heal();
    far.read_exact(&mut byte).await.unwrap();
    assert_eq!(byte, *b"y");
    links.break_all();
    assert_eq!(far.read(&mut byte).await.unwrap_or(0), 0);
}
