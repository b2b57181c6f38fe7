//! Grant tokens: they name a grant before it is visible everywhere.
//!
//! Each `CreateGrant` returns another token, and all tokens of a grant are worth the same. A token says which grant it names, and is sealed,
//! so the double stores none.

use serde_json::json;

use super::call::Call;
use super::failure::Failure;
use super::members::check_length;
use super::operation::{Kind, Operation};
use super::sealed;
use crate::world::{Key, KeyRef, World};

/// The maximum length of a token.
const TOKEN_MAX: usize = 8192;
/// The maximum number of tokens in a request.
const TOKENS_MAX: usize = 10;
const PURPOSE: &str = "grant";

/// A new token of a grant.
pub(super) fn mint(key: &Key, grant: &str) -> String {
    sealed::mint(key, PURPOSE, &json!({ "grant": grant, "token": uuid::Uuid::new_v4().to_string() }))
}

/// The key and the id of the grant that a token names. The grant may be gone.
pub(super) fn read(world: &World, token: &str) -> Result<(KeyRef, String), Failure> {
    let named = sealed::open(world, PURPOSE, token).and_then(|(at, said)| Some((at, said.get("grant")?.as_str()?.to_owned())));
    named.ok_or_else(|| Failure::new("InvalidGrantTokenException", "The grant token is not valid."))
}

/// Checks the `GrantTokens` of a request. `DescribeKey` has no error for a wrong token, so it takes any.
pub(super) fn check(call: &Call<'_>) -> Result<(), Failure> {
    use Operation as Op;
    let takes =
        call.operation.kind() == Kind::Cryptographic || matches!(call.operation, Op::CreateGrant | Op::DescribeKey | Op::GetPublicKey);
    let Some(tokens) = call.members.strings("GrantTokens")?.filter(|_| takes && call.operation != Op::GenerateRandom) else {
        return Ok(());
    };
    if tokens.len() > TOKENS_MAX {
        let constraint = format!("Member must have length less than or equal to {TOKENS_MAX}");
        return Err(Failure::constraint("*", "GrantTokens", &constraint));
    }
    for (token, number) in tokens.iter().zip(1..) {
        check_length(token, &format!("grantTokens.{number}.member"), 1, TOKEN_MAX)?;
        if call.operation != Op::DescribeKey {
            read(call.world, token)?;
        }
    }
    Ok(())
}
