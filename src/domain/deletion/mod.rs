//! The deletion protocol: which word stands on a key, what the object remembers of it, and when a deletion may go on.
//!
//! Two places hold the last word about a key's life. The **mark** stands on the key, so that no restore, wipe or copy of the cluster can turn it
//! back. The **record** stands in the object's status, and is written before the mark is tried. A deletion needs both to agree:
//!
//! | the record's number | means | a deletion |
//! |---|---|---|
//! | is the mark's | the object wrote the word that stands on the key | follows the word |
//! | is higher | our word is not on the key yet, or somebody put an older mark back | the word is written first; `held` stays held |
//! | is lower, or missing | another hand wrote the key, or the object comes from a backup | is held: `RollbackSuspected` |
//!
//! The words, and what leads from one to the next:
//!
//! ```text
//!               the field is absent                     the field is set, and the edge passes
//!  (no mark) ───────────────────────►  live  ───────────────────────────────────────────────►  N
//!      │                                │ ▲                                                    │
//!      │ the field is set               │ │ the field is absent                                │ somebody cancelled
//!      │                                ▼ │                                                    │ outside
//!      └─────────────────────────►  held-<nonce>  ◄────────────────────────────────────────────┘
//!                                         └──── a person confirms with <key id>@<seq>-<nonce> ───►  N
//! ```
//!
//! A hold that stands on the key ends in two ways only: the field is seen gone and `live` is written over it, or a person confirms with the token that the mark makes.
//! What cannot be written is held all the same, because the record is written first.

mod edge;
pub mod guard;
pub mod hold;
mod look;
mod mark;
mod record;

pub use self::{
    edge::{Edge, edge},
    look::Look,
    mark::{Intent, IntentMark, MAX_SEQ, Nonce, Passed, Saying, Word},
    record::{CountEnded, OPEN_CALL, Opening, Record},
};
