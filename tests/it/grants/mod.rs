//! Grants: Keyward makes the declared one, changes it by a new one, revokes it with its object, and never touches a grant of somebody else.

mod crash;
mod huawei;
mod kept;
mod real;
mod refused;
mod released;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use keyward::api::{ConditionType, KeyGrant, annotation, condition, key_provider::ProviderType};
use kms_double::{Grant, Options};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::support::{eventually, operator::WITHIN, scene::Scene, vendor::Vendor};

/// Who gets access.
const READER: &str = "arn:aws:iam::111122223333:role/reader";

/// A user of Huawei who gets access.
const USER: &str = "0d0466b00d0466b00d0466b00d0466b0";

/// Who gets access at a KMS, and what it calls decrypting and encrypting.
fn words(vendor: &Vendor) -> (&'static str, [&'static str; 2]) {
    match vendor.provider {
        ProviderType::Aws | ProviderType::CipherTrust => (READER, ["Decrypt", "Encrypt"]),
        ProviderType::Huawei => (USER, ["decrypt-data", "encrypt-data"]),
    }
}

/// A grant of the key of `orders` is made by the object `reader`.
pub async fn is_made(scene: &Scene) {
    create(scene, "reader", reads(&["Decrypt"])).await;
    until_ready(scene, "reader", "True", "Granted").await;
}

/// A grant of the key of `orders` is made and goes with its object.
pub async fn is_made_and_revoked(scene: &Scene) {
    is_made(scene).await;
    delete(scene, "reader").await;
    until_gone(scene, "reader").await;
}

/// That manifest makes a grant of the key of `orders`, which goes with its object.
pub async fn is_made_as_declared(scene: &Scene, manifest: Value) {
    let grant: KeyGrant = serde_json::from_value(manifest).unwrap();
    let name = grant.name_any();
    api(scene).create(&PostParams::default(), &grant).await.unwrap();
    until_ready(scene, &name, "True", "Granted").await;
    let found = of_orders(scene).await;
    let [made] = &found[..] else { panic!("{found:?}") };
    assert_eq!((&made.terms.grantee, &made.terms.operations), (&grant.spec.grantee_principal, &grant.spec.operations));
    delete(scene, &name).await;
    until_gone(scene, &name).await;
}

/// A provider that allows every grant to a role of the account, and at Huawei to some users and all accounts.
pub fn any() -> Value {
    json!({ "allow": { "grants": { "principals": ["arn:aws:iam::111122223333:role/*", "0d0466b0*", "account/*"], "operations": ["*"] } } })
}

/// A scene with such a provider, and the key of `orders`.
async fn scene(name: &str) -> Scene {
    let scene = Scene::with(name, Options::default(), any()).await;
    with_key(&scene).await;
    scene
}

async fn with_key(scene: &Scene) {
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
}

/// The spec of a grant of the key of `orders`.
fn reads(operations: &[&str]) -> Value {
    json!({ "keyRef": { "name": "orders" }, "granteePrincipal": READER, "operations": operations })
}

fn api(scene: &Scene) -> Api<KeyGrant> {
    Api::namespaced(scene.client.clone(), &scene.namespace)
}

async fn create(scene: &Scene, name: &str, spec: Value) -> KeyGrant {
    let object = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "KeyGrant", "metadata": { "name": name }, "spec": spec });
    api(scene).create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap()
}

async fn patch(scene: &Scene, name: &str, patch: Value) -> KeyGrant {
    api(scene).patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap()
}

async fn delete(scene: &Scene, name: &str) {
    api(scene).delete(name, &DeleteParams::default()).await.unwrap();
}

fn find(grant: &KeyGrant, kind: ConditionType) -> Option<&Condition> {
    condition::find(&grant.status.as_ref()?.conditions, kind)
}

/// The message of `Ready`.
fn message(grant: &KeyGrant) -> String {
    find(grant, ConditionType::Ready).map(|ready| ready.message.clone()).unwrap_or_default()
}

async fn until(scene: &Scene, name: &str, what: &str, ask: impl Fn(&KeyGrant) -> bool) -> KeyGrant {
    eventually(&format!("{name}: {what}"), WITHIN, async || {
        let grant = api(scene).get(name).await.unwrap();
        if ask(&grant) { Ok(grant) } else { Err(format!("{} {:?}", grant.name_any(), grant.status)) }
    })
    .await
}

/// Waits until `Ready` has that status and reason, for the present spec.
async fn until_ready(scene: &Scene, name: &str, status: &str, reason: &str) -> KeyGrant {
    until(scene, name, &format!("Ready={status} {reason}"), |grant| {
        find(grant, ConditionType::Ready)
            .is_some_and(|ready| ready.status == status && ready.reason == reason && ready.observed_generation == grant.metadata.generation)
    })
    .await
}

async fn until_gone(scene: &Scene, name: &str) {
    eventually(&format!("{name} is gone"), WITHIN, async || match api(scene).get_opt(name).await.unwrap() {
        None => Ok(()),
        Some(grant) => Err(format!("{:?}", grant.status)),
    })
    .await;
}

/// Asks for a look now, and waits until it has been.
async fn look(scene: &Scene, name: &str) -> KeyGrant {
    let at = uuid::Uuid::new_v4().to_string();
    patch(scene, name, json!({ "metadata": { "annotations": { (annotation::RECONCILE_REQUESTED_AT): at } } })).await;
    until(scene, name, "it was looked at", |grant| {
        grant.status.as_ref().is_some_and(|status| status.last_handled_reconcile_at.as_deref() == Some(&at))
    })
    .await
}

/// The grants of the key of `orders`, as the KMS has them.
async fn of_orders(scene: &Scene) -> Vec<Grant> {
    scene.double.grants(&scene.key("orders").await.arn).unwrap()
}

/// Those with a name of that object.
async fn own(scene: &Scene, grant: &KeyGrant) -> Vec<Grant> {
    let uid = grant.metadata.uid.clone().unwrap();
    let is_own = |grant: &Grant| grant.terms.name.as_deref().is_some_and(|name| name.contains(&uid));
    of_orders(scene).await.into_iter().filter(is_own).collect()
}

/// How often an operation took effect, and in which order.
fn done(scene: &Scene) -> Vec<String> {
    let changes = ["CreateGrant", "RevokeGrant", "create-grant", "revoke-grant"];
    let calls = scene.operator_calls().into_iter().filter(|call| call.took_effect && changes.contains(&&*call.operation));
    calls.map(|call| call.operation).collect()
}
