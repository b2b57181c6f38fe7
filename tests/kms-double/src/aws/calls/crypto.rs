//! Encrypt, Decrypt and `GetKeyLastUsage`: enough to show whether a key works.
//!
//! Nothing is encrypted. A ciphertext is the plaintext with a seal that only the key can check. So decryption fails if the key is deleted,
//! disabled or another key, and if the blob or the context was changed.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::describe::{lead, seconds};
use crate::aws::call::{Answer, Call};
use crate::aws::failure::Failure;
use crate::aws::members::missing;
use crate::aws::spec;
use crate::aws::target::{Aliases, Target};
use crate::world::{Key, LastUse};

/// The first bytes of every ciphertext.
const MAGIC: &[u8] = b"kms-double-1";
const SEAL: usize = 32;
/// When AWS began to track usage: 2026-04-23, in seconds since 1970.
pub(crate) const TRACKING_START: u32 = 1_776_902_400;

pub(super) fn encrypt(call: &mut Call<'_>) -> Answer {
    let plaintext = blob(call, "Plaintext", 4096)?.ok_or_else(|| missing("Plaintext"))?;
    let context = context(call)?;
    let key = call.read(Aliases::Taken)?;
    let algorithm = algorithm(call, &key)?;
    check_dry_run(call)?;
    let body = json!({ "key": key.at.id, "context": context, "plaintext": STANDARD.encode(plaintext) }).to_string();
    let mut ciphertext = MAGIC.to_vec();
    ciphertext.extend(seal(&key, body.as_bytes()));
    ciphertext.extend(body.as_bytes());
    note_use(call, &key);
    Ok(json!({ "CiphertextBlob": STANDARD.encode(ciphertext), "KeyId": key.at.arn(), "EncryptionAlgorithm": algorithm }))
}

pub(super) fn decrypt(call: &mut Call<'_>) -> Answer {
    let ciphertext = blob(call, "CiphertextBlob", 6144)?.ok_or_else(|| missing("CiphertextBlob"))?;
    let context = context(call)?;
    let invalid = || Failure::new("InvalidCiphertextException", "");
    let sealed = ciphertext.strip_prefix(MAGIC).ok_or_else(invalid)?;
    let (tag, body) = sealed.split_at_checked(SEAL).ok_or_else(invalid)?;
    let opened: Value = serde_json::from_slice(body).map_err(|_| invalid())?;
    let id = opened.get("key").and_then(Value::as_str).ok_or_else(invalid)?.to_owned();
    if call.members.string("KeyId")?.is_some() {
        let given = call.read(Aliases::Taken)?;
        if given.at.id != id {
            return Err(Failure::new(
                "IncorrectKeyException",
                "The key ID in the request does not identify a CMK that can perform this operation.",
            ));
        }
    }
    let Target::Key(at) = call.target(&id, Aliases::Refused)? else {
        return Err(invalid());
    };
    let key = call.world.seen_key(&at, call.seen).cloned().ok_or_else(unreachable_key)?;
    call.touched = Some(at);
    call.permit(&key)?;
    let algorithm = algorithm(call, &key)?;
    if seal(&key, body) != tag || opened.get("context") != Some(&context) {
        return Err(invalid());
    }
    check_dry_run(call)?;
    note_use(call, &key);
    let mut answer = json!({ "KeyId": key.at.arn(), "Plaintext": opened.get("plaintext"), "EncryptionAlgorithm": algorithm });
    if let (spec::SYMMETRIC, Some(members)) = (key.spec.as_str(), answer.as_object_mut()) {
        members.insert("KeyMaterialId".to_owned(), json!(lead(call, &key).material()));
    }
    Ok(answer)
}

pub(super) fn last_usage(call: &mut Call<'_>) -> Answer {
    let key = call.read(Aliases::Refused)?;
    let usage = key.last_use.as_ref().map_or_else(
        || json!({}),
        |last| json!({ "Operation": last.operation, "Timestamp": seconds(last.time), "KmsRequestId": last.request_id }),
    );
    Ok(json!({
        "KeyId": key.at.arn(),
        "KeyLastUsage": usage,
        "TrackingStartDate": TRACKING_START,
        "KeyCreationDate": seconds(key.created),
    }))
}

/// A caller may ask whether a call would succeed. The answer is an error in every case.
fn check_dry_run(call: &Call<'_>) -> Result<(), Failure> {
    if call.members.flag("DryRun")? {
        return Err(Failure::new("DryRunOperationException", "The request would have succeeded, but the DryRun option is set."));
    }
    Ok(())
}

/// KMS does not reveal whether such a key exists.
fn unreachable_key() -> Failure {
    Failure::new(
        "AccessDeniedException",
        "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.",
    )
}

fn algorithm(call: &Call<'_>, key: &Key) -> Result<String, Failure> {
    let known = spec::find(&key.spec).map_or(&[][..], |spec| spec.encryption);
    let asked = call.members.string("EncryptionAlgorithm")?.unwrap_or(spec::SYMMETRIC);
    if key.usage != "ENCRYPT_DECRYPT" {
        let (arn, usage, name) = (key.at.arn(), &key.usage, call.operation.name());
        return Err(Failure::new("InvalidKeyUsageException", format!("{arn} key usage is {usage} which is not valid for {name}.")));
    }
    if known.contains(&asked) {
        return Ok(asked.to_owned());
    }
    Err(Failure::new("InvalidKeyUsageException", format!("{} cannot be used for {asked}.", key.at.arn())))
}

/// Old ciphertexts can still be decrypted after a rotation, so the seal is made with the first material, which a family shares.
fn seal(key: &Key, body: &[u8]) -> Vec<u8> {
    let secret = hmac::Key::new(hmac::HMAC_SHA256, key.first_material.as_bytes());
    hmac::sign(&secret, body).as_ref().to_vec()
}

fn note_use(call: &mut Call<'_>, key: &Key) {
    let last = LastUse { time: call.now, operation: call.operation.name().to_owned(), request_id: call.request_id.to_owned() };
    call.world.change(&key.at, |key| key.last_use = Some(last));
}

fn context(call: &Call<'_>) -> Result<Value, Failure> {
    let pairs = call.members.string_map("EncryptionContext")?;
    Ok(pairs.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect::<serde_json::Map<_, _>>().into())
}

fn blob(call: &Call<'_>, member: &str, max: usize) -> Result<Option<Vec<u8>>, Failure> {
    let Some(text) = call.members.string(member)? else {
        return Ok(None);
    };
    let bytes = STANDARD.decode(text).map_err(|_| Failure::serialization(format!("{member} is not base64")))?;
    if bytes.is_empty() || bytes.len() > max {
        return Err(Failure::constraint("*", member, &format!("Member must have length from 1 to {max}")));
    }
    Ok(Some(bytes))
}
