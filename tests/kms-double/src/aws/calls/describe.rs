//! `DescribeKey`, `ListKeys`, and the metadata that several operations return.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::page::{Paging, page};
use crate::aws::call::{Answer, Call};
use crate::aws::failure::Failure;
use crate::aws::spec::{self, Spec};
use crate::aws::target::Aliases;
use crate::form::Form;
use crate::world::{Key, KeyRef, KeyState, MultiRegion, Origin, World};

/// The two values of `ExpirationModel`.
pub(super) const EXPIRES: &str = "KEY_MATERIAL_EXPIRES";
pub(super) const DOES_NOT_EXPIRE: &str = "KEY_MATERIAL_DOES_NOT_EXPIRE";

pub(super) fn describe(call: &mut Call<'_>) -> Answer {
    let key = call.read(Aliases::Taken)?;
    Ok(json!({ "KeyMetadata": metadata(call, &key) }))
}

pub(super) fn list(call: &mut Call<'_>) -> Answer {
    let paging = Paging { list: "Keys", default: 100, max: 1000 };
    let own = read_owners(call)?;
    let keys = call.world.seen_keys(&call.caller.account, &call.caller.region, call.seen).filter(|_| own);
    let show = |key: &Key| json!({ "KeyId": key.at.id, "KeyArn": key.at.arn() });
    page(call.members, call.operation, paging, keys, |key| key.at.id.clone(), show)
}

/// Whether the caller asks for its own keys. No other account shares keys here, so the other owners have none.
fn read_owners(call: &Call<'_>) -> Result<bool, Failure> {
    const OWNERS: [&str; 2] = ["SELF", "OTHER_ACCOUNTS_VIA_RAM"];
    let Some(owners) = call.members.strings("ResourceOwners")? else {
        return Ok(true);
    };
    if owners.is_empty() || owners.len() > OWNERS.len() {
        return Err(Failure::constraint("*", "ResourceOwners", "Member must have length from 1 to 2"));
    }
    if let Some(unknown) = owners.iter().find(|owner| !OWNERS.contains(owner)) {
        return Err(Failure::constraint(unknown, "ResourceOwners", "Member must satisfy enum value set: [SELF, OTHER_ACCOUNTS_VIA_RAM]"));
    }
    Ok(owners.contains(&"SELF"))
}

/// Seconds since 1970, as a number with milliseconds.
#[expect(clippy::cast_precision_loss, reason = "milliseconds up to the year 9999 fit into the 53 bits of a JSON number")]
pub(super) fn seconds(time: Timestamp) -> Value {
    json!(time.as_millisecond() as f64 / 1000.0)
}

/// The deletion date in an answer: to the millisecond, or the midnight before.
pub(super) fn deletion_date(call: &Call<'_>, date: Timestamp) -> Value {
    const DAY: i64 = 24 * 60 * 60;
    if call.forms.contains(&Form::MidnightDates) {
        let second = date.as_second();
        return json!(second - second.rem_euclid(DAY));
    }
    seconds(date)
}

/// `KeyMetadata` of a key.
pub(super) fn metadata(call: &Call<'_>, key: &Key) -> Value {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put("AWSAccountId", json!(key.at.account));
    put("KeyId", json!(key.at.id));
    put("Arn", json!(key.at.arn()));
    put("CreationDate", seconds(key.created));
    put("Enabled", json!(key.state == KeyState::Enabled));
    put("Description", json!(key.description));
    put("KeyUsage", json!(key.usage));
    put("KeyState", json!(key.state.name()));
    put("Origin", json!(key.origin));
    put("KeyManager", json!(key.manager));
    if spec::old_names().contains(&key.spec.as_str()) {
        put("CustomerMasterKeySpec", json!(key.spec));
    }
    put("KeySpec", json!(key.spec));
    put("MultiRegion", json!(key.multi_region.is_some()));
    if let Some((name, algorithms)) = spec::find(&key.spec).and_then(|spec| algorithms(spec, &key.usage)) {
        put(name, json!(algorithms));
    }
    // The deletion date if it is known, otherwise the window.
    if let Some(deletion) = &key.deletion {
        match deletion.date {
            Some(date) => put("DeletionDate", deletion_date(call, date)),
            None => put("PendingDeletionWindowInDays", json!(deletion.window_days)),
        };
    }
    if let Some(stored) = &key.stored {
        put("CustomKeyStoreId", json!(stored.store));
        if let Some(cluster) = &stored.cluster {
            put("CloudHsmClusterId", json!(cluster));
        }
        if let Some(external) = &stored.external {
            put("XksKeyConfiguration", json!({ "Id": external }));
        }
    }
    if let Some(family) = family(call, key) {
        put("MultiRegionConfiguration", family);
    }
    if key.imports.iter().any(|import| import.present) {
        let expires = key.valid_to();
        put("ExpirationModel", json!(if expires.is_some() { EXPIRES } else { DOES_NOT_EXPIRE }));
        if let Some(expires) = expires {
            put("ValidTo", seconds(expires));
        }
    }
    // A new replica has none yet, nor has a key before its first import.
    let has_material = key.origin == Origin::AwsKms || !key.imports.is_empty();
    if key.spec == spec::SYMMETRIC && has_material && key.state != KeyState::Creating {
        put("CurrentKeyMaterialId", json!(lead(call, key).material()));
    }
    Value::Object(members)
}

/// The key with the shared settings of a multi-Region family, as a reader sees it.
pub(super) fn lead(call: &Call<'_>, key: &Key) -> Key {
    call.world.seen_key(&World::lead(key), call.seen).unwrap_or(key).clone()
}

/// The member with the algorithms of a key, and the algorithms.
pub(super) fn algorithms(spec: &'static Spec, usage: &str) -> Option<(&'static str, &'static [&'static str])> {
    match usage {
        "ENCRYPT_DECRYPT" => Some(("EncryptionAlgorithms", spec.encryption)),
        "SIGN_VERIFY" => Some(("SigningAlgorithms", spec.signing)),
        "GENERATE_VERIFY_MAC" => Some(("MacAlgorithms", spec.mac)),
        "KEY_AGREEMENT" => Some(("KeyAgreementAlgorithms", &["ECDH"])),
        "ENCAPSULATE_DECAPSULATE" => Some(("EncapsulationAlgorithms", &["ML_KEM"])),
        _ => None,
    }
}

/// `MultiRegionConfiguration`, which is the same for every member of a family except for the type.
fn family(call: &Call<'_>, key: &Key) -> Option<Value> {
    let kind = match key.multi_region.as_ref()? {
        MultiRegion::Primary { .. } => "PRIMARY",
        MultiRegion::Replica { .. } => "REPLICA",
    };
    let lead = lead(call, key);
    let entry = |region: &str| {
        let at = KeyRef { region: region.to_owned(), ..key.at.clone() };
        json!({ "Arn": at.arn(), "Region": region })
    };
    let replicas: Vec<Value> = match &lead.multi_region {
        Some(MultiRegion::Primary { replicas }) => replicas.iter().map(|region| entry(region)).collect(),
        Some(MultiRegion::Replica { .. }) | None => Vec::new(),
    };
    Some(json!({ "MultiRegionKeyType": kind, "PrimaryKey": entry(&lead.at.region), "ReplicaKeys": replicas }))
}
