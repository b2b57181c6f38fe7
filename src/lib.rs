//! Keyward manages the lifecycle of KMS keys as `ManagedKey` objects declare it.
pub mod api;
pub mod cli;
pub mod controller;
pub mod domain;
pub mod kms;
pub mod lease;
pub mod manifests;
pub mod metrics;
pub mod run;
pub mod server;
pub mod startup;
pub mod telemetry;
