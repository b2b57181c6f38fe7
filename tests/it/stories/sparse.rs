//! Answers that lack what the KMS calls optional: a key lives as it does with whole ones, and nothing is set again and again.

use keyward::api::{ConditionType, managed_key::KeyState};
use kms_double::{Form, KeyState as Actual, Options};
use serde_json::json;

use crate::support::{
    scene::{Scene, describe, find},
    vendor::AWS,
};

#[tokio::test]
async fn a_key_whose_answers_lack_what_is_optional_lives_as_any_other() {
    for (name, form) in [("sparse", Form::AwsSparse), ("state-only", Form::AwsStateOnly)] {
        let scene = Scene::of(&AWS, name, Options { forms: vec![form], ..Options::default() }, json!({ "resyncSeconds": 600 })).await;
        let settings = json!({
            "autoRotation": true, "rotationPeriodDays": 100, "description": "order signing", "tags": { "team": "shop" }, "aliases": ["orders"],
            "key": { "spec": "SYMMETRIC_DEFAULT" },
        });
        scene.create("orders", settings).await;
        scene.until_ready("orders", "True", "Available").await;
        let object = scene.look_at_all("orders").await;
        assert_eq!(find(&object, ConditionType::Synced).unwrap().status, "True", "{}", describe(&object));
        let status = object.status.unwrap();
        assert_eq!(status.key_arn, Some(scene.key("orders").await.arn), "{form:?}");
        assert_eq!(status.key.unwrap().spec, "SYMMETRIC_DEFAULT");
        let key = scene.key("orders").await;
        assert_eq!((key.description.as_str(), key.rotation.period_days), ("order signing", Some(100)));

        // A setting that the KMS does not show is not set again until the spec changes.
        let settled = scene.now();
        scene.look_at_all("orders").await;
        assert_eq!(scene.changes(settled), [""; 0], "{form:?}");
        scene.spec("orders", json!({ "rotationPeriodDays": 200, "description": "billing" })).await;
        scene
            .until("orders", "applied", |object| {
                object.status.clone().unwrap().applied.map(|applied| applied.generation) == object.metadata.generation
            })
            .await;
        let key = scene.key("orders").await;
        assert_eq!((key.description.as_str(), key.rotation.period_days), ("billing", Some(200)));

        scene.spec("orders", json!({ "enabled": false })).await;
        scene.until_ready("orders", "True", "Disabled").await;
        scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
        let object = scene.until_ready("orders", "True", "DeletionScheduled").await;
        assert!(object.status.unwrap().deletion_date.is_some());
        scene.spec("orders", json!({ "deletionScheduleDays": null, "enabled": true })).await;
        let object = scene.until_ready("orders", "True", "Available").await;
        assert_eq!(object.status.unwrap().key_state, Some(KeyState::Enabled));
        assert_eq!(scene.key("orders").await.state, Actual::Enabled);
        assert_eq!(scene.calls("CreateKey").len(), 1);
    }
}
