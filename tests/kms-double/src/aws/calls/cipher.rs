//! What `Encrypt`, `Decrypt`, `ReEncrypt` and data keys have in common.
//!
//! A symmetric ciphertext says which key and which material made it, so that it can be decrypted without the name of its key, and after a
//! rotation. The encryption context is authenticated with it. An RSA ciphertext is only that, so the client may also make it itself.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::describe::lead;
use super::usage;
use crate::aws::call::Call;
use crate::aws::failure::Failure;
use crate::aws::spec;
use crate::aws::target::{Aliases, Target};
use crate::crypto;
use crate::world::Key;

/// The first bytes of every symmetric ciphertext.
const MAGIC: &[u8] = b"kms-double-2";
/// The maximum length of a ciphertext.
const CIPHERTEXT_MAX: usize = 6144;

/// The members of a request that say how to encrypt or decrypt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    pub(super) key: &'static str,
    pub(super) context: &'static str,
    pub(super) algorithm: &'static str,
}

/// Those of most operations.
pub(super) const PLAIN: Names = Names { key: "KeyId", context: "EncryptionContext", algorithm: "EncryptionAlgorithm" };

/// A plaintext, and how it had been encrypted.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) key: Key,
    pub(super) plaintext: Vec<u8>,
    pub(super) algorithm: String,
    /// Symmetric keys only.
    pub(super) material: Option<String>,
}

/// A ciphertext, and how it was encrypted.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) ciphertext: Vec<u8>,
    pub(super) algorithm: String,
    /// Symmetric keys only.
    pub(super) material: Option<String>,
}

/// Encrypts with a key that was read already.
pub(super) fn seal(call: &mut Call<'_>, key: &Key, names: Names, plaintext: &[u8]) -> Result<Sealed, Failure> {
    let algorithm = read_algorithm(call, names)?;
    check_key(call, key, &algorithm)?;
    let context = read_context(call, key, names)?;
    if key.spec == spec::SYMMETRIC {
        let material = lead(call, key).material().to_owned();
        let head = json!({ "key": key.at.id, "material": material }).to_string();
        let secret = call.secret(key, &material)?;
        let sealed = crypto::seal(&secret, &beside(&head, &context), plaintext).map_err(|_| broken())?;
        let length = u16::try_from(head.len()).map_err(|_| broken())?.to_be_bytes();
        let ciphertext = [MAGIC, &length, head.as_bytes(), &sealed].concat();
        return Ok(Sealed { ciphertext, algorithm, material: Some(material) });
    }
    let largest = crypto::oaep_largest(&key.spec, &algorithm);
    if let Some(largest) = largest.filter(|largest| plaintext.len() > *largest) {
        let spec = &key.spec;
        return Err(Failure::validation(format!(
            "Algorithm {algorithm} and key spec {spec} cannot encrypt data larger than {largest} bytes."
        )));
    }
    let secret = call.secret(key, &key.first_material)?;
    let ciphertext = crypto::oaep_encrypt(&algorithm, &secret, plaintext).map_err(|_| broken())?;
    Ok(Sealed { ciphertext, algorithm, material: None })
}

/// Decrypts `CiphertextBlob`. None for a dry run that ignores the ciphertext, which only asks for the permission.
pub(super) fn open(call: &mut Call<'_>, names: Names) -> Result<Option<Opened>, Failure> {
    let algorithm = read_algorithm(call, names)?;
    if ignores_ciphertext(call)? {
        let key = call.read_named(names.key, Aliases::Taken)?;
        return check_key(call, &key, &algorithm).map(|()| None);
    }
    let ciphertext = call.members.required_blob("CiphertextBlob", CIPHERTEXT_MAX)?;
    if algorithm == spec::SYMMETRIC { open_symmetric(call, names, &ciphertext) } else { open_rsa(call, names, &algorithm, &ciphertext) }
        .map(Some)
}

fn open_rsa(call: &mut Call<'_>, names: Names, algorithm: &str, ciphertext: &[u8]) -> Result<Opened, Failure> {
    let key = call.read_named(names.key, Aliases::Taken)?;
    check_key(call, &key, algorithm)?;
    read_context(call, &key, names)?;
    let secret = call.secret(&key, &key.first_material)?;
    let plaintext = crypto::oaep_decrypt(algorithm, &secret, ciphertext).map_err(|_| invalid())?;
    Ok(Opened { key, plaintext, algorithm: algorithm.to_owned(), material: None })
}

