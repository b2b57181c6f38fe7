//! Every operation of CCKM that the adapter calls. Quotas, metrics and outcomes follow from this list.
//!
//! An operation that is not in the list cannot be sent. The list may never have one that imports or deletes key material, or that touches CCKM's own rotation, or
//! that removes CCKM's record of a key: a living key would look absent.

use crate::kms::rest;

macro_rules! operations {
    ($($name:ident $text:literal $effect:ident;)+) => {
        /// An operation of CCKM.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(super) enum Operation {
            $(#[doc = concat!("`", $text, "`.")] $name,)+
        }

        impl Operation {
            /// Every operation.
            pub(super) const ALL: &[Self] = &[$(Self::$name,)+];

            /// The last part of its path, or a name for what it does.
            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            const fn effect(self) -> Effect {
                match self { $(Self::$name => Effect::$effect,)+ }
            }
        }
    };
}

/// Whether an operation changes something in AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Reads,
    Changes,
}

operations! {
    AddAlias "add-alias" Changes;
    AddTags "add-tags" Changes;
    CancelDeletion "cancel-deletion" Changes;
    CreateKey "create-key" Changes;
    DeleteAlias "delete-alias" Changes;
    Disable "disable" Changes;
    DisableAutoRotation "disable-auto-rotation" Changes;
    Enable "enable" Changes;
    EnableAutoRotation "enable-auto-rotation" Changes;
    GetKey "get-key" Reads;
    GetKeyRotationStatus "get-key-rotation-status" Reads;
    GetKms "get-kms" Reads;
    GetSynchronization "get-synchronization" Reads;
    ListKeys "list-keys" Reads;
    ListKms "list-kms" Reads;
    ListRotations "list-rotations" Reads;
    Login "login" Reads;
    Policy "policy" Changes;
    // It refreshes CCKM's copy and does not change the key.
    Refresh "refresh" Reads;
    RemoveTags "remove-tags" Changes;
    ReplicateKey "replicate-key" Changes;
    RotateMaterial "rotate-material" Changes;
    ScheduleDeletion "schedule-deletion" Changes;
    // It refreshes CCKM's copies and does not change the keys.
    Synchronize "synchronize" Reads;
    UpdateDescription "update-description" Changes;
    UpdatePrimaryRegion "update-primary-region" Changes;
}

impl rest::Operation for Operation {
    fn as_str(self) -> &'static str {
        self.name()
    }

    fn changes(self) -> bool {
        self.effect() == Effect::Changes
    }

    /// A creation has no idempotency token: each request that arrives creates a key. The same holds for a rotation of the material. A login is repeated only together with the call that
    /// needs it; otherwise a wrong password would be tried so often that the server locks the user out.
    fn repeats(self) -> bool {
        !matches!(self, Self::CreateKey | Self::Login | Self::RotateMaterial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rest::Operation as _;

    #[test]
    fn the_list_is_sorted_and_reads_are_listed_as_reads() {
        let names: Vec<_> = Operation::ALL.iter().map(|operation| operation.as_str()).collect();
        assert!(names.is_sorted(), "{names:?}");
        for operation in Operation::ALL {
            let reads = ["get-", "list-", "login", "refresh", "synchronize"].iter().any(|verb| operation.as_str().starts_with(verb));
            assert_eq!(operation.changes(), !reads, "{operation:?}");
        }
    }
}
