//! `ImportKeyMaterial`, `DeleteImportedKeyMaterial`, and what other operations tell about imported material.

use aws_lc_rs::digest::{Context, SHA256};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::describe::{DOES_NOT_EXPIRE, EXPIRES, seconds};
use super::import_parameters::{find, read_token};
use crate::aws::call::{Answer, Call};
use crate::aws::failure::Failure;
use crate::aws::spec;
use crate::clock::days;
use crate::crypto;
use crate::world::{Import, Key, KeyRef, MultiRegion, World};

/// "The maximum value is 365 days from the request date."
const EXPIRES_MAX_DAYS: u32 = 365;

/// The first import decides which material a key has. After that, the same material can be imported again, and a symmetric key takes new
/// material, which waits for a rotation.
pub(super) fn import(call: &mut Call<'_>) -> Answer {
    let expires = read_expiry(call)?;
    let description = read_description(call)?;
    let asked = call.members.one_of("ImportType", &["NEW_KEY_MATERIAL", "EXISTING_KEY_MATERIAL"])?.map(str::to_owned);
    let named = read_material_id(call)?;
    let wrapped = call.members.required_blob("EncryptedKeyMaterial", 6144)?;
    let key = find(call)?;
    let symmetric = key.spec == spec::SYMMETRIC;
    if !symmetric && (asked.is_some() || named.is_some() || description.is_some()) {
        return Err(Failure::validation("ImportType, KeyMaterialId and KeyMaterialDescription are for symmetric encryption keys only"));
    }
    let material = unwrap(call, &key, &wrapped)?;
    let id = material_id(&key, &material);
    let lead = call.world.key(&World::lead(&key)).cloned().unwrap_or_else(|| key.clone());
    // A replica is made with material that its primary has.
    let never = lead.imports.is_empty();
    let kind = asked.as_deref().unwrap_or(if never { "NEW_KEY_MATERIAL" } else { "EXISTING_KEY_MATERIAL" });
    let known = !never && (lead.associated().contains(&id) || lead.pending_material.as_deref() == Some(id.as_str()));
    let incorrect = || Failure::new("IncorrectKeyMaterialException", "");
    let new = kind == "NEW_KEY_MATERIAL";
    if new {
        if named.is_some() {
            return Err(Failure::validation("You cannot specify a KeyMaterialId with the ImportType NEW_KEY_MATERIAL"));
        }
        if let Some(MultiRegion::Replica { primary }) = &key.multi_region {
            return Err(Failure::unsupported(format!(
                "{} is a replica; import new key material into the primary key in {primary}",
                key.at.arn()
            )));
        }
        if lead.pending_material.is_some() {
            return Err(Failure::new("KMSInvalidStateException", format!("{} has key material pending rotation.", key.at.arn())));
        }
    }
    if new == known || named.is_some_and(|named| named != id) {
        return Err(incorrect());
    }
    call.world.keep_secret(&id, material);
    if never {
        set_first(call, &key, &id);
    }
    let needed = call.world.associated(&key.at);
    call.world.change(&key.at, |key| {
        if new && !never {
            key.pending_material = Some(id.clone());
        }
        key.put_import(Import { material: id.clone(), description, present: true, expires }, &needed);
    });
    Ok(answer(&key, symmetric.then_some(id)))
}

/// Without an id it deletes the current material. A key without material stays as it is.
pub(super) fn delete(call: &mut Call<'_>) -> Answer {
    let named = read_material_id(call)?;
    let key = find(call)?;
    let symmetric = key.spec == spec::SYMMETRIC;
    if named.is_some() && !symmetric {
        return Err(Failure::validation("KeyMaterialId is for symmetric encryption keys only"));
    }
    let needed = call.world.associated(&key.at);
    let current = needed.last().cloned().unwrap_or_default();
    let material = named.clone().unwrap_or(current);
    let Some(import) = key.import(&material) else {
        return match named {
            Some(named) => Err(Failure::not_found(format!("{} has no key material {named}", key.at.arn()))),
            None => Ok(answer(&key, None)),
        };
    };
    if !import.present {
        return Ok(answer(&key, symmetric.then_some(material)));
    }
    let pending = key.pending_material.as_deref() == Some(material.as_str());
    call.world.change(&key.at, |key| key.drop_import(&material, &needed));
    // "You'll also be deleting the key materials for the replica Region keys."
    if pending {
        for replica in replicas(&key) {
            call.world.change(&replica, |key| key.drop_import(&material, &needed));
        }
    }
    Ok(answer(&key, symmetric.then_some(material)))
}

/// Whether a material is present in every Region of the key's family.
pub(super) fn everywhere(call: &Call<'_>, key: &Key, material: &str) -> bool {
    let mut replicas = replicas(key);
    replicas.push(key.at.clone());
    replicas.iter().filter_map(|at| call.world.key(at)).all(|key| key.import(material).is_some_and(|import| import.present))
}

