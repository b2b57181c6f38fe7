//! Answers that Huawei should not give, or gives in another form elsewhere, from a server that says whatever it is told to.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, http::StatusCode};
use keyward::{
    domain::{
        failure::{Failure, FailureKind, Outcome},
        observed::{Rotation, State},
    },
    kms::{Kms, Scheduled, huawei::HuaweiKms},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{creation, owner, settings};
use crate::support::fixtures::{Destroy as _, ReadKey as _};

const ID: &str = "0d0466b0-e727-4d9c-b35d-f84bb474a37f";
const OTHER: &str = "bb6a3d22-dc93-47ac-b5bd-88df7ad35f1e";

/// An adapter whose nth request gets the nth answer, and every one after the last the last. The counter tells how many came.
async fn answered(answers: Vec<(u16, String)>) -> (HuaweiKms, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let router = Router::new().fallback(move || {
        let number = counter.fetch_add(1, Ordering::Relaxed);
        let (status, body) = answers[number.min(answers.len() - 1)].clone();
        async move { (StatusCode::from_u16(status).unwrap(), body) }
    });
    // It ends with the runtime of the test.
    tokio::spawn(async move { axum::serve(listener, router).await });
    (HuaweiKms::new(settings(&endpoint)).unwrap(), count)
}

/// The same, for answers that are all successes.
async fn told(bodies: &[Value]) -> HuaweiKms {
    answered(bodies.iter().map(ok).collect()).await.0
}

fn ok(body: &Value) -> (u16, String) {
    (200, body.to_string())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    let body = if code.starts_with("KMS") {
        json!({ "error": { "error_code": code, "error_msg": "for a test" } })
    } else {
        json!({ "error_code": code, "error_msg": "for a test", "request_id": "1" })
    };
    (status, body.to_string())
}

fn details(change: impl FnOnce(&mut Value)) -> Value {
    let mut details = json!({
        "key_id": ID, "domain_id": "d0", "realm": "eu-west-101", "key_alias": "orders", "key_description": "", "key_spec": "AES_256",
        "key_usage": "ENCRYPT_DECRYPT", "creation_date": "1472442386000", "scheduled_deletion_date": "", "key_state": "2",
        "default_key_flag": "0", "origin": "kms", "key_rotation_enabled": "true",
    });
    change(&mut details);
    details
}

fn described(change: impl FnOnce(&mut Value)) -> Value {
    json!({ "key_info": details(change) })
}

#[tokio::test]
async fn an_answer_that_cannot_be_used_is_no_key() {
    assert!(told(&[described(|_| {})]).await.describe(ID).await.unwrap().is_some());
    let unusable = [
        described(|key| key["key_state"] = json!("6")),
        described(|key| key["key_state"] = Value::Null),
        described(|key| key["key_id"] = json!(OTHER)),
        described(|key| _ = key.as_object_mut().unwrap().remove("domain_id")),
        described(|key| key["creation_date"] = json!("soon")),
        json!({}),
        json!([]),
    ];
    for body in unusable {
        let read = told(std::slice::from_ref(&body)).await.describe(ID).await.unwrap_err();
        assert_eq!((read.kind, read.outcome), (FailureKind::Unknown, Outcome::Refused), "{body}: {read}");
        assert!(read.message.starts_with("cannot use Huawei's answer to describe-key on 0d0466b0"), "{read}");
    }
    for body in ["<html>welcome</html>", ""] {
        let (kms, _) = answered(vec![(200, body.into())]).await;
        assert_eq!(kms.describe(ID).await.unwrap_err().kind, FailureKind::Unknown, "{body}");
        assert_eq!(kms.enable(ID).await.unwrap_err().outcome, Outcome::Unknown, "{body}");
    }
}

#[tokio::test]
async fn only_huawei_s_own_code_means_that_there_is_no_key() {
    assert_eq!(answered(vec![refused(404, "KMS.0207")]).await.0.describe(ID).await.unwrap(), None);
    for answer in [refused(404, "APIGW.0101"), refused(404, "KMS.0416"), (404, "<html>not found</html>".into()), (404, String::new())] {
        let failure = answered(vec![answer.clone()]).await.0.describe(ID).await.unwrap_err();
        assert_ne!(failure.kind, FailureKind::NotFound, "{answer:?}: {failure}");
    }
}

#[tokio::test]
async fn an_answer_of_a_proxy_is_not_taken_for_one_of_huawei() {
    for status in [301, 400, 401, 403, 404, 407] {
        let (kms, _) = answered(vec![(status, "<html>go away</html>".into())]).await;
        let read = kms.describe(ID).await.unwrap_err();
        assert_eq!(read.kind, FailureKind::Unknown, "{status}: {read}");
        assert!(read.message.contains(&format!("HTTP {status} and no code of Huawei")), "{read}");
        assert_eq!(kms.schedule(ID, 7).await.unwrap_err().outcome, Outcome::Unknown, "nothing says that it was not carried out");
    }
    let (kms, _) = answered(vec![(200, "<html>welcome</html>".into())]).await;
    assert_eq!(kms.stop_rotation(ID).await.unwrap_err().outcome, Outcome::Unknown);
}

#[tokio::test]
async fn a_creation_whose_answer_cannot_be_read_is_sent_once() {
    for body in ["", "no JSON", "{\"key_info\":", "{}"] {
        let (kms, count) = answered(vec![(200, body.into())]).await;
        let failure = kms.create(&creation("orders")).await.unwrap_err();
        assert_eq!((failure.kind, failure.outcome), (FailureKind::Unknown, Outcome::Unknown), "{body:?}: {failure}");
        assert_eq!(count.load(Ordering::Relaxed), 1, "{body:?}");
    }
}

#[tokio::test]
async fn a_key_that_was_made_and_cannot_be_seen_leaves_its_creation_open() {
    let created = ok(&json!({ "key_info": { "key_id": ID, "domain_id": "d0" } }));
    let seen = |answers: &[(u16, String)]| answered([std::slice::from_ref(&created), answers].concat());

    let late = [refused(404, "KMS.0207"), refused(404, "KMS.0207"), ok(&described(|_| {}))];
    assert_eq!(seen(&late).await.0.create(&creation("orders")).await.unwrap().id, ID);
    for (answer, kind) in [
        (refused(404, "KMS.0207"), FailureKind::Conflict),
        (refused(403, "KMS.0307"), FailureKind::Denied),
        (refused(500, "KMS.0100"), FailureKind::Faulted),
        (refused(503, "KMS.0104"), FailureKind::Unavailable),
        (ok(&described(|key| key["key_state"] = json!("6"))), FailureKind::Unknown),
    ] {
        let failure = seen(&[answer]).await.0.create(&creation("orders")).await.unwrap_err();
        assert_eq!((failure.kind, failure.outcome), (kind, Outcome::Unknown), "{failure}");
    }
}

#[tokio::test]
async fn a_schedule_stands_even_if_its_date_cannot_be_read() {
    let scheduled = ok(&json!({ "key_id": ID, "key_state": "4" }));
    for answer in [refused(403, "KMS.0307"), refused(404, "KMS.0207"), ok(&json!({})), ok(&described(|_| {}))] {
        let (kms, _) = answered(vec![scheduled.clone(), answer]).await;
        let expected = Scheduled { state: State::PendingDeletion, deletion_date: None };
        assert_eq!(kms.schedule(ID, 7).await.unwrap(), expected);
    }
    for body in [json!({ "key_id": ID, "key_state": "3" }), json!({ "key_id": OTHER, "key_state": "4" }), json!({ "key_id": ID })] {
        let failure = told(&[body]).await.schedule(ID, 7).await.unwrap_err();
        assert_eq!((failure.kind, failure.outcome), (FailureKind::Unknown, Outcome::Unknown), "{failure}");
    }
}

#[tokio::test]
async fn a_change_that_left_the_key_in_another_state_is_not_taken_for_done() {
    let flat = |state: &str| json!({ "key_id": ID, "key_state": state });
    let nested = |state: &str| json!({ "key_info": flat(state) });
    assert!(told(&[nested("2")]).await.enable(ID).await.is_ok());
    assert!(told(&[nested("3")]).await.disable(ID).await.is_ok());
    assert!(told(&[flat("3")]).await.cancel_deletion(ID).await.is_ok());
    for failure in [
        told(&[nested("3")]).await.enable(ID).await.unwrap_err(),
        told(&[nested("2")]).await.disable(ID).await.unwrap_err(),
        told(&[flat("4")]).await.cancel_deletion(ID).await.unwrap_err(),
    ] {
        assert_eq!((failure.kind, failure.outcome), (FailureKind::Unknown, Outcome::Unknown), "{failure}");
    }
}

#[tokio::test]
async fn a_repeated_change_is_believed_only_when_it_is_seen() {
    let state = |state: &'static str| ok(&described(move |key| key["key_state"] = json!(state)));
    let conflict = |code: &str, seen: (u16, String)| answered(vec![refused(400, code), seen]);
    let kind = |result: Result<(), Failure>| result.err().map(|failure| failure.kind);

    assert_eq!(kind(conflict("KMS.1201", state("2")).await.0.enable(ID).await), None);
    assert_eq!(kind(conflict("KMS.1201", state("3")).await.0.enable(ID).await), Some(FailureKind::Conflict));
    assert_eq!(kind(conflict("KMS.0210", state("4")).await.0.enable(ID).await), Some(FailureKind::Conflict));
    assert_eq!(kind(conflict("KMS.1301", state("3")).await.0.disable(ID).await), None);
    assert_eq!(kind(conflict("KMS.1301", state("4")).await.0.disable(ID).await), Some(FailureKind::Conflict));
    assert_eq!(kind(conflict("KMS.1501", state("3")).await.0.cancel_deletion(ID).await), None);
    assert_eq!(kind(conflict("KMS.1501", state("4")).await.0.cancel_deletion(ID).await), Some(FailureKind::Conflict));
    assert_eq!(conflict("KMS.1402", state("4")).await.0.schedule(ID, 7).await.unwrap().state, State::PendingDeletion);
    let living = conflict("KMS.1402", state("2")).await.0.schedule(ID, 7).await.unwrap_err();
    assert_eq!((living.kind, living.outcome), (FailureKind::Conflict, Outcome::Refused));
}

fn rotation(enabled: bool, days: i32) -> (u16, String) {
    ok(&json!({ "key_rotation_enabled": enabled, "rotation_interval": days }))
}

#[tokio::test]
async fn a_repeated_rotation_is_believed_only_when_it_is_seen() {
    let off = [refused(400, "KMS.0313"), rotation(false, 365)];
    answered(off.to_vec()).await.0.stop_rotation(ID).await.unwrap();
    let on = [refused(400, "KMS.0313"), rotation(true, 365)];
    assert_eq!(answered(on.to_vec()).await.0.stop_rotation(ID).await.unwrap_err().kind, FailureKind::Conflict);

    let raced = [rotation(false, 365), refused(400, "KMS.2901"), rotation(true, 90)];
    let (kms, count) = answered(raced.to_vec()).await;
    kms.start_rotation(ID, 90).await.unwrap();
    assert_eq!(count.load(Ordering::Relaxed), 3);
    let half = [rotation(false, 365), (200, String::new()), rotation(true, 365), refused(403, "KMS.0307")];
    let failure = answered(half.to_vec()).await.0.start_rotation(ID, 90).await.unwrap_err();
    assert_eq!((failure.kind, failure.outcome), (FailureKind::Denied, Outcome::Unknown), "it is on by now, though not as asked");
}

#[tokio::test]
async fn a_rotation_that_is_not_told_in_this_state_is_read_off_the_key() {
    for code in ["KMS.0209", "KMS.0210"] {
        let (kms, _) = answered(vec![refused(400, code), ok(&described(|_| {}))]).await;
        assert_eq!(kms.rotation(ID).await.unwrap(), Rotation { enabled: true, period_days: None, ..Rotation::default() });
    }
    for code in ["KMS.0312", "KMS.0319", "KMS.0324", "KMS.0325", "KMS.0338", "KMS.0341"] {
        let (kms, _) = answered(vec![refused(400, code)]).await;
        assert_eq!(kms.rotation(ID).await.unwrap(), Rotation::default());
        assert_eq!(kms.start_rotation(ID, 90).await.unwrap_err().kind, FailureKind::Invalid);
    }
}

#[tokio::test]
async fn a_region_without_aliases_has_names_alone() {
    let none = refused(404, "APIGW.0101");
    let (kms, _) = answered(vec![ok(&described(|_| {})), none.clone()]).await;
    assert_eq!(kms.aliases(ID).await.unwrap(), ["alias/orders"]);
    let refused = answered(vec![none.clone()]).await.0.add_alias(ID, "alias/a").await.unwrap_err();
    assert_eq!((refused.kind, refused.outcome), (FailureKind::Invalid, Outcome::Refused));
    assert!(refused.message.contains("no aliases beside their name"), "{refused}");
    let listed = ok(&json!({ "keys": [], "key_details": [], "next_marker": "", "truncated": "false", "total": 0 }));
    assert_eq!(answered(vec![listed, none.clone()]).await.0.describe("alias/a").await.unwrap(), None);
    assert_eq!(
        answered(vec![none]).await.0.describe("alias/a").await.unwrap_err().kind,
        FailureKind::Invalid,
        "keys are listed everywhere"
    );
}

#[tokio::test]
async fn aliases_are_read_in_every_documented_form() {
    let alias = |name: &str, key: &str| json!({ "domain_id": "d0", "key_id": key, "alias": name, "alias_urn": "", "create_time": "0" });
    let page = |aliases: Vec<Value>, next: &str| json!({ "aliases": aliases, "page_info": { "next_marker": next, "current_count": 1 } });
    let cases = [
        vec![page(vec![alias("alias/a", ID)], "m"), page(vec![alias("b", ID), alias("alias/of-another", OTHER)], "")],
        vec![json!([page(vec![alias("alias/a", ID), alias("alias/b", ID)], "")])],
        vec![json!([alias("alias/a", ID), alias("alias/b", ID)])],
    ];
    for pages in cases {
        let kms = told(&[vec![described(|_| {})], pages.clone()].concat()).await;
        assert_eq!(kms.aliases(ID).await.unwrap(), ["alias/orders", "alias/a", "alias/b"], "{pages:?}");
    }
    let circle = told(&[described(|_| {}), page(vec![], "m"), page(vec![], "m")]).await;
    assert_eq!(circle.aliases(ID).await.unwrap_err().kind, FailureKind::Unknown, "a list that goes round in circles is not read for ever");
    let cut: Vec<_> = (0..50).map(|number| alias(&format!("alias/{number}"), ID)).collect();
    let cut = told(&[described(|_| {}), json!(cut)]).await;
    assert_eq!(cut.aliases(ID).await.unwrap_err().kind, FailureKind::Unknown, "there may be more, and nothing says where");
}

#[tokio::test]
async fn a_list_of_keys_is_whole_or_a_failure() {
    let page = |names: &[&str], next: Value, truncated: Value| {
        let details: Vec<_> = names.iter().map(|name| details(|key| key["key_alias"] = json!(name))).collect();
        json!({ "keys": [], "key_details": details, "next_marker": next, "truncated": truncated, "total": 2 })
    };
    let kms = told(&[page(&[], json!("1"), json!("true")), page(&["orders"], json!(""), json!(false)), described(|_| {})]).await;
    assert_eq!(kms.describe("alias/orders").await.unwrap().unwrap().id, ID);
    for bad in [
        page(&["a"], json!("1"), json!("true")),
        page(&["a"], json!(""), json!("true")),
        page(&["a"], Value::Null, json!(true)),
        page(&["a"], Value::Null, Value::Null),
        json!({ "keys": [], "truncated": "false" }),
    ] {
        let failure = told(std::slice::from_ref(&bad)).await.describe("alias/orders").await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unknown, "{bad}: {failure}");
    }
}

