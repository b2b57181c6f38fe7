//! Custom key stores: places outside of KMS where the material of keys is.
//!
//! A store that is not connected makes its keys unavailable. Keys that are pending deletion stay so.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::key::Due;
use super::vocabulary::{KeyState, Origin};
use super::{Happening, KeyRef, World};

/// Whether a store is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    Connected,
    /// Until then.
    Connecting(Timestamp),
    Disconnected,
}

/// A custom key store of an account and Region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Store {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The origin of its keys, which says what kind of store it is.
    pub(crate) origin: Origin,
    pub(crate) connection: Connection,
    pub(crate) created: Timestamp,
    /// Of `AWS_CLOUDHSM`.
    pub(crate) cluster: String,
    /// The external keys of an `EXTERNAL_KEY_STORE`. None: every name is one.
    pub(crate) external: Option<BTreeSet<String>>,
}

/// Where the material of a key is, if it is in a custom key store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) store: String,
    /// Of `AWS_CLOUDHSM`.
    pub(crate) cluster: Option<String>,
    /// Of `EXTERNAL_KEY_STORE`.
    pub(crate) external: Option<String>,
}

impl World {
    /// Adds a store, or replaces the one with its id.
    pub(crate) fn put_store(&mut self, account: &str, region: &str, store: Store) {
        let region = self.regions.entry((account.to_owned(), region.to_owned())).or_default();
        region.stores.insert(store.id.clone(), store);
        self.revision += 1;
    }

    /// The stores of an account and Region, by id.
    pub(crate) fn stores(&self, account: &str, region: &str) -> impl Iterator<Item = &Store> {
        self.region(account, region).into_iter().flat_map(|region| region.stores.values())
    }

    /// Connects a store or cuts it off, with the effect on its keys.
    pub(crate) fn connect_store(&mut self, account: &str, region: &str, id: &str, connection: Connection, now: Timestamp) {
        let inside = self.regions.get_mut(&(account.to_owned(), region.to_owned()));
        let Some(store) = inside.and_then(|region| region.stores.get_mut(id)) else {
            return;
        };
        store.connection = connection;
        self.revision += 1;
        for at in self.keys_in(account, region, id) {
            self.change(&at, |key| match connection {
                Connection::Connected => key.resume(now),
                Connection::Connecting(_) => {}
                Connection::Disconnected if key.state.is_pending_deletion() => {}
                Connection::Disconnected => key.force(KeyState::Unavailable, now),
            });
        }
    }

    /// Whether the store of a key is cut off. False for a key of KMS's own.
    pub(crate) fn is_cut_off(&self, at: &KeyRef) -> bool {
        let stored = self.key(at).and_then(|key| key.stored.as_ref());
        let store = stored.and_then(|stored| self.stores(&at.account, &at.region).find(|store| store.id == stored.store));
        store.is_some_and(|store| store.connection != Connection::Connected)
    }

    /// Ends the connecting of stores whose time has come.
    pub(super) fn settle_stores(&mut self, now: Timestamp) -> Vec<Happening> {
        let due = self.regions.iter().flat_map(|((account, region), inside)| {
            inside.stores.values().filter_map(move |store| match store.connection {
                Connection::Connecting(until) if until <= now => Some((account.clone(), region.clone(), store.id.clone(), until)),
                _ => None,
            })
        });
        let mut happenings = Vec::new();
        for (account, region, id, at) in due.collect::<Vec<_>>() {
            let keys = self.keys_in(&account, &region, &id);
            let before: Vec<_> =
                keys.into_iter().filter_map(|key| self.key(&key).map(|found| found.state).map(|state| (key, state))).collect();
            self.connect_store(&account, &region, &id, Connection::Connected, at);
            for (key, before) in before {
                let after = self.key(&key).map(|key| key.state);
                if after != Some(before) {
                    happenings.push(Happening { at, key, due: Due::Settle, before, after });
                }
            }
        }
        happenings
    }

    fn keys_in(&self, account: &str, region: &str, id: &str) -> Vec<KeyRef> {
        let keys = self.region(account, region).into_iter().flat_map(|region| region.keys.values());
        let keys = keys.filter_map(super::Lagged::present);
        keys.filter(|key| key.stored.as_ref().is_some_and(|stored| stored.store == id)).map(|key| key.at.clone()).collect()
    }
}
