//! The operations of the KMS API, one file per group.

mod alias;
mod create;
mod crypto;
mod deletion;
mod describe;
mod family;
mod page;
mod policy;
mod rotation;
mod switch;
mod tag;

use super::call::{Answer, Call};
use super::operation::Operation;

pub(super) use crypto::TRACKING_START;
pub(super) use deletion::DEFAULT_WINDOW_DAYS;
pub(crate) use policy::default as default_policy;

/// Does a call.
pub(crate) fn carry_out(call: &mut Call<'_>) -> Answer {
    match call.operation {
        Operation::CancelKeyDeletion => deletion::cancel(call),
        Operation::CreateAlias => alias::create(call),
        Operation::CreateKey => create::create(call),
        Operation::Decrypt => crypto::decrypt(call),
        Operation::DeleteAlias => alias::delete(call),
        Operation::DescribeKey => describe::describe(call),
        Operation::DisableKey => switch::disable(call),
        Operation::DisableKeyRotation => rotation::disable(call),
        Operation::EnableKey => switch::enable(call),
        Operation::EnableKeyRotation => rotation::enable(call),
        Operation::Encrypt => crypto::encrypt(call),
        Operation::GetKeyLastUsage => crypto::last_usage(call),
        Operation::GetKeyPolicy => policy::get(call),
        Operation::GetKeyRotationStatus => rotation::status(call),
        Operation::ListAliases => alias::list(call),
        Operation::ListKeyRotations => rotation::list(call),
        Operation::ListKeys => describe::list(call),
        Operation::ListResourceTags => tag::list(call),
        Operation::PutKeyPolicy => policy::put(call),
        Operation::ReplicateKey => family::replicate(call),
        Operation::RotateKeyOnDemand => rotation::on_demand(call),
        Operation::ScheduleKeyDeletion => deletion::schedule(call),
        Operation::TagResource => tag::tag(call),
        Operation::UntagResource => tag::untag(call),
        Operation::UpdateAlias => alias::update(call),
        Operation::UpdateKeyDescription => switch::describe(call),
        Operation::UpdatePrimaryRegion => family::update_primary(call),
    }
}
