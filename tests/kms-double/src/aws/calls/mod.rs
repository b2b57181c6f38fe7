//! The operations of the KMS API, one file per group.

mod alias;
mod cipher;
mod create;
mod data_key;
mod deletion;
mod describe;
mod encryption;
mod family;
mod grant;
mod grant_list;
mod grant_terms;
mod import;
mod import_parameters;
mod key_store;
mod mac;
mod page;
mod policy;
mod public_key;
mod rotation;
mod shared_secret;
mod signature;
mod switch;
mod tag;
mod usage;

use super::call::{Answer, Call};
use super::grant_token;
use super::operation::Operation;
use data_key::Plaintext;

pub(super) use deletion::DEFAULT_WINDOW_DAYS;
pub(crate) use grant::new_id as new_grant_id;
pub(crate) use policy::default as default_policy;
pub(super) use usage::TRACKING_START;

/// Does a call.
pub(crate) fn carry_out(call: &mut Call<'_>) -> Answer {
    grant_token::check(call)?;
    match call.operation {
        Operation::CancelKeyDeletion => deletion::cancel(call),
        Operation::ConnectCustomKeyStore => key_store::connect(call),
        Operation::CreateAlias => alias::create(call),
        Operation::CreateGrant => grant::create(call),
        Operation::CreateKey => create::create(call),
        Operation::Decapsulate => shared_secret::decapsulate(call),
        Operation::Decrypt => encryption::decrypt(call),
        Operation::DeleteAlias => alias::delete(call),
        Operation::DeleteImportedKeyMaterial => import::delete(call),
        Operation::DeriveSharedSecret => shared_secret::derive(call),
        Operation::DescribeCustomKeyStores => key_store::describe(call),
        Operation::DescribeKey => describe::describe(call),
        Operation::DisableKey => switch::disable(call),
        Operation::DisableKeyRotation => rotation::disable(call),
        Operation::DisconnectCustomKeyStore => key_store::disconnect(call),
        Operation::EnableKey => switch::enable(call),
        Operation::EnableKeyRotation => rotation::enable(call),
        Operation::Encapsulate => shared_secret::encapsulate(call),
        Operation::Encrypt => encryption::encrypt(call),
        Operation::GenerateDataKey => data_key::generate(call, Plaintext::Given),
        Operation::GenerateDataKeyPair => data_key::generate_pair(call, Plaintext::Given),
        Operation::GenerateDataKeyPairWithoutPlaintext => data_key::generate_pair(call, Plaintext::Kept),
        Operation::GenerateDataKeyWithoutPlaintext => data_key::generate(call, Plaintext::Kept),
        Operation::GenerateMac => mac::generate(call),
        Operation::GenerateRandom => data_key::random(call),
        Operation::GetKeyLastUsage => usage::last(call),
        Operation::GetKeyPolicy => policy::get(call),
        Operation::GetKeyRotationStatus => rotation::status(call),
        Operation::GetParametersForImport => import_parameters::get(call),
        Operation::GetPublicKey => public_key::get(call),
        Operation::ImportKeyMaterial => import::import(call),
        Operation::ListAliases => alias::list(call),
        Operation::ListGrants => grant_list::of_key(call),
        Operation::ListKeyPolicies => policy::list(call),
        Operation::ListKeyRotations => rotation::list(call),
        Operation::ListKeys => describe::list(call),
        Operation::ListResourceTags => tag::list(call),
        Operation::ListRetirableGrants => grant_list::retirable(call),
        Operation::PutKeyPolicy => policy::put(call),
        Operation::ReEncrypt => encryption::re_encrypt(call),
        Operation::ReplicateKey => family::replicate(call),
        Operation::RetireGrant => grant::retire(call),
        Operation::RevokeGrant => grant::revoke(call),
        Operation::RotateKeyOnDemand => rotation::on_demand(call),
        Operation::ScheduleKeyDeletion => deletion::schedule(call),
        Operation::Sign => signature::sign(call),
        Operation::TagResource => tag::tag(call),
        Operation::UntagResource => tag::untag(call),
        Operation::UpdateAlias => alias::update(call),
        Operation::UpdateKeyDescription => switch::describe(call),
        Operation::UpdatePrimaryRegion => family::update_primary(call),
        Operation::Verify => signature::verify(call),
        Operation::VerifyMac => mac::verify(call),
    }
}
