//! Resolves the host names of endpoints.
//!
//! A name can have another address at every call. So the address is checked here, where it is used, and not before: no connection is opened to an address
//! that no KMS can have.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::endpoint::is_forbidden;

/// Resolves names by the system, and leaves out what [`is_forbidden`] names.
#[derive(Clone, Default)]
pub(in crate::kms) struct Names {
    /// The answer of the system, in a test.
    #[cfg(test)]
    told: Option<std::sync::Arc<dyn Fn() -> Vec<IpAddr> + Send + Sync>>,
}

/// All addresses of a name are such that no KMS has them.
#[derive(Debug, thiserror::Error)]
#[error("{0} has no address that a KMS can have, only such as link-local ones")]
pub(in crate::kms) struct NoAddress(pub(in crate::kms) String);

impl Names {
    /// The addresses of a name.
    pub(in crate::kms) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let found = self.lookup(name).await?;
        let had = !found.is_empty();
        let usable: Vec<_> = found.into_iter().filter(|address| !is_forbidden(*address)).collect();
        if had && usable.is_empty() {
            return Err(Box::new(NoAddress(name.to_owned())));
        }
        Ok(usable)
    }

    async fn lookup(&self, name: &str) -> std::io::Result<Vec<IpAddr>> {
        #[cfg(test)]
        if let Some(told) = &self.told {
            return Ok(told());
        }
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

#[cfg(test)]
impl Names {
    /// Every name has these addresses.
    pub(in crate::kms) fn told(addresses: impl Fn() -> Vec<IpAddr> + Send + Sync + 'static) -> Self {
        Self { told: Some(std::sync::Arc::new(addresses)) }
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let names = self.clone();
        Box::pin(async move {
            let addresses = names.addresses(name.as_str()).await?;
            // The port is that of the URL.
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::TcpListener,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use super::*;
    use crate::kms::{
        endpoint::Endpoint,
        rest::{Authorities, client},
    };

    const BAD: [&str; 4] = ["169.254.169.254", "fd00:ec2::254", "::ffff:169.254.170.2", "0.0.0.0"];

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[tokio::test]
    async fn an_address_that_no_kms_has_is_left_out_and_is_no_answer_alone() {
        let mixed = Names::told(|| addresses(&["169.254.169.254", "10.0.0.1", "fe80::1"]));
        assert_eq!(mixed.addresses("kms.example.com").await.unwrap(), addresses(&["10.0.0.1"]));
        for bad in BAD {
            let refused = Names::told(|| addresses(&[bad])).addresses("kms.example.com").await.unwrap_err();
            assert!(refused.to_string().starts_with("kms.example.com has no address that a KMS can have"), "{bad}: {refused}");
        }
        assert!(Names::told(Vec::new).addresses("kms.example.com").await.unwrap().is_empty(), "the client says that");
        assert!(Names::default().addresses("localhost").await.unwrap().iter().all(IpAddr::is_loopback));
    }

    /// A name that is fit at first and leads to loopback later, as in DNS rebinding: the address is checked where it is used.
    #[tokio::test]
    async fn a_name_that_changes_its_address_is_checked_at_each_connection() {
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let endpoint = Endpoint::read(&format!("https://kms.example.com:{}", listener.local_addr().unwrap().port())).unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        // `0.0.0.0` is this machine as well, so a connection to it would be seen.
        let names = Names::told(move || addresses(if count.fetch_add(1, Ordering::SeqCst) == 0 { &["127.0.0.1"] } else { &["0.0.0.0"] }));
        let http = client(&endpoint, &Authorities::System, names).unwrap();
        let send = async || http.get(endpoint.url().clone()).timeout(std::time::Duration::from_millis(200)).send().await.unwrap_err();
        send().await;
        assert!(listener.accept().is_ok(), "the first address is used");
        let refused = send().await;
        let mut causes = std::iter::successors(std::error::Error::source(&refused), |error| error.source());
        assert!(causes.any(<dyn std::error::Error>::is::<NoAddress>), "{refused:?}");
        assert!(listener.accept().is_err(), "no connection");
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}
