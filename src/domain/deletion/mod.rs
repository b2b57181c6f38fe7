//! The deletion protocol: which word is on a key, what the object remembers of it, and when a deletion may go on.
//!
//! Two places hold the last word about a key's life. The **mark** is on the key, so a restore, a wipe or a copy of the cluster cannot change it. The
//! **record** is in the object's status, and is written before the mark. A deletion needs both to agree. Their sequence numbers tell whether they do:
//!
//! | the record's number | means | a deletion |
//! |---|---|---|
//! | is the mark's | this object wrote the word that is on the key | follows the word |
//! | is higher | our word is not on the key yet, or somebody put an older mark back | waits until the word is written; `held` stays held |
//! | is lower, or missing | another hand wrote the mark, or the object comes from a backup | is held: `RollbackSuspected` |
//!
//! # States
//!
//! | state | what it is |
//! |---|---|
//! | new | the object has no word, neither on a key nor on record |
//! | live | the word is `live`: the object was seen without the field `deletionScheduleDays` |
//! | held | the word is `held-<nonce>`: the deletion is asked for, and waits for a person |
//! | open | our call for the deletion is on record, and its end is not known |
//! | refused | the KMS refused that call for certain |
//! | pending | the key is pending deletion, and the schedule is on record as ours |
//! | ahead | the record has a word that is not on the key |
//! | behind | the key has a word that the record does not know |
//! | deleted | the key is gone, after its date |
//!
//! ```text
//!             1              3               5 6              16
//!      new ───────► live ───────────► open ───────────► pending ──────► deleted
//!       │           │ ▲ ▲             │ ▲ ▲             │ │ │
//!       │           │ │ ├───── 11 ────┤ │ └───── 9 ─────┘ │ │
//!       │           │ │ └─────────────┼─┼────── 10 ───────┘ │
//!     2 │         4 │ │ 15         13 │ │ 14                │ 12
//!       ▼           ▼ │               ▼ │                   ▼
//!      ────────────────────────── held ──────────────────────
//!
//!      open ── 7 ──► refused ── 8 ──► open
//!      live ── 17 ─► ahead ─── 18 ──► held
//!      live ── 19 ─► behind ── 20 ──► held
//!                    behind ── 21 ──► live
//! ```
//!
//! | arrow | name | from | to | what happens |
//! |---|---|---|---|---|
//! | 1 | created | new | live | the key is created, adopted or taken up, and the field is absent |
//! | 2 | bound with the field | new | held | the key is adopted or taken up, and the field is set already |
//! | 3 | asked | live | open | the field is set, and the edge passes |
//! | 4 | changed outside | live | held | the field is set, and somebody changed the key before |
//! | 5 | answered | open | pending | the reply of the call comes |
//! | 6 | found pending | open | pending | the reply is lost, and a read shows the key pending |
//! | 7 | refused | open | refused | the KMS throttles the call, or refuses it otherwise |
//! | 8 | sent again | refused | open | the call is sent again within `OPEN_CALL` |
//! | 9 | other days | pending | open | the days are changed: a cancel and a new call follow |
//! | 10 | withdrawn | pending | live | the field is removed: the deletion is cancelled |
//! | 11 | withdrawn in time | open | live | the field is removed before the call took effect |
//! | 12 | cancelled outside | pending | held | somebody else cancels the deletion |
//! | 13 | interrupted | open | held | the call took no effect within `OPEN_CALL` |
//! | 14 | confirmed | held | open | a person writes the token of the mark on the object |
//! | 15 | hold ended | held | live | the field is removed |
//! | 16 | gone | pending | deleted | the key is not found any more, after its date |
//! | 17 | mark refused | live | ahead | a hold is on record, and the KMS refuses its mark |
//! | 18 | mark written | ahead | held | the same word is written again |
//! | 19 | status restored | live | behind | the object gets an old status, or loses its status |
//! | 20 | not trusted | behind | held | the field is set, and the mark is newer than the record |
//! | 21 | said again | behind | live | the field is absent: a newer `live` is written |
//!
//! A hold that is on the key ends in two ways only: the field is removed and `live` is written (15), or a person confirms with the token that the mark makes
//! (14). The record is written before the mark, so a hold stays even if its mark cannot be written (17).
//!
//! # Files
//!
//! | file | what |
//! |---|---|
//! | `mark` | the words, and how the mark is written and read |
//! | `record`, `observation` | what the status remembers, and the only code that changes it |
//! | `edge` | whether a deletion may go on |
//! | `guard` | the rules before a destructive call, and the proof that they passed |
//! | `hold` | what is told of a held deletion |

pub mod budget;
mod edge;
pub mod guard;
pub mod hold;
mod idle;
mod mark;
mod observation;
mod record;

#[cfg(test)]
pub(crate) use self::mark::MAX_SEQ;
pub(crate) use self::{
    edge::{Edge, edge},
    mark::{IntentMark, Saying},
    observation::Observation,
    record::{CountEnded, Opening, Record},
};
pub use self::{
    idle::LastUse,
    mark::{Intent, Nonce, Passed, Word},
};
