//! The operations. The caller is known and the request was read.

mod account;
mod alias;
mod create;
mod deletion;
mod describe;
mod family;
mod grant;
mod page;
mod rotation;
mod search;
mod switch;
mod tag;

use super::call::{Answer, Call, Result};
use super::failure::Failure;
use super::iam;
use super::operation::Operation;

/// The prefix of an alias. A key's own name is stored with it and returned without it.
pub(super) const ALIAS_PREFIX: &str = "alias/";

/// Does a call.
pub(super) fn carry_out(call: &mut Call<'_>) -> Result {
    check_sequence(call)?;
    match call.operation {
        Operation::CreateKey => create::create(call),
        Operation::DescribeKey => describe::describe(call),
        Operation::ListKeys => describe::list(call),
        Operation::GetKeyRotationStatus => rotation::status(call),
        Operation::EnableKey => switch::enable(call),
        Operation::DisableKey => switch::disable(call),
        Operation::ScheduleKeyDeletion => deletion::schedule(call),
        Operation::CancelKeyDeletion => deletion::cancel(call),
        Operation::EnableKeyRotation => rotation::enable(call),
        Operation::DisableKeyRotation => rotation::disable(call),
        Operation::UpdateKeyRotationInterval => rotation::set_interval(call),
        Operation::RotateOnDemand => rotation::on_demand(call),
        Operation::UpdateKeyAlias => switch::rename(call),
        Operation::UpdateKeyDescription => switch::describe(call),
        Operation::CreateAlias => alias::create(call),
        Operation::ListAliases => alias::list(call),
        Operation::DeleteAlias => alias::delete(call),
        Operation::AssociateAlias => alias::associate(call),
        Operation::CreateGrant => grant::create(call),
        Operation::ListGrants => grant::list(call),
        Operation::RevokeGrant => grant::revoke(call),
        Operation::ListTags => tag::list(call),
        Operation::CreateTag => tag::create(call),
        Operation::BatchTags => tag::batch(call),
        Operation::DeleteTag => tag::delete(call),
        Operation::ListProjectTags => Ok(tag::of_project(call)),
        Operation::FilterResources => search::filter(call),
        Operation::UserInstances => Ok(account::instances(call)),
        Operation::UserQuotas => Ok(account::quotas(call)),
        Operation::Replicate => family::replicate(call),
        Operation::UpdatePrimaryRegion => family::move_primary(call),
        Operation::ListRegions => Ok(family::regions(call)),
        Operation::ListProjects => Ok(Answer::json(iam::list_projects(call.known, call.caller, call.request.parameter("name")))),
        Operation::ShowProject => {
            let id = call.request.route.item.as_deref().unwrap_or_default();
            iam::show_project(call.known, call.caller, id).map(Answer::json)
        }
        // Both are answered before the caller is known.
        Operation::ListVersions | Operation::CreateToken => Err(Failure::of(super::failure::Code::Url)),
    }
}

/// The number that a client may give to a request: 36 characters. It does not make repeated calls idempotent.
fn check_sequence(call: &Call<'_>) -> Result<()> {
    match call.members.string("sequence")? {
        Some(sequence) if sequence.len() != 36 => Err(Failure::of(super::failure::Code::Sequence)),
        _ => Ok(()),
    }
}
