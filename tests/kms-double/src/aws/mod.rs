//! The wire protocols of AWS: KMS (JSON 1.1) and STS (query), on one port and one path.
//!
//! A call is checked in the same order as on AWS: the caller (signature), permission (quota, policy), the content (members), the state of
//! the key. Faults come after the signature. The effect and its ledger entry are made under one lock.
//!
//! To add an operation, change `operation` (name and quota), `states` (its row) and `calls` (what it does).

mod call;
mod calls;
mod denial;
mod failure;
mod form;
mod grant_token;
mod granted;
mod inside;
mod kms;
mod members;
mod operation;
pub(crate) mod partition;
mod reply;
mod request;
mod sealed;
mod serve;
mod sigv4;
mod sparse;
mod spec;
mod states;
mod sts;
mod target;

pub(crate) use calls::{default_policy, new_grant_id};
pub use denial::Denial;
pub(crate) use failure::Failure;
pub(crate) use form::pairs as query_pairs;
pub(crate) use inside::{Inside, call as call_inside};
pub(crate) use operation::Operation;
pub use operation::{NOT_SERVED, served};
pub(crate) use serve::serve;
pub(crate) use spec::{USAGES, find as find_spec};
pub use sts::STS_NOT_SERVED;
