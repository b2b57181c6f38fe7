//! Whether this process still leads: only the leader changes keys.

use std::{fmt, sync::Arc};

/// Whether this process may still change anything. Asked right before each request that does, retries included.
#[derive(Clone)]
pub struct LeaderCheck(Arc<dyn Fn() -> bool + Send + Sync>);

impl LeaderCheck {
    /// Asks `question` each time.
    pub fn when(question: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(question))
    }

    /// Asks.
    pub(super) fn asked(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for LeaderCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeaderCheck")
    }
}
