//! The Helm chart and the manifests that are rendered from it.

mod deployed;
mod life;
mod rendered;
mod rights;
pub mod values;
