//! `GenerateMac`, `VerifyMac`.

use serde_json::json;

use super::cipher::base64;
use super::usage;
use crate::aws::call::{Answer, Call};
use crate::aws::failure::Failure;
use crate::aws::members::missing;
use crate::aws::spec;
use crate::aws::target::Aliases;
use crate::crypto;
use crate::world::Key;

const ALGORITHMS: &[&str] = &["HMAC_SHA_224", "HMAC_SHA_256", "HMAC_SHA_384", "HMAC_SHA_512"];

pub(super) fn generate(call: &mut Call<'_>) -> Answer {
    let (message, algorithm) = read(call)?;
    let key = read_key(call, &algorithm)?;
    let secret = call.secret(&key, &key.first_material)?;
    let code = crypto::mac(&algorithm, &secret, &message).map_err(|_| Failure::internal("the double has no such algorithm"))?;
    call.check_dry_run()?;
    usage::note(call, &key);
    Ok(json!({ "KeyId": key.at.arn(), "Mac": base64(&code), "MacAlgorithm": algorithm }))
}

/// A wrong code is an error, so the answer is always that it is valid.
pub(super) fn verify(call: &mut Call<'_>) -> Answer {
    let (message, algorithm) = read(call)?;
    let code = call.members.required_blob("Mac", 6144)?;
    let key = read_key(call, &algorithm)?;
    let secret = call.secret(&key, &key.first_material)?;
    crypto::verify_mac(&algorithm, &secret, &message, &code).map_err(|_| Failure::new("KMSInvalidMacException", ""))?;
    call.check_dry_run()?;
    usage::note(call, &key);
    Ok(json!({ "KeyId": key.at.arn(), "MacValid": true, "MacAlgorithm": algorithm }))
}

fn read(call: &Call<'_>) -> Result<(Vec<u8>, String), Failure> {
    let message = call.members.required_blob("Message", 4096)?;
    let algorithm = call.members.one_of("MacAlgorithm", ALGORITHMS)?.ok_or_else(|| missing("MacAlgorithm"))?;
    Ok((message, algorithm.to_owned()))
}

fn read_key(call: &mut Call<'_>, algorithm: &str) -> Result<Key, Failure> {
    let key = call.read(Aliases::Taken)?;
    usage::check(call, &key, "GENERATE_VERIFY_MAC")?;
    usage::check_algorithm(&key, algorithm, spec::find(&key.spec).map_or(&[][..], |spec| spec.mac))?;
    Ok(key)
}
