//! One connection between two members, or of a host that joins: TLS on TCP, and who is at its other end.
//! Whether that one may do anything is decided elsewhere.

use std::io;
use std::sync::Arc;

use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::PeerIdentity;
use crate::ground::TcpStream;
use crate::pki::{Named, named_by};

pub(super) type Channel = TlsStream<TcpStream>;

/// Connects and shakes hands.
#[derive(Clone)]
pub(super) struct Connector(TlsConnector);

/// The other end of it.
#[derive(Clone)]
pub(crate) struct Acceptor(TlsAcceptor);

impl Connector {
    /// The certificate says who one is.
    pub(super) fn new(_me: Option<Named>, tls: Arc<ClientConfig>) -> Self {
        Self(TlsConnector::from(tls))
    }

    /// Gives who is at the address as well; the certificate's chain is checked, its name is not.
    pub(super) async fn connect(&self, address: &str) -> Result<(Channel, Option<Named>), String> {
        let failed = |error: io::Error| format!("{address}: {error}");
        let stream = TcpStream::connect(address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let name = ServerName::try_from(host).map_err(|error| format!("{address}: {error}"))?;
        let stream = self.0.connect(name, stream).await.map_err(failed)?;
        let (_, session) = stream.get_ref();
        let chain = session.peer_certificates();
        let named = chain.and_then(|chain| chain.first()).and_then(named_by);
        Ok((TlsStream::Client(stream), named))
    }
}

impl Acceptor {
    pub(super) fn new(_me: &Named, tls: Arc<ServerConfig>) -> Self {
        Self(TlsAcceptor::from(tls))
    }

    /// Who the peer is: `None` for a certificate of another cluster than `cluster` or without a member's name.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
        cluster: &str,
    ) -> io::Result<(Channel, Option<PeerIdentity>)> {
        let stream = self.0.accept(stream).await?;
        let (socket, session) = stream.get_ref();
        // Without it answers of one packet wait for an acknowledgement; a failure costs only time.
        let _ = socket.set_nodelay(true);
        let chain = session.peer_certificates();
        let identity = match chain.and_then(|chain| chain.first()) {
            None => Some(PeerIdentity::Anonymous),
            Some(certificate) => named_by(certificate)
                .filter(|named| named.cluster == cluster)
                .map(|named| PeerIdentity::Member(named.member)),
        };
        Ok((TlsStream::Server(stream), identity))
    }
}
