//! How a certificate names a member: one URI, `aegis-updates://<cluster>/<member id>`.
//! Whether that member may do anything is not decided here.

use std::fmt;

use rustls_pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;

const SCHEME: &str = "aegis-updates://";

/// Who a certificate says its holder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) cluster: String,
    pub(crate) member: u64,
}

pub(crate) fn uri(cluster: &str, member: u64) -> String {
    format!("{SCHEME}{cluster}/{member}")
}

/// Reads the name out of a certificate that was already verified; `None` unless there is exactly one.
pub(crate) fn named_by(certificate: &CertificateDer<'_>) -> Option<Named> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let names = certificate.subject_alternative_name().ok()??;
    let mut uris = names
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::URI(uri) => uri.strip_prefix(SCHEME),
            _ => None,
        });
    let only = uris.next()?;
    if uris.next().is_some() {
        return None;
    }
    let (cluster, member) = only.split_once('/')?;
    Some(Named {
        cluster: cluster.to_owned(),
        member: member.parse().ok()?,
    })
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "member {} of cluster {}", self.member, self.cluster)
    }
}
