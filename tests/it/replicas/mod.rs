//! Replicas of multi-Region keys, from their creation to their end, with a provider in each Region.

mod crash;
mod deleted;
mod made;
pub mod moved;
mod refused;

use jiff::SignedDuration;
use keyward::api::{ManagedKey, key_provider::ProviderType};
use kms_double::{KeyState, Options};
use serde_json::{Value, json};

use crate::support::{
    memory::Memory,
    scene::{Scene, describe, merge},
    vendor::Vendor,
};

/// The Region of the replicas.
pub const ABROAD: &str = "us-east-1";

/// The name of the provider of that Region.
pub fn abroad(scene: &Scene) -> String {
    format!("{}-abroad", scene.provider)
}

/// Makes the provider of the Region of the replicas.
pub async fn provide_abroad(scene: &Scene, spec: Value) {
    let member = if scene.vendor.provider == ProviderType::CipherTrust { "cipherTrust" } else { "aws" };
    let mut there = json!({ (member): { "region": ABROAD } });
    merge(&mut there, spec);
    scene.provide(&abroad(scene), there).await;
}

/// A scene in memory with both providers.
pub async fn scene(vendor: &'static Vendor, name: &str) -> Scene {
    let scene = Scene::alone(vendor, name, quick(), json!({})).await;
    provide_abroad(&scene, json!({})).await;
    scene
}

/// The same for operators that the test starts.
pub async fn within(memory: &Memory, vendor: &'static Vendor, name: &str) -> Scene {
    let scene = Scene::within(memory, vendor, name, quick(), json!({})).await;
    provide_abroad(&scene, json!({})).await;
    scene
}

/// A KMS that needs a second to make a replica, and to move a primary.
fn quick() -> Options {
    Options { settling: SignedDuration::from_secs(1), ..Options::default() }
}

/// The spec of a replica of the key of `orders`, with that laid over.
pub fn replica(scene: &Scene, over: Value) -> Value {
    let mut spec = json!({ "providerRef": { "name": abroad(scene) }, "replicaOf": { "name": "orders" } });
    merge(&mut spec, over);
    spec
}

/// Makes the object `orders`, whose key is a primary key.
pub async fn primary(scene: &Scene) {
    scene.create("orders", json!({ "key": { "multiRegion": true } })).await;
    scene.until_ready("orders", "True", "Available").await;
}

/// Makes a replica of it.
pub async fn made(scene: &Scene, name: &str, over: Value) -> ManagedKey {
    scene.create(name, replica(scene, over)).await;
    settled(scene, name).await
}

/// Waits until a key is enabled. CCKM shows the end of what AWS does by itself once it reads the key anew.
pub async fn settled(scene: &Scene, name: &str) -> ManagedKey {
    crate::support::eventually(&format!("{name} is available"), crate::support::operator::WITHIN, async || {
        scene.double.ciphertrust_sync();
        let object = scene.look(name).await;
        let ready = crate::support::scene::find(&object, keyward::api::ConditionType::Ready);
        let done = ready.is_some_and(|ready| ready.status == "True" && ready.reason == "Available")
            && object.status.as_ref().is_some_and(|status| status.key_state == Some(keyward::api::managed_key::KeyState::Enabled));
        if done { Ok(object) } else { Err(describe(&object)) }
    })
    .await
}

/// The states of the keys of `names`.
pub async fn states<const N: usize>(scene: &Scene, names: [&str; N]) -> [KeyState; N] {
    futures::future::join_all(names.map(|name| scene.key(name)))
        .await
        .into_iter()
        .map(|key| key.state)
        .collect::<Vec<_>>()
        .try_into()
        .unwrap_or_else(|_| unreachable!())
}
