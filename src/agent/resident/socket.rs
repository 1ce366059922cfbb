//! The control socket: lines of JSON in, lines of JSON out. What a request does is the keeper's work.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

use super::wire::{Reply, Request};
use crate::agent::files::{Error, at};

/// No request or reply comes near this.
const LINE_MAX: u64 = 64 * 1024;

/// A request and where its reply goes.
pub type Command = (Request, oneshot::Sender<Reply>);

pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("resident.sock")
}

/// The caller holds the resident's lock, so a socket that lies there is a dead resident's.
pub fn listen(data_dir: &Path) -> Result<UnixListener, Error> {
    let path = path(data_dir);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(at("remove the old socket", &path)(error));
        }
        _ => {}
    }
    let listener = UnixListener::bind(&path).map_err(at("listen on", &path))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
        .map_err(at("set the mode of", &path))?;
    Ok(listener)
}

pub async fn serve(listener: UnixListener, commands: mpsc::Sender<Command>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let commands = commands.clone();
                tokio::spawn(async move {
                    // The daemon on the other end may be killed at any time; it asks again.
                    let _ = converse(stream, &commands).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the control socket could not accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(stream: UnixStream, commands: &mpsc::Sender<Command>) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = String::new();
        if (&mut read).take(LINE_MAX).read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let request: Request = serde_json::from_str(&line)?;
        let Some(reply) = ask(commands, request).await else {
            return Ok(());
        };
        let mut line = serde_json::to_vec(&reply)?;
        line.push(b'\n');
        write.write_all(&line).await?;
    }
}

/// `None`: the keeper has ended.
pub async fn ask(commands: &mpsc::Sender<Command>, request: Request) -> Option<Reply> {
    let (answer, reply) = oneshot::channel();
    commands.send((request, answer)).await.ok()?;
    reply.await.ok()
}

/// One request to the resident of this data directory.
pub async fn call(data_dir: &Path, request: &Request, limit: Duration) -> io::Result<Reply> {
    let exchange = async {
        let mut stream = UnixStream::connect(path(data_dir)).await?;
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        stream.write_all(&line).await?;
        let mut answer = String::new();
        BufReader::new(stream.take(LINE_MAX))
            .read_line(&mut answer)
            .await?;
        if answer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_str(&answer)?)
    };
    match tokio::time::timeout(limit, exchange).await {
        Ok(reply) => reply,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
