//! Two lanes for rounds, so that what brings a key back waits for nobody else's calls.
//!
//! Rounds wait for a KMS that does not answer, or for a turn within its quotas, and while they wait they hold workers. A key that is on its way to its end
//! does not stand in that line: its rounds have workers of their own, enough of them that no one KMS can hold them all. Which lane a round is in never
//! decides what is done.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use kube::runtime::reflector::ObjectRef;

use super::watched::Watched;
use crate::{api::ManagedKey, domain::rescue};

/// Rounds that bring a key back, at the same time. An idle worker costs nothing.
pub const RESCUERS: u16 = 128;

/// Which workers a round has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Those for every key.
    Ordinary,
    /// Those for what may have to bring a key back.
    Rescue,
}

impl Lane {
    /// Where an object belongs as it stands.
    #[must_use]
    pub fn of(object: &Watched<ManagedKey>) -> Self {
        if object.decoded().is_ok_and(rescue::suspected) { Self::Rescue } else { Self::Ordinary }
    }
}

/// An object that is to be looked at.
type Named = ObjectRef<Watched<ManagedKey>>;

/// The queues of both lanes, and the objects of which a round is under way.
#[derive(Debug)]
pub struct Lanes {
    ordinary: UnboundedSender<Named>,
    rescue: UnboundedSender<Named>,
    busy: Mutex<HashSet<Named>>,
}

/// What waits in each lane.
#[derive(Debug)]
pub struct Queues {
    /// For every key.
    pub ordinary: UnboundedReceiver<Named>,
    /// For what may have to bring a key back.
    pub rescue: UnboundedReceiver<Named>,
}

/// A round of an object is under way until this is dropped.
#[derive(Debug)]
pub struct Busy<'a> {
    lanes: &'a Lanes,
    object: Named,
}

impl Lanes {
    /// Two lanes, and what will wait in them.
    #[must_use]
    pub fn new() -> (Self, Queues) {
        let ((ordinary, ordinary_queue), (rescue, rescue_queue)) = (unbounded(), unbounded());
        (Self { ordinary, rescue, busy: Mutex::default() }, Queues { ordinary: ordinary_queue, rescue: rescue_queue })
    }

    /// Has an object looked at in that lane.
    pub fn queue(&self, lane: Lane, object: Named) {
        let queue = match lane {
            Lane::Ordinary => &self.ordinary,
            Lane::Rescue => &self.rescue,
        };
        // Its other end goes when all rounds end.
        let _ended = queue.unbounded_send(object);
    }

    /// Begins a round of an object, unless one is under way in either lane.
    pub fn begin(&self, object: Named) -> Option<Busy<'_>> {
        let is_free = self.busy().insert(object.clone());
        // Made only if it is free: dropping one ends the round that is under way.
        is_free.then(|| Busy { lanes: self, object })
    }

    fn busy(&self) -> MutexGuard<'_, HashSet<Named>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.lanes.busy().remove(&self.object);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by panicking")]
mod tests {
    use super::*;

    #[test]
    fn one_round_of_an_object_at_a_time_whatever_its_lane() {
        let (lanes, mut queues) = Lanes::new();
        let object = |name: &str| ObjectRef::new(name).within("shop");
        let round = lanes.begin(object("orders")).unwrap();
        assert!(lanes.begin(object("orders")).is_none());
        assert!(lanes.begin(object("invoices")).is_some());
        drop(round);
        assert!(lanes.begin(object("orders")).is_some());

        lanes.queue(Lane::Rescue, object("orders"));
        assert_eq!(queues.rescue.try_recv().unwrap(), object("orders"));
        assert!(queues.ordinary.try_recv().is_err());
    }
}
