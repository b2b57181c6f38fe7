//! One row of the table, and how it is run on each of the two servers.

use std::{pin::Pin, sync::OnceLock};

use tokio::runtime::Runtime;

use super::{kms::Kms, outcome::Outcome};

/// Makes of each row an entry of `CASES`, a test on the double and a test on `LocalStack`.
macro_rules! cases {
    ($( $topic:ident :: $name:ident, $source:literal $(, localstack: $departure:literal)?; )+) => {
        const CASES: &[Case] = &[$(
            Case {
                name: stringify!($name),
                source: $source,
                localstack: cases!(@departure $($departure)?),
                drive: |kms| Box::pin($topic::$name(kms)),
            },
        )+];

        mod localstack {
            $(
                #[test]
                fn $name() {
                    super::named(stringify!($name)).hold_localstack_to_it();
                }
            )+
        }
    };
    (@departure) => { None };
    (@departure $departure:literal) => { Some($departure) };
}
pub(super) use cases;

/// A case under way.
pub(super) type Driven<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// A fact about KMS that a client can observe.
pub(super) struct Case {
    /// The fact, as a sentence.
    pub(super) name: &'static str,
    /// The AWS document that states it.
    pub(super) source: &'static str,
    /// What `LocalStack` does instead, as the mismatch that its run of the case ends with shows it; none where it does as documented.
    pub(super) localstack: Option<&'static str>,
    /// Calls the server and compares.
    pub(super) drive: for<'a> fn(&'a Kms) -> Driven<'a>,
}

impl Case {
    /// `LocalStack` has to do as documented, or to depart in exactly the way declared.
    pub(super) fn hold_localstack_to_it(&self) {
        let kms = Kms::on_localstack();
        let outcome = runtime().block_on((self.drive)(&kms));
        match (self.localstack, outcome) {
            (None, Ok(())) => {}
            (None, Err(mismatch)) => panic!("LocalStack departs from {}: {mismatch}", self.source),
            (Some(departure), Err(mismatch)) if mismatch.shows(departure) => {}
            (Some(departure), Err(mismatch)) => {
                panic!("LocalStack departs from {} otherwise than declared ({departure}): {mismatch}", self.source)
            }
            (Some(departure), Ok(())) => {
                panic!("LocalStack does as {} says; remove the departure from its row ({departure})", self.source)
            }
        }
    }
}

/// One runtime for all cases, because the connections that their clients share live on it.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().expect("a runtime for the contract suite"))
}
