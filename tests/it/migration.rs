//! The page on keys that other tools made: its manifests adopt keys of that shape without a change, and its tables name fields that exist.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_kms::types::Tag;
use keyward::api::ConditionType;
use kms_double::Options;
use serde_json::{Value, json};

use crate::{
    pages::{manifests, spec},
    support::scene::{Scene, find},
};

const PAGE: &str = include_str!("../../docs/migration.md");

/// A key as another tool makes it.
struct Shape {
    description: &'static str,
    /// Days between rotations.
    period: i32,
    tags: &'static [(&'static str, &'static str)],
    /// Whether the tool writes the policy itself.
    policy: bool,
}

const TERRAFORM: Shape = Shape { description: "order signing", period: 180, tags: &[("team", "shop")], policy: false };
const ACK: Shape = Shape {
    description: "orders",
    period: 365,
    tags: &[("services.k8s.aws/controller-version", "kms-v1.4.1"), ("services.k8s.aws/namespace", "shop"), ("team", "shop")],
    policy: true,
};
const CROSSPLANE: Shape = Shape {
    description: "order signing",
    period: 365,
    tags: &[("crossplane-kind", "key.kms.aws.upbound.io"), ("crossplane-name", "orders"), ("crossplane-providerconfig", "default")],
    policy: true,
};

impl Shape {
    /// Makes the key with the requests that the tool sends.
    async fn make(&self, scene: &Scene) -> String {
        let kms = scene.person();
        let tags = self.tags.iter().map(|(key, value)| Tag::builder().tag_key(*key).tag_value(*value).build().unwrap());
        let made = kms.create_key().description(self.description).set_tags(Some(tags.collect())).send().await.unwrap();
        let key = made.key_metadata.unwrap().key_id;
        kms.enable_key_rotation().key_id(&key).rotation_period_in_days(self.period).send().await.unwrap();
        if self.policy {
            let policy = kms.get_key_policy().key_id(&key).send().await.unwrap().policy.unwrap();
            kms.put_key_policy().key_id(&key).policy(policy).send().await.unwrap();
        }
        kms.create_alias().alias_name("alias/orders").target_key_id(&key).send().await.unwrap();
        key
    }
}

#[tokio::test]
async fn a_key_of_another_tool_is_adopted_without_a_change_but_the_marks() {
    let mut manifests = manifests(PAGE).into_iter();
    for (tool, shape) in [("terraform", TERRAFORM), ("ack", ACK), ("crossplane", CROSSPLANE)] {
        let manifest = manifests.next().unwrap();
        let rules = json!({ "adoption": { "from": "Rules", "rules": [{ "namespaces": ["*"], "keys": ["*"] }] } });
        let scene = Scene::with(tool, Options::default(), rules).await;
        let key = shape.make(&scene).await;
        let before = scene.double.key(&key).unwrap();
        let since = scene.now();

        let mut observed = spec(&manifest);
        observed["managementPolicy"] = json!("Observe");
        scene.create("orders", observed).await;
        scene.until_ready("orders", "True", "Available").await;
        let object = scene.look_at_all("orders").await;
        let drifted = find(&object, ConditionType::Drifted).map(|drifted| &drifted.message);
        assert_eq!((drifted, scene.changes(since)), (None, vec![]), "{tool}: nothing differs, and nothing is changed");

        scene.spec("orders", json!({ "managementPolicy": null })).await;
        scene.until_event("orders", "KeyAdopted").await;
        scene.look_at_all("orders").await;
        let after = scene.double.key(&key).unwrap();
        assert_eq!(scene.changes(since), ["TagResource"], "{tool}: the marks");
        let foreign = |tags: &BTreeMap<String, String>| -> Vec<(String, String)> {
            tags.iter().filter(|(key, _)| !key.starts_with("keyward-")).map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        assert_eq!(foreign(&after.tags), foreign(&before.tags), "{tool}");
        assert_eq!((&after.description, &after.policy, after.state), (&before.description, &before.policy, before.state), "{tool}");
    }
    assert_eq!(manifests.next(), None, "a manifest of the page is not tried");
}

/// Fields of the custom resources, such as `spec.key.usage`, and whatever may stand below a field without a schema.
fn fields() -> BTreeSet<String> {
    fn collect(schema: &Value, path: &str, into: &mut BTreeSet<String>) {
        for (name, below) in schema["properties"].as_object().into_iter().flatten() {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            collect(below, &path, into);
            into.insert(path);
        }
    }
    let mut all = BTreeSet::new();
    for crd in keyward::manifests::crds() {
        let crd = serde_json::to_value(crd).unwrap();
        collect(&crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"], "", &mut all);
    }
    all
}

#[test]
fn the_tables_name_fields_that_exist() {
    let fields = fields();
    let mut named = 0;
    for row in PAGE.lines().filter(|line| line.starts_with("| ")) {
        let column = row.trim_end_matches('|').rsplit('|').next().unwrap();
        for word in column.split('`').skip(1).step_by(2) {
            let path = word.split(':').next().unwrap();
            if path.starts_with("spec.") || path.starts_with("status.") {
                assert!(fields.contains(path), "docs/migration.md names {path}, which no custom resource has");
                named += 1;
            }
        }
        assert!(!column.trim().is_empty(), "a field has neither a field of ours nor a reason: {row}");
    }
    assert!(named > 40, "the tables were not read: {named}");
}
