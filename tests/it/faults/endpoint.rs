//! Providers whose KMS cannot be reached, or is not the one that they name.

use std::net::{Ipv4Addr, TcpListener};

use keyward::api::ConditionType;
use kms_double::Options;
use serde_json::json;

use super::refusal;
use crate::support::{
    nowhere,
    scene::{Scene, find, message},
};

/// A provider `-other` beside the scene's own, for a KMS at `endpoint`, and an object of it. Gives the provider's name.
async fn other(scene: &Scene, endpoint: &str) -> String {
    let provider = format!("{}-other", scene.provider);
    scene.provide(&provider, json!({ "aws": { "endpoint": endpoint, "stsEndpoint": endpoint } })).await;
    scene.create("orders", json!({ "providerRef": { "name": provider } })).await;
    provider
}

/// Sees that `orders` waits for that KMS and says so, that objects of another provider go on, and that it is well once the endpoint is right.
async fn waits_and_recovers(scene: &Scene, provider: &str, host: &str) {
    let object = scene.until_ready("orders", "False", "ProviderUnavailable").await;
    for word in [host, provider] {
        assert!(message(&object).contains(word), "no {word:?} in: {}", message(&object));
    }
    // It may pass by itself, so it is tried again.
    assert!(find(&object, ConditionType::Reconciling).is_some() && find(&object, ConditionType::Stalled).is_none());
    scene.create("good", json!({})).await;
    scene.until_ready("good", "True", "Available").await;
    scene.provide(provider, json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.calls("CreateKey").len(), 2);
}

#[tokio::test]
async fn where_nothing_listens_the_endpoint_is_named_and_tried_again() {
    let scene = Scene::new("dead-end").await;
    let (_closed, address) = nowhere();
    let provider = other(&scene, &format!("http://{address}")).await;
    waits_and_recovers(&scene, &provider, &address.to_string()).await;
}

#[tokio::test]
async fn where_nobody_answers_the_call_ends_and_the_endpoint_is_named() {
    let scene = Scene::new("mute").await;
    // The kernel takes the connections, and nobody ever reads.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let provider = other(&scene, &format!("http://{address}")).await;
    waits_and_recovers(&scene, &provider, &address).await;
}

/// An endpoint inside a company has a certificate of the company's own authority.
#[tokio::test]
async fn a_certificate_is_trusted_by_the_authority_in_the_secret_that_is_named() {
    let scene = Scene::with("own-authority", Options { ciphertrust: true, ..Options::default() }, json!({})).await;
    let endpoint = scene.double.ciphertrust_endpoint();
    let provider = other(&scene, &endpoint).await;
    let object = scene.until_ready("orders", "False", "ProviderUnavailable").await;
    assert!(message(&object).contains("its certificate"), "{}", message(&object));
    let secret = format!("{provider}-ca");
    scene.provide(&provider, json!({ "aws": { "endpoint": endpoint, "stsEndpoint": endpoint, "caSecretRef": { "name": secret } } })).await;
    let object = scene.until_ready("orders", "False", "ProviderNotReady").await;
    assert!(message(&object).contains(&secret), "{}", message(&object));
    scene.secret_of(&secret, json!({ "ca.crt": scene.double.ca_pem() })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.calls("CreateKey").len(), 1);
}

#[tokio::test]
async fn an_endpoint_of_another_region_stalls_and_asks_for_the_region() {
    let scene = Scene::new("wrong-region").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let before = scene.now();
    // What AWS says to a request that was signed for another Region than the endpoint's.
    scene.double.inject(refusal("GetCallerIdentity", "SignatureDoesNotMatch", 403));
    scene.double.inject(refusal("DescribeKey", "InvalidSignatureException", 400));
    scene.provide(&scene.provider, json!({ "resyncSeconds": 31 })).await;
    let object = scene.until_ready("orders", "False", "CredentialsInvalid").await;
    assert!(find(&object, ConditionType::Stalled).is_some());
    assert!(message(&object).contains("Region"), "{}", message(&object));
    assert_eq!(scene.changes(before), [""; 0]);
    scene.double.clear_faults();
    scene.provide(&scene.provider, json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.changes(before), [""; 0], "the key is as it was");
}
