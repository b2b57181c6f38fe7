//! The servers that tests talk to.

pub(crate) mod double;
pub(crate) mod localstack;
