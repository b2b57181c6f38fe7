//! Data keys, data key pairs and random bytes, which clients use outside of KMS.

use serde_json::{Value, json};

use super::cipher::{PLAIN, base64, seal};
use super::encryption::{put, refuse_recipient};
use super::{key_store, usage};
use crate::aws::call::{Answer, Call};
use crate::aws::failure::Failure;
use crate::aws::members::missing;
use crate::aws::spec;
use crate::aws::target::Aliases;
use crate::crypto;
use crate::world::{Key, Origin};

/// The maximum number of random bytes.
const BYTES_MAX: u32 = 1024;
/// The pairs that a client can ask for.
const PAIRS: &[&str] = &[
    "RSA_2048",
    "RSA_3072",
    "RSA_4096",
    "ECC_NIST_P256",
    "ECC_NIST_P384",
    "ECC_NIST_P521",
    "ECC_SECG_P256K1",
    "SM2",
    "ECC_NIST_EDWARDS25519",
    "ML_KEM_512",
    "ML_KEM_768",
    "ML_KEM_1024",
];

/// Whether the answer has the plaintext too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plaintext {
    Given,
    Kept,
}

pub(super) fn generate(call: &mut Call<'_>, plaintext: Plaintext) -> Answer {
    if plaintext == Plaintext::Given {
        refuse_recipient(call)?;
    }
    let length = match (call.members.one_of("KeySpec", &["AES_256", "AES_128"])?, call.members.int("NumberOfBytes", 1, BYTES_MAX)?) {
        (Some("AES_128"), None) => 16,
        (Some(_), None) => 32,
        (None, Some(count)) => count as usize,
        _ => return Err(Failure::validation("Please specify either number of bytes or key spec, but not both.")),
    };
    let key = read_key(call)?;
    let data_key = crypto::random(length).map_err(|_| Failure::internal("there are no random bytes"))?;
    let sealed = seal(call, &key, PLAIN, &data_key)?;
    call.check_dry_run()?;
    usage::note(call, &key);
    let mut answer = json!({ "KeyId": key.at.arn(), "CiphertextBlob": base64(&sealed.ciphertext) });
    put(&mut answer, "KeyMaterialId", sealed.material);
    give(&mut answer, "Plaintext", &data_key, plaintext);
    Ok(answer)
}

pub(super) fn generate_pair(call: &mut Call<'_>, plaintext: Plaintext) -> Answer {
    if plaintext == Plaintext::Given {
        refuse_recipient(call)?;
    }
    let spec = call.members.one_of("KeyPairSpec", PAIRS)?.ok_or_else(|| missing("KeyPairSpec"))?;
    let key = read_key(call)?;
    if matches!(key.origin, Origin::AwsCloudHsm | Origin::ExternalKeyStore) {
        return Err(Failure::unsupported(format!("{} is in a custom key store", key.at.arn())));
    }
    if spec == "SM2" && !call.caller.region.starts_with("cn-") {
        return Err(Failure::unsupported("KeyPairSpec SM2 is supported in China Regions only"));
    }
    if spec.starts_with("ML_KEM") && call.caller.region.starts_with("cn-") {
        return Err(Failure::unsupported(format!("KeyPairSpec {spec} is not supported in China Regions")));
    }
    let lacking = || Failure::internal(format!("the double makes no data key pairs of {spec}"));
    if spec.starts_with("ML_KEM") {
        return Err(lacking());
    }
    let private = crypto::generate(spec).map_err(|_| lacking())?;
    let public = crypto::public_key(spec, &private).map_err(|_| lacking())?;
    let sealed = seal(call, &key, PLAIN, &private)?;
    call.check_dry_run()?;
    usage::note(call, &key);
    let mut answer = json!({
        "KeyId": key.at.arn(),
        "KeyPairSpec": spec,
        "PublicKey": base64(&public),
        "PrivateKeyCiphertextBlob": base64(&sealed.ciphertext),
    });
    put(&mut answer, "KeyMaterialId", sealed.material);
    give(&mut answer, "PrivateKeyPlaintext", &private, plaintext);
    Ok(answer)
}

/// "There is no default value for string length."
pub(super) fn random(call: &mut Call<'_>) -> Answer {
    refuse_recipient(call)?;
    let length = call.members.int("NumberOfBytes", 1, BYTES_MAX)?.ok_or_else(|| missing("NumberOfBytes"))?;
    if let Some(id) = call.members.sized("CustomKeyStoreId", 1, 64)? {
        let store = key_store::find(call, id)?;
        if store.origin == Origin::ExternalKeyStore {
            return Err(Failure::unsupported(format!("{id} is an external key store")));
        }
        key_store::check_connected(&store)?;
    }
    let bytes = crypto::random(length as usize).map_err(|_| Failure::internal("there are no random bytes"))?;
    Ok(json!({ "Plaintext": base64(&bytes) }))
}

/// Only a symmetric encryption key encrypts data keys.
fn read_key(call: &mut Call<'_>) -> Result<Key, Failure> {
    let key = call.read(Aliases::Taken)?;
    usage::check(call, &key, "ENCRYPT_DECRYPT")?;
    if key.spec == spec::SYMMETRIC {
        return Ok(key);
    }
    let (arn, spec, name) = (key.at.arn(), &key.spec, call.operation.name());
    Err(Failure::key_usage(format!("{arn} key spec is {spec} which is not valid for {name}.")))
}

fn give(answer: &mut Value, member: &str, bytes: &[u8], plaintext: Plaintext) {
    if let (Plaintext::Given, Some(members)) = (plaintext, answer.as_object_mut()) {
        members.insert(member.to_owned(), base64(bytes));
    }
}
