//! The KMS double, inside this process.

use jiff::SignedDuration;
use kms_double::{Double, Options};

/// A double as tests want it: with the documented access keys, and with states that settle at once to a human and not to a program.
pub(crate) async fn start() -> Double {
    let options = Options { settling: SignedDuration::from_millis(200), ..Options::default() };
    Double::start(options).await.expect("the double binds a free port on loopback")
}
