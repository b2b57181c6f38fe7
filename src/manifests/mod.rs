//! What a cluster needs before Keyward can run in it: CRDs, rights and one policy. Also the reference pages, which are made from the same
//! types.
//!
//! The binary prints the CRDs and rights, so an image shows what it expects. A test compares the generated files of the repository with
//! this module. Nothing here reads a cluster, a file or the environment: every function gives the same text every time.

pub mod admission;
pub mod crd;
pub mod policies;
pub mod rbac;
pub mod reference;
mod yaml;

pub use admission::{Admission, admission};
pub use crd::{crd_yaml, crds, crds_yaml};
pub use policies::{policies, policies_yaml};
pub use rbac::{Rbac, rbac};

use std::collections::BTreeMap;

/// The namespace of the shipped manifests. Another namespace works too, but only Keyward should use it, because everybody who can write
/// there can set its credentials.
pub const NAMESPACE: &str = "keyward-system";

/// The name of all installed objects, except the CRDs, whose names follow Kubernetes' rule.
pub const NAME: &str = "keyward";

/// Labels of every generated object.
fn labels() -> BTreeMap<String, String> {
    BTreeMap::from([("app.kubernetes.io/name".into(), NAME.into()), ("app.kubernetes.io/part-of".into(), NAME.into())])
}
