//! The servers that tests talk to.

pub(crate) mod localstack;
