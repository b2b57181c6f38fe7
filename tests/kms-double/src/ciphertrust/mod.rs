//! The REST API of Thales `CipherTrust` Cloud Key Manager (CCKM) for keys in AWS, over TLS on its own port.
//!
//! CCKM is between its clients and AWS, and keeps its own row for each key. So there are two copies: the key in the world, which is AWS's
//! truth, and the row, which is all that a client reads. The double's own AWS operations (`aws::call_inside`) do a change through CCKM, and
//! the change is written to the row. A change at AWS is not visible until a refresh or a synchronization. Nothing here may decide what a
//! key in some state can do, because AWS's table decides it.
//!
//! Every reply has a `Date` from the double's clock, because the age of a row must be computed with the clock that stamped it.
//!
//! To add an action, change `operation` (name and route) and `calls` (what it does).

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
