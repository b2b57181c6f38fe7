//! Accounts, Regions, keys and aliases, and what happens to them with time.
//!
//! All wire protocols share this part. It knows no HTTP, no error codes and no permissions. It must never refuse a change for a reason that
//! only one vendor has.

mod grants;
mod import;
mod key;
mod lagged;
mod secrets;
mod stores;
mod view;
mod vocabulary;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::clock::days;
use grants::Grants;
use lagged::Lagged;

pub use grants::{Grant, GrantTerms};
pub(crate) use import::Import;
pub(crate) use key::{Due, Key, Rotating, Rotation};
pub(crate) use stores::{Connection, Store, Stored};
pub use view::{KeyView, RotationView};
pub use vocabulary::{KeyRef, KeyState, LastUse, Manager, MultiRegion, Origin, Rotated, RotationKind};

/// A name that points to a key of the same account and Region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alias {
    /// With the prefix `alias/`.
    pub(crate) name: String,
    /// Id of the key.
    pub(crate) target: String,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
}

/// What the KMS did by itself.
#[derive(Clone, Debug)]
pub(crate) struct Happening {
    pub(crate) at: Timestamp,
    pub(crate) key: KeyRef,
    pub(crate) due: Due,
    pub(crate) before: KeyState,
    /// None for a deleted key.
    pub(crate) after: Option<KeyState>,
}

#[derive(Debug, Default)]
struct Region {
    keys: BTreeMap<String, Lagged<Key>>,
    aliases: BTreeMap<String, Lagged<Alias>>,
    /// Every alias name that a key ever had, to find a key's aliases without reading all aliases.
    names: BTreeMap<String, BTreeSet<String>>,
    grants: Grants,
    stores: BTreeMap<String, Store>,
}

/// All keys of all accounts.
#[derive(Debug)]
pub(crate) struct World {
    regions: BTreeMap<(String, String), Region>,
    /// When to check which key again. An entry may be outdated, because the key itself decides what is due.
    agenda: BTreeSet<(Timestamp, KeyRef)>,
    lag: Duration,
    late: SignedDuration,
    /// By the id of the material.
    secrets: BTreeMap<String, Arc<[u8]>>,
    /// Users and roles that were deleted, by ARN. No policy can name them any more.
    pub(crate) deleted_principals: BTreeSet<String>,
    /// Counts the changes that had an effect.
    revision: u64,
}

impl World {
    /// An empty world. Readers see changes `lag` late. Keys are deleted `late` after their deletion date.
    pub(crate) fn new(lag: Duration, late: SignedDuration) -> Self {
        Self {
            regions: BTreeMap::new(),
            agenda: BTreeSet::new(),
            lag,
            late,
            secrets: BTreeMap::new(),
            deleted_principals: BTreeSet::new(),
            revision: 0,
        }
    }

    /// Grows with every change.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// The key as writers see it.
    pub(crate) fn key(&self, at: &KeyRef) -> Option<&Key> {
        self.region(&at.account, &at.region)?.keys.get(&at.id)?.present()
    }

    /// The key as readers see it.
    pub(crate) fn seen_key(&self, at: &KeyRef, now: Instant) -> Option<&Key> {
        self.region(&at.account, &at.region)?.keys.get(&at.id)?.seen(now)
    }

    /// The keys that readers see, by id.
    pub(crate) fn seen_keys(&self, account: &str, region: &str, now: Instant) -> impl Iterator<Item = &Key> {
        let keys = self.region(account, region).into_iter().flat_map(|region| region.keys.values());
        keys.filter_map(move |key| key.seen(now))
    }

    /// Every key.
    pub(crate) fn all_keys(&self) -> impl Iterator<Item = &Key> {
        self.regions.values().flat_map(|region| region.keys.values()).filter_map(Lagged::present)
    }

    /// The key with the settings that a whole family shares: the primary for a replica, otherwise the key itself.
    pub(crate) fn lead(key: &Key) -> KeyRef {
        match &key.multi_region {
            Some(MultiRegion::Replica { primary }) => KeyRef { region: primary.clone(), ..key.at.clone() },
            Some(MultiRegion::Primary { .. }) | None => key.at.clone(),
        }
    }

    /// Adds a key.
    pub(crate) fn add(&mut self, key: Key) {
        let at = key.at.clone();
        let (now, lag) = (Instant::now(), self.lag);
        let region = self.regions.entry((at.account.clone(), at.region.clone())).or_default();
        *region.keys.entry(at.id.clone()).or_default().change(now, lag) = Some(key);
        self.revision += 1;
        self.note_due(&at);
    }

