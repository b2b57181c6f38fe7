//! A limited number of permits, which namespaces get in turn.
//!
//! Within one namespace permits go in the order in which they were asked for. Between namespaces they go round and round. So a namespace with 10,000 objects
//! does not delay the one object of another namespace by more than one permit per namespace that waits.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// The permits. Clones share them.
#[derive(Clone, Debug)]
pub struct Fair(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    free: usize,
    /// The lines of namespaces that wait, in the order of their turns. No line is empty.
    lines: VecDeque<(String, VecDeque<oneshot::Sender<Permit>>)>,
}

/// One permit. It is free again when this value is dropped.
#[derive(Debug)]
pub struct Permit {
    /// `None` once it went to the next in line.
    of: Option<Fair>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(fair) = self.of.take() {
            fair.pass_on();
        }
    }
}

impl Fair {
    /// That many permits, all of them free.
    #[must_use]
    pub fn new(permits: usize) -> Self {
        Self(Arc::new(Mutex::new(State { free: permits, lines: VecDeque::new() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn permit(&self) -> Permit {
        Permit { of: Some(self.clone()) }
    }

    /// A permit if one is free. A free permit means that nobody waits.
    #[must_use]
    pub fn try_take(&self) -> Option<Permit> {
        let mut state = self.state();
        state.free = state.free.checked_sub(1)?;
        Some(self.permit())
    }

    /// Waits for a permit. A caller that stops waiting leaves its line.
    pub async fn take(&self, namespace: &str) -> Option<Permit> {
        let permit = {
            let mut state = self.state();
            if let Some(left) = state.free.checked_sub(1) {
                state.free = left;
                return Some(self.permit());
            }
            let (give, permit) = oneshot::channel();
            match state.lines.iter_mut().find(|(known, _)| known == namespace) {
                Some((_, line)) => line.push_back(give),
                None => state.lines.push_back((namespace.to_owned(), VecDeque::from([give]))),
            }
            permit
        };
        // The other end is not dropped while somebody waits here.
        permit.await.ok()
    }

    /// Gives a permit to the first in line of the namespace whose turn it is. That namespace then goes behind all others.
    fn pass_on(&self) {
        loop {
            let next = {
                let mut state = self.state();
                match state.lines.pop_front() {
                    None => {
                        state.free += 1;
                        return;
                    }
                    Some((namespace, mut line)) => {
                        let next = line.pop_front();
                        if !line.is_empty() {
                            state.lines.push_back((namespace, line));
                        }
                        next
                    }
                }
            };
            // Whoever stopped waiting gives the permit back here, without the lock, and the next one gets it.
            match next.map(|next| next.send(self.permit())) {
                Some(Ok(())) => return,
                Some(Err(mut refused)) => refused.of = None,
                None => {}
            }
        }
    }
}

/// Shows S11.
#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn namespaces_take_turns_and_each_keeps_its_order() {
        let fair = Fair::new(1);
        let held = fair.take("a").await.unwrap();
        let mut waiting: Vec<_> =
            ["a1", "a2", "a3", "b1", "c1", "b2"].map(|name| (name, Box::pin(fair.take(name.get(..1).unwrap())))).into_iter().collect();
        for (_, wait) in &mut waiting {
            assert!(wait.as_mut().now_or_never().is_none(), "there is one permit");
        }
        assert!(fair.try_take().is_none());
        drop(held);
        let mut order = Vec::new();
        while let Some((at, permit)) = waiting.iter_mut().enumerate().find_map(|(at, (_, wait))| Some((at, wait.as_mut().now_or_never()?)))
        {
            order.push(waiting.remove(at).0);
            drop(permit);
        }
        assert_eq!(order, ["a1", "b1", "c1", "a2", "b2", "a3"]);
        assert!(fair.try_take().is_some(), "nobody waits any more");
    }

    #[tokio::test]
    async fn who_stops_waiting_loses_no_place() {
        let fair = Fair::new(1);
        let held = fair.take("a").await.unwrap();
        let mut gone = Box::pin(fair.take("a"));
        let mut late = Box::pin(fair.take("b"));
        let mut last = Box::pin(fair.take("a"));
        for wait in [&mut gone, &mut late, &mut last] {
            assert!(wait.as_mut().now_or_never().is_none());
        }
        drop(gone);
        drop(held);
        // It has the permit already, and does not take it up.
        drop(late);
        let permit = last.as_mut().now_or_never().flatten().expect("the permit of both");
        assert!(fair.try_take().is_none());
        drop(permit);
        assert!(fair.try_take().is_some());
    }
}
