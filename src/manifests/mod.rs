//! What a cluster needs before Keyward can run in it: CRDs, rights, one policy, one Deployment; and the reference pages made from the same types.
//!
//! The binary prints them, so an image says what it expects, and a test compares the generated files of the repository with them.
//! Nothing here reads a cluster, a file or the environment: every function gives the same text every time.

pub mod admission;
pub mod crd;
pub mod rbac;
pub mod reference;
mod yaml;

pub use admission::{Admission, admission};
pub use crd::{crd_yaml, crds, crds_yaml};
pub use rbac::{Rbac, rbac};

use std::collections::BTreeMap;

/// The namespace of the shipped manifests. Another one is as good, if it is Keyward's alone: who can write there can set its credentials.
pub const NAMESPACE: &str = "keyward-system";

/// The name of everything that is installed but the CRDs, which are named by Kubernetes' own rule.
pub const NAME: &str = "keyward";

/// Labels of every generated object.
fn labels() -> BTreeMap<String, String> {
    BTreeMap::from([("app.kubernetes.io/name".into(), NAME.into()), ("app.kubernetes.io/part-of".into(), NAME.into())])
}
