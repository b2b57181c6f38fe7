//! Names that people write, and rows and answers that are not quite CCKM's.

use fastrand::Rng;
use jiff::Timestamp;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::{
    convert::{Account, Page, Rotated, RotationStatus, Row},
    failure,
    id::{Arn, CckmId, Reference},
};
use crate::{
    domain::{failure::FailureKind, observed::State},
    fuzz::{body, fuzz, one, text},
    kms::rest::Answer,
};

const ID: &str = "baf58871-2503-4d13-a84a-339aeb8fdfaf";
const ARN: &str = "arn:aws:kms:ap-south-1:123456789012:key/623321f4-a7d4-4d52-89bf-a9f26a29360e";

#[test]
fn cckm_references() {
    fuzz("cckm_references", |rng| {
        let text = text(rng, &[ID, ARN, "alias/keyward/a", "mrk-0123456789abcdef0123456789abcdef"]);
        let in_a_path = |id: &CckmId| id.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        match Reference::parse(&text) {
            Some(Reference::Arn(arn)) => is_arn(&arn, &text),
            Some(Reference::Alias(alias)) => assert!(alias == text && alias.starts_with("alias/")),
            Some(Reference::Cckm(id)) => assert!(id.as_str() == text && in_a_path(&id), "{text:?}"),
            Some(Reference::Aws(id)) => assert_eq!(id.as_str(), text),
            Some(Reference::Either(aws, cckm)) => assert!(aws.as_str() == text && cckm.as_str() == text && in_a_path(&cckm), "{text:?}"),
            None => assert!(text != ID && text != ARN),
        }
    });
}

fn is_arn(arn: &Arn, text: &str) {
    assert_eq!(arn.as_str(), text);
    assert!(text.contains(&format!(":kms:{}:{}:key/", arn.region, arn.account)), "{text:?}");
    assert!(!arn.region.is_empty() && !arn.account.is_empty(), "{text:?}");
}

fn row() -> Value {
    json!({
        "id": ID, "region": "ap-south-1", "gone": false, "createdAt": "2020-11-05T06:35:42.443457Z", "synced_at": "2020-11-05T06:38:27.581643Z",
        "aws_param": {
            "AWSAccountId": "123456789012", "Arn": ARN, "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT", "Description": "orders", "KeyManager": "CUSTOMER",
            "KeyState": "Enabled", "KeyUsage": "ENCRYPT_DECRYPT", "Origin": "AWS_KMS", "CreationDate": "2020-11-05T06:35:29Z",
            "Alias": ["alias/aws-test-key"], "Tags": [{ "TagKey": "key", "TagValue": "value" }], "KeyRotationEnabled": true,
            "RotationPeriodInDays": 365, "NextRotationDate": "2021-11-05T06:35:29Z", "MultiRegion": false,
        },
    })
}

fn pending() -> Value {
    let mut row = row();
    row["aws_param"]["KeyState"] = json!("PendingDeletion");
    row["aws_param"]["DeletionDate"] = json!("2020-11-12T06:48:43.971985424Z");
    row
}

fn replica() -> Value {
    let mut row = row();
    row["aws_param"]["MultiRegion"] = json!(true);
    row["aws_param"]["MultiRegionConfiguration"] =
        json!({ "MultiRegionKeyType": "REPLICA", "PrimaryKey": { "Arn": ARN, "Region": "eu-west-1" }, "ReplicaKeys": [{ "Arn": ARN }] });
    row
}

#[test]
fn cckm_rows() {
    let now: Timestamp = "2020-11-05T06:48:44Z".parse().expect("a time");
    fuzz("cckm_rows", |rng| {
        let text = body(rng, &[row(), pending(), replica()]);
        let Ok(row) = serde_json::from_str::<Row>(&text) else { return };
        let told: Value = serde_json::from_str(&text).expect("it was read");
        let param = &told["aws_param"];
        assert_eq!(row.is_gone(), told["gone"] == json!(true), "{text}");
        if let Ok(age) = row.age(now) {
            assert!(!age.is_negative(), "{text}: no copy is younger than now");
        }
        let Ok(key) = row.key(now) else { return };
        let state = [&param["KeyState"], &told["key_state"]].into_iter().find_map(|state| state.as_str().filter(|state| !state.is_empty()));
        assert_eq!(state, Some(format!("{:?}", key.state).as_str()), "{text}");
        assert!(told["id"] == json!(key.id) && param["Arn"] == json!(key.arn), "{text}");
        is_arn(&row.arn().expect("the key has one"), &key.arn);
        for (member, found) in [(&told["region"], &key.region), (&param["AWSAccountId"], &key.account)] {
            assert!(member.as_str().is_none_or(|member| member.is_empty() || member == found), "{text}");
        }
        assert!(key.deletion_date.is_none() || key.state == State::PendingDeletion, "{text}");
        assert!(key.rotation.is_none_or(|rotation| !rotation.enabled || rotation.period_days.is_some_and(|days| days > 0)), "{text}");
        assert!(!key.customer_managed || param["KeyManager"] != json!("AWS"), "{text}");
    });
}

#[test]
fn cckm_rotations_and_pages() {
    let status = json!({ "KeyRotationEnabled": true, "RotationPeriodInDays": 365, "NextRotationDate": "2021-11-05T06:35:29Z" });
    let rotated =
        json!({ "total": 1, "resources": [{ "id": ID, "aws_param": { "KeyMaterialId": "m", "RotationDate": "2021-11-05T06:35:29Z" } }] });
    let accounts =
        json!({ "total": 1, "resources": [{ "id": ID, "name": "kms", "account_id": "123456789012", "regions": ["eu-west-1"] }] });
    fuzz("cckm_rotations_and_pages", |rng| {
        let text = body(rng, std::slice::from_ref(&status));
        if let Ok(Ok(rotation)) = serde_json::from_str::<RotationStatus>(&text).map(|status| status.read()) {
            let told: Value = serde_json::from_str(&text).expect("it was read");
            assert_eq!(told["KeyRotationEnabled"], json!(rotation.enabled), "{text}");
            assert!(rotation.period_days.is_none_or(|days| days > 0), "{text}");
        }
        if let Ok(Page { resources, .. }) = serde_json::from_str::<Page<Rotated>>(&body(rng, std::slice::from_ref(&rotated))) {
            resources.iter().flatten().for_each(|rotated| _ = (rotated.read(), rotated.id_text()));
        }
        _ = serde_json::from_str::<Page<Account>>(&body(rng, std::slice::from_ref(&accounts)));
    });
}

#[test]
fn cckm_refusals() {
    let good = [
        json!({ "code": 9, "codeDesc": "NCERRResourceNotFound: Resource not found" }),
        json!({ "code": 4, "codeDesc": "NCERRBadRequest: Bad HTTP request", "message": "NotFoundException: Key 'arn' does not exist" }),
        json!({ "codeDesc": "NCERRInvalidParamValue: ThrottlingException" }),
    ];
    fuzz("cckm_refusals", |rng: &mut Rng| {
        let text = body(rng, &good);
        let status = *one(rng, &[&400_u16, &401, &403, &404, &409, &422, &429, &500, &503]);
        let refusal = failure::refusal(&Answer { status, headers: HeaderMap::new(), body: text.clone().into_bytes() });
        let is_own = refusal.kind == FailureKind::NotFound && refusal.code.as_deref() == Some("NCERRResourceNotFound");
        if is_own {
            assert!(status == 404 && text.contains("NCERRResourceNotFound"), "{status} {text}");
        } else if refusal.kind == FailureKind::NotFound {
            assert!(text.contains("NotFoundException"), "{status} {text}");
        }
    });
}