    /// Changes a key, if it exists.
    pub(crate) fn change(&mut self, at: &KeyRef, change: impl FnOnce(&mut Key)) {
        let (now, lag) = (Instant::now(), self.lag);
        let Some(region) = self.regions.get_mut(&(at.account.clone(), at.region.clone())) else {
            return;
        };
        let Some(slot) = region.keys.get_mut(&at.id) else {
            return;
        };
        let Some(mut changed) = slot.present().cloned() else {
            return;
        };
        change(&mut changed);
        if slot.present() != Some(&changed) {
            *slot.change(now, lag) = Some(changed);
            self.revision += 1;
            self.note_due(at);
        }
    }

    /// The alias as writers see it.
    pub(crate) fn alias(&self, account: &str, region: &str, name: &str) -> Option<&Alias> {
        self.region(account, region)?.aliases.get(name)?.present()
    }

    /// The alias as readers see it.
    pub(crate) fn seen_alias(&self, account: &str, region: &str, name: &str, now: Instant) -> Option<&Alias> {
        self.region(account, region)?.aliases.get(name)?.seen(now)
    }

    /// The aliases that readers see, by name.
    pub(crate) fn seen_aliases(&self, account: &str, region: &str, now: Instant) -> impl Iterator<Item = &Alias> {
        let aliases = self.region(account, region).into_iter().flat_map(|region| region.aliases.values());
        aliases.filter_map(move |alias| alias.seen(now))
    }

    /// The aliases of one key that readers see, by name.
    pub(crate) fn seen_aliases_of(&self, at: &KeyRef, now: Instant) -> Vec<&Alias> {
        self.aliases_by(at, |slot| slot.seen(now))
    }

    /// The aliases of one key as writers see them, by name.
    pub(crate) fn aliases_of(&self, at: &KeyRef) -> Vec<&Alias> {
        self.aliases_by(at, Lagged::present)
    }

    /// Writes an alias, or removes it.
    pub(crate) fn put_alias(&mut self, account: &str, region: &str, name: &str, alias: Option<Alias>) {
        let (now, lag) = (Instant::now(), self.lag);
        let region = self.regions.entry((account.to_owned(), region.to_owned())).or_default();
        if let Some(alias) = &alias {
            region.names.entry(alias.target.clone()).or_default().insert(name.to_owned());
        }
        let slot = region.aliases.entry(name.to_owned()).or_default();
        if slot.present() != alias.as_ref() {
            *slot.change(now, lag) = alias;
            self.revision += 1;
        }
        if slot.is_gone(now) {
            region.aliases.remove(name);
        }
    }

    /// Does everything that is due at `now`, in the order of time, and returns what it did.
    pub(crate) fn settle(&mut self, now: Timestamp) -> Vec<Happening> {
        let mut happenings = self.settle_stores(now);
        while let Some((at, _)) = self.agenda.first()
            && *at <= now
        {
            let Some((at, key_ref)) = self.agenda.pop_first() else {
                break;
            };
            let Some(key) = self.key(&key_ref) else {
                continue;
            };
            let Some((due_at, due)) = key.next_due(self.late) else {
                continue;
            };
            if due_at > at {
                self.note_due(&key_ref);
                continue;
            }
            let before = key.state;
            self.act(&key_ref, at, due);
            let after = self.key(&key_ref).map(|key| key.state);
            happenings.push(Happening { at, key: key_ref, due, before, after });
        }
        happenings
    }

    /// The materials that stay associated with a key, which its whole family shares.
    pub(crate) fn associated(&self, at: &KeyRef) -> Vec<String> {
        let lead = self.key(at).map(Self::lead).and_then(|lead| self.key(&lead));
        lead.map(Key::associated).unwrap_or_default()
    }

    fn act(&mut self, at: &KeyRef, time: Timestamp, due: Due) {
        match due {
            Due::Settle => self.change(at, |key| {
                key.settles = None;
                key.state = key.state_behind;
            }),
            Due::FinishRotation => self.change(at, |key| {
                key.rotating = None;
                key.rotate(time, RotationKind::OnDemand);
            }),
            Due::Rotate => self.change(at, |key| key.rotate(time, RotationKind::Automatic)),
            Due::Expire => {
                let needed = self.associated(at);
                self.change(at, |key| key.expire_imports(time, &needed));
            }
            Due::Die => self.bury(at, time),
        }
    }

