//! Every operation of CCKM that the adapter calls: one list, from which quotas, metrics and outcomes follow.
//!
//! An operation that is not here cannot be sent. Nothing in it may ever touch a key policy, key material, CCKM's own rotation, or drop CCKM's record of a
//! key, which would make a key that lives look absent.

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

            /// The last part of its path, or what is done with what the path names.
            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            const fn effect(self) -> Effect {
                match self { $(Self::$name => Effect::$effect,)+ }
            }
        }
    };
}

/// What an operation does to AWS's side.
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
    // It renews CCKM's copy and leaves the key alone.
    Refresh "refresh" Reads;
    RemoveTags "remove-tags" Changes;
    ScheduleDeletion "schedule-deletion" Changes;
    // It renews CCKM's copies and leaves the keys alone.
    Synchronize "synchronize" Reads;
    UpdateDescription "update-description" Changes;
}

impl rest::Operation for Operation {
    fn as_str(self) -> &'static str {
        self.name()
    }

    fn changes(self) -> bool {
        self.effect() == Effect::Changes
    }

    /// A creation knows no idempotency token, and each one that arrives makes a key. A login is repeated with the call that needs it, and not on its own,
    /// or a password that is wrong would be tried more often than a server forgives.
    fn repeats(self) -> bool {
        !matches!(self, Self::CreateKey | Self::Login)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rest::Operation as _;

    #[test]
    fn the_list_is_sorted_and_what_reads_is_named_so() {
        let names: Vec<_> = Operation::ALL.iter().map(|operation| operation.as_str()).collect();
        assert!(names.is_sorted(), "{names:?}");
        for operation in Operation::ALL {
            let reads = ["get-", "list-", "login", "refresh", "synchronize"].iter().any(|verb| operation.as_str().starts_with(verb));
            assert_eq!(operation.changes(), !reads, "{operation:?}");
        }
    }
}
