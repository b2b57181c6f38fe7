//! One key and its state transitions.
//!
//! These are only the transitions. The table of each wire protocol (for AWS `aws/states.rs`) says whether a call may cause one in the
//! current state, because the vendors differ in that but agree on the transitions.

use std::collections::BTreeMap;

use super::import::Import;
use super::stores::Stored;
use super::vocabulary::{KeyRef, KeyState, LastUse, Manager, MultiRegion, Origin, Rotated, RotationKind};
use crate::clock::days;
use jiff::{SignedDuration, Timestamp};

/// A scheduled deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deletion {
    /// Length of the wait.
    pub(crate) window_days: u32,
    /// When the wait ends. None while the key waits for its replicas.
    pub(crate) date: Option<Timestamp>,
}

/// Automatic rotation, while it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rotation {
    /// The time between two rotations.
    pub(crate) period_days: u32,
    /// The next one.
    pub(crate) next: Timestamp,
}

/// An on-demand rotation in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rotating {
    pub(crate) started: Timestamp,
    pub(crate) ends: Timestamp,
}

/// A key. Spec and usage have the names of the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) at: KeyRef,
    pub(crate) created: Timestamp,
    pub(crate) description: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) policy: String,
    pub(crate) spec: String,
    pub(crate) usage: String,
    pub(crate) origin: Origin,
    pub(crate) manager: Manager,
    pub(crate) state: KeyState,
    /// The state after a transitional state (Creating, Updating, Unavailable).
    pub(crate) state_behind: KeyState,
    /// When Creating or Updating ends.
    pub(crate) settles: Option<Timestamp>,
    pub(crate) deletion: Option<Deletion>,
    pub(crate) rotation: Option<Rotation>,
    pub(crate) rotating: Option<Rotating>,
    pub(crate) rotated: Vec<Rotated>,
    pub(crate) first_material: String,
    pub(crate) imports: Vec<Import>,
    /// Imported material that the next rotation makes current.
    pub(crate) pending_material: Option<String>,
    pub(crate) stored: Option<Stored>,
    pub(crate) last_use: Option<LastUse>,
    pub(crate) multi_region: Option<MultiRegion>,
    /// The alias that is the key's own name, if the vendor gives each key one.
    pub(crate) built_in_name: Option<String>,
}

/// Something that happens to a key when time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// A transitional state ends.
    Settle,
    /// An on-demand rotation is complete.
    FinishRotation,
    /// The period is over.
    Rotate,
    /// Imported material expires.
    Expire,
    /// The deletion date has come.
    Die,
}

impl Key {
    /// A new key without settings.
    pub(crate) fn new(at: KeyRef, created: Timestamp, spec: &str, usage: &str, origin: Origin) -> Self {
        let state = if origin == Origin::External { KeyState::PendingImport } else { KeyState::Enabled };
        Self {
            at,
            created,
            description: String::new(),
            tags: BTreeMap::new(),
            policy: String::new(),
            spec: spec.to_owned(),
            usage: usage.to_owned(),
            origin,
            manager: Manager::Customer,
            state,
            state_behind: state,
            settles: None,
            deletion: None,
            rotation: None,
            rotating: None,
            rotated: Vec::new(),
            first_material: new_material(),
            imports: Vec::new(),
            pending_material: None,
            stored: None,
            last_use: None,
            multi_region: None,
            built_in_name: None,
        }
    }

    /// The current key material.
    pub(crate) fn material(&self) -> &str {
        self.rotated.last().map_or(&self.first_material, |last| &last.material)
    }

    /// Whether the key has material. An imported key starts without it.
    pub(crate) fn lacks_material(&self) -> bool {
        self.state == KeyState::PendingImport || self.state_behind == KeyState::PendingImport
    }

    /// Enables the key. For an unavailable key it takes effect when the key store is back. A rotation that became due in the meantime is
    /// done at once. A key that never got material waits for its import again.
    pub(crate) fn enable(&mut self, now: Timestamp) {
        if self.state == KeyState::Unavailable {
            self.state_behind = KeyState::Enabled;
        } else if self.lacks_material() {
            self.state = KeyState::PendingImport;
        } else {
            self.state = KeyState::Enabled;
            self.rotate_if_overdue(now);
        }
    }

    /// Disables the key. It is deferred like [`Key::enable`].
    pub(crate) fn disable(&mut self) {
        if self.state == KeyState::Unavailable {
            self.state_behind = KeyState::Disabled;
        } else {
            self.state = KeyState::Disabled;
        }
    }

