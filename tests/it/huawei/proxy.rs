//! The way to Huawei Cloud through a proxy. Each test runs in a process of its own, with the variables that a pod would have.

use std::path::PathBuf;

use keyward::kms::{Kms, huawei::HuaweiKms};
use kms_double::{Double, HUAWEI_PASSWORD, HUAWEI_PROJECT, HUAWEI_SECRET_KEY, Options};

use super::{HUAWEI_ACCESS_KEY, creation, keys, password, settings};
use crate::support::fixtures::ReadKey as _;
use crate::support::{program::alone, tunnel::Tunnel};

/// Signed requests and tokens go the same way: those of the KMS, and those of IAM.
#[tokio::test]
async fn calls_go_through_the_proxy_that_the_environment_names() {
    let (tunnel, directory) = (Tunnel::start(), tempfile::tempdir().unwrap());
    let (proxy, authorities) = (format!("http://{}", tunnel.address), directory.path().join("ca.pem"));
    for (no_proxy, used) in [("", true), ("127.0.0.1", false)] {
        let before = tunnel.asked().len();
        // There is no setting for an authority: Huawei's certificates are signed by those that the system knows.
        let environment = [("HTTPS_PROXY", proxy.as_str()), ("NO_PROXY", no_proxy), ("SSL_CERT_FILE", authorities.to_str().unwrap())];
        if alone("huawei::proxy::calls_go_through_the_proxy_that_the_environment_names", &environment) {
            let double = Double::start(Options { ciphertrust: true, ..Options::default() }).await.unwrap();
            std::fs::write(PathBuf::from(std::env::var_os("SSL_CERT_FILE").unwrap()), double.ca_pem()).unwrap();
            for (name, credentials) in [("signed", keys(HUAWEI_ACCESS_KEY, HUAWEI_SECRET_KEY, None)), ("token", password(HUAWEI_PASSWORD))]
            {
                let mut settings = settings(&double.ciphertrust_endpoint());
                settings.credentials = credentials;
                let kms = HuaweiKms::new(settings).unwrap();
                assert_eq!(kms.identity().await.unwrap().account, HUAWEI_PROJECT);
                let key = kms.create(&creation(name)).await.unwrap();
                assert!(kms.describe(&key.arn).await.unwrap().is_some());
            }
            return;
        }
        assert_eq!(tunnel.asked().len() > before, used, "{:?}", tunnel.asked());
    }
}
