//! One connection where a run is replayed: no TLS, whose keys and lengths no seed decides. Each end says who it is,
//! and is believed.

use std::io;
use std::sync::Arc;

use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::PeerIdentity;
use crate::encoding::{decode, encode};
use crate::ground::TcpStream;
use crate::pki::Named;

pub(super) type Channel = TcpStream;

#[derive(Clone)]
pub(super) struct Connector(Option<Named>);

#[derive(Clone)]
pub(crate) struct Acceptor(Named);

impl Connector {
    pub(super) fn new(me: Option<Named>, _tls: Arc<ClientConfig>) -> Self {
        Self(me)
    }

    pub(super) async fn connect(&self, address: &str) -> Result<(Channel, Option<Named>), String> {
        let failed = |error: io::Error| format!("{address}: {error}");
        let mut stream = TcpStream::connect(address).await.map_err(failed)?;
        say(&mut stream, self.0.as_ref()).await.map_err(failed)?;
        let named = hear(&mut stream).await.map_err(failed)?;
        Ok((stream, named))
    }
}

impl Acceptor {
    pub(super) fn new(me: &Named, _tls: Arc<ServerConfig>) -> Self {
        Self(me.clone())
    }

    pub(super) async fn accept(
        &self,
        mut stream: TcpStream,
        cluster: &str,
    ) -> io::Result<(Channel, Option<PeerIdentity>)> {
        let named = hear(&mut stream).await?;
        say(&mut stream, Some(&self.0)).await?;
        let identity = match named {
            None => Some(PeerIdentity::Anonymous),
            Some(named) if named.cluster == cluster => Some(PeerIdentity::Member(named.member)),
            Some(_) => None,
        };
        Ok((stream, identity))
    }
}

async fn say(stream: &mut TcpStream, named: Option<&Named>) -> io::Result<()> {
    let said = encode(&named.map(|named| (&named.cluster, named.member)))?;
    let length = u8::try_from(said.len()).map_err(io::Error::other)?;
    let mut bytes = vec![length];
    bytes.extend(said);
    stream.write_all(&bytes).await
}

async fn hear(stream: &mut TcpStream) -> io::Result<Option<Named>> {
    let length = stream.read_u8().await?;
    let mut said = vec![0; length.into()];
    stream.read_exact(&mut said).await?;
    let named: Option<(String, u64)> = decode("who one is", &said)?;
    Ok(named.map(|(cluster, member)| Named { cluster, member }))
}
