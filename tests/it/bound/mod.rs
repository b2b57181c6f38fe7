//! What is fixed once an object is bound to a key: the key's account, Region, endpoint and reference. A key that is not found where it never was is not gone, and
//! a key has one object in whatever spelling others name it.
//!
//! All in memory, and each on all three KMS.

mod denied;
mod elsewhere;
mod gone;
mod one_key;

use futures::future::join_all;

use crate::support::vendor::{AWS, CIPHER_TRUST, HUAWEI, Vendor};

/// Runs a story on each KMS at the same time.
async fn on_each<F: Future<Output = ()>>(story: impl Fn(&'static Vendor) -> F) {
    join_all([&AWS, &CIPHER_TRUST, &HUAWEI].map(story)).await;
}
