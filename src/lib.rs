//! Keyward manages the lifecycle of KMS keys as `ManagedKey` objects declare it.

// The compiler has to see that the future of a whole round, with all calls in it, can move between threads.
#![recursion_limit = "256"]
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
mod startup;
pub mod telemetry;
pub mod text;
mod waits;

/// Runs a round so that a panic ends it alone; for the test of the whole program.
#[doc(hidden)]
pub use controller::contained;
