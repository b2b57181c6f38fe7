//! Keyward keeps the lifecycle of KMS keys as declared by `ManagedKey` objects.
pub mod api;
pub mod cli;
pub mod controller;
pub mod domain;
#[cfg(test)]
mod fuzz;
pub mod kms;
pub mod lease;
pub mod manifests;
pub mod metrics;
pub mod run;
pub mod server;
pub mod startup;
pub mod telemetry;
