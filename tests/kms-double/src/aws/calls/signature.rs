//! `Sign`, `Verify`.

use serde_json::json;

use super::cipher::base64;
use super::usage;
use crate::aws::call::{Answer, Call};
use crate::aws::failure::Failure;
use crate::aws::members::missing;
use crate::aws::spec;
use crate::aws::target::Aliases;
use crate::crypto::{self, Message};
use crate::world::Key;

const ALGORITHMS: &[&str] = &[
    "RSASSA_PSS_SHA_256",
    "RSASSA_PSS_SHA_384",
    "RSASSA_PSS_SHA_512",
    "RSASSA_PKCS1_V1_5_SHA_256",
    "RSASSA_PKCS1_V1_5_SHA_384",
    "RSASSA_PKCS1_V1_5_SHA_512",
    "ECDSA_SHA_256",
    "ECDSA_SHA_384",
    "ECDSA_SHA_512",
    "SM2DSA",
    "ML_DSA_SHAKE_256",
    "ED25519_SHA_512",
    "ED25519_PH_SHA_512",
];

/// The length of the message representative of ML-DSA.
const MU: usize = 64;

pub(super) fn sign(call: &mut Call<'_>) -> Answer {
    let request = read(call)?;
    let key = read_key(call, &request.algorithm)?;
    let message = message(&request)?;
    let secret = call.secret(&key, &key.first_material)?;
    let signature = crypto::sign(&key.spec, &request.algorithm, &secret, message).map_err(|_| lacking(&request))?;
    call.check_dry_run()?;
    usage::note(call, &key);
    Ok(json!({ "KeyId": key.at.arn(), "Signature": base64(&signature), "SigningAlgorithm": request.algorithm }))
}

/// A wrong signature is an error, so the answer is always that it is valid.
pub(super) fn verify(call: &mut Call<'_>) -> Answer {
    let request = read(call)?;
    let signature = call.members.required_blob("Signature", 6144)?;
    let key = read_key(call, &request.algorithm)?;
    let message = message(&request)?;
    let secret = call.secret(&key, &key.first_material)?;
    let valid = crypto::verify(&key.spec, &request.algorithm, &secret, message, &signature);
    valid.map_err(|_| Failure::new("KMSInvalidSignatureException", ""))?;
    call.check_dry_run()?;
    usage::note(call, &key);
    Ok(json!({ "KeyId": key.at.arn(), "SignatureValid": true, "SigningAlgorithm": request.algorithm }))
}

/// What is signed, and how.
#[derive(Debug)]
struct Request {
    message: Vec<u8>,
    kind: String,
    algorithm: String,
}

fn read(call: &Call<'_>) -> Result<Request, Failure> {
    let message = call.members.required_blob("Message", 4096)?;
    let kind = call.members.one_of("MessageType", &["RAW", "DIGEST", "EXTERNAL_MU"])?.unwrap_or("RAW").to_owned();
    let algorithm = call.members.one_of("SigningAlgorithm", ALGORITHMS)?.ok_or_else(|| missing("SigningAlgorithm"))?.to_owned();
    Ok(Request { message, kind, algorithm })
}

fn read_key(call: &mut Call<'_>, algorithm: &str) -> Result<Key, Failure> {
    let key = call.read(Aliases::Taken)?;
    usage::check(call, &key, "SIGN_VERIFY")?;
    usage::check_algorithm(&key, algorithm, spec::find(&key.spec).map_or(&[][..], |spec| spec.signing))?;
    Ok(key)
}

/// "The length of the Message value must match the length of hashed messages for the specified signing algorithm."
fn message(request: &Request) -> Result<Message<'_>, Failure> {
    let Request { message, kind, algorithm } = request;
    let refuse =
        || Err(Failure::validation(format!("MessageType {kind} is not valid for {algorithm} and a message of {} bytes", message.len())));
    match (kind.as_str(), algorithm.as_str()) {
        ("RAW", "ED25519_PH_SHA_512") | ("DIGEST", "ED25519_SHA_512" | "ML_DSA_SHAKE_256") => refuse(),
        ("RAW", _) => Ok(Message::Raw(message)),
        ("EXTERNAL_MU", "ML_DSA_SHAKE_256") if message.len() == MU => Err(lacking(request)),
        ("EXTERNAL_MU", _) => refuse(),
        (_, "ED25519_PH_SHA_512" | "SM2DSA") => Err(lacking(request)),
        _ if crypto::digest_length(algorithm) == Some(message.len()) => Ok(Message::Digest(message)),
        _ => refuse(),
    }
}

/// AWS can do it.
fn lacking(request: &Request) -> Failure {
    Failure::internal(format!("the double has no {} of {}", request.algorithm, request.kind))
}
