//! Where the demo's releases are downloaded from: a directory served over HTTP, until it is stopped.

use std::net::SocketAddr;
use std::path::PathBuf;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::error::Error;

/// A running origin. Dropping it closes the port.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    directory: PathBuf,
    server: JoinHandle<()>,
}

impl Origin {
    pub async fn start(address: SocketAddr, directory: PathBuf) -> Result<Self, Error> {
        let at = |doing| Error::at(doing, address);
        std::fs::create_dir_all(&directory)
            .map_err(Error::at("make the directory", directory.display()))?;
        let listener = TcpListener::bind(address)
            .await
            .map_err(at("listen for downloads on"))?;
        let router = Router::new()
            .route("/{name}", get(file))
            .with_state(directory.clone());
        let server = tokio::spawn(async move {
            // It ends only with this task.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address,
            directory,
            server,
        })
    }

    /// Where a release of this name is to lie.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// Closes the port; what comes later is refused.
    pub async fn stop(mut self) {
        self.server.abort();
        // The abort is what was asked for.
        let _ = (&mut self.server).await;
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// One path segment, so nothing outside the directory can be named.
async fn file(
    State(directory): State<PathBuf>,
    Path(name): Path<String>,
) -> Result<Vec<u8>, StatusCode> {
    let plain = !name.contains(['/', '\0']) && name != ".." && name != ".";
    if !plain {
        return Err(StatusCode::NOT_FOUND);
    }
    tokio::fs::read(directory.join(name))
        .await
        .map_err(|_| StatusCode::NOT_FOUND)
}
