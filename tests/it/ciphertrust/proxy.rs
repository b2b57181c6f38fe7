//! The way to an appliance through a proxy. Each test runs in a process of its own, with the variables that a pod would have.

use keyward::kms::Kms;
use kms_double::ACCOUNT;

use super::Scene;
use crate::support::{program::alone, tunnel::Tunnel};

#[tokio::test]
async fn calls_go_through_the_proxy_that_the_environment_names() {
    let tunnel = Tunnel::start();
    let proxy = format!("http://{}", tunnel.address);
    for (no_proxy, used) in [("", true), ("127.0.0.1", false)] {
        let before = tunnel.asked().len();
        let environment = [("HTTPS_PROXY", proxy.as_str()), ("NO_PROXY", no_proxy)];
        if alone("ciphertrust::proxy::calls_go_through_the_proxy_that_the_environment_names", &environment) {
            let scene = Scene::new().await;
            assert_eq!(scene.kms.identity().await.unwrap().account, ACCOUNT);
            let key = scene.key("orders").await;
            assert_eq!(scene.found(&key.arn).await.arn, key.arn);
            assert_eq!(scene.calls("create-key").len(), 1);
            return;
        }
        assert_eq!(tunnel.asked().len() > before, used, "{:?}", tunnel.asked());
    }
}
