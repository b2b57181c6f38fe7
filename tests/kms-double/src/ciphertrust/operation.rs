//! The operations and the routes that lead to them.

use axum::http::Method;

/// Declares the operations with their names in the ledger and whether they change something.
macro_rules! operations {
    ($($name:ident $text:literal $effect:ident,)*) => {
        /// The operation of a request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Operation { $($name,)* }

        impl Operation {
            /// The name in the ledger, in faults and in the list of a user's allowed operations.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Whether it only reads, or changes a key, an alias or a row. A refresh and a synchronization only read.
            pub(crate) fn effect(self) -> Effect {
                match self { $(Self::$name => Effect::$effect,)* }
            }

            /// The action on a key with this name in a path.
            fn action(segment: &str) -> Option<Self> {
                ACTIONS.iter().find(|operation| operation.name() == segment).copied()
            }
        }
    };
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Reads,
    Changes,
}

operations! {
    Login "login" Reads,
    ListKms "list-kms" Reads,
    GetKms "get-kms" Reads,
    ListKeys "list-keys" Reads,
    GetKey "get-key" Reads,
    CreateKey "create-key" Changes,
    DeleteKey "delete-key" Changes,
    Enable "enable" Changes,
    Disable "disable" Changes,
    ScheduleDeletion "schedule-deletion" Changes,
    CancelDeletion "cancel-deletion" Changes,
    EnableAutoRotation "enable-auto-rotation" Changes,
    DisableAutoRotation "disable-auto-rotation" Changes,
    GetKeyRotationStatus "get-key-rotation-status" Reads,
    Rotate "rotate" Changes,
    RotateMaterial "rotate-material" Changes,
    AddAlias "add-alias" Changes,
    DeleteAlias "delete-alias" Changes,
    AddTags "add-tags" Changes,
    RemoveTags "remove-tags" Changes,
    UpdateDescription "update-description" Changes,
    Policy "policy" Changes,
    ReplicateKey "replicate-key" Changes,
    UpdatePrimaryRegion "update-primary-region" Changes,
    Refresh "refresh" Reads,
    ListRotations "list-rotations" Reads,
    Synchronize "synchronize" Reads,
    ListSynchronizations "list-synchronizations" Reads,
    GetSynchronization "get-synchronization" Reads,
    CancelSynchronization "cancel-synchronization" Reads,
    VerifyAlias "verify-alias" Reads,
}

/// The actions on a key, by their names in a path.
const ACTIONS: [Operation; 18] = [
    Operation::Enable,
    Operation::Disable,
    Operation::ScheduleDeletion,
    Operation::CancelDeletion,
    Operation::EnableAutoRotation,
    Operation::DisableAutoRotation,
    Operation::GetKeyRotationStatus,
    Operation::Rotate,
    Operation::RotateMaterial,
    Operation::AddAlias,
    Operation::DeleteAlias,
    Operation::AddTags,
    Operation::RemoveTags,
    Operation::UpdateDescription,
    Operation::Policy,
    Operation::ReplicateKey,
    Operation::UpdatePrimaryRegion,
    Operation::Refresh,
];

/// The route of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) operation: Operation,
    /// What the path names: a row, a kms object or a job.
    pub(crate) id: Option<String>,
}

impl Route {
    /// The route of a method and path. A slash at the end is ignored.
    pub(crate) fn find(method: &Method, path: &str) -> Option<Self> {
        let path = path.strip_prefix("/api/v1/")?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments: Vec<&str> = path.split('/').collect();
        let route = |operation| Some(Self { operation, id: None });
        let with = |operation, id: &str| Some(Self { operation, id: Some(id.to_owned()) });
        match (method.as_str(), segments.as_slice()) {
            ("POST", ["auth", "tokens"]) => route(Operation::Login),
            ("GET", ["cckm", "aws", "kms"]) => route(Operation::ListKms),
            ("GET", ["cckm", "aws", "kms", id]) => with(Operation::GetKms, id),
            ("GET", ["cckm", "aws", "keys"]) => route(Operation::ListKeys),
            ("POST", ["cckm", "aws", "keys"]) => route(Operation::CreateKey),
            ("GET", ["cckm", "aws", "keys", id]) => with(Operation::GetKey, id),
            ("DELETE", ["cckm", "aws", "keys", id]) => with(Operation::DeleteKey, id),
            ("GET", ["cckm", "aws", "keys", id, "rotations"]) => with(Operation::ListRotations, id),
            ("POST", ["cckm", "aws", "keys", id, action]) => with(Operation::action(action)?, id),
            ("GET", ["cckm", "aws", "synchronization-jobs"]) => route(Operation::ListSynchronizations),
            ("POST", ["cckm", "aws", "synchronization-jobs"]) => route(Operation::Synchronize),
            ("GET", ["cckm", "aws", "synchronization-jobs", id]) => with(Operation::GetSynchronization, id),
            ("POST", ["cckm", "aws", "synchronization-jobs", id, "cancel"]) => with(Operation::CancelSynchronization, id),
            ("POST", ["cckm", "aws", "alias", "verify"]) => route(Operation::VerifyAlias),
            _ => None,
        }
    }

    /// The row that the path names.
    pub(crate) fn row(&self) -> Option<&str> {
        let of_key = matches!(self.operation, Operation::GetKey | Operation::DeleteKey | Operation::ListRotations);
        self.id.as_deref().filter(|_| of_key || ACTIONS.contains(&self.operation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_at_the_end_makes_no_difference_and_a_method_does() {
        let enable = Some(Route { operation: Operation::Enable, id: Some("k".to_owned()) });
        assert_eq!(Route::find(&Method::POST, "/api/v1/cckm/aws/keys/k/enable"), enable);
        assert_eq!(Route::find(&Method::POST, "/api/v1/cckm/aws/keys/k/enable/"), enable);
        assert_eq!(Route::find(&Method::GET, "/api/v1/cckm/aws/keys/k/enable"), None);
        assert_eq!(Route::find(&Method::POST, "/v1/cckm/aws/keys/k/enable"), None);
        assert_eq!(Route::find(&Method::POST, "/api/v1/cckm/aws/keys/k/get-key"), None);
        for operation in ACTIONS {
            let path = format!("/api/v1/cckm/aws/keys/k/{}", operation.name());
            assert_eq!(Route::find(&Method::POST, &path).unwrap().row(), Some("k"));
        }
        assert_eq!(Route::find(&Method::GET, "/api/v1/cckm/aws/kms/k").unwrap().row(), None);
    }
}
