//! The HTTP client of an adapter, made once per provider.
//!
//! It must never follow a redirect: a signed request is for one host, and a request that changes something goes to its own host or nowhere.

use crate::kms::waits;
use reqwest::{Certificate, Client, Url, redirect::Policy};

/// The authorities whose signature makes a server's certificate valid.
#[derive(Clone, Debug)]
pub(in crate::kms) enum Authorities {
    /// Those of the system.
    System,
    /// Those of the system, and these, in PEM.
    And(Vec<u8>),
}

/// Makes a client. The error is for the person who configured the certificates.
pub(in crate::kms) fn client(authorities: &Authorities) -> Result<Client, String> {
    let mut builder = Client::builder()
        .user_agent(concat!("keyward/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(waits::CONNECT)
        .pool_idle_timeout(waits::IDLE_CONNECTION)
        .redirect(Policy::none());
    if let Authorities::And(pem) = authorities {
        let own = Certificate::from_pem_bundle(pem).map_err(|_| "is no certificate in PEM".to_owned())?;
        if own.is_empty() {
            return Err("has no certificate in PEM".to_owned());
        }
        builder = builder.tls_certs_merge(own);
    }
    builder.build().map_err(|error| format!("cannot be used: {error}"))
}

/// The root of a server, without a slash at its end; `None` if the text is no URL with a host.
pub(in crate::kms) fn base_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    (matches!(url.scheme(), "https" | "http") && url.has_host() && url.query().is_none() && url.fragment().is_none()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_url_with_a_host() {
        for url in ["https://kms.example.com", "http://127.0.0.1:4599", "https://cm.example.com/gateway/"] {
            assert!(base_url(url).is_some(), "{url}");
        }
        for other in ["", "kms.example.com", "https://", "ftp://kms.example.com", "https://kms.example.com?a=b"] {
            assert!(base_url(other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_text_that_is_no_certificate_is_refused_by_name() {
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        assert!(client(&Authorities::System).is_ok());
        assert!(client(&Authorities::And(b"hello".to_vec())).unwrap_err().contains("PEM"));
    }
}
