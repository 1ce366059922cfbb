//! Certificates made, kept and read again. What TLS makes of them is tested with the network.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tempfile::TempDir;

use super::{
    Authority, CERTIFICATE_LIFETIME, Credentials, Named, Request, expires_at, fingerprint, named_by,
};

fn someday() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

#[test]
fn the_ca_decides_what_a_certificate_says() {
    let authority = Authority::create("paper", someday()).unwrap();
    let request = Request::create().unwrap();
    let hosts = ["db-1.example".to_owned(), "192.0.2.7".to_owned()];
    let pem = authority
        .issue(&request.csr_pem, "paper", 7, &hosts, someday())
        .unwrap();
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    assert_eq!(
        named_by(&der),
        Some(Named {
            cluster: "paper".to_owned(),
            member: 7
        })
    );
    assert_eq!(expires_at(&pem).unwrap(), someday() + CERTIFICATE_LIFETIME);
    let nobody = CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes()).unwrap();
    assert_eq!(named_by(&nobody), None);
}

#[test]
fn what_is_saved_is_loaded_and_is_the_owners_alone() {
    let dir = TempDir::new().unwrap();
    assert!(Authority::load(dir.path()).unwrap().is_none());
    assert!(Credentials::load(dir.path()).unwrap().is_none());
    let authority = Authority::create("paper", someday()).unwrap();
    authority.save(dir.path()).unwrap();
    let loaded = Authority::load(dir.path()).unwrap().unwrap();
    let request = Request::create().unwrap();
    let certificate_pem = loaded
        .issue(&request.csr_pem, "paper", 1, &[], someday())
        .unwrap();
    let credentials = Credentials {
        authority_pem: loaded.certificate_pem().to_owned(),
        certificate_pem,
        key_pem: request.key_pem,
    };
    credentials.save(dir.path()).unwrap();
    let again = Credentials::load(dir.path()).unwrap().unwrap();
    assert_eq!(again.key_pem, credentials.key_pem);
    assert_eq!(
        fingerprint(&again.authority_pem),
        fingerprint(authority.certificate_pem())
    );
    for entry in fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(
            entry.metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{:?}",
            entry.file_name()
        );
    }
}

#[test]
fn a_damaged_request_is_an_error() {
    let authority = Authority::create("paper", someday()).unwrap();
    assert!(
        authority
            .issue("-----BEGIN NONSENSE-----", "paper", 1, &[], someday())
            .is_err()
    );
}
