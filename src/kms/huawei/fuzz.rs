//! URNs that people write, and answers that are not quite Huawei's.

use fastrand::Rng;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::{
    convert::{Changed, Described, RotationStatus},
    failure,
    urn::{self, Location, Reference},
};
use crate::{
    domain::{failure::FailureKind, observed::State},
    fuzz::{body, fuzz, one, text},
    kms::rest::Answer,
};

const ID: &str = "0d0466b0-e727-4d9c-b35d-f84bb474a37f";

#[test]
fn huawei_references() {
    let urn = urn::urn("cn-north-7", "3bab8e24", ID);
    fuzz("huawei_references", |rng| {
        let text = text(rng, &[ID, &urn, "alias/keyward/a:b", "kms:r:d:alias:a:b"]);
        let written = match Reference::parse(&text) {
            Ok(Reference::Key { id, location: None }) => id.to_owned(),
            Ok(Reference::Key { id, location: Some(Location { region, account }) }) => urn::urn(region, account, id),
            Ok(Reference::Alias { name, location: None }) => format!("alias/{name}"),
            Ok(Reference::Alias { name, location: Some(Location { region, account }) }) => format!("kms:{region}:{account}:alias:{name}"),
            Err(why) => return assert!(!urn::is_id(&text) && text != urn, "{text:?} is refused: {why}"),
        };
        assert_eq!(written, text);
        assert!(text.starts_with("alias/") || text.starts_with("kms:") || urn::is_id(&text), "{text:?}");
    });
}

fn details() -> Value {
    json!({
        "key_id": ID, "domain_id": "b168fe00ff56492495a7d22974df2d0b", "realm": "cn-north-7", "key_alias": "orders", "key_description": "signing",
        "key_spec": "AES_256", "key_usage": "ENCRYPT_DECRYPT", "creation_date": "1472442386987", "scheduled_deletion_date": "",
        "key_state": "2", "default_key_flag": "0", "key_type": "1", "origin": "kms", "key_rotation_enabled": "true", "keystore_id": "0",
    })
}

fn pending() -> Value {
    let mut details = details();
    details["key_state"] = json!(4);
    details["scheduled_deletion_date"] = json!("1472528786000");
    details
}

/// A text, a number or a boolean, as Huawei writes the same thing here and there.
fn loose(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The number of a state; 6 is none.
const fn number(state: State) -> &'static str {
    match state {
        State::Creating => "1",
        State::Enabled => "2",
        State::Disabled => "3",
        State::PendingDeletion => "4",
        State::PendingImport => "5",
        State::Unavailable => "7",
        State::PendingReplicaDeletion | State::Updating => "no state of Huawei",
    }
}

#[test]
fn huawei_keys() {
    let good = [json!({ "key_info": details() }), json!({ "key_info": pending() })];
    fuzz("huawei_keys", |rng| {
        let text = body(rng, &good);
        let Ok(Described { key_info: Some(details) }) = serde_json::from_str(&text) else { return };
        let told: Value = serde_json::from_str(&text).expect("it was read");
        let told = &told["key_info"];
        if let Ok(key) = details.key("cn-north-4", "project") {
            assert_eq!(loose(&told["key_state"]), number(key.state), "{text}");
            assert!(told["key_id"] == json!(key.id) && !key.id.is_empty() && key.account == "project", "{text}");
            assert!(key.arn.ends_with(&key.id) && !key.region.is_empty(), "{text}");
            assert!(key.deletion_date.is_none() || key.state == State::PendingDeletion, "{text}");
            assert!(!key.customer_managed || loose(&told["default_key_flag"]) != "1", "{text}");
        }
        if let Ok(rotated) = details.is_rotated() {
            assert_eq!(loose(&told["key_rotation_enabled"]), rotated.to_string(), "{text}");
        }
    });
}

#[test]
fn huawei_changes() {
    let good = [json!({ "key_id": ID, "key_state": "4" }), json!({ "key_info": { "key_id": ID, "key_state": 3 } })];
    fuzz("huawei_changes", |rng| {
        let text = body(rng, &good);
        let Ok(changed) = serde_json::from_str::<Changed>(&text) else { return };
        if let Ok(state) = changed.state_of(ID) {
            assert!(text.contains(ID) && text.contains(number(state)), "{text}: {state:?}");
        }
    });
}

#[test]
fn huawei_rotations() {
    let good = [
        json!({ "key_rotation_enabled": true, "rotation_interval": 90, "number_of_rotations": 1, "last_rotation_time": "1501578672000" }),
        json!({ "key_rotation_enabled": "false" }),
    ];
    fuzz("huawei_rotations", |rng| {
        let text = body(rng, &good);
        let Ok(status) = serde_json::from_str::<RotationStatus>(&text) else { return };
        let told: Value = serde_json::from_str(&text).expect("it was read");
        if let Ok(rotation) = status.rotation() {
            assert_eq!(loose(&told["key_rotation_enabled"]), rotation.enabled.to_string(), "{text}");
            assert!(rotation.period_days.is_none_or(|days| loose(&told["rotation_interval"]).parse() == Ok(days)), "{text}");
            assert!(rotation.last.is_none() || loose(&told["number_of_rotations"]) != "0", "{text}");
        }
    });
}

#[test]
fn huawei_refusals() {
    let good = [
        json!({ "error": { "error_code": "KMS.0207", "error_msg": "The key does not exist." } }),
        json!({ "error_code": "APIGW.0101", "error_msg": "API not found" }),
        json!({ "error": { "code": 404, "message": "Not Found" } }),
    ];
    fuzz("huawei_refusals", |rng: &mut Rng| {
        let text = body(rng, &good);
        let status = *one(rng, &[&400_u16, &401, &403, &404, &409, &429, &500, &503]);
        let refusal = failure::refusal(&Answer { status, headers: HeaderMap::new(), body: text.clone().into_bytes() });
        if refusal.kind == FailureKind::NotFound {
            assert!(refusal.code.as_deref() == Some("KMS.0207") && text.contains("\"KMS.0207\""), "{status} {text}");
        }
    });
}
