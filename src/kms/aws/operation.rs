//! Every operation of AWS that the adapter calls. Permissions, quotas, metrics and outcomes follow from this list.
//!
//! An operation that is not in the list cannot be sent. The list may never have one that encrypts, decrypts or signs.

macro_rules! operations {
    ($($service:ident: $($name:ident)+;)+) => {
        /// An operation of AWS.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(super) enum Operation {
            $($(#[doc = concat!("`", stringify!($service), ":", stringify!($name), "`.")] $name,)+)+
        }

        impl Operation {
            /// Every operation, in the order of [`OPERATIONS`].
            pub(super) const ALL: &[Self] = &[$($(Self::$name,)+)+];

            /// AWS's name of it.
            pub(super) const fn as_str(self) -> &'static str {
                match self { $($(Self::$name => stringify!($name),)+)+ }
            }

            /// The IAM action that allows it.
            pub(super) const fn action(self) -> &'static str {
                match self { $($(Self::$name => concat!(stringify!($service), ":", stringify!($name)),)+)+ }
            }
        }

        /// The IAM action of every operation that the adapter can call, in alphabetical order by service.
        pub const OPERATIONS: &[&str] = &[$($(concat!(stringify!($service), ":", stringify!($name)),)+)+];
    };
}

operations! {
    kms:
        CancelKeyDeletion
        CreateAlias
        CreateGrant
        CreateKey
        DeleteAlias
        DescribeKey
        DisableKey
        DisableKeyRotation
        EnableKey
        EnableKeyRotation
        GetKeyLastUsage
        GetKeyPolicy
        GetKeyRotationStatus
        ListAliases
        ListGrants
        ListKeyRotations
        ListKeys
        ListResourceTags
        PutKeyPolicy
        ReplicateKey
        RevokeGrant
        RotateKeyOnDemand
        ScheduleKeyDeletion
        TagResource
        UntagResource
        UpdateAlias
        UpdateKeyDescription
        UpdatePrimaryRegion;
    sts:
        AssumeRole
        GetCallerIdentity;
}

impl Operation {
    /// Whether it changes something at the KMS.
    pub(super) const fn changes(self) -> bool {
        match self {
            Self::CancelKeyDeletion
            | Self::CreateAlias
            | Self::CreateGrant
            | Self::CreateKey
            | Self::DeleteAlias
            | Self::DisableKey
            | Self::DisableKeyRotation
            | Self::EnableKey
            | Self::EnableKeyRotation
            | Self::PutKeyPolicy
            | Self::ReplicateKey
            | Self::RevokeGrant
            | Self::RotateKeyOnDemand
            | Self::ScheduleKeyDeletion
            | Self::TagResource
            | Self::UntagResource
            | Self::UpdateAlias
            | Self::UpdateKeyDescription
            | Self::UpdatePrimaryRegion => true,
            Self::DescribeKey
            | Self::GetKeyLastUsage
            | Self::GetKeyPolicy
            | Self::GetKeyRotationStatus
            | Self::ListAliases
            | Self::ListGrants
            | Self::ListKeyRotations
            | Self::ListKeys
            | Self::ListResourceTags
            | Self::AssumeRole
            | Self::GetCallerIdentity => false,
        }
    }

    /// Whether a request may be repeated if its answer was lost. `CreateKey` and `RotateKeyOnDemand` have no idempotency token: each request
    /// that arrives creates a key, or spends one of the rotations of a key. `CreateGrant` is sent with a name, which makes it idempotent.
    /// A Region has at most one replica of a key, so a second `ReplicateKey` makes none.
    pub(super) const fn repeats(self) -> bool {
        !matches!(self, Self::CreateKey | Self::RotateKeyOnDemand)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_has_every_operation_once() {
        assert!(OPERATIONS.is_sorted());
        assert_eq!(OPERATIONS, Operation::ALL.iter().map(|operation| operation.action()).collect::<Vec<_>>());
    }

    #[test]
    fn operations_that_only_read_are_listed_as_reads() {
        for operation in Operation::ALL {
            let reads = ["Describe", "Get", "List", "Assume"].iter().any(|verb| operation.as_str().starts_with(verb));
            assert_eq!(operation.changes(), !reads, "{operation:?}");
        }
    }
}
