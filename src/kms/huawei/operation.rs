//! Every operation of Huawei that the adapter calls. Permissions, quotas, metrics and outcomes follow from this list.
//!
//! An operation that is not in the list cannot be sent. The list may never have one that encrypts, decrypts or signs, or that imports or
//! deletes key material.

use crate::kms::rest;

/// Whether an operation changes something at the KMS.
#[derive(PartialEq)]
enum Effect {
    Reads,
    Changes,
}

macro_rules! operations {
    ($($variant:ident $name:literal $effect:ident $action:literal)+) => {
        /// An operation of Huawei.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(super) enum Operation {
            $(#[doc = concat!("`", $name, "`.")] $variant,)+
        }

        impl Operation {
            /// Every operation.
            pub(super) const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name of the path. If several operations share a path, it is the name in Huawei's API reference, in the form that the
            /// double's ledger has.
            pub(super) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            const fn effect(self) -> Effect {
                match self { $(Self::$variant => Effect::$effect,)+ }
            }

            /// What to do where it is denied.
            pub(super) const fn permission(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!(
                        "give Keyward's user the system policy KMS CMKFullAccess in this project, or a custom one with ", $action
                    ),)+
                }
            }
        }
    };
}

operations! {
    AssociateAlias "associate-alias" Changes "kms:alias:associate"
    BatchTags "batch-tags" Changes "kms:cmkTag:batch"
    CancelKeyDeletion "cancel-key-deletion" Changes "kms:cmk:update"
    CreateAlias "create-alias" Changes "kms:alias:create"
    CreateKey "create-key" Changes "kms:cmk:create"
    CreateGrant "create-grant" Changes "kms:grant:create"
    CreateToken "create-token" Reads "leave to log in with a password, which IAM may forbid the user"
    DeleteAlias "delete-alias" Changes "kms:alias:delete"
    DescribeKey "describe-key" Reads "kms:cmk:get"
    DisableKey "disable-key" Changes "kms:cmk:disable"
    DisableKeyRotation "disable-key-rotation" Changes "kms:cmk:disableRotation"
    EnableKey "enable-key" Changes "kms:cmk:enable"
    EnableKeyRotation "enable-key-rotation" Changes "kms:cmk:enableRotation"
    FilterResources "filter-resources" Reads "kms:cmkTag:listInstance"
    GetKeyRotationStatus "get-key-rotation-status" Reads "kms:cmk:getRotation"
    ListAliases "list-aliases" Reads "kms:alias:list"
    ListGrants "list-grants" Reads "kms:grant:list"
    ListKeys "list-keys" Reads "kms:cmk:list"
    ListTags "list-tags" Reads "kms:cmkTag:list"
    RevokeGrant "revoke-grant" Changes "kms:grant:revoke"
    RotateOnDemand "rotate-on-demand" Changes "kms:cmk:rotateOnDemand"
    ScheduleKeyDeletion "schedule-key-deletion" Changes "kms:cmk:update"
    UpdateKeyDescription "update-key-description" Changes "kms:cmk:update"
    UpdateKeyRotationInterval "update-key-rotation-interval" Changes "kms:cmk:updateRotation"
    UserQuotas "user-quotas" Reads "kms:cmk:getQuota"
}

impl rest::Operation for Operation {
    fn as_str(self) -> &'static str {
        self.as_str()
    }

    fn changes(self) -> bool {
        self.effect() == Effect::Changes
    }

    /// `create-key` knows no idempotency token; a second one would be refused for its alias, but nothing says so for a key that is pending
    /// deletion. Each `create-grant` that arrives makes one more grant, and each `rotate-on-demand` rotates the key once more.
    fn repeats(self) -> bool {
        !matches!(self, Self::CreateGrant | Self::CreateKey | Self::RotateOnDemand)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::kms::rest::Operation as _;

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let names: BTreeSet<_> = Operation::ALL.iter().map(|operation| operation.as_str()).collect();
        assert_eq!(names.len(), Operation::ALL.len());
    }

    #[test]
    fn reads_are_listed_as_reads_and_what_does_more_each_time_is_sent_once() {
        for operation in Operation::ALL {
            let reads = ["describe", "filter", "get", "list", "user"].iter().any(|verb| operation.as_str().starts_with(verb));
            // A token is no part of a key: whoever may change nothing still has to read.
            assert_eq!(operation.changes(), !reads && *operation != Operation::CreateToken, "{operation:?}");
            let once = matches!(operation, Operation::CreateGrant | Operation::CreateKey | Operation::RotateOnDemand);
            assert_eq!(operation.repeats(), !once, "{operation:?}");
        }
    }
}
