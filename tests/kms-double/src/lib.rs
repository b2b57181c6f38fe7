//! The KMS double.
