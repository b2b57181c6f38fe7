//! Keyward manages the lifecycle of KMS keys as `ManagedKey` objects declare it.
pub mod api;
pub mod cli;
mod controller;
pub mod domain;
#[cfg(test)]
mod fuzz;
pub mod kms;
pub mod lease;
pub mod manifests;
pub mod metrics;
pub mod run;
mod server;
mod startup;
pub mod telemetry;

/// Runs a round so that a panic ends it alone; for the test of the whole program.
#[doc(hidden)]
pub use controller::contained;
