//! What this member says of the host it stands on, and how it looks at another host's database.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::net::TcpStream;

use super::host::host_and_port;
use crate::agent::adapter::{Adapter, Peer};
use crate::agent::binary::{Client, room};
use crate::agent::executor::Places;
use crate::agent::readiness::{State, Switch};
use crate::control::peers::wire::Look;
use crate::control::reconciler::Probe;
use crate::control::station::Beside;
use crate::plans::origins::Origins;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

pub struct Host {
    pub switch: Switch,
    pub places: Places,
}

impl Beside for Host {
    fn look(&self, url: String, origins: Vec<String>) -> BoxFuture<'_, Look> {
        Box::pin(async move {
            Look {
                disk_free_bytes: room(&self.places.artifacts).ok().map(|room| room.bytes),
                artifact: Some(size(&url, origins).await),
            }
        })
    }

    fn database_ready(&self) -> bool {
        self.switch.now().state == State::Ready
    }
}

async fn size(url: &str, origins: Vec<String>) -> Result<u64, String> {
    let origins = Origins::parse(origins).map_err(|error| error.to_string())?;
    let client = Client::new(origins, CONNECT_TIMEOUT).map_err(|error| error.to_string())?;
    client.size(url).await.map_err(|error| error.to_string())
}

/// A database that cannot be asked about its health from afar serves when it accepts a connection.
pub fn probe(adapter: Arc<Adapter>) -> Probe {
    Arc::new(move |address| {
        let adapter = adapter.clone();
        Box::pin(async move {
            let Ok(address) = host_and_port(&address) else {
                return false;
            };
            let peer = Peer {
                name: String::new(),
                address: address.to_owned(),
            };
            match adapter.health_of(&peer).await {
                Some(sample) => sample.healthy,
                None => TcpStream::connect(address).await.is_ok(),
            }
        })
    })
}
