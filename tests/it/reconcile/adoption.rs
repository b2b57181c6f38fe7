//! `keyId`: which keys an object may have that it did not create.

use keyward::api::{ConditionType, ManagedKey};
use kms_double::{ACCESS_KEY, ACCOUNT, Fault, FaultAction, KeyState as Actual, Manager, Options, Plant, SECOND_ACCOUNT};
use serde_json::{Value, json};

use crate::support::{
    eventually,
    operator::WITHIN,
    scene::{REGION, Scene, find, message},
};

/// Any key, for any namespace.
fn any() -> Value {
    json!({ "adoption": { "from": "Rules", "rules": [{ "namespaces": ["*"], "keys": ["*"] }] } })
}

async fn open(name: &str) -> Scene {
    Scene::with(name, Options::default(), any()).await
}

/// Waits until the object is refused for that reason, and sees that nothing was changed for it.
async fn refused(scene: &Scene, reason: &str) -> ManagedKey {
    let object = scene.until_ready("orders", "False", reason).await;
    assert!(find(&object, ConditionType::Stalled).is_some());
    scene.look_at_all("orders").await;
    assert_eq!(scene.changes(0), [""; 0]);
    object
}

#[tokio::test]
async fn a_key_is_adopted_by_id_by_arn_and_by_alias() {
    for spelling in ["id", "arn", "alias"] {
        let scene = open("adopt").await;
        let arn = scene.foreign_key().await;
        scene.person().create_alias().alias_name("alias/legacy").target_key_id(&arn).send().await.unwrap();
        let name = match spelling {
            "id" => arn.rsplit('/').next().unwrap().to_owned(),
            "arn" => arn.clone(),
            _ => "alias/legacy".to_owned(),
        };
        scene.create("orders", json!({ "keyId": name, "tags": { "team": "shop" } })).await;
        let object = scene.until_ready("orders", "True", "Available").await;
        let key = scene.key("orders").await;
        assert_eq!(key.arn, arn, "by {spelling}");
        assert_eq!(key.tags["keyward-owner"], format!("{}.orders", scene.namespace));
        assert_eq!(key.tags["keyward-uid"], object.metadata.uid.clone().unwrap());
        assert_eq!(key.tags["team"], "shop");
        assert!(!key.aliases.contains(&scene.claim("orders")), "an adopted key is found by its name, not by a claim");
        assert!(scene.calls("CreateKey").is_empty());
        scene.until_event("orders", "KeyAdopted").await;

        // The marks come first, and are read back before anything else.
        let calls: Vec<String> = scene.operator_calls().into_iter().map(|entry| entry.operation).collect();
        let changes: Vec<_> = (0..calls.len()).filter(|&at| calls[at] == "TagResource").collect();
        assert!(changes.len() >= 2, "{calls:?}");
        assert!(calls[changes[0]..changes[1]].contains(&"ListResourceTags".to_owned()), "{calls:?}");

        // An alias is resolved once.
        if spelling == "alias" {
            let other = scene.foreign_key().await;
            scene.person().update_alias().alias_name("alias/legacy").target_key_id(&other).send().await.unwrap();
            scene.look_at_all("orders").await;
            assert_eq!(scene.key("orders").await.arn, arn);
            assert!(scene.double.key(&other).unwrap().tags.is_empty());
        }
    }
}

#[tokio::test]
async fn an_alias_that_moves_before_the_marks_are_read_back_moves_nothing() {
    let scene = open("adopt-moved").await;
    let (key, other) = (scene.foreign_key().await, scene.foreign_key().await);
    scene.person().create_alias().alias_name("alias/legacy").target_key_id(&key).send().await.unwrap();
    // The mark is on the key, and its reply on the way.
    scene.double.inject(Fault::on("TagResource", FaultAction::LateReply { millis: 2000 }).for_caller(ACCESS_KEY).nth(1));
    scene.create("orders", json!({ "keyId": "alias/legacy" })).await;
    eventually("the mark", WITHIN, async || {
        let marked = scene.double.key(&key).unwrap().tags.contains_key("keyward-uid");
        if marked { Ok(()) } else { Err("no mark") }
    })
    .await;
    scene.person().update_alias().alias_name("alias/legacy").target_key_id(&other).send().await.unwrap();
    scene.until_ready("orders", "True", "Available").await;
    scene.look_at_all("orders").await;
    assert_eq!(scene.key("orders").await.arn, key);
    assert!(scene.double.key(&other).unwrap().tags.is_empty());
}

