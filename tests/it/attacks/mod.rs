//! What somebody tries who may write `ManagedKey`s in one namespace, and what comes of it.
//!
//! Each attack is a row of [`rows::all`], and is tried twice: in [`admitted`] by a user of a real control plane who has all rights in one namespace, and in
//! [`bypassed`] as a write that no admission saw. What counts as harm is the same for all rows, in [`world`]. Attacks that need a test of their own are in
//! [`rows::OWN`]. `docs/threat-model.md` is made from both lists.

// Tables are as long as what they list, and a row has one signature for all.
#![allow(clippy::too_many_lines, clippy::unnecessary_wraps)]

mod admitted;
mod bypassed;
mod page;
mod rows;
mod shared;
mod world;

use keyward::api::ManagedKey;
use serde_json::Value;

use self::world::World;

/// One attack.
struct Attack {
    /// Its name, which is the name of the attacker's object too.
    name: &'static str,
    /// What is tried, for the page.
    what: &'static str,
    act: Act,
    /// What becomes of it if admission is on.
    admission: Admission,
    /// How the attacker's object ends if the write was not seen by admission.
    bypassed: Ends,
}

/// What is written.
enum Act {
    /// A new object: this is laid over a plain one.
    Create(fn(&World) -> Value),
    /// An object that has a key of its own is changed.
    Edit(fn(&World, &ManagedKey) -> Value),
    /// The status of such an object is changed.
    Status(fn(&World, &ManagedKey) -> Value),
    /// A new object, which is deleted once its end is seen.
    Delete(fn(&World) -> Value),
    /// An object of another kind, and then a new object.
    After(fn(&World) -> Foreign, fn(&World) -> Value),
}

/// An object of another kind.
struct Foreign {
    plural: &'static str,
    object: Value,
}

/// What becomes of an attack if admission is on.
enum Admission {
    /// The write is refused, with these words.
    Refused(&'static str),
    /// It is accepted, and the object ends like this.
    Accepted(Ends),
}

/// How the attacker's object ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// With this reason of the condition `Ready`.
    Ready(&'static str),
    /// Nobody writes it: this version of Keyward does not read such an object.
    LeftAlone,
    /// The object is gone.
    Gone,
}
