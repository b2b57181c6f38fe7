//! `Encrypt`, `Decrypt`, `ReEncrypt`.

use serde_json::{Value, json};

use super::cipher::{Names, PLAIN, base64, open, seal};
use super::usage;
use crate::aws::call::{Answer, Call};
use crate::aws::failure::Failure;
use crate::aws::granted::{self, Half};
use crate::aws::target::Aliases;
use crate::world::Key;

/// The maximum length of a plaintext.
const PLAINTEXT_MAX: usize = 4096;
const SOURCE: Names = Names { key: "SourceKeyId", context: "SourceEncryptionContext", algorithm: "SourceEncryptionAlgorithm" };
const DESTINATION: Names =
    Names { key: "DestinationKeyId", context: "DestinationEncryptionContext", algorithm: "DestinationEncryptionAlgorithm" };

pub(super) fn encrypt(call: &mut Call<'_>) -> Answer {
    let plaintext = call.members.required_blob("Plaintext", PLAINTEXT_MAX)?;
    let key = call.read(Aliases::Taken)?;
    let sealed = seal(call, &key, PLAIN, &plaintext)?;
    call.check_dry_run()?;
    usage::note(call, &key);
    Ok(json!({ "CiphertextBlob": base64(&sealed.ciphertext), "KeyId": key.at.arn(), "EncryptionAlgorithm": sealed.algorithm }))
}

pub(super) fn decrypt(call: &mut Call<'_>) -> Answer {
    refuse_recipient(call)?;
    let opened = open(call, PLAIN)?;
    call.check_dry_run()?;
    let opened = opened.ok_or_else(ignored)?;
    usage::note(call, &opened.key);
    let mut answer =
        json!({ "KeyId": opened.key.at.arn(), "Plaintext": base64(&opened.plaintext), "EncryptionAlgorithm": opened.algorithm });
    put(&mut answer, "KeyMaterialId", opened.material);
    Ok(answer)
}

/// Both keys are used, so both must be usable, and both show the use.
pub(super) fn re_encrypt(call: &mut Call<'_>) -> Answer {
    let destination = call.read_named(DESTINATION.key, Aliases::Taken)?;
    let opened = open(call, SOURCE)?;
    let plaintext = opened.as_ref().map_or(&b"-"[..], |opened| &opened.plaintext);
    if let Some(opened) = &opened {
        need(call, Half::From, &opened.key)?;
    }
    need(call, Half::To, &destination)?;
    let sealed = seal(call, &destination, DESTINATION, plaintext)?;
    call.check_dry_run()?;
    let opened = opened.ok_or_else(ignored)?;
    usage::note(call, &opened.key);
    usage::note(call, &destination);
    call.touched = Some(destination.at.clone());
    let mut answer = json!({
        "CiphertextBlob": base64(&sealed.ciphertext),
        "SourceKeyId": opened.key.at.arn(),
        "KeyId": destination.at.arn(),
        "SourceEncryptionAlgorithm": opened.algorithm,
        "DestinationEncryptionAlgorithm": sealed.algorithm,
    });
    put(&mut answer, "SourceKeyMaterialId", opened.material);
    put(&mut answer, "DestinationKeyMaterialId", sealed.material);
    Ok(answer)
}

/// No caller here runs in an enclave, so there is no valid attestation document.
pub(super) fn refuse_recipient(call: &Call<'_>) -> Result<(), Failure> {
    match call.members.structure("Recipient")? {
        Some(_) => Err(Failure::validation("The attestation document of the Recipient is not valid")),
        None => Ok(()),
    }
}

/// Adds a member that only some keys have.
pub(super) fn put(answer: &mut Value, member: &str, value: Option<String>) {
    if let (Some(value), Some(members)) = (value, answer.as_object_mut()) {
        members.insert(member.to_owned(), json!(value));
    }
}

/// Each half needs a right of its own, from the credential or from a grant of its key.
fn need(call: &Call<'_>, half: Half, key: &Key) -> Result<(), Failure> {
    let action = format!("kms:{}", half.name());
    let own = key.at.account == call.caller.account && call.rights.may(&action);
    if own || granted::permits_half(call.world, call.caller, half, call.members, &key.at) {
        return Ok(());
    }
    Err(Failure::access_denied(&call.caller.principal, &action, &key.at.arn(), "identity"))
}

/// Without a ciphertext there is only a dry run, which was answered before.
fn ignored() -> Failure {
    Failure::internal("a call without a ciphertext is a dry run")
}
