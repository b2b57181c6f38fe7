//! What is left behind when objects go, and keys.

use jiff::{SignedDuration, Timestamp};
use keyward::{
    api::managed_key::KeyState,
    controller::orphans::list,
    domain::{limits::Limits, orphans::Why},
};
use kms_double::{KeyState as Actual, Options};
use serde_json::json;

use crate::{
    orphans::query,
    support::{operator::CLUSTER, scene::Scene, vendor::Vendor},
};

/// Shows S2.
pub async fn what_is_left_behind_is_listed_and_nothing_is_changed(vendor: &'static Vendor) {
    let scene = Scene::of(vendor, "orphans", Options::default(), json!({ "resyncSeconds": 600 })).await;
    for name in ["kept", "left", "lost"] {
        scene.create(name, json!({})).await;
    }
    for name in ["kept", "left", "lost"] {
        scene.until_ready(name, "True", "Available").await;
    }
    let listed = async || list(scene.client.clone(), &query(&scene)).await.unwrap();
    let report = listed().await;
    assert!(!report.has_findings() && report.unread.is_empty(), "every key has its object: {report:?}");

    let (left, lost) = (scene.keys().get("left").await.unwrap(), scene.key("lost").await.key_id);
    let left = left.status.unwrap();
    scene.delete("left").await;
    scene.until_gone("left").await;
    scene.double.set_state(&lost, Actual::PendingDeletion).unwrap();
    scene.double.advance(SignedDuration::from_hours(60 * 24)).unwrap();
    assert!(scene.double.key(&lost).is_none());
    let stray = format!("alias/keyward/{CLUSTER}/{}/nobody", scene.namespace);
    scene.plant_outside(Some(&stray));
    let before = scene.now();
    let report = listed().await;
    let [orphan] = report.keys.as_slice() else { panic!("{report:?}") };
    assert_eq!((Some(&orphan.key), Some(&orphan.key_id)), (left.key_arn.as_ref(), left.key_id.as_ref()));
    assert_eq!((orphan.reason, orphan.state), (Why::NoObject, KeyState::Enabled));
    assert_eq!(orphan.last_owner.as_ref().map(ToString::to_string), Some(format!("{}/left", scene.namespace)), "{orphan:?}");
    let created = left.key.unwrap().creation_time.map(|time| time.0);
    assert_eq!(orphan.creation_time.map(Timestamp::as_second), created.map(Timestamp::as_second));
    // An object that only watches the key has no mark on it. Its key is in use all the same.
    scene.create("watches", json!({ "managementPolicy": "Observe", "keyId": left.key_arn })).await;
    assert_eq!(listed().await.keys, [], "a key that an object names is not listed");
    scene.delete("watches").await;
    scene.until_gone("watches").await;
    let price = Limits::of(vendor.provider).price.map(|price| price.key);
    assert_eq!((orphan.cost_per_month, report.totals.cost_unknown), (price, usize::from(price.is_none())));
    let objects: Vec<_> = report.objects.iter().map(|lost| lost.object.name.as_str()).collect();
    assert_eq!(objects, ["lost"], "{report:?}");
    // A KMS that keeps copies may still show the alias of the key that is gone.
    let pointing: Vec<_> = report.aliases.iter().filter(|alias| alias.key.is_some()).map(|alias| &alias.alias).collect();
    assert_eq!(pointing, [&stray], "{report:?}");
    assert!(report.aliases.iter().all(|alias| alias.key.is_some() || alias.alias.ends_with("/lost")), "{report:?}");
    assert_eq!((report.unread.len(), report.exit_code()), (0, 2));
    assert_eq!(scene.changes(before), [""; 0], "it only reads");

    // A new object of the name has the key again.
    scene.create("left", json!({})).await;
    scene.until_ready("left", "True", "Available").await;
    let report = listed().await;
    assert!(report.keys.is_empty(), "{report:?}");
    // Its key is scheduled, and the object goes: the key is listed with its date.
    scene.set_outside("left", Actual::PendingDeletion).await;
    scene.delete("left").await;
    scene.until_gone("left").await;
    let report = listed().await;
    let [orphan] = report.keys.as_slice() else { panic!("{report:?}") };
    assert!(orphan.state == KeyState::PendingDeletion && orphan.deletion_date.is_some(), "{orphan:?}");
    assert_eq!(orphan.cost_per_month, price.map(|_| 0), "a pending key is not billed");
}