/// What `ListKeyRotations` adds for imported material.
pub(super) fn show(key: &Key, material: &str, members: &mut Map<String, Value>) {
    let import = key.import(material);
    let present = import.is_some_and(|import| import.present);
    members.insert("ImportState".to_owned(), json!(if present { "IMPORTED" } else { "PENDING_IMPORT" }));
    if let Some(description) = import.and_then(|import| import.description.as_ref()) {
        members.insert("KeyMaterialDescription".to_owned(), json!(description));
    }
    let Some(import) = import.filter(|import| import.present) else {
        return;
    };
    members.insert("ExpirationModel".to_owned(), json!(if import.expires.is_some() { EXPIRES } else { DOES_NOT_EXPIRE }));
    if let Some(expires) = import.expires {
        members.insert("ValidTo".to_owned(), seconds(expires));
    }
}

fn answer(key: &Key, material: Option<String>) -> Value {
    let mut answer = json!({ "KeyId": key.at.arn() });
    super::encryption::put(&mut answer, "KeyMaterialId", material);
    answer
}

/// A family shares its materials, so each Region learns the first one.
fn set_first(call: &mut Call<'_>, key: &Key, id: &str) {
    let mut family = replicas(key);
    family.push(key.at.clone());
    for at in family {
        call.world.change(&at, |key| id.clone_into(&mut key.first_material));
    }
}

fn replicas(key: &Key) -> Vec<KeyRef> {
    match &key.multi_region {
        Some(MultiRegion::Primary { replicas }) => {
            replicas.iter().map(|region| KeyRef { region: region.clone(), ..key.at.clone() }).collect()
        }
        Some(MultiRegion::Replica { .. }) | None => Vec::new(),
    }
}

/// "KMS assigns a unique identifier to the key material based on the KMS key ID and the imported key material."
fn material_id(key: &Key, material: &[u8]) -> String {
    let mut digest = Context::new(&SHA256);
    digest.update(key.at.id.as_bytes());
    digest.update(material);
    hex::encode(digest.finish())
}

fn unwrap(call: &mut Call<'_>, key: &Key, wrapped: &[u8]) -> Result<Vec<u8>, Failure> {
    let wrapping = read_token(call, key)?;
    let secret = call.world.secret(&wrapping.secret, || Err(())).map_err(|()| Failure::new("InvalidImportTokenException", ""))?;
    let modulus = match wrapping.spec.as_str() {
        "RSA_2048" => 256,
        "RSA_3072" => 384,
        _ => 512,
    };
    let material = crypto::unwrap(&wrapping.algorithm, &secret, wrapped, modulus);
    let material = material.map_err(|_| Failure::new("InvalidCiphertextException", ""))?;
    if crypto::takes(&key.spec, &material) { Ok(material) } else { Err(Failure::new("IncorrectKeyMaterialException", "")) }
}

/// By default material expires, and then the date is required.
fn read_expiry(call: &Call<'_>) -> Result<Option<Timestamp>, Failure> {
    let model = call.members.one_of("ExpirationModel", &[EXPIRES, DOES_NOT_EXPIRE])?.unwrap_or(EXPIRES);
    let latest = call.now.checked_add(days(EXPIRES_MAX_DAYS)).unwrap_or(Timestamp::MAX);
    match (model, call.members.time("ValidTo")?) {
        (EXPIRES, None) => Err(Failure::validation("A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES")),
        (EXPIRES, Some(date)) if date <= call.now || date > latest => {
            Err(Failure::validation(format!("The validTo date must be in the future, and at most {EXPIRES_MAX_DAYS} days ahead")))
        }
        (EXPIRES, date) => Ok(date),
        (_, Some(_)) => Err(Failure::validation("A validTo date cannot be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE")),
        (_, None) => Ok(None),
    }
}

fn read_description(call: &Call<'_>) -> Result<Option<String>, Failure> {
    let description = call.members.sized("KeyMaterialDescription", 0, 256)?;
    match description {
        Some(text) if !text.chars().all(|c| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || ":/_.-".contains(c)) => {
            let constraint = "Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_\\s.-]+$";
            Err(Failure::constraint(text, "KeyMaterialDescription", constraint))
        }
        text => Ok(text.map(str::to_owned)),
    }
}

fn read_material_id(call: &Call<'_>) -> Result<Option<String>, Failure> {
    match call.members.sized("KeyMaterialId", 64, 64)? {
        Some(id) if !id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) => {
            Err(Failure::constraint(id, "KeyMaterialId", "Member must satisfy regular expression pattern: ^[a-f0-9]+$"))
        }
        id => Ok(id.map(str::to_owned)),
    }
}
