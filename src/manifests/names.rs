//! Names and labels of what is installed.

use std::collections::BTreeMap;

/// The namespace of the shipped manifests. Another namespace works too, but only Keyward should use it, because everybody who can write
/// there can set its credentials.
pub const NAMESPACE: &str = "keyward-system";

/// The name of all installed objects, except the CRDs, whose names follow Kubernetes' rule.
pub const NAME: &str = "keyward";

/// Labels of every generated object.
pub(super) fn labels() -> BTreeMap<String, String> {
    BTreeMap::from([("app.kubernetes.io/name".into(), NAME.into()), ("app.kubernetes.io/part-of".into(), NAME.into())])
}
