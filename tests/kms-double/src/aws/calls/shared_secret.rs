//! `DeriveSharedSecret`, `Encapsulate`, `Decapsulate`.

use serde_json::json;

use super::cipher::base64;
use super::encryption::refuse_recipient;
use super::usage;
use crate::aws::call::{Answer, Call};
use crate::aws::failure::Failure;
use crate::aws::members::missing;
use crate::aws::target::Aliases;
use crate::crypto;

pub(super) fn derive(call: &mut Call<'_>) -> Answer {
    refuse_recipient(call)?;
    let algorithm = call.members.one_of("KeyAgreementAlgorithm", &["ECDH"])?.ok_or_else(|| missing("KeyAgreementAlgorithm"))?;
    let other = call.members.required_blob("PublicKey", 8192)?;
    let key = call.read(Aliases::Taken)?;
    usage::check(call, &key, "KEY_AGREEMENT")?;
    let secret = call.secret(&key, &key.first_material)?;
    let shared = crypto::derive(&key.spec, &secret, &other);
    let shared = shared.map_err(|_| Failure::validation(format!("The public key is not one of {}", key.spec)))?;
    call.check_dry_run()?;
    usage::note(call, &key);
    Ok(json!({ "KeyId": key.at.arn(), "SharedSecret": base64(&shared), "KeyAgreementAlgorithm": algorithm, "KeyOrigin": key.origin }))
}

pub(super) fn encapsulate(call: &mut Call<'_>) -> Answer {
    let algorithm = read_algorithm(call)?;
    let key = call.read(Aliases::Taken)?;
    usage::check(call, &key, "ENCAPSULATE_DECAPSULATE")?;
    let secret = call.secret(&key, &key.first_material)?;
    let made = crypto::encapsulate(&key.spec, &secret);
    let (shared, ciphertext) = made.map_err(|_| Failure::internal(format!("the double cannot encapsulate with {}", key.spec)))?;
    call.check_dry_run()?;
    usage::note(call, &key);
    Ok(json!({
        "KeyId": key.at.arn(),
        "SharedSecret": base64(&shared),
        "SharedSecretCiphertextBlob": base64(&ciphertext),
        "EncapsulationAlgorithm": algorithm,
    }))
}

pub(super) fn decapsulate(call: &mut Call<'_>) -> Answer {
    let algorithm = read_algorithm(call)?;
    let ciphertext = call.members.required_blob("SharedSecretCiphertextBlob", 6144)?;
    let key = call.read(Aliases::Taken)?;
    usage::check(call, &key, "ENCAPSULATE_DECAPSULATE")?;
    let secret = call.secret(&key, &key.first_material)?;
    let shared = crypto::decapsulate(&key.spec, &secret, &ciphertext);
    let shared = shared.map_err(|_| Failure::new("InvalidCiphertextException", ""))?;
    call.check_dry_run()?;
    usage::note(call, &key);
    Ok(json!({ "KeyId": key.at.arn(), "SharedSecret": base64(&shared), "EncapsulationAlgorithm": algorithm }))
}

fn read_algorithm<'a>(call: &Call<'a>) -> Result<&'a str, Failure> {
    call.members.one_of("EncapsulationAlgorithm", &["ML_KEM"])?.ok_or_else(|| missing("EncapsulationAlgorithm"))
}
