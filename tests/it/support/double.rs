//! The KMS double, inside this process.

use jiff::SignedDuration;
use kms_double::{Double, Options};

/// A double as tests want it: with the documented access keys, and with states that settle at once to a human and not to a program.
pub(crate) async fn start() -> Double {
    start_with(Options::default()).await
}

/// The same, otherwise as `options` say.
pub(crate) async fn start_with(options: Options) -> Double {
    let options = Options { settling: SignedDuration::from_millis(200), ..options };
    Double::start(options).await.expect("the double binds a free port on loopback")
}
