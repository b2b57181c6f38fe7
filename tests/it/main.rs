//! The one integration-test binary.

mod contract;
mod support;
