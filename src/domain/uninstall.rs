//! What an uninstall leaves behind: objects that only Keyward lets go, keys that the KMS deletes while nobody alerts, and keys without an object.
//!
//! It is a list for people. Nothing here changes an object or a key.

use std::fmt;

use jiff::Timestamp;

use super::{
    orphans,
    table::{NONE, counted, section, time},
};
use crate::text::shown;

/// An object with a finalizer of Keyward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its kind, namespace and name, as people write them.
    pub object: String,
    /// Its `deletionPolicy`.
    pub policy: String,
    /// Whether somebody deleted it already.
    pub deleted: bool,
}

/// A key that is pending deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its canonical reference.
    pub key: String,
    /// When the KMS deletes it, if the KMS tells it.
    pub date: Option<Timestamp>,
    /// Whose it is, or was.
    pub owner: String,
}

/// An object that applications read, and that goes with the `ManagedKey` that owns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its kind and name.
    pub target: String,
    /// The `ManagedKey`, in the same namespace.
    pub object: String,
}

/// What `keyward uninstall-check` prints.
#[derive(Debug, Default)]
pub struct Check {
    /// Objects that cannot be deleted without Keyward.
    pub held: Vec<Held>,
    /// Keys that are pending deletion.
    pub pending: Vec<Pending>,
    /// Objects that go with a `ManagedKey`.
    pub published: Vec<Published>,
    /// What each provider has that no object has, or why that is not known.
    pub providers: Vec<(String, Result<orphans::Report, String>)>,
    /// What could not be read.
    pub unread: Vec<String>,
}

impl Check {
    /// The exit code: 1 if not everything could be read, because then the list may lack something; else 2 if something is on it; else 0.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let Self { held, pending, published, providers, unread } = self;
        let code = |provider: &Result<orphans::Report, String>| provider.as_ref().map_or(1, orphans::Report::exit_code);
        let codes: Vec<u8> = providers.iter().map(|(_, provider)| code(provider)).collect();
        if codes.contains(&1) || !unread.is_empty() {
            1
        } else if held.is_empty() && pending.is_empty() && published.is_empty() && !codes.contains(&2) {
            0
        } else {
            2
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { held, pending, published, providers, unread } = self;
        let object = |held: &Held| {
            let Held { object, policy, deleted } = held;
            let what = if *deleted {
                "is deleted already, and waits for Keyward"
            } else {
                "cannot be deleted without Keyward, and neither can its namespace"
            };
            [object.clone(), policy.clone(), what.to_owned()]
        };
        section(f, "Objects with a finalizer of Keyward:", &["OBJECT", "DELETION-POLICY", "WHAT-HAPPENS"], held.iter().map(object))?;
        let key = |pending: &Pending| {
            let Pending { key, date, owner } = pending;
            [key.clone(), time(*date), if owner.is_empty() { NONE.to_owned() } else { owner.clone() }]
        };
        let title = "Keys that the KMS deletes on their date, also without Keyward:";
        section(f, title, &["KEY", "DELETES-AT", "OBJECT"], pending.iter().map(key))?;
        let published = published.iter().map(|Published { target, object }| [target.clone(), object.clone()]);
        section(f, "Objects that applications read, and that go with their ManagedKey:", &["PUBLISHED", "OBJECT"], published)?;
        for (name, provider) in providers {
            match provider {
                Ok(report) => write!(f, "\n{report}")?,
                Err(why) => writeln!(f, "\nKeyProvider {name}: the keys that no object has are not known: {}", shown(why))?,
            }
        }
        for why in unread {
            writeln!(f, "\nThis list is not whole: {}", shown(why))?;
        }
        let verb = if held.len() == 1 { "has" } else { "have" };
        write!(f, "\n{} {verb} a finalizer of Keyward", counted(held.len(), "object"))?;
        if !held.is_empty() {
            f.write_str("; `keyward release --all` lets them go and leaves their keys and grants")?;
        }
        let verb = if pending.len() == 1 { "is" } else { "are" };
        writeln!(f, "\n{} {verb} pending deletion", counted(pending.len(), "key"))?;
        f.write_str("Every key stays as it is when Keyward goes\n")
    }
}

/// What became of the objects that were to be let go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// Those that were let go.
    pub objects: Vec<String>,
    /// What was not, with the reason.
    pub failed: Vec<String>,
    /// Why it has to be done again.
    pub again: Option<String>,
}

impl Released {
    /// The exit code: 1 if something was not let go; else 2 if it has to be done again; else 0.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.failed.is_empty() { if self.again.is_some() { 2 } else { 0 } } else { 1 }
    }
}

impl fmt::Display for Released {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { objects, failed, again } = self;
        for object in objects {
            writeln!(f, "let go: {object}")?;
        }
        for failure in failed {
            writeln!(f, "not let go: {}", shown(failure))?;
        }
        if let Some(why) = again {
            writeln!(f, "not for good: {}", shown(why))?;
        }
        writeln!(f, "{} let go, {} not; no key and no grant was changed", counted(objects.len(), "object"), failed.len())
    }
}