    /// Starts the waiting period before the deletion. A primary with replicas first waits for its replicas.
    pub(crate) fn schedule_deletion(&mut self, window_days: u32, now: Timestamp) {
        if !self.lacks_material() {
            self.state_behind = KeyState::Disabled;
        }
        self.settles = None;
        let waits = matches!(&self.multi_region, Some(MultiRegion::Primary { replicas }) if !replicas.is_empty());
        self.state = if waits { KeyState::PendingReplicaDeletion } else { KeyState::PendingDeletion };
        let date = if waits { None } else { now.checked_add(days(window_days)).ok() };
        self.deletion = Some(Deletion { window_days, date });
    }

    /// Ends the waiting period. After that the key is Disabled, whatever its state was before.
    pub(crate) fn cancel_deletion(&mut self) {
        self.deletion = None;
        self.state = KeyState::Disabled;
    }

    /// Puts the key into a transitional state until `ends`, and then into `then`.
    pub(crate) fn pass_through(&mut self, state: KeyState, then: KeyState, ends: Timestamp) {
        self.state = state;
        self.state_behind = then;
        self.settles = Some(ends);
    }

    /// Puts the key into any state, which only the user of the double can do. The data for the way back stays consistent.
    pub(crate) fn force(&mut self, state: KeyState, now: Timestamp) {
        match state {
            KeyState::Enabled | KeyState::Disabled | KeyState::PendingImport => {
                self.deletion = None;
                self.settles = None;
                self.state_behind = state;
                self.state = state;
                self.rotate_if_overdue(now);
            }
            KeyState::Unavailable | KeyState::Creating | KeyState::Updating => {
                let passing = matches!(self.state, KeyState::Unavailable | KeyState::Creating | KeyState::Updating);
                if !passing && !self.state.is_pending_deletion() {
                    self.state_behind = self.state;
                }
                self.deletion = None;
                self.settles = None;
                self.state = state;
            }
            KeyState::PendingDeletion => {
                self.schedule_deletion(30, now);
                self.state = KeyState::PendingDeletion;
                self.deletion = Some(Deletion { window_days: 30, date: now.checked_add(days(30)).ok() });
            }
            KeyState::PendingReplicaDeletion => {
                self.schedule_deletion(30, now);
                self.state = KeyState::PendingReplicaDeletion;
                self.deletion = Some(Deletion { window_days: 30, date: None });
            }
        }
    }

    /// Ends a transitional state at once, for example because a key store is connected again. Deferred calls take effect.
    pub(crate) fn resume(&mut self, now: Timestamp) {
        if matches!(self.state, KeyState::Unavailable | KeyState::Creating | KeyState::Updating) {
            self.settles = None;
            self.state = self.state_behind;
            self.rotate_if_overdue(now);
        }
    }

    /// Replaces the material.
    pub(crate) fn rotate(&mut self, date: Timestamp, kind: RotationKind) {
        let material = self.pending_material.take().unwrap_or_else(new_material);
        self.rotated.push(Rotated { date, kind, material });
        if kind == RotationKind::Automatic
            && let Some(rotation) = &mut self.rotation
        {
            rotation.next = date.checked_add(days(rotation.period_days)).unwrap_or(Timestamp::MAX);
        }
    }

    /// The next thing that happens to the key, and when. Only an enabled key rotates. `late` is how much later than its date a key is
    /// deleted.
    pub(crate) fn next_due(&self, late: SignedDuration) -> Option<(Timestamp, Due)> {
        let settle = self.settles.map(|at| (at, Due::Settle));
        let finish = self.rotating.as_ref().map(|rotating| (rotating.ends, Due::FinishRotation));
        let rotate = self.rotation.as_ref().filter(|_| self.state == KeyState::Enabled).map(|rotation| (rotation.next, Due::Rotate));
        let expire = self.material_expires().map(|at| (at, Due::Expire));
        let date = self.deletion.as_ref().and_then(|deletion| deletion.date);
        let die = date.map(|date| (date.checked_add(late).unwrap_or(Timestamp::MAX), Due::Die));
        [settle, finish, rotate, expire, die].into_iter().flatten().min()
    }

    fn rotate_if_overdue(&mut self, now: Timestamp) {
        if self.state == KeyState::Enabled && self.rotation.as_ref().is_some_and(|rotation| rotation.next <= now) {
            self.rotate(now, RotationKind::Automatic);
        }
    }
}

/// A new id of key material: 64 hex digits.
fn new_material() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}
