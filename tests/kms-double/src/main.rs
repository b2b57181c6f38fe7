//! The KMS double, run alone.
fn main() {}
