//! Two lanes for rounds, so that what brings a key back waits for nobody else's calls.
//!
//! Rounds wait for a KMS that does not answer, and while they wait they hold workers. A key that is on its way to its end does not stand in that line: its
//! rounds have workers of their own, enough of them that no one KMS can hold them all. Which lane a round is in never decides what is done.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use kube::runtime::reflector::ObjectRef;
use tokio_util::sync::CancellationToken;

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
    busy: Mutex<HashMap<Named, UnderWay>>,
}

/// What waits in each lane.
#[derive(Debug)]
pub struct Queues {
    /// For every key.
    pub ordinary: UnboundedReceiver<Named>,
    /// For what may have to bring a key back.
    pub rescue: UnboundedReceiver<Named>,
}

/// A round that is under way.
#[derive(Debug)]
struct UnderWay {
    /// What its object looked like.
    of: u64,
    /// Ends its waiting for a turn.
    unwanted: CancellationToken,
}

/// A round of an object is under way until this is dropped.
#[derive(Debug)]
pub struct Busy {
    lanes: Arc<Lanes>,
    object: Named,
    /// Its object is another by now: it need not wait for its turn any more.
    pub unwanted: CancellationToken,
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

    /// Begins a round of an object that looks like `of`, unless one is under way in either lane.
    pub fn begin(self: &Arc<Self>, object: Named, of: u64) -> Option<Busy> {
        let unwanted = CancellationToken::new();
        {
            let mut busy = self.busy();
            if busy.contains_key(&object) {
                return None;
            }
            busy.insert(object.clone(), UnderWay { of, unwanted: unwanted.clone() });
        }
        Some(Busy { lanes: Arc::clone(self), object, unwanted })
    }

    /// The object may be another by now: a round of what it was waits for no turn any more.
    pub fn changed(&self, object: &Named, of: impl FnOnce() -> u64) {
        if let Some(round) = self.busy().get(object)
            && round.of != of()
        {
            round.unwanted.cancel();
        }
    }

    fn busy(&self) -> MutexGuard<'_, HashMap<Named, UnderWay>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.lanes.busy().remove(&self.object);
    }
}

/// Shows S11.
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by panicking")]
mod tests {
    use super::*;

    #[test]
    fn one_round_of_an_object_at_a_time_whatever_its_lane() {
        let (lanes, mut queues) = Lanes::new();
        let lanes = Arc::new(lanes);
        let object = |name: &str| ObjectRef::new(name).within("shop");
        let round = lanes.begin(object("orders"), 1).unwrap();
        assert!(lanes.begin(object("orders"), 1).is_none());
        assert!(lanes.begin(object("invoices"), 1).is_some());
        lanes.changed(&object("orders"), || 1);
        lanes.changed(&object("invoices"), || 2);
        assert!(!round.unwanted.is_cancelled(), "its own writing is no change");
        lanes.changed(&object("orders"), || 2);
        assert!(round.unwanted.is_cancelled());
        drop(round);
        assert!(lanes.begin(object("orders"), 2).is_some_and(|round| !round.unwanted.is_cancelled()));

        lanes.queue(Lane::Rescue, object("orders"));
        assert_eq!(queues.rescue.try_recv().unwrap(), object("orders"));
        assert!(queues.ordinary.try_recv().is_err());
    }
}
