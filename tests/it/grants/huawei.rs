//! Grants of Huawei, where a name does not make the same request one grant.

use keyward::api::ConditionType;
use kms_double::{Fault, FaultAction, GrantTerms, Options};
use serde_json::{Value, json};

use super::{USER, any, create, delete, done, find, look, message, of_orders, own, patch, until_gone, until_ready, with_key};
use crate::support::{scene::Scene, vendor::HUAWEI};

async fn scene(name: &str) -> Scene {
    let scene = Scene::alone(&HUAWEI, name, Options::default(), any()).await;
    with_key(&scene).await;
    scene
}

fn reads(operations: &[&str]) -> Value {
    json!({ "keyRef": { "name": "orders" }, "granteePrincipal": USER, "operations": operations })
}

#[tokio::test]
async fn a_grant_of_huawei_is_made_changed_made_again_and_revoked() {
    let scene = scene("grant").await;
    let key = scene.key("orders").await.arn;
    let theirs =
        GrantTerms { name: Some("reader".into()), grantee: USER.into(), operations: vec!["encrypt-data".into()], ..GrantTerms::default() };
    scene.double.plant_grants(&key, &theirs, 1).unwrap();
    let mut spec = reads(&["decrypt-data", "describe-key"]);
    spec["retiringPrincipal"] = json!("0d0466b01");
    create(&scene, "reader", spec).await;
    let grant = until_ready(&scene, "reader", "True", "Granted").await;
    let [made] = &own(&scene, &grant).await[..] else { panic!("one grant") };
    let terms = &made.terms;
    assert_eq!((&*terms.grantee, terms.retiring.as_deref()), (USER, Some("0d0466b01")));
    assert_eq!(terms.operations, ["decrypt-data", "describe-key"]);
    look(&scene, "reader").await;
    assert_eq!(done(&scene), ["create-grant"], "at rest nothing is sent");

    // A changed spec makes the new grant first. An account is no user.
    patch(&scene, "reader", json!({ "spec": { "granteePrincipal": format!("account/{USER}"), "retiringPrincipal": null } })).await;
    let changed = until_ready(&scene, "reader", "True", "Granted").await;
    let [now] = &own(&scene, &changed).await[..] else { panic!("one grant") };
    assert_eq!((&*now.terms.grantee, now.terms.retiring.as_deref()), (&*format!("domain/{USER}"), None));
    look(&scene, "reader").await;
    assert_eq!(done(&scene), ["create-grant", "create-grant", "revoke-grant"]);

    scene
        .double
        .inject(Fault::on("list-grants", FaultAction::Error { code: "KMS.0101".into(), status: 500, message: String::new() }).times(1));
    look(&scene, "reader").await;
    assert_eq!(done(&scene).len(), 3, "no answer is not an empty list");
    delete(&scene, "reader").await;
    until_gone(&scene, "reader").await;
    let left = of_orders(&scene).await;
    assert!(left.len() == 1 && left[0].terms == theirs, "{left:?}");
}

/// The answer is lost, and the list shows that the grant was made.
#[tokio::test]
async fn a_lost_answer_makes_no_second_grant() {
    let scene = scene("lost").await;
    scene.double.inject(Fault::on("create-grant", FaultAction::LoseReply).times(1));
    create(&scene, "reader", reads(&["decrypt-data"])).await;
    let grant = until_ready(&scene, "reader", "True", "Granted").await;
    assert_eq!((own(&scene, &grant).await.len(), done(&scene)), (1, vec!["create-grant".to_owned()]));
}

#[tokio::test]
async fn what_a_grant_of_huawei_cannot_have_is_said_before_any_call() {
    let scene = scene("invalid").await;
    for (spec, words) in [
        (json!({ "granteePrincipal": super::READER }), "Huawei takes the id of an IAM user"),
        (json!({ "operations": ["Decrypt"] }), "Decrypt is no operation that a grant of Huawei can give"),
        (json!({ "operations": ["create-grant"] }), "Huawei makes no grant of create-grant alone"),
        (
            json!({ "constraints": { "encryptionContextSubset": { "a": "b" } } }),
            "a grant of Huawei has no constraints; remove spec.constraints",
        ),
    ] {
        let mut bad = reads(&["decrypt-data"]);
        bad.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        create(&scene, "bad", bad).await;
        let grant = until_ready(&scene, "bad", "False", "InvalidSpec").await;
        assert!(message(&grant).contains(words), "{}", message(&grant));
        assert!(find(&grant, ConditionType::Stalled).is_some());
        delete(&scene, "bad").await;
        until_gone(&scene, "bad").await;
    }
    assert!(done(&scene).is_empty() && scene.calls("list-grants").is_empty());
}

#[tokio::test]
async fn refusals_of_huawei_are_said_in_its_words() {
    let scene = scene("refused").await;
    for (code, status, reason, words) in [
        ("KMS.2404", 400, "QuotaExceeded", "as many grants as Huawei allows"),
        ("KMS.0307", 403, "AccessDenied", "kms:grant:create"),
        ("KMS.2402", 400, "GrantNotAccepted", "Huawei does not accept create-grant on "),
    ] {
        scene.double.inject(Fault::on("create-grant", FaultAction::Error { code: code.into(), status, message: String::new() }));
        create(&scene, "reader", reads(&["decrypt-data"])).await;
        let grant = until_ready(&scene, "reader", "False", reason).await;
        assert!(message(&grant).contains(words), "{code}: {}", message(&grant));
        scene.double.clear_faults();
        delete(&scene, "reader").await;
        until_gone(&scene, "reader").await;
    }
    assert!(of_orders(&scene).await.is_empty());
}
