//! The wire protocols of Huawei Cloud: KMS (`/v1.0`, `/v2`) and IAM (`/v3`), on the same port as AWS. The path tells them apart.
//!
//! A call is checked in the same order as in the cloud: the API exists (gateway), the caller (signature or token), the project, the
//! permission, the content, the state of the key. Faults come after the signature. The effect and its ledger entry are made under one lock.
//!
//! In the world, a Huawei key is stored under the id and Region of its project. To add an operation, change `operation` (name and path),
//! `states` (its row, if it has one) and `calls` (what it does). Nothing here may depend on the AWS part.

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

/// The maximum request size of the gateway, 12 MB.
const BODY_MAX: usize = 12 * 1024 * 1024;

/// The paths of Huawei Cloud, except `/`, which AWS uses too.
pub(crate) fn router() -> Router<Arc<Shared>> {
    let mut router = Router::new();
    for version in ["v1.0", "v2", "v3"] {
        router = router.route(&format!("/{version}"), any(serve)).route(&format!("/{version}/{{*path}}"), any(serve));
    }
    router.layer(DefaultBodyLimit::max(BODY_MAX)).merge(admin::router())
}

/// Whether a key of this account belongs to Huawei: a project id has 32 hex digits, an AWS account twelve digits.
pub(crate) fn is_project(account: &str) -> bool {
    account.len() == 32 && account.bytes().all(|byte| byte.is_ascii_hexdigit())
}