    /// Removes a key, its aliases, its grants and its place in the family. When the last replica is removed, the window of a waiting primary starts.
    fn bury(&mut self, at: &KeyRef, time: Timestamp) {
        let family = self.key(at).and_then(|key| key.multi_region.clone());
        for name in self.aliases_of(at).into_iter().map(|alias| alias.name.clone()).collect::<Vec<_>>() {
            self.put_alias(&at.account, &at.region, &name, None);
        }
        let (now, lag) = (Instant::now(), self.lag);
        if let Some(region) = self.regions.get_mut(&(at.account.clone(), at.region.clone())) {
            region.names.remove(&at.id);
            region.grants.remove(&at.id);
            if let Some(slot) = region.keys.get_mut(&at.id) {
                *slot.change(now, lag) = None;
                if slot.is_gone(now) {
                    region.keys.remove(&at.id);
                }
            }
            self.revision += 1;
        }
        if let Some(MultiRegion::Replica { primary }) = family {
            let primary = KeyRef { region: primary, ..at.clone() };
            self.change(&primary, |key| lose_replica(key, &at.region, time));
        }
    }

    fn note_due(&mut self, at: &KeyRef) {
        if let Some((time, _)) = self.key(at).and_then(|key| key.next_due(self.late)) {
            self.agenda.insert((time, at.clone()));
        }
    }

    fn region(&self, account: &str, region: &str) -> Option<&Region> {
        self.regions.get(&(account.to_owned(), region.to_owned()))
    }

    fn aliases_by<'a>(&'a self, at: &KeyRef, read: impl Fn(&'a Lagged<Alias>) -> Option<&'a Alias>) -> Vec<&'a Alias> {
        let Some(region) = self.region(&at.account, &at.region) else {
            return Vec::new();
        };
        let names = region.names.get(&at.id).into_iter().flatten();
        let aliases = names.filter_map(|name| region.aliases.get(name)).filter_map(read);
        aliases.filter(|alias| alias.target == at.id).collect()
    }
}

fn lose_replica(primary: &mut Key, region: &str, time: Timestamp) {
    let Some(MultiRegion::Primary { replicas }) = &mut primary.multi_region else {
        return;
    };
    replicas.remove(region);
    if replicas.is_empty()
        && primary.state == KeyState::PendingReplicaDeletion
        && let Some(deletion) = &mut primary.deletion
    {
        deletion.date = time.checked_add(days(deletion.window_days)).ok();
        primary.state = KeyState::PendingDeletion;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(region: &str) -> KeyRef {
        KeyRef { account: "111122223333".to_owned(), region: region.to_owned(), id: "k".to_owned() }
    }

    fn world_with(regions: &[(&str, Option<MultiRegion>)], now: Timestamp) -> World {
        let mut world = World::new(Duration::ZERO, SignedDuration::ZERO);
        for (region, role) in regions {
            let mut key = Key::new(at(region), now, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", Origin::AwsKms);
            key.multi_region.clone_from(role);
            world.add(key);
        }
        world
    }

    #[test]
    fn one_great_leap_does_everything_at_its_own_time() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let replicas = BTreeSet::from(["b".to_owned()]);
        let primary = "a".to_owned();
        let mut world = world_with(&[("a", Some(MultiRegion::Primary { replicas })), ("b", Some(MultiRegion::Replica { primary }))], start);
        world.change(&at("a"), |key| key.schedule_deletion(8, start));
        world.change(&at("b"), |key| key.schedule_deletion(7, start));
        let happenings = world.settle(start + days(400));
        let deaths: Vec<_> = happenings.iter().map(|happening| (happening.key.region.as_str(), happening.at, happening.due)).collect();
        let expected = [("b", start + days(7), Due::Die), ("a", start + days(15), Due::Die)];
        assert_eq!(deaths, expected);
        assert_eq!(world.all_keys().count(), 0);
    }

    #[test]
    fn a_deletion_that_was_cancelled_or_moved_does_not_happen_at_the_old_date() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut world = world_with(&[("a", None)], start);
        world.change(&at("a"), |key| key.schedule_deletion(7, start));
        world.change(&at("a"), Key::cancel_deletion);
        assert!(world.settle(start + days(8)).is_empty());
        world.change(&at("a"), |key| key.schedule_deletion(7, start + days(8)));
        world.change(&at("a"), Key::cancel_deletion);
        world.change(&at("a"), |key| key.schedule_deletion(30, start + days(9)));
        assert!(world.settle(start + days(38)).is_empty());
        assert_eq!(world.settle(start + days(39)).len(), 1);
    }
}
