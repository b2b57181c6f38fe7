//! The KMS double: a strict server for the wire protocols of the KMS that Keyward drives.
//!
//! It behaves as the vendors document, errors and all, and so it can do what no real KMS can in a test: move its clock ahead,
//! lose a reply, answer late, and show in a ledger what every call did. It shares no code with Keyward, so that it cannot share
//! Keyward's mistakes.
//!
//! - [`Double`] runs it inside a test; the binary `kms-double` runs it alone.
//! - `world` holds accounts, Regions, keys and aliases and knows no protocol; `aws` speaks AWS's, `huawei` Huawei Cloud's, and
//!   `ciphertrust` that of Thales's Cloud Key Manager, which works on the same keys through `aws`.
//! - `crypto` does the cryptography of keys.
//! - `admin` serves the routes under `/_double/`: `clock`, `ledger`, `faults`, `keys`, `key-stores`, `credentials`, `roles`, `ciphertrust`, `huawei`.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that meets the unexpected has to fail"))]

mod admin;
mod aws;
mod ciphertrust;
mod clock;
mod crypto;
mod double;
mod fault;
mod form;
mod huawei;
mod identity;
mod key_store;
mod ledger;
mod model;
mod quota;
mod state;
mod wire;
mod world;

pub use admin::Plant;
pub use aws::{Denial, NOT_SERVED, STS_NOT_SERVED, served};
pub use ciphertrust::{
    CIPHERTRUST_DOMAIN, CIPHERTRUST_KMS, CIPHERTRUST_PASSWORD, CIPHERTRUST_SECOND_KMS, CIPHERTRUST_SECOND_PASSWORD,
    CIPHERTRUST_SECOND_USER, CIPHERTRUST_USER, CiphertrustUser,
};
pub use double::{Double, Options};
pub use fault::{Fault, FaultAction};
pub use form::Form;
pub use huawei::{
    HUAWEI_ACCESS_KEY, HUAWEI_DOMAIN, HUAWEI_DOMAIN_NAME, HUAWEI_PASSWORD, HUAWEI_PROJECT, HUAWEI_REGION, HUAWEI_SECOND_ACCESS_KEY,
    HUAWEI_SECOND_DOMAIN, HUAWEI_SECOND_DOMAIN_NAME, HUAWEI_SECOND_PROJECT, HUAWEI_SECOND_SECRET_KEY, HUAWEI_SECRET_KEY, HUAWEI_USER,
    HuaweiCredential, HuaweiIdentities, HuaweiProject, HuaweiUser,
};
pub use identity::{ACCESS_KEY, ACCOUNT, Credential, Role, SECOND_ACCESS_KEY, SECOND_ACCOUNT, SECOND_SECRET_KEY, SECRET_KEY, WebIdentity};
pub use key_store::KeyStore;
pub use ledger::{Entry, NOT_CARRIED_OUT, OK};
pub use model::Models;
pub use world::{Grant, GrantTerms, KeyRef, KeyState, KeyView, LastUse, Manager, MultiRegion, Origin, Rotated, RotationKind, RotationView};
