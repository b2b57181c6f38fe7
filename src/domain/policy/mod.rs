//! A key policy: who may use a key at AWS, as a JSON document.
//!
//! [`Document::read`] reads a document into a form that has every part of it. [`compare`] tells which statements of two documents differ,
//! as IAM compares them. [`access`] asks whether a document leaves Keyward what it needs. [`allowed`] asks whether the provider lets its
//! objects give that access.
//!
//! A document grants access, so nobody may read it in two ways. Everything that AWS could read differently is refused: a member that
//! appears twice, and a member that the grammar does not have (IAM User Guide, "Grammar of the IAM JSON policy language").

pub mod access;
pub mod allowed;
pub mod compare;
mod document;
mod json;
mod read;

use self::document::{
    Arn, Case, Effect, Name, PolicyCondition, Principal, PrincipalKind, Principals, Statement, Texts, Who, is_account, shown,
};
pub use self::document::{Document, LONGEST, NoPolicy, not_accepted};
