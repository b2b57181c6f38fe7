//! Pages of the documentation as a reader takes them: the manifests, in the order of the page, do what the page says.

use kms_double::Options;
use serde_json::{Value, json};

use crate::support::scene::Scene;

/// The manifests of a page.
fn manifests(page: &str) -> Vec<Value> {
    let blocks = page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(|block| serde_saphyr::from_str(block).unwrap()).collect()
}

/// The spec of a manifest, without the name of its provider: the test has its own.
fn spec(manifest: &Value) -> Value {
    let mut spec = manifest["spec"].clone();
    spec.as_object_mut().unwrap().remove("providerRef");
    spec
}

#[tokio::test]
async fn an_existing_key_is_adopted_as_the_page_on_adoption_says() {
    let [provider, observed, enforced] = manifests(include_str!("../../docs/adopt.md")).try_into().unwrap();
    let scene = Scene::with("shop", Options::default(), json!({})).await;
    let key = scene.foreign_key().await;
    scene.person().create_alias().alias_name("alias/orders").target_key_id(&key).send().await.unwrap();

    // The page names the namespace `shop`; the namespace of the scene has a number at its end.
    let mut rules = spec(&provider);
    rules["adoption"]["rules"][0]["namespaces"] = json!([scene.namespace]);
    scene.provide(&scene.provider, rules).await;

    scene.create("orders", spec(&observed)).await;
    let object = scene.until_ready("orders", "True", "Available").await;
    let message = object.status.unwrap().conditions.into_iter().find(|one| one.type_ == "Drifted").unwrap().message;
    assert!(message.contains("rotation") && message.contains("team"), "{message}");
    assert_eq!(scene.changes(0), [""; 0], "Observe changes nothing");

    let mut spec = spec(&enforced);
    spec["managementPolicy"] = Value::Null;
    scene.spec("orders", spec).await;
    scene.until_event("orders", "KeyAdopted").await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await;
    assert!(key.rotation.enabled && key.tags["team"] == "shop", "{key:?}");
    assert_eq!(key.tags["keyward-owner"], format!("{}.orders", scene.namespace));
}
