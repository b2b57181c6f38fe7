//! Two lanes for rounds, so that a rescue does not wait for calls about other keys.
//!
//! Rounds that wait for a KMS which does not answer hold their workers meanwhile. The rounds of a key that may have to be brought back have workers of their
//! own, more than any one KMS can hold. The lane of a round never decides what is done.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use kube::runtime::reflector::ObjectRef;
use tokio_util::sync::CancellationToken;

use super::watched::Watched;
use crate::{api::ManagedKey, domain::rescue};

/// How many rescues run at the same time. An idle worker costs nothing.
pub const RESCUERS: u16 = 128;

/// Which workers run a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// The workers for every key.
    Ordinary,
    /// The workers for keys that may have to be brought back.
    Rescue,
}

impl Lane {
    /// The lane of an object as it stands.
    #[must_use]
    pub fn of(object: &Watched<ManagedKey>) -> Self {
        if object.decoded().is_ok_and(rescue::suspected) { Self::Rescue } else { Self::Ordinary }
    }
}

/// An object that is to be looked at.
type Named = ObjectRef<Watched<ManagedKey>>;

/// The queues of both lanes, and the objects that have a round under way.
#[derive(Debug)]
pub struct Lanes {
    ordinary: UnboundedSender<Named>,
    rescue: UnboundedSender<Named>,
    busy: Mutex<HashMap<Named, UnderWay>>,
}

/// The objects that wait in each lane.
#[derive(Debug)]
pub struct Queues {
    /// For every key.
    pub ordinary: UnboundedReceiver<Named>,
    /// For keys that may have to be brought back.
    pub rescue: UnboundedReceiver<Named>,
}

/// A round that is under way.
#[derive(Debug)]
struct UnderWay {
    /// The fingerprint of its object when it began.
    of: u64,
    /// Ends its wait for a turn.
    unwanted: CancellationToken,
}

/// A round of an object is under way until this value is dropped.
#[derive(Debug)]
pub struct Busy {
    lanes: Arc<Lanes>,
    object: Named,
    /// Cancelled when the object changed: the round need not wait for its turn any more.
    pub unwanted: CancellationToken,
}

impl Lanes {
    /// Two empty lanes, and the other ends of their queues.
    #[must_use]
    pub fn new() -> (Self, Queues) {
        let ((ordinary, ordinary_queue), (rescue, rescue_queue)) = (unbounded(), unbounded());
        (Self { ordinary, rescue, busy: Mutex::default() }, Queues { ordinary: ordinary_queue, rescue: rescue_queue })
    }

    /// Puts an object into a lane.
    pub fn queue(&self, lane: Lane, object: Named) {
        let queue = match lane {
            Lane::Ordinary => &self.ordinary,
            Lane::Rescue => &self.rescue,
        };
        // The other end is dropped when all rounds end.
        let _ended = queue.unbounded_send(object);
    }

    /// Begins a round of an object with the fingerprint `of`, unless one is under way in either lane.
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

    /// The object may have changed. If its fingerprint did, its round stops waiting for a turn.
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
