//! The cluster's certificate authority and its members' certificates. A certificate names one cluster
//! and one member. Secrets stay in files of this host: nothing here ever enters the log.

mod files;
mod identity;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

pub(crate) use self::identity::{Named, named_by};

/// A cluster lives longer than the people who formed it stay on call; replacing the CA is an act.
const AUTHORITY_LIFETIME: Duration = Duration::from_secs(10 * 365 * 86_400);
/// Short enough that a stolen certificate dies by itself, long enough that renewal is not urgent.
pub const CERTIFICATE_LIFETIME: Duration = Duration::from_secs(90 * 86_400);
/// Clocks of two hosts differ; a certificate is valid from a little before it was made.
const BACKDATED: Duration = Duration::from_secs(3_600);

const AUTHORITY_CERTIFICATE: &str = "ca.pem";
const AUTHORITY_KEY: &str = "ca.key";
const MEMBER_CERTIFICATE: &str = "member.pem";
const MEMBER_KEY: &str = "member.key";

/// The cluster's CA with its key. It stays on the host that formed the cluster.
#[derive(Clone)]
pub struct Authority {
    certificate_pem: String,
    key_pem: String,
}

/// What a member shows and what it trusts.
#[derive(Clone)]
pub struct Credentials {
    /// The CA's certificate. Several, one after another, while a CA is being replaced.
    pub authority_pem: String,
    pub certificate_pem: String,
    pub key_pem: String,
}

/// A signing request and the key that it is about; the key never leaves the host.
#[derive(Clone)]
pub struct Request {
    pub csr_pem: String,
    pub key_pem: String,
}

/// A certificate or key that cannot be made, read or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(pub String);

impl Authority {
    /// Makes a CA for `cluster`: ECDSA P-256, ten years.
    pub fn create(cluster: &str, now: SystemTime) -> Result<Self, Error> {
        let key = KeyPair::generate().map_err(failed("making the CA's key"))?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(
            DnType::CommonName,
            format!("aegis-updates cluster {cluster}"),
        );
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = (now - BACKDATED).into();
        params.not_after = (now + AUTHORITY_LIFETIME).into();
        let certificate = params
            .self_signed(&key)
            .map_err(failed("signing the CA's certificate"))?;
        Ok(Self {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        })
    }

    /// Signs `csr_pem` for `member` of `cluster`. Of the request only the public key is used: what the
    /// certificate says is decided here. `hosts` are names and addresses under which it is reached.
    pub fn issue(
        &self,
        csr_pem: &str,
        cluster: &str,
        member: u64,
        hosts: &[String],
        now: SystemTime,
    ) -> Result<String, Error> {
        let request = CertificateSigningRequestParams::from_pem(csr_pem)
            .map_err(failed("reading the signing request"))?;
        let key = KeyPair::from_pem(&self.key_pem).map_err(failed("reading the CA's key"))?;
        let issuer = Issuer::from_ca_cert_pem(&self.certificate_pem, key)
            .map_err(failed("reading the CA's certificate"))?;

        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, format!("member {member} of {cluster}"));
        params.subject_alt_names = subject_names(cluster, member, hosts)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.not_before = (now - BACKDATED).into();
        params.not_after = (now + CERTIFICATE_LIFETIME).into();
        params.use_authority_key_identifier_extension = true;
        let certificate = params
            .signed_by(&request.public_key, &issuer)
            .map_err(failed("signing the certificate"))?;
        Ok(certificate.pem())
    }

    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Reads the CA from `dir`; `None` where this host does not hold it.
    pub fn load(dir: &Path) -> Result<Option<Self>, Error> {
        let Some(key_pem) = files::read(&dir.join(AUTHORITY_KEY))? else {
            return Ok(None);
        };
        let certificate_pem = files::read_required(&dir.join(AUTHORITY_CERTIFICATE))?;
        Ok(Some(Self {
            certificate_pem,
            key_pem,
        }))
    }

    /// Writes certificate and key (0600), both durable when it returns.
    pub fn save(&self, dir: &Path) -> Result<(), Error> {
        files::write_durably(
            &dir.join(AUTHORITY_CERTIFICATE),
            self.certificate_pem.as_bytes(),
        )?;
        files::write_durably(&dir.join(AUTHORITY_KEY), self.key_pem.as_bytes())
    }
}

impl Request {
    /// A new key and a request for it. The names in it are of no consequence: the CA sets them.
    pub fn create() -> Result<Self, Error> {
        let key = KeyPair::generate().map_err(failed("making the member's key"))?;
        let request = CertificateParams::default()
            .serialize_request(&key)
            .map_err(failed("making the signing request"))?;
        let csr_pem = request
            .pem()
            .map_err(failed("writing the signing request"))?;
        Ok(Self {
            csr_pem,
            key_pem: key.serialize_pem(),
        })
    }
}

impl Credentials {
    /// Reads what [`Credentials::save`] wrote; `None` where there is no member key.
    pub fn load(dir: &Path) -> Result<Option<Self>, Error> {
        let Some(key_pem) = files::read(&dir.join(MEMBER_KEY))? else {
            return Ok(None);
        };
        Ok(Some(Self {
            authority_pem: files::read_required(&dir.join(AUTHORITY_CERTIFICATE))?,
            certificate_pem: files::read_required(&dir.join(MEMBER_CERTIFICATE))?,
            key_pem,
        }))
    }

    /// Writes them (0600), the key last, so that a key on disk means that all is there.
    pub fn save(&self, dir: &Path) -> Result<(), Error> {
        files::write_durably(
            &dir.join(AUTHORITY_CERTIFICATE),
            self.authority_pem.as_bytes(),
        )?;
        files::write_durably(
            &dir.join(MEMBER_CERTIFICATE),
            self.certificate_pem.as_bytes(),
        )?;
        files::write_durably(&dir.join(MEMBER_KEY), self.key_pem.as_bytes())
    }
}

/// SHA-256 over the CA certificate's DER form: what a join token carries.
pub fn fingerprint(authority_pem: &str) -> Result<[u8; 32], Error> {
    let der = CertificateDer::from_pem_slice(authority_pem.as_bytes())
        .map_err(failed("reading the CA's certificate"))?;
    Ok(fingerprint_of(&der))
}

/// When the first certificate in `certificate_pem` ends.
pub fn expires_at(certificate_pem: &str) -> Result<SystemTime, Error> {
    let der = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
        .map_err(failed("reading the certificate"))?;
    let (_, certificate) =
        x509_parser::parse_x509_certificate(&der).map_err(failed("reading the certificate"))?;
    let seconds = u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(0);
    Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

pub(crate) fn fingerprint_of(certificate: &CertificateDer<'_>) -> [u8; 32] {
    Sha256::digest(certificate.as_ref()).into()
}

fn subject_names(cluster: &str, member: u64, hosts: &[String]) -> Result<Vec<SanType>, Error> {
    let uri = identity::uri(cluster, member);
    let mut names = vec![SanType::URI(
        uri.as_str()
            .try_into()
            .map_err(failed("naming the member in a certificate"))?,
    )];
    for host in hosts {
        names.push(match host.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(
                host.as_str()
                    .try_into()
                    .map_err(failed("naming the host in a certificate"))?,
            ),
        });
    }
    Ok(names)
}

fn failed<E: fmt::Display>(doing: &'static str) -> impl Fn(E) -> Error {
    move |error| Error(format!("{doing} failed: {error}"))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// Keys never reach a log line.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}
