//! The HTTP client of an adapter, made once per provider.
//!
//! It must never follow a redirect: a signed request is for one host, and a request that changes something goes to its own host or nowhere.

use reqwest::{Certificate, Client, redirect::Policy};

use crate::kms::{endpoint::Endpoint, names::Names, waits};

/// The authorities whose signature makes a server's certificate valid.
#[derive(Clone, Debug)]
pub(in crate::kms) enum Authorities {
    /// Those of the system.
    System,
    /// Those of the system, and these, in PEM.
    And(Vec<u8>),
}

/// Makes a client for an endpoint. The error is for the person who configured the certificates.
pub(in crate::kms) fn client(endpoint: &Endpoint, authorities: &Authorities, names: Names) -> Result<Client, String> {
    let mut builder = Client::builder()
        .user_agent(concat!("keyward/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(waits::CONNECT)
        .pool_idle_timeout(waits::IDLE_CONNECTION)
        .dns_resolver(names)
        .redirect(Policy::none());
    if endpoint.is_plain() {
        builder = builder.no_proxy();
    }
    if let Authorities::And(pem) = authorities {
        let own = Certificate::from_pem_bundle(pem).map_err(|_| "is no certificate in PEM".to_owned())?;
        if own.is_empty() {
            return Err("has no certificate in PEM".to_owned());
        }
        builder = builder.tls_certs_merge(own);
    }
    builder.build().map_err(|error| format!("cannot be used: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_certificate_is_refused_by_name() {
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let endpoint = Endpoint::read("https://kms.example.com").unwrap();
        assert!(client(&endpoint, &Authorities::System, Names::default()).is_ok());
        assert!(client(&endpoint, &Authorities::And(b"hello".to_vec()), Names::default()).unwrap_err().contains("PEM"));
    }
}
