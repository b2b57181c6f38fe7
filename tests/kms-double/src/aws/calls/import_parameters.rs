//! `GetParametersForImport`: the public key with which a client wraps key material, and the token that belongs to it.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::cipher::base64;
use super::describe::seconds;
use crate::aws::call::{Answer, Call};
use crate::aws::failure::Failure;
use crate::aws::members::missing;
use crate::aws::sealed;
use crate::crypto;
use crate::world::{Key, Origin};

const PURPOSE: &str = "import";
/// "Each public key and import token set is valid for 24 hours."
const VALID: SignedDuration = SignedDuration::from_hours(24);
const ALGORITHMS: &[&str] =
    &["RSAES_PKCS1_V1_5", "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256", "SM2PKE"];

/// How material was wrapped.
#[derive(Debug)]
pub(super) struct Wrapping {
    /// The id of the wrapping key's secret.
    pub(super) secret: String,
    pub(super) spec: String,
    pub(super) algorithm: String,
}

pub(super) fn get(call: &mut Call<'_>) -> Answer {
    let algorithm = call.members.one_of("WrappingAlgorithm", ALGORITHMS)?.ok_or_else(|| missing("WrappingAlgorithm"))?.to_owned();
    let specs = ["RSA_2048", "RSA_3072", "RSA_4096", "SM2"];
    let spec = call.members.one_of("WrappingKeySpec", &specs)?.ok_or_else(|| missing("WrappingKeySpec"))?.to_owned();
    let key = find(call)?;
    check_wrapping(&key, &algorithm, &spec)?;
    let id = format!("import {}", uuid::Uuid::new_v4());
    let turn = call.world.count_secrets("import ");
    let broken = |_| Failure::internal(format!("the double makes no wrapping keys of {spec}"));
    let secret = call.world.secret(&id, || crypto::wrapping_secret(&spec, turn)).map_err(broken)?;
    let public = crypto::public_key(&spec, &secret).map_err(broken)?;
    let until = call.now.checked_add(VALID).unwrap_or(Timestamp::MAX);
    let token = sealed::mint(&key, PURPOSE, &json!({ "secret": id, "spec": spec, "algorithm": algorithm, "until": until }));
    Ok(json!({ "KeyId": key.at.arn(), "ImportToken": token, "PublicKey": base64(&public), "ParametersValidTo": seconds(until) }))
}

/// The key of an import. Its origin never changes, so it is asked before its state.
pub(super) fn find(call: &mut Call<'_>) -> Result<Key, Failure> {
    let key = call.find("KeyId")?;
    if key.origin != Origin::External {
        let origin = json!(key.origin);
        let origin = origin.as_str().unwrap_or_default();
        return Err(Failure::unsupported(format!("{} origin is {origin} which is not valid for this operation.", key.at.arn())));
    }
    call.permit(&key)?;
    Ok(key)
}

/// How the material of this request was wrapped, if its token is one for this key and still valid.
pub(super) fn read_token(call: &Call<'_>, key: &Key) -> Result<Wrapping, Failure> {
    let invalid = || Failure::new("InvalidImportTokenException", "");
    let token = call.members.required("ImportToken", 1, 8192)?;
    let (at, said) = sealed::open(call.world, PURPOSE, token).ok_or_else(invalid)?;
    let text = |name: &str| said.get(name).and_then(|value| value.as_str()).map(str::to_owned).ok_or_else(invalid);
    let until: Timestamp = text("until")?.parse().map_err(|_| invalid())?;
    if at != key.at {
        return Err(invalid());
    }
    if until <= call.now {
        return Err(Failure::new("ExpiredImportTokenException", ""));
    }
    Ok(Wrapping { secret: text("secret")?, spec: text("spec")?, algorithm: text("algorithm")? })
}

/// "To import an RSA private key, you must use an `RSA_AES` wrapping algorithm", and "you cannot use an `RSA_2048` public key to directly wrap
/// an `ECC_NIST_P521` private key". The first algorithm is not supported any more.
fn check_wrapping(key: &Key, algorithm: &str, spec: &str) -> Result<(), Failure> {
    let china = key.at.region.starts_with("cn-");
    let direct = algorithm.starts_with("RSAES_");
    let refused = algorithm == "RSAES_PKCS1_V1_5"
        || ((algorithm == "SM2PKE" || spec == "SM2") && !china)
        || (direct && key.spec.starts_with("RSA_"))
        || (direct && key.spec == "ECC_NIST_P521" && spec == "RSA_2048")
        || key.spec.starts_with("ML_");
    if refused {
        return Err(Failure::unsupported(format!("{algorithm} with {spec} cannot wrap key material of {}", key.spec)));
    }
    Ok(())
}