#[tokio::test]
async fn no_key_is_adopted_through_a_provider_without_rules() {
    let scene = Scene::new("adopt-none").await;
    let key = scene.foreign_key().await;
    scene.create("orders", json!({ "keyId": key })).await;
    let object = refused(&scene, "AdoptionNotAllowed").await;
    assert!(message(&object).contains("spec.adoption"), "{}", message(&object));
    assert!(object.status.unwrap().key_id.is_none());
    // The administrator admits it, and nobody has to touch the object.
    scene.provide(&scene.provider, any()).await;
    scene.until_ready("orders", "True", "Available").await;
}

#[tokio::test]
async fn a_key_says_by_its_tag_which_namespace_may_adopt_it() {
    let scene = Scene::with("adopt-tagged", Options::default(), json!({ "adoption": { "from": "Tagged" } })).await;
    let key = scene.foreign_key().await;
    scene.tag(&key, &[("keyward-adopt", "elsewhere")]).await;
    scene.create("orders", json!({ "keyId": key })).await;
    refused(&scene, "AdoptionNotAllowed").await;
    scene.tag(&key, &[("keyward-adopt", &scene.namespace)]).await;
    scene.look("orders").await;
    scene.until_ready("orders", "True", "Available").await;
}

#[tokio::test]
async fn rules_name_the_namespaces_and_the_keys() {
    let rules =
        |namespace: &str, key: &str| json!({ "adoption": { "from": "Rules", "rules": [{ "namespaces": [namespace], "keys": [key] }] } });
    let scene = Scene::with("adopt-rules", Options::default(), rules("elsewhere", "*")).await;
    let key = scene.foreign_key().await;
    scene.create("orders", json!({ "keyId": key })).await;
    refused(&scene, "AdoptionNotAllowed").await;
    scene.provide(&scene.provider, rules("*", "arn:aws:kms:*:444455556666:key/*")).await;
    scene.look("orders").await;
    refused(&scene, "AdoptionNotAllowed").await;
    scene.provide(&scene.provider, rules("adopt-rules-*", "arn:aws:kms:*:111122223333:key/*")).await;
    scene.until_ready("orders", "True", "Available").await;
}

/// Shows S3.
#[tokio::test]
async fn a_key_of_another_living_object_is_not_adopted() {
    let scene = open("adopt-owned").await;
    scene.create("first", json!({})).await;
    scene.until_ready("first", "True", "Available").await;
    let key = scene.key("first").await;
    let before = scene.now();
    scene.create("orders", json!({ "keyId": key.arn })).await;
    let object = scene.until_ready("orders", "False", "OwnedByAnother").await;
    assert!(message(&object).contains(&format!("{}.first", scene.namespace)), "{}", message(&object));
    scene.look_at_all("orders").await;
    assert_eq!(scene.changes(before), [""; 0]);
    assert_eq!(scene.double.key(&key.arn).unwrap().tags, key.tags);
}

#[tokio::test]
async fn a_key_moves_to_another_namespace_once_its_object_is_gone() {
    let mut scene = open("adopt-move").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    scene.namespace = scene.another_namespace("moved").await;
    scene.create("orders", json!({ "keyId": key })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.double.key(&key).unwrap().tags["keyward-owner"], format!("{}.orders", scene.namespace));
    scene.until_event("orders", "KeyAdopted").await;
}

#[tokio::test]
async fn a_key_of_another_cluster_is_adopted_only_if_the_provider_names_that_cluster() {
    let scene = open("adopt-cluster").await;
    let key = scene.foreign_key().await;
    scene
        .tag(&key, &[("keyward-cluster", "old"), ("keyward-owner", "shop.orders"), ("keyward-uid", "u"), ("keyward-intent", "5.3.live")])
        .await;
    scene.create("orders", json!({ "keyId": key })).await;
    let object = refused(&scene, "OwnedByAnother").await;
    assert!(message(&object).contains("old"), "{}", message(&object));
    let mut rules = any();
    rules["adoption"]["fromClusters"] = json!(["old"]);
    scene.provide(&scene.provider, rules).await;
    scene.until_ready("orders", "True", "Available").await;
    let tags = scene.key("orders").await.tags;
    assert_eq!(tags["keyward-cluster"], "it");
    let seq: i64 = tags["keyward-intent"].split('.').next().unwrap().parse().unwrap();
    assert!(seq > 5, "{}", tags["keyward-intent"]);
}