fn open_symmetric(call: &mut Call<'_>, names: Names, ciphertext: &[u8]) -> Result<Opened, Failure> {
    let given = if call.members.string(names.key)?.is_some() { Some(call.read_named(names.key, Aliases::Taken)?) } else { None };
    if let Some(given) = &given {
        check_key(call, given, spec::SYMMETRIC)?;
    }
    let (head, sealed) = split(ciphertext).ok_or_else(invalid)?;
    let said: Value = serde_json::from_str(head).map_err(|_| invalid())?;
    let text = |name: &str| said.get(name).and_then(Value::as_str).map(str::to_owned).ok_or_else(invalid);
    let (id, material) = (text("key")?, text("material")?);
    let key = match given {
        Some(given) if given.at.id == id => given,
        Some(_) => {
            let message = "The key ID in the request does not identify a CMK that can perform this operation.";
            return Err(Failure::new("IncorrectKeyException", message));
        }
        None => find_named(call, &id)?,
    };
    let context = read_context(call, &key, names)?;
    let lead = lead(call, &key);
    if material != lead.first_material && !lead.rotated.iter().any(|rotated| rotated.material == material) {
        return Err(invalid());
    }
    let secret = call.secret(&key, &material)?;
    let plaintext = crypto::open(&secret, &beside(head, &context), sealed).map_err(|_| invalid())?;
    Ok(Opened { key, plaintext, algorithm: spec::SYMMETRIC.to_owned(), material: Some(material) })
}

/// The key that a ciphertext names. KMS does not reveal whether it exists.
fn find_named(call: &mut Call<'_>, id: &str) -> Result<Key, Failure> {
    let Target::Key(at) = call.target(id, Aliases::Refused)? else {
        return Err(invalid());
    };
    let key = call.world.seen_key(&at, call.seen).cloned();
    let key = key.ok_or_else(|| {
        Failure::new(
            "AccessDeniedException",
            "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.",
        )
    })?;
    call.touched = Some(at);
    call.permit(&key)?;
    check_key(call, &key, spec::SYMMETRIC).map(|()| key)
}

fn check_key(call: &Call<'_>, key: &Key, algorithm: &str) -> Result<(), Failure> {
    usage::check(call, key, "ENCRYPT_DECRYPT")?;
    usage::check_algorithm(key, algorithm, spec::find(&key.spec).map_or(&[][..], |spec| spec.encryption))
}

fn read_algorithm(call: &Call<'_>, names: Names) -> Result<String, Failure> {
    let known = [spec::SYMMETRIC, "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE"];
    Ok(call.members.one_of(names.algorithm, &known)?.unwrap_or(spec::SYMMETRIC).to_owned())
}

/// The order of the pairs does not matter.
fn read_context(call: &Call<'_>, key: &Key, names: Names) -> Result<BTreeMap<String, String>, Failure> {
    let pairs = call.members.string_map(names.context)?;
    if key.spec != spec::SYMMETRIC && !pairs.is_empty() {
        return Err(Failure::validation(format!("{} is for symmetric encryption keys only", names.context)));
    }
    Ok(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// "When set to `IGNORE_CIPHERTEXT`, KMS performs only authorization validation without ciphertext validation."
fn ignores_ciphertext(call: &Call<'_>) -> Result<bool, Failure> {
    let modifiers = call.members.strings("DryRunModifiers")?.unwrap_or_default();
    if let Some(unknown) = modifiers.iter().find(|modifier| **modifier != "IGNORE_CIPHERTEXT") {
        return Err(Failure::constraint(unknown, "DryRunModifiers", "Member must satisfy enum value set: [IGNORE_CIPHERTEXT]"));
    }
    Ok(!modifiers.is_empty() && call.members.flag("DryRun")?)
}

fn split(ciphertext: &[u8]) -> Option<(&str, &[u8])> {
    let rest = ciphertext.strip_prefix(MAGIC)?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (head, sealed) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    Some((std::str::from_utf8(head).ok()?, sealed))
}

fn beside(head: &str, context: &BTreeMap<String, String>) -> Vec<u8> {
    json!([head, context]).to_string().into_bytes()
}

fn invalid() -> Failure {
    Failure::new("InvalidCiphertextException", "")
}

fn broken() -> Failure {
    Failure::internal("the double cannot encrypt with this key")
}

/// Bytes in an answer.
pub(super) fn base64(bytes: &[u8]) -> Value {
    json!(STANDARD.encode(bytes))
}
