//! What an object declares, as admission should have let it through, and as it should not.

use serde_json::{Value, json};

use crate::{
    api::ManagedKey,
    domain::{
        desired::{Desired, Life, WantedRotation},
        limits,
    },
};

fn object(spec: &Value, annotations: &Value) -> ManagedKey {
    serde_json::from_value(json!({
        "apiVersion": "keyward.dev/v1alpha1",
        "kind": "ManagedKey",
        "metadata": { "name": "orders", "namespace": "shop", "uid": "u1", "generation": 3, "annotations": annotations },
        "spec": spec,
    }))
    .unwrap()
}

fn read(spec: &Value) -> Result<Desired, String> {
    Desired::of(&object(spec, &json!({})), "prod").map_err(|invalid| invalid.0)
}

#[test]
fn absent_null_and_zero_mean_alive() {
    for spec in [json!({}), json!({ "deletionScheduleDays": null }), json!({ "deletionScheduleDays": 0 })] {
        let desired = read(&spec).unwrap();
        assert_eq!((desired.life, desired.days(), desired.wants_enabled(), desired.enabled), (Life::Live, None, true, None));
    }
    let asked = read(&json!({ "deletionScheduleDays": 7, "enabled": false })).unwrap();
    assert_eq!((asked.life, asked.days(), asked.wants_enabled()), (Life::Scheduled(7), Some(7), false));
}

/// Shows S6.
#[test]
fn harmful_days_are_refused_again() {
    for (spec, says) in [
        (json!({ "deletionScheduleDays": 6 }), "spec.deletionScheduleDays is 6"),
        (json!({ "deletionScheduleDays": -1 }), "spec.deletionScheduleDays is -1"),
    ] {
        let message = read(&spec).unwrap_err();
        assert!(message.contains(says), "{spec}: {message}");
    }
    let mut nameless = object(&json!({}), &json!({}));
    nameless.metadata.uid = None;
    assert!(Desired::of(&nameless, "prod").is_err());
}

/// Stored before a rule of the CRD was there, none of it reaches a key, and none of it is a reason not to read the days.
#[test]
fn a_setting_that_no_key_can_have_is_left_out_and_told() {
    for (spec, says) in [
        (json!({ "rotationPeriodDays": 90 }), "spec.rotationPeriodDays needs spec.autoRotation: true"),
        (json!({ "rotationPeriodDays": 90, "autoRotation": false }), "spec.rotationPeriodDays needs spec.autoRotation: true"),
        (json!({ "tags": { "keyward-uid": "u9" } }), "spec.tags has keyward-uid"),
        (json!({ "tags": { "aws:x": "y" } }), "spec.tags has aws:x"),
        (json!({ "aliases": ["keyward/prod/shop/other"] }), "spec.aliases has keyward/prod/shop/other"),
        (json!({ "aliases": ["aws/s3"] }), "spec.aliases has aws/s3"),
        (json!({ "publishTo": { "kind": "Secret", "name": "kube-x" } }), "spec.publishTo.name is kube-x, but names that begin with kube-"),
        (json!({ "publishTo": { "kind": "Secret", "name": "A" } }), "spec.publishTo.name is A, which is no name of a Secret"),
        (json!({ "publishTo": { "kind": "Secret", "name": "../x" } }), "spec.publishTo.name is ../x"),
        (json!({ "publishTo": { "kind": "ConfigMap", "name": "a", "keys": { "alias": "." } } }), "spec.publishTo.keys.alias is ."),
        (json!({ "publishTo": { "kind": "ConfigMap", "name": "a", "keys": { "alias": "x".repeat(254) } } }), "a name has 1 to 253 letters"),
        (json!({ "publishTo": { "kind": "ConfigMap", "name": "a", "keys": { "alias": "keyId" } } }), "gives two values the name keyId"),
    ] {
        let mut all = json!({ "deletionScheduleDays": 7, "tags": { "team": "shop" }, "aliases": ["orders"] });
        for (field, value) in spec.as_object().unwrap() {
            match (&mut all[field], value) {
                (Value::Object(known), Value::Object(more)) => known.extend(more.clone()),
                (Value::Array(known), Value::Array(more)) => known.extend(more.clone()),
                (known, value) => *known = value.clone(),
            }
        }
        let desired = read(&all).unwrap();
        assert!(matches!(&*desired.left_out, [sentence] if sentence.contains(says)), "{spec}: {:?}", desired.left_out);
        assert_eq!((desired.days(), desired.rotation), (Some(7), None), "{spec}");
        assert_eq!(desired.tags.keys().collect::<Vec<_>>(), ["team"], "{spec}");
        assert_eq!(desired.aliases.iter().collect::<Vec<_>>(), ["alias/orders"], "{spec}");
    }
    assert!(read(&json!({ "autoRotation": true, "rotationPeriodDays": 90, "tags": { "team": "shop" } })).unwrap().left_out.is_empty());
}

#[test]
fn all_other_fields_are_read_as_they_are() {
    let desired = read(&json!({ "autoRotation": true, "rotationPeriodDays": 180, "aliases": ["orders"], "keyId": "alias/old" })).unwrap();
    assert_eq!(desired.rotation, Some(WantedRotation::On(Some(180))));
    assert!(desired.aliases.contains("alias/orders"));
    assert_eq!(desired.adopt.as_deref(), Some("alias/old"));
    assert_eq!(desired.template(&limits::AWS), crate::api::managed_key::KeyTemplate::default());
    for (value, paused) in [("true", true), ("false", false), ("True", false), ("", false)] {
        let object = object(&json!({}), &json!({ "keyward.dev/paused": value, "keyward.dev/confirm-deletion": "k@3" }));
        let desired = Desired::of(&object, "prod").unwrap();
        assert_eq!((desired.paused, desired.confirmation.as_deref()), (paused, Some("k@3")), "{value}");
        assert_eq!(desired.misspelt_pause.as_deref(), Some(value).filter(|value| !["true", "false"].contains(value)));
    }
}
