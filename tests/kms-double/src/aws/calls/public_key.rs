//! `GetPublicKey`.

use serde_json::json;

use super::cipher::base64;
use super::describe::algorithms;
use crate::aws::call::{Answer, Call};
use crate::aws::failure::Failure;
use crate::aws::spec;
use crate::aws::target::Aliases;
use crate::crypto;

/// Symmetric and HMAC keys have no public key. The answer is not a use of the key.
pub(super) fn get(call: &mut Call<'_>) -> Answer {
    let key = call.read(Aliases::Taken)?;
    if key.spec == spec::SYMMETRIC || key.spec.starts_with("HMAC_") {
        return Err(Failure::unsupported(format!("{} has no public key.", key.at.arn())));
    }
    let secret = call.secret(&key, &key.first_material)?;
    let public = crypto::public_key(&key.spec, &secret);
    let public = public.map_err(|_| Failure::internal(format!("the double has no public keys of {}", key.spec)))?;
    let mut answer = json!({ "KeyId": key.at.arn(), "PublicKey": base64(&public), "KeySpec": key.spec, "KeyUsage": key.usage });
    let Some(members) = answer.as_object_mut() else {
        return Ok(answer);
    };
    if spec::old_names().contains(&key.spec.as_str()) {
        members.insert("CustomerMasterKeySpec".to_owned(), json!(key.spec));
    }
    if let Some((name, algorithms)) = spec::find(&key.spec).and_then(|spec| algorithms(spec, &key.usage)) {
        members.insert(name.to_owned(), json!(algorithms));
    }
    Ok(answer)
}
