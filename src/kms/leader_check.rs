//! Whether this process still leads: only the leader changes keys.

use std::{fmt, sync::Arc};

/// Whether this process may still change anything. It is asked right before each request that changes something, also before a retry.
#[derive(Clone)]
pub struct LeaderCheck(Arc<dyn Fn() -> bool + Send + Sync>);

impl LeaderCheck {
    /// A check that asks `question` each time.
    pub fn when(question: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(question))
    }

    /// Whether this process may change something now.
    pub(super) fn asked(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for LeaderCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeaderCheck")
    }
}
