//! Keyward keeps the lifecycle of KMS keys as declared by `ManagedKey` objects.
pub mod api;
pub mod lease;
pub mod metrics;
pub mod server;
pub mod telemetry;
