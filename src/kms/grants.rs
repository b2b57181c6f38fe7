//! The part of the port that is about grants. The [module above](super) says what an adapter guarantees; it holds here too.

use std::future::Future;

use crate::domain::{
    failure::Failure,
    grant::{Grant, NewGrant},
};

/// Grants of a KMS in one account and Region.
pub trait Grants: Send + Sync + 'static {
    /// All grants of the key that have a name. `None`: the KMS has no such key. A grant without a name is never one of Keyward.
    fn grants(&self, key: &str) -> impl Future<Output = Result<Option<Vec<Grant>>, Failure>> + Send;
    /// Makes a grant and gives its id. A KMS that keeps the same request from making a second grant answers the id of the first one. A KMS
    /// that does not keep it from that gets the request once, and the adapter lists the grants before it.
    ///
    /// [`FailureKind::NewPrincipal`](crate::domain::failure::FailureKind::NewPrincipal): the KMS does not know a principal, which may be new.
    fn create_grant(&self, key: &str, grant: &NewGrant) -> impl Future<Output = Result<String, Failure>> + Send;
    /// Revokes a grant. If the key has no grant with this id, the call succeeds.
    fn revoke_grant(&self, key: &str, id: &str) -> impl Future<Output = Result<(), Failure>> + Send;
}
