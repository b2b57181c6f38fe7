//! The authorities that make the certificate of an endpoint valid: those of the system, of `caSecretRef`, and of `AWS_CA_BUNDLE`.
//!
//! Certificates are always verified. The SDK must never get a certificate that it cannot read: it panics.

use aws_smithy_http_client::tls::{TlsContext, TrustStore};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// The variable that names a file with authorities, for every SDK of AWS.
const BUNDLE: &str = "AWS_CA_BUNDLE";

/// Trusts the authorities of the system, those in `own`, and those in the file that `AWS_CA_BUNDLE` names. The error is for the person who
/// configured them.
pub(super) fn store(own: Option<&[u8]>) -> Result<TlsContext, String> {
    let mut store = TrustStore::default();
    if let Some(pem) = own {
        readable(pem)
            .map_err(|why| format!("ca.crt of the secret that spec.aws.caSecretRef names {why}; put the certificate in PEM there"))?;
        store.add_pem_certificate(pem);
    }
    if let Some(path) = std::env::var_os(BUNDLE).filter(|path| !path.is_empty()) {
        let file = path.display();
        let pem = std::fs::read(&path).map_err(|error| {
            format!("{BUNDLE} names {file}, which cannot be read ({error}); mount the file into the operator's pod, or unset {BUNDLE}")
        })?;
        readable(&pem).map_err(|why| format!("{file}, which {BUNDLE} names, {why}; put certificates in PEM there, or unset {BUNDLE}"))?;
        store.add_pem_certificate(pem);
    }
    TlsContext::builder().with_trust_store(store).build().map_err(|error| format!("certificates cannot be used: {error}"))
}

/// Checks that the text has certificates and that each can be used.
fn readable(pem: &[u8]) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| "is no certificate in PEM".to_owned())?;
        roots.add(certificate).map_err(|_| "has a certificate that cannot be used".to_owned())?;
    }
    if roots.is_empty() { Err("has no certificate in PEM".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_certificate_is_refused_by_name() {
        for (pem, expected) in [
            ("", "has no certificate in PEM"),
            ("hello", "has no certificate in PEM"),
            ("-----BEGIN CERTIFICATE-----\n%\n-----END CERTIFICATE-----\n", "is no certificate in PEM"),
            ("-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n", "has a certificate that cannot be used"),
        ] {
            assert_eq!(readable(pem.as_bytes()).unwrap_err(), expected, "{pem}");
            let why = store(Some(pem.as_bytes())).unwrap_err();
            assert!(why.contains("spec.aws.caSecretRef") && why.contains(expected), "{why}");
        }
    }
}