/// The operator came back with another cluster id. Each object names both ids, and the advice in its message helps.
#[tokio::test]
async fn a_key_from_before_another_cluster_id_is_told_with_both_and_can_be_taken_over() {
    let scene = Scene::new("renamed-cluster").await;
    scene.create("orders", json!({})).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    scene.tag(&key, &[("keyward-cluster", "old")]).await;
    scene.look("orders").await;
    let object = scene.until_ready("orders", "False", "OwnedByAnother").await;
    for words in ["is managed by cluster id old, but this operator has cluster id it", "--cluster-id", "spec.adoption.fromClusters"] {
        assert!(message(&object).contains(words), "{words}: {}", message(&object));
    }
    scene.provide(&scene.provider, json!({ "adoption": { "fromClusters": ["old"] } })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.double.key(&key).unwrap().tags["keyward-cluster"], "it");
    assert!(scene.calls("CreateKey").len() == 1, "it is the same key");
}

#[tokio::test]
async fn a_key_of_another_account_is_told_as_such_and_not_asked_for() {
    let scene = open("adopt-abroad").await;
    let abroad = "arn:aws:kms:eu-west-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    scene.create("orders", json!({ "keyId": abroad })).await;
    let object = refused(&scene, "AdoptionNotAllowed").await;
    for words in [abroad, "is in account 444455556666", "is for account 111122223333"] {
        assert!(message(&object).contains(words), "{words}: {}", message(&object));
    }
    let calls = scene.operator_calls().into_iter().filter(|entry| entry.service == "kms").count();
    assert_eq!(calls, 0);
}

#[tokio::test]
async fn a_key_that_is_being_bound_is_not_marked_for_another_object() {
    let scene = open("adopt-race").await;
    scene.provide(&format!("{}-other", scene.provider), any()).await;
    let through_other = |key_id: Option<&str>| json!({ "providerRef": { "name": format!("{}-other", scene.provider) }, "keyId": key_id });
    scene.create("ready", through_other(None)).await;
    scene.until_ready("ready", "True", "Available").await;
    let key = scene.foreign_key().await;
    // Its marks are on their way for a while, and nothing on the key tells of them.
    scene.double.inject(Fault::on("TagResource", FaultAction::Delay { millis: 2_000 }).nth(1));
    scene.create("orders", json!({ "keyId": key })).await;
    scene.until("orders", "its word is on record", |object| object.status.as_ref().is_some_and(|status| status.intent_seq.is_some())).await;
    scene.create("late", through_other(Some(&key))).await;
    scene.until_ready("late", "False", "OwnedByAnother").await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.calls("TagResource").len(), 1, "the marks of one object");
    assert_eq!(scene.double.key(&key).unwrap().tags["keyward-owner"], format!("{}.orders", scene.namespace));
}

#[tokio::test]
async fn a_key_that_is_handed_over_is_free_for_the_next() {
    let admits = |namespace: &str| json!({ "adoption": { "from": "Rules", "rules": [{ "namespaces": [namespace], "keys": ["*"] }] } });
    let mut scene = open("hand-over").await;
    let first = scene.namespace.clone();
    let key = scene.foreign_key().await;
    scene.create("orders", json!({ "keyId": key })).await;
    scene.until_ready("orders", "True", "Available").await;

    // A person takes the marks off, and the administrator admits another namespace, while the first object is still there.
    let second = scene.another_namespace("handed").await;
    scene.provide(&scene.provider, admits(&second)).await;
    let marks = ["keyward-cluster", "keyward-owner", "keyward-uid", "keyward-intent"].map(str::to_owned);
    scene.person().untag_resource().key_id(&key).set_tag_keys(Some(marks.to_vec())).send().await.unwrap();
    scene.look("orders").await;
    scene.until_ready("orders", "False", "AdoptionNotAllowed").await;
    scene.namespace = second.clone();
    scene.create("orders", json!({ "keyId": key })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.double.key(&key).unwrap().tags["keyward-owner"], format!("{second}.orders"));
    scene.delete("orders").await;
    scene.until_gone("orders").await;

    scene.namespace = first;
    scene.look("orders").await;
    scene.until_ready("orders", "False", "OwnedByAnother").await;
}