#[tokio::test]
async fn a_search_by_marks_is_whole_or_a_failure() {
    let owner = owner("orders");
    let digest = owner.mark_as(keyward::domain::ownership::OwnerMark::Digest);
    let tags = json!([{ "key": "keyward-cluster", "value": "prod" }, { "key": "keyward-owner", "value": digest }]);
    let page = |ids: &[&str], total: Value| {
        let resources: Vec<_> = ids.iter().map(|id| json!({ "resource_id": id, "resource_name": "orders" })).collect();
        json!({ "resources": resources, "total_count": total })
    };
    let other = described(|key| key["key_id"] = json!(OTHER));
    let pages =
        [page(&[ID], json!("2")), page(&[OTHER], json!(2)), described(|_| {}), json!({ "tags": tags }), other, json!({ "tags": [] })];
    let found = told(&pages).await.find_marked(&owner).await.unwrap();
    assert_eq!(found, [format!("kms:eu-west-101:d0:KeyId:{ID}")], "the tags themselves decide");
    for bad in
        [page(&[], json!(1)), page(&[ID], json!(2)), page(&[ID], Value::Null), page(&[ID], json!("some")), json!({ "total_count": 0 })]
    {
        let failure = told(std::slice::from_ref(&bad)).await.find_marked(&owner).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unknown, "{bad}: {failure}");
    }
    let (kms, _) = answered(vec![ok(&page(&[ID], json!(1))), refused(404, "KMS.0207")]).await;
    assert_eq!(kms.find_marked(&owner).await.unwrap(), [""; 0], "a key that vanished in between is no match");
    let (kms, _) = answered(vec![ok(&page(&[ID], json!(1))), ok(&described(|_| {})), refused(403, "KMS.0307")]).await;
    assert_eq!(kms.find_marked(&owner).await.unwrap_err().kind, FailureKind::Denied);
}

#[tokio::test]
async fn a_key_whose_tags_are_not_told_is_not_taken_for_one_without() {
    for body in [json!({}), json!({ "tags": null }), json!({ "tags": [{ "value": "v" }] })] {
        assert_eq!(told(std::slice::from_ref(&body)).await.tags(ID).await.unwrap_err().kind, FailureKind::Unknown, "{body}");
    }
    let valueless = told(&[json!({ "tags": [{ "key": "a" }, { "key": "b", "value": "" }], "existTagsNum": 2 })]).await;
    assert_eq!(valueless.tags(ID).await.unwrap(), super::tags(&[("a", ""), ("b", "")]));
}

#[tokio::test]
async fn throttling_is_waited_for_and_told() {
    let (kms, count) = answered(vec![refused(429, "APIGW.0308"), ok(&described(|_| {}))]).await;
    assert!(kms.describe(ID).await.unwrap().is_some());
    assert_eq!(count.load(Ordering::Relaxed), 2);
    let failure = answered(vec![refused(429, "APIGW.0308")]).await.0.enable(ID).await.unwrap_err();
    assert_eq!((failure.kind, failure.outcome), (FailureKind::Throttled, Outcome::Refused));
}
