//! What a cluster needs before Keyward can run in it: CRDs, rights and one policy. Also the reference pages, which are made from the same
//! types.
//!
//! The binary prints the CRDs and rights, so an image shows what it expects. A test compares the generated files of the repository with
//! this module. Nothing here reads a cluster, a file or the environment: every function gives the same text every time.

pub mod admission;
pub mod crd;
mod names;
pub mod policies;
pub mod rbac;
pub mod reference;
mod yaml;

pub use admission::{Admission, admission};
pub use crd::{crd_yaml, crds, crds_yaml};
use names::labels;
pub use names::{NAME, NAMESPACE};
pub use policies::{policies, policies_yaml};
pub use rbac::{Rbac, rbac};
