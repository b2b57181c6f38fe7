//! The wire protocols of Huawei Cloud: KMS (`/v1.0`, `/v2`) and IAM (`/v3`), on the port of AWS's and told apart by path.
//!
//! A call goes through the same stations as in the cloud: is there such an API (gateway), who is it (signature or token), is the project
//! its own, may it, what does it say, does the key's state allow it. Faults come after the signature. The effect and its ledger entry
//! are made under one lock.
//!
//! A Huawei key lives in the world under its project's id and Region. An operation is added in `operation` (name and path), `states`
//! (its row, if it has one) and `calls` (what it does). Nothing here may depend on AWS's half.

mod admin;
mod call;
mod calls;
mod failure;
mod form;
mod iam;
mod identity;
mod members;
mod operation;
mod percent;
mod perform;
mod plant;
mod reply;
mod serve;
mod signature;
mod spec;
mod states;
mod who;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::any;

use crate::state::Shared;

pub(crate) use identity::Known;
pub use identity::{
    HUAWEI_ACCESS_KEY, HUAWEI_DOMAIN, HUAWEI_DOMAIN_NAME, HUAWEI_PASSWORD, HUAWEI_PROJECT, HUAWEI_REGION, HUAWEI_SECOND_ACCESS_KEY,
    HUAWEI_SECOND_DOMAIN, HUAWEI_SECOND_DOMAIN_NAME, HUAWEI_SECOND_PROJECT, HUAWEI_SECOND_SECRET_KEY, HUAWEI_SECRET_KEY, HUAWEI_USER,
    HuaweiCredential, HuaweiIdentities, HuaweiProject, HuaweiUser,
};
pub(crate) use plant::plant;
pub(crate) use serve::serve;

/// The gateway takes 12 MB and no more.
const BODY_MAX: usize = 12 * 1024 * 1024;

/// The paths of Huawei Cloud but for `/`, where AWS is called as well.
pub(crate) fn router() -> Router<Arc<Shared>> {
    let mut router = Router::new();
    for version in ["v1.0", "v2", "v3"] {
        router = router.route(&format!("/{version}"), any(serve)).route(&format!("/{version}/{{*path}}"), any(serve));
    }
    router.layer(DefaultBodyLimit::max(BODY_MAX)).merge(admin::router())
}

/// Whether a key of this account is Huawei's: a project id is 32 hex digits, an AWS account twelve.
pub(crate) fn is_project(account: &str) -> bool {
    account.len() == 32 && account.bytes().all(|byte| byte.is_ascii_hexdigit())
}
