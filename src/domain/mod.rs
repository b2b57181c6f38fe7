//! The pure core: its input is what is declared and what was seen, its output is the next step.
//!
//! One round of the controller is **observe → plan → guard → execute → report**, and three of the five live here:
//!
//! | step | where | reads | gives |
//! |---|---|---|---|
//! | observe | [`crate::kms`] | the KMS | [`observed::Observed`] |
//! | **plan** | [`plan`] | [`desired::Desired`], [`memory::Memory`], `Observed` | [`plan::Plan`]: rest, wait, stall, hold, or one [`step::Step`] |
//! | **guard** | [`deletion::guard`] | evidence read live for this one call | [`Cleared`](deletion::guard::Cleared), or the reason for the hold |
//! | execute | `controller` | | calls the KMS |
//! | **report** | [`status`], `requeue` | the outcome | the status that people see, and when to look again |
//!
//! Everything here is a total function over plain data. There is no I/O, no clock, no client, no log and no `async`. Time is a parameter,
//! so a test can visit every state. [`release`] decides what happens when the object itself is deleted.

pub mod candidates;
pub mod command;
pub mod deletion;
pub mod desired;
pub mod event;
pub mod failure;
pub mod grant;
pub mod handover;
pub mod limits;
pub mod memory;
pub mod observed;
pub(crate) mod on_demand;
pub mod orphans;
pub mod ownership;
pub mod pending;
pub(crate) mod periods;
pub mod plan;
pub mod policy;
pub mod primary;
pub mod provider;
pub mod publish;
pub mod release;
pub mod replica;
pub(crate) mod requeue;
pub(crate) mod rescue;
pub(crate) mod reserved;
pub(crate) mod rotation;
pub mod rules;
pub(crate) mod settings;
pub mod status;
pub mod step;
pub(crate) mod table;
pub mod uninstall;

#[cfg(test)]
pub(crate) mod tests;
