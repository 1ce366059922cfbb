//! An origin of artifacts that can be hostile: raw bytes on a socket, since a proper HTTP library
//! would not let a server end short or drip.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How the origin answers a GET of a file.
#[derive(Debug, Clone)]
pub enum Mode {
    /// The file, whole.
    Honest,
    /// This status and a short text.
    Status(u16),
    /// The full length announced, half of the bytes sent, then the connection closed.
    EndsShort,
    /// No length announced, bytes for ever.
    Endless,
    /// The full length announced, one byte each `Duration`.
    Drip(Duration),
    /// A 302 to this location.
    Redirect(String),
    /// The file on the first read, other bytes of the same length on every later one.
    ChangesContent,
    /// Accepts the request and never answers.
    Silent,
}

#[derive(Debug, Default)]
struct Shelf {
    files: BTreeMap<String, (Mode, Vec<u8>)>,
    /// Reads of each path, in the order of arrival.
    reads: Vec<String>,
}

/// A running origin; stops when dropped.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    shelf: Arc<Mutex<Shelf>>,
    task: JoinHandle<()>,
}

impl Origin {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address");
        let shelf = Arc::new(Mutex::new(Shelf::default()));
        let shared = Arc::clone(&shelf);
        let task = tokio::spawn(async move {
            // The set ends its connections when this task is dropped.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shelf = Arc::clone(&shared);
                connections.spawn(async move {
                    // The client may hang up on a hostile answer; that is its right.
                    let _ = answer(stream, &shelf).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self {
            address,
            shelf,
            task,
        }
    }

    /// Puts `bytes` at `/name` and returns the URL.
    pub fn offer(&self, name: &str, bytes: Vec<u8>, mode: Mode) -> String {
        self.shelf
            .lock()
            .expect("no test panics with the shelf")
            .files
            .insert(format!("/{name}"), (mode, bytes));
        self.url(name)
    }

    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// How often `/name` was asked for.
    pub fn reads(&self, name: &str) -> usize {
        let path = format!("/{name}");
        let shelf = self.shelf.lock().expect("no test panics with the shelf");
        shelf.reads.iter().filter(|read| **read == path).count()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(stream: TcpStream, shelf: &Mutex<Shelf>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut first = String::new();
    stream.read_line(&mut first).await?;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 2 {
        line.clear();
    }
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let (found, earlier) = {
        let mut shelf = shelf.lock().expect("no test panics with the shelf");
        let earlier = shelf.reads.iter().filter(|read| **read == path).count();
        shelf.reads.push(path.clone());
        (shelf.files.get(&path).cloned(), earlier)
    };
    let mut stream = stream.into_inner();
    let Some((mode, bytes)) = found else {
        return send_whole(&mut stream, "404 Not Found", b"no such file").await;
    };
    match mode {
        Mode::Honest => send_whole(&mut stream, "200 OK", &bytes).await,
        Mode::Status(status) => {
            send_whole(&mut stream, &format!("{status} Refused"), b"refused").await
        }
        Mode::EndsShort => {
            send_head(&mut stream, "200 OK", Some(bytes.len())).await?;
            stream.write_all(&bytes[..bytes.len() / 2]).await?;
            stream.shutdown().await
        }
        Mode::Endless => {
            send_head(&mut stream, "200 OK", None).await?;
            loop {
                stream.write_all(&[0x7f; 16 * 1024]).await?;
            }
        }
        Mode::Drip(pause) => {
            send_head(&mut stream, "200 OK", Some(bytes.len())).await?;
            for byte in bytes {
                stream.write_all(&[byte]).await?;
                tokio::time::sleep(pause).await;
            }
            Ok(())
        }
        Mode::Redirect(location) => {
            let head = format!(
                "HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await
        }
        Mode::ChangesContent if earlier > 0 => {
            let other: Vec<u8> = bytes.iter().map(|byte| byte ^ 0xff).collect();
            send_whole(&mut stream, "200 OK", &other).await
        }
        Mode::ChangesContent => send_whole(&mut stream, "200 OK", &bytes).await,
        Mode::Silent => std::future::pending().await,
    }
}

async fn send_whole(stream: &mut TcpStream, status: &str, bytes: &[u8]) -> std::io::Result<()> {
    send_head(stream, status, Some(bytes.len())).await?;
    stream.write_all(bytes).await?;
    stream.shutdown().await
}

async fn send_head(
    stream: &mut TcpStream,
    status: &str,
    length: Option<usize>,
) -> std::io::Result<()> {
    let length = length
        .map(|length| format!("content-length: {length}\r\n"))
        .unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status}\r\n{length}content-type: application/octet-stream\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await
}
