//! Pages of the documentation as a reader takes them: the manifests, in the order of the page, do what the page says.

use kms_double::Options;
use serde_json::{Value, json};

use crate::support::{control_plane::shared, scene::Scene};

/// The blocks of a page that are in that language.
pub fn blocks<'a>(page: &'a str, language: &str) -> impl Iterator<Item = &'a str> {
    let begin = format!("```{language}\n");
    let found: Vec<_> = page.split(&begin).skip(1).collect();
    found.into_iter().map(|rest| rest.split("```").next().unwrap())
}

/// The manifests of a page.
pub fn manifests(page: &str) -> Vec<Value> {
    blocks(page, "yaml").map(|block| serde_saphyr::from_str(block).unwrap()).collect()
}

/// The spec of a manifest, without the name of its provider: the test has its own.
pub fn spec(manifest: &Value) -> Value {
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

/// The commands of the page, for one namespace instead of all, because other tests have objects in others.
#[tokio::test]
async fn objects_are_let_go_as_the_page_on_uninstalling_says() {
    let cluster = shared();
    let namespace = cluster.namespace("uninstall").await;
    // It is paused, so that the operator of other tests does not bring the finalizer back.
    let object = json!({
        "apiVersion": "keyward.dev/v1alpha1",
        "kind": "ManagedKey",
        "metadata": {
            "name": "orders",
            "finalizers": ["example.com/other", "keyward.dev/key"],
            "annotations": { "keyward.dev/paused": "true" },
        },
        "spec": { "deletionPolicy": "Delete" },
    });
    let grant = json!({
        "apiVersion": "keyward.dev/v1alpha1",
        "kind": "KeyGrant",
        "metadata": { "name": "orders", "finalizers": ["keyward.dev/grant", "example.com/other"] },
        "spec": { "keyRef": { "name": "none" }, "granteePrincipal": "arn:aws:iam::111122223333:role/reader", "operations": ["Decrypt"] },
    });
    for object in [&object, &grant] {
        cluster.kubectl_with(&["create", "-n", &namespace, "-f", "-"], &object.to_string()).await.expect("create");
    }
    let field = async |path: &str| {
        let path = format!("jsonpath={{{path}}}");
        let of_key = cluster.kubectl(&["get", "managedkey", "orders", "-n", &namespace, "-o", &path]).await.expect("get");
        assert_eq!(of_key, cluster.kubectl(&["get", "keygrant", "orders", "-n", &namespace, "-o", &path]).await.expect("get"));
        of_key
    };

    let [_, _, _, remove, retain] = blocks(include_str!("../../docs/uninstall.md"), "sh").collect::<Vec<_>>().try_into().unwrap();
    let run = async |commands: &str| {
        assert!(commands.contains("--all-namespaces"), "{commands}");
        cluster.shell(&commands.replace("--all-namespaces", &format!("-n {namespace}"))).await.expect("the commands of the page");
    };
    run(retain).await;
    assert_eq!(field(".spec.deletionPolicy").await, "Retain");
    run(remove).await;
    assert_eq!(field(".metadata.finalizers[*]").await, "example.com/other");
    run(remove).await;
    assert_eq!(field(".metadata.finalizers[*]").await, "example.com/other", "the commands may be repeated");
    let none = json!({ "metadata": { "finalizers": null } }).to_string();
    for kind in ["managedkey", "keygrant"] {
        cluster.kubectl(&["patch", kind, "orders", "-n", &namespace, "--type=merge", "-p", &none]).await.expect("patch");
    }
}
