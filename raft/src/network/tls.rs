//! TLS 1.3 both ways: which chains are trusted, and who a certificate names.
//! Whether that member may do anything is decided per request, elsewhere.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig,
    SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use crate::pki::{self, Credentials, fingerprint_of, named_by};

/// Both configurations of one member.
pub(super) fn configurations(
    credentials: &Credentials,
    anonymous: bool,
) -> Result<(Arc<ClientConfig>, Arc<ServerConfig>), pki::Error> {
    let authorities = certificates(&credentials.authority_pem)?;
    let mut chain = certificates(&credentials.certificate_pem)?;
    // A joiner knows only the CA's fingerprint, so the CA's certificate travels with the chain.
    chain.extend(authorities.iter().cloned());
    let key = || PrivateKeyDer::from_pem_slice(credentials.key_pem.as_bytes()).map_err(unusable);
    let roots = Arc::new(roots_of(authorities)?);
    let provider = Arc::new(ring::default_provider());

    let clients = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone());
    let clients = if anonymous {
        clients.allow_unauthenticated()
    } else {
        clients
    };
    let clients = clients.build().map_err(unusable)?;
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])
        .map_err(unusable)?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain.clone(), key()?)
        .map_err(unusable)?;

    let servers = Arc::new(ServedByMember {
        trust: Trust::Roots(roots),
        provider: provider.clone(),
    });
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(unusable)?
        .dangerous()
        .with_custom_certificate_verifier(servers)
        .with_client_auth_cert(chain, key()?)
        .map_err(unusable)?;
    Ok((Arc::new(client), Arc::new(server)))
}

/// For a host without certificate that holds a join token: trusts a member whose chain ends in the CA
/// with exactly this fingerprint.
pub(super) fn joining(fingerprint: [u8; 32]) -> Result<Arc<ClientConfig>, pki::Error> {
    let provider = Arc::new(ring::default_provider());
    let servers = ServedByMember {
        trust: Trust::Fingerprint(fingerprint),
        provider: provider.clone(),
    };
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(unusable)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(servers))
        .with_no_client_auth();
    Ok(Arc::new(client))
}

/// Checks the chain and that the certificate names some member. Which member it is must be compared by
/// the caller after the handshake: members are named by number, not by the address they are reached at.
#[derive(Debug)]
struct ServedByMember {
    trust: Trust,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
enum Trust {
    Roots(Arc<RootCertStore>),
    Fingerprint([u8; 32]),
}

impl ServerCertVerifier for ServedByMember {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let roots = match &self.trust {
            Trust::Roots(roots) => roots.clone(),
            Trust::Fingerprint(expected) => {
                let root = intermediates
                    .iter()
                    .find(|sent| fingerprint_of(sent) == *expected);
                let root = root.ok_or(CertificateError::UnknownIssuer)?;
                let mut roots = RootCertStore::empty();
                roots.add(root.clone().into_owned())?;
                Arc::new(roots)
            }
        };
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &roots, intermediates, now, algorithms)?;
        named_by(end_entity).ok_or(CertificateError::ApplicationVerificationFailure)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, pki::Error> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let found = found.map_err(unusable)?;
    if found.is_empty() {
        return Err(pki::Error(
            "there is no certificate where one must be".to_owned(),
        ));
    }
    Ok(found)
}

fn roots_of(authorities: Vec<CertificateDer<'static>>) -> Result<RootCertStore, pki::Error> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority).map_err(unusable)?;
    }
    Ok(roots)
}

fn unusable(error: impl std::fmt::Display) -> pki::Error {
    pki::Error(format!("the certificates cannot be used: {error}"))
}
