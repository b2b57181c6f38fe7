//! One row of the table, and how it is run on each of the two servers.

use std::{pin::Pin, sync::OnceLock};

use tokio::runtime::Runtime;

use super::{kms::Kms, outcome::Outcome};
use crate::support::localstack::{self, LocalStack};

/// Makes of each row an entry of `CASES`, a test on the double and a test on `LocalStack`.
macro_rules! cases {
    ($( $topic:ident :: $name:ident, $source:literal $(, moves the $clock:ident)? $(, needs $need:literal)? $(, localstack: $departure:literal)?; )+) => {
        const CASES: &[Case] = &[$(
            Case {
                name: stringify!($name),
                source: $source,
                clock: cases!(@clock $($clock)?),
                needs: cases!(@departure $($need)?),
                localstack: cases!(@departure $($departure)?),
                drive: |kms| Box::pin($topic::$name(kms)),
            },
        )+];

        mod double {
            $(
                #[test]
                fn $name() {
                    super::named(stringify!($name)).hold_double_to_it();
                }
            )+
        }

        mod localstack {
            $(
                #[test]
                fn $name() {
                    super::named(stringify!($name)).hold_localstack_to_it();
                }
            )+
        }
    };
    (@clock) => { $crate::contract::case::Clock::Still };
    (@clock clock) => { $crate::contract::case::Clock::Moved };
    (@departure) => { None };
    (@departure $departure:literal) => { Some($departure) };
}
pub(super) use cases;

/// A case under way.
pub(super) type Driven<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// A fact about KMS that a client can observe.
pub(super) struct Case {
    /// The fact, as a sentence.
    pub(super) name: &'static str,
    /// The AWS document that states it.
    pub(super) source: &'static str,
    /// Whether the case lets days pass.
    pub(super) clock: Clock,
    /// What the case needs that a server has not which is not ours: `make contract` does not run it then.
    pub(super) needs: Option<&'static str>,
    /// What `LocalStack` does instead, as the mismatch that its run of the case ends with shows it; none where it does as documented.
    pub(super) localstack: Option<&'static str>,
    /// Calls the server and compares.
    pub(super) drive: for<'a> fn(&'a Kms) -> Driven<'a>,
}

/// What a case does to the clock of the server.
#[derive(Clone, Copy)]
pub(super) enum Clock {
    Still,
    Moved,
}

impl Case {
    /// The double has to do as documented.
    pub(super) fn hold_double_to_it(&self) {
        let outcome = runtime().block_on(async { (self.drive)(&Kms::on_double().await).await });
        if let Err(mismatch) = outcome {
            panic!("the double departs from {}: {mismatch}", self.source);
        }
    }

    /// `LocalStack` has to do as documented, or to depart in exactly the way declared.
    pub(super) fn hold_localstack_to_it(&self) {
        let outcome = match self.clock {
            Clock::Still => self.drive_on(localstack::shared()),
            Clock::Moved => self.drive_on(&localstack::with_a_clock_to_move()),
        };
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

    fn drive_on(&self, localstack: &'static LocalStack) -> Outcome {
        runtime().block_on((self.drive)(&Kms::on_localstack(localstack, self.clock)))
    }
}

/// One runtime for all cases, because the connections that their clients share live on it.
pub(super) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().expect("a runtime for the contract suite"))
}
