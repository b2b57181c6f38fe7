//! Huawei has grants, and Keyward does not make them yet: every request is refused, and nothing is sent.

use super::{HuaweiKms, operation::Operation};
use crate::{
    domain::{
        failure::{Failure, FailureKind},
        grant::{Grant, NewGrant},
    },
    kms::Grants,
};

impl HuaweiKms {
    fn no_grants(&self, key: &str) -> Failure {
        let message = format!("key {key} can have no grants, because Keyward makes none at Huawei");
        self.caller.refuse(Operation::DescribeKey, key, FailureKind::Invalid, message)
    }
}

impl Grants for HuaweiKms {
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
