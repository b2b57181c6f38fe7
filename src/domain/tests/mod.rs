//! The pure core against the tables of the reference: each row is a cell, a rule or a bullet of it.
//!
//! [`model`] is a small KMS with AWS's table of states, written without [`super::observed::Key::after`].

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that meets a broken assumption is to fail there")]

mod desired;
mod edge;
mod fixtures;
mod guard;
mod liveness;
mod model;
mod plan;
mod protocol;
mod release;
mod status;
