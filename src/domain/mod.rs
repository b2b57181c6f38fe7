//! The pure core: what is declared and what was seen go in, the next step comes out.
//!
//! One round of the controller is **observe → plan → guard → execute → report**, and three of the five live here:
//!
//! | step | where | reads | gives |
//! |---|---|---|---|
//! | observe | [`crate::kms`] | the KMS | [`observed::Observed`] |
//! | **plan** | [`plan`] | [`desired::Desired`], [`memory::Memory`], `Observed` | [`plan::Plan`]: rest, wait, stall, hold, or one [`step::Step`] |
//! | **guard** | [`deletion::guard`] | evidence read live for this one call | [`Cleared`](deletion::guard::Cleared), or the reason that holds |
//! | execute | `controller` | | calls the KMS |
//! | **report** | [`status`], [`requeue`] | what came of it | the status that people see, and when to look again |
//!
//! Everything here is a total function over plain data. There is no I/O, no clock, no client, no log and no `async`: time is a parameter, and a
//! test can walk every state. What happens when the object itself is deleted is in [`release`].

pub mod deletion;
pub mod desired;
pub mod event;
pub mod failure;
pub mod handover;
pub mod limits;
pub mod memory;
pub mod observed;
pub mod ownership;
pub mod pending;
pub mod plan;
pub mod provider;
pub mod release;
pub mod requeue;
pub mod rescue;
pub mod reserved;
pub mod rotation;
pub mod rules;
pub mod settings;
pub mod status;
pub mod step;

#[cfg(test)]
pub(crate) mod tests;
