//! Calls to a KMS that speaks JSON over HTTP and has no SDK.
//!
//! An adapter says in a [`Dialect`] how to make a request and how to read a refusal. [`Caller`] sends the request, repeats it where that
//! helps and does no harm, counts it, and makes a failure of an error. [`Session`] keeps the token of a user who logs in. Nothing here may
//! send a creation twice, or change a key after this process has lost its lease.

mod attempts;
mod call;
mod client;
mod protocol;
mod session;

#[cfg(test)]
mod tests;

pub(super) use self::{
    call::Caller,
    client::{Authorities, client},
    protocol::{Answer, Call, Dialect, Operation, Refusal},
    session::{Grant, Login, Session},
};
