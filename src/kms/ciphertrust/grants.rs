//! CCKM has no call for grants of AWS keys, so every request is refused and nothing is sent. Access is given in the key policy there.

use super::{CipherTrustKms, operation::Operation};
use crate::{
    domain::{
        failure::{Failure, FailureKind},
        grant::{Grant, NewGrant},
    },
    kms::Grants,
};

impl CipherTrustKms {
    fn no_grants(&self, key: &str) -> Failure {
        let message = format!("key {key} can have no grants, because CipherTrust has no call for them; give access in the key policy");
        self.caller.refuse(Operation::GetKey, key, FailureKind::Invalid, message)
    }
}

impl Grants for CipherTrustKms {
    async fn grants(&self, key: &str) -> Result<Option<Vec<Grant>>, Failure> {
        Err(self.no_grants(key))
    }

    async fn create_grant(&self, key: &str, _: &NewGrant) -> Result<String, Failure> {
        Err(self.no_grants(key))
    }

    async fn revoke_grant(&self, key: &str, _: &str) -> Result<(), Failure> {
        Err(self.no_grants(key))
    }
}
