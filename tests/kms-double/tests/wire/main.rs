//! The double over its wire, driven by a client that signs for itself: nothing here comes from the double's own code but what
//! a test may see of it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that meets the unexpected has to fail")]

mod binary;
mod ciphertrust;
mod ciphertrust_actions;
mod ciphertrust_client;
mod ciphertrust_faults;
mod ciphertrust_rows;
mod ciphertrust_tokens;
mod client;
mod cryptography;
mod data_keys;
mod denials;
mod faults;
mod forms;
mod grants;
mod huawei_client;
mod huawei_faults;
mod huawei_identity;
mod huawei_lifecycle;
mod huawei_requests;
mod huawei_states;
mod identity;
mod imported;
mod key_stores;
mod ledger;
mod lifecycle;
mod multi_region;
mod recorded;
mod requests;
mod specs;
mod states;
