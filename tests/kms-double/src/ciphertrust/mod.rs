//! The REST API of Thales `CipherTrust` Cloud Key Manager (CCKM) for keys in AWS, over TLS on a port of its own.
//!
//! CCKM stands between its clients and AWS and keeps a row of its own for each key. So there are two copies here: the key in the
//! world, which is AWS's truth, and the row, which is all that a client reads. A change through CCKM is carried out by the double's
//! own AWS operations (`aws::call_inside`) and written through to the row; a change made at AWS stays unseen until a refresh or a
//! synchronization. Nothing here may decide what a key in some state can do: that is AWS's table.
//!
//! Every reply bears a `Date` from the double's clock, because the age of a row can only be told on the clock that stamped it.
//!
//! An action is added in `operation` (name and route) and `calls` (what it does).

mod admin;
mod appliance;
mod body;
mod calls;
mod cloud;
mod failure;
mod form;
mod operation;
mod query;
mod request;
mod row;
mod serve;
mod session;
mod sync;
mod tls;
mod user;

pub(crate) use admin::router as admin_router;
pub(crate) use appliance::Appliance;
pub(crate) use serve::serve;
pub(crate) use sync::synchronize_all;
pub(crate) use tls::{Authority, TlsListener};
pub use user::{
    CIPHERTRUST_DOMAIN, CIPHERTRUST_KMS, CIPHERTRUST_PASSWORD, CIPHERTRUST_SECOND_KMS, CIPHERTRUST_SECOND_PASSWORD,
    CIPHERTRUST_SECOND_USER, CIPHERTRUST_USER, CiphertrustUser,
};