#[tokio::test]
async fn a_key_of_another_kind_is_not_adopted() {
    let scene = open("adopt-kind").await;
    let key = scene.foreign_key().await;
    scene.create("orders", json!({ "keyId": key, "key": { "spec": "RSA_2048", "usage": "SIGN_VERIFY" } })).await;
    let object = refused(&scene, "AdoptionMismatch").await;
    assert!(message(&object).contains("SYMMETRIC_DEFAULT") && message(&object).contains("RSA_2048"), "{}", message(&object));
}

#[tokio::test]
async fn a_disabled_key_is_adopted_only_with_an_outright_word() {
    let scene = open("adopt-off").await;
    let key = scene.foreign_key().await;
    scene.person().disable_key().key_id(&key).send().await.unwrap();
    scene.create("orders", json!({ "keyId": key })).await;
    let object = refused(&scene, "AdoptionNotAllowed").await;
    assert!(message(&object).contains("spec.enabled"), "{}", message(&object));
    scene.spec("orders", json!({ "enabled": false })).await;
    scene.until_ready("orders", "True", "Disabled").await;
    assert!(scene.calls("EnableKey").is_empty());
    assert!(scene.double.key(&key).unwrap().tags.contains_key("keyward-uid"));
}

#[tokio::test]
async fn a_pending_key_is_adopted_only_with_an_outright_word() {
    let scene = open("adopt-end").await;
    let key = scene.foreign_key().await;
    scene.person().schedule_key_deletion().key_id(&key).pending_window_in_days(7).send().await.unwrap();
    scene.create("orders", json!({ "keyId": key })).await;
    refused(&scene, "AdoptionNotAllowed").await;
    scene.spec("orders", json!({ "enabled": true })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(scene.key("orders").await.state, Actual::Enabled);
    let marked = scene.operator_calls().into_iter().find(|entry| entry.operation == "TagResource" && entry.took_effect).unwrap();
    let enabled = scene.calls("EnableKey").remove(0);
    assert!(marked.seq < enabled.seq);
}

#[tokio::test]
async fn a_living_key_adopted_with_the_field_is_held() {
    let scene = open("adopt-held").await;
    let key = scene.foreign_key().await;
    scene.create("orders", json!({ "keyId": key, "deletionScheduleDays": 7 })).await;
    let object = scene.until_ready("orders", "False", "NotSeenLive").await;
    assert!(find(&object, ConditionType::DeletionHeld).is_some());
    scene.look_at_all("orders").await;
    assert_eq!(scene.double.key(&key).unwrap().state, Actual::Enabled);
    assert!(scene.calls("ScheduleKeyDeletion").is_empty());
    scene.confirm(&object).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
}

#[tokio::test]
async fn a_key_that_cannot_be_marked_is_left_alone() {
    let scene = open("adopt-marks").await;
    let key = scene.foreign_key().await;
    let denied = FaultAction::Error { code: "AccessDeniedException".into(), status: 400, message: "not authorized".into() };
    scene.double.inject(Fault::on("TagResource", denied).for_caller(ACCESS_KEY));
    scene.create("orders", json!({ "keyId": key, "enabled": false, "autoRotation": true, "aliases": ["orders"] })).await;
    let object = scene.until_ready("orders", "False", "MarksNotWritable").await;
    assert!(find(&object, ConditionType::Stalled).is_some());
    scene.look_at_all("orders").await;
    assert!(scene.changes(0).iter().all(|operation| operation == "TagResource"), "{:?}", scene.changes(0));
    let view = scene.double.key(&key).unwrap();
    assert_eq!((view.state, view.tags.len(), view.aliases.len()), (Actual::Enabled, 0, 0));
    scene.double.clear_faults();
    scene.look("orders").await;
    scene.until_ready("orders", "True", "Disabled").await;
}

/// Shows S3.
#[tokio::test]
async fn a_bound_key_whose_marks_are_gone_is_left_alone_until_it_is_admitted_again() {
    let scene = Scene::new("unmarked").await;
    scene.create("orders", json!({ "tags": { "team": "shop" } })).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = scene.key("orders").await.arn;
    let marks = ["keyward-cluster", "keyward-owner", "keyward-uid", "keyward-intent"].map(str::to_owned);
    scene.person().untag_resource().key_id(&key).set_tag_keys(Some(marks.to_vec())).send().await.unwrap();
    let before = scene.now();
    scene.spec("orders", json!({ "enabled": false, "tags": { "team": "bank" } })).await;
    let object = scene.until_ready("orders", "False", "AdoptionNotAllowed").await;
    assert!(find(&object, ConditionType::Stalled).is_some());
    scene.look_at_all("orders").await;
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("orders", "False", "AdoptionNotAllowed").await;
    assert_eq!(scene.changes(before), [""; 0]);

    scene.spec("orders", json!({ "deletionScheduleDays": null })).await;
    scene.provide(&scene.provider, any()).await;
    scene.until_ready("orders", "True", "Disabled").await;
    assert_eq!(scene.key("orders").await.arn, key);
    assert_eq!(scene.key("orders").await.tags["team"], "bank");
}

#[tokio::test]
async fn a_key_of_a_service_of_aws_is_refused() {
    let scene = open("adopt-aws").await;
    let planted = Plant { manager: Manager::Aws, alias: Some("alias/aws/s3".into()), ..Plant::new(ACCOUNT, REGION) };
    let key = scene.double.plant(&planted).unwrap();
    scene.create("orders", json!({ "keyId": key.arn() })).await;
    refused(&scene, "AdoptionNotAllowed").await;
    scene.delete("orders").await;
    scene.until_gone("orders").await;
    scene.create("orders", json!({ "keyId": "alias/aws/s3" })).await;
    let object = refused(&scene, "InvalidSpec").await;
    assert!(message(&object).contains("AWS's own"), "{}", message(&object));
}

#[tokio::test]
async fn keys_of_another_account_or_region_and_names_of_no_key_are_refused() {
    let cases = [
        ("adopt-account", "another account"),
        ("adopt-region", "another Region"),
        ("adopt-malformed", "malformed"),
        ("adopt-absent", "absent"),
    ];
    for (name, case) in cases {
        let scene = open(name).await;
        let (key, reason) = match case {
            "another account" => (scene.double.plant(&Plant::new(SECOND_ACCOUNT, REGION)).unwrap().arn(), "AdoptionNotAllowed"),
            "another Region" => (scene.double.plant(&Plant::new(ACCOUNT, "us-east-1")).unwrap().arn(), "AdoptionNotAllowed"),
            "malformed" => ("not a key!".to_owned(), "KeyMissing"),
            _ => ("alias/nobody".to_owned(), "KeyMissing"),
        };
        scene.create("orders", json!({ "keyId": key })).await;
        let object = scene.until("orders", case, |object| find(object, ConditionType::Stalled).is_some()).await;
        let ready = find(&object, ConditionType::Ready).unwrap();
        assert_eq!(ready.reason, reason, "{case}: {}", ready.message);
        assert!(ready.message.contains(&key), "{case}: {}", ready.message);
        scene.look("orders").await;
        assert_eq!(scene.changes(0), [""; 0], "{case}");
    }
}

/// Of two objects that name a key the older one has it, unless it has another or is itself refused.
#[tokio::test]
async fn an_older_object_that_does_not_take_the_key_blocks_no_other() {
    let scene = open("no-rival").await;
    let (first, second) = (scene.foreign_key().await, scene.foreign_key().await);
    scene.person().create_alias().alias_name("alias/moving").target_key_id(&first).send().await.unwrap();
    scene.create("older", json!({ "keyId": "alias/moving" })).await;
    scene.until_ready("older", "True", "Available").await;
    scene.person().update_alias().alias_name("alias/moving").target_key_id(&second).send().await.unwrap();
    scene.create("younger", json!({ "keyId": second })).await;
    scene.until_ready("younger", "True", "Available").await;
    assert_eq!((scene.key("older").await.arn, scene.key("younger").await.arn), (first, second));

    // Refused, because the key is disabled and it does not say what is to become of that.
    let third = scene.foreign_key().await;
    scene.person().disable_key().key_id(&third).send().await.unwrap();
    scene.create("wordless", json!({ "keyId": third })).await;
    scene.until_ready("wordless", "False", "AdoptionNotAllowed").await;
    scene.create("outright", json!({ "keyId": third, "enabled": true })).await;
    scene.until_ready("outright", "True", "Available").await;
    assert_eq!(scene.key("outright").await.arn, third);
}
