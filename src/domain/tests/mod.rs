//! The pure core against the tables of the reference: each row is a cell, a rule or a bullet of it.
//!
//! | file | what |
//! |---|---|
//! | [`plan`], [`edge`], [`guard`], [`stop`], [`release`], [`status`], [`desired`] | tables |
//! | [`orphans`] | which keys no object has, and what is printed of them |
//! | [`arrows`] | each arrow in the diagram of [`super::deletion`] |
//! | [`model`] | a small KMS with AWS's table of states, written without [`super::observed::Key::after`], and the executor's order |
//! | [`liveness`] | from every small state the declared one is reached, and stays |
//! | [`protocol`] | every short story of edits, outside acts, restores and crashes, with a witness that never asks the edge |

#![allow(clippy::too_many_lines, clippy::large_stack_arrays, clippy::items_after_statements, reason = "a table is as long as its rows")]
#![allow(
    clippy::struct_excessive_bools,
    clippy::default_trait_access,
    reason = "a witness notes facts; what is emptied says its type elsewhere"
)]

mod arrows;
mod desired;
mod edge;
pub(crate) mod fixtures;
mod fuzz;
mod grant;
mod guard;
mod handover;
mod life;
mod liveness;
mod memory;
mod model;
mod on_demand;
mod orphans;
mod pending;
mod plan;
mod policy;
mod protocol;
mod publish;
mod release;
mod replica;
mod status;
mod stop;
