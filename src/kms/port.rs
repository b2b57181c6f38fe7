//! What Keyward asks of a KMS, as a trait that each adapter implements.

use std::future::Future;

use jiff::Timestamp;

use super::{Listing, Reading, Turn};
use crate::{
    api::managed_key::KeyTemplate,
    domain::{
        deletion::{
            LastUse,
            guard::{ClearedDeletion, ClearedDisabling},
        },
        failure::Failure,
        observed::{Facets, Key, Rotations, State},
        orphans::{MarkedKey, Pointer},
        ownership::{Owner, Tags, owner_in},
    },
};

/// Who the credentials belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account.
    pub account: String,
    /// The Region.
    pub region: String,
    /// The principal; at AWS the ARN of the user or of the assumed role.
    pub principal: String,
}

/// A key to create.
#[derive(Clone, Debug)]
pub struct Creation {
    /// Its kind.
    pub kind: KeyTemplate,
    /// Its description.
    pub description: Option<String>,
    /// All its tags, including the marks.
    pub tags: Tags,
    /// Its claim alias, with `alias/`.
    pub claim: String,
}

impl Creation {
    /// Completes the kind of the new key. If the answer leaves a word out, the word is the requested one: a KMS makes what was requested,
    /// or refuses.
    pub(super) fn complete(&self, key: Key) -> Key {
        completed(key, &self.kind)
    }
}

impl Replication {
    /// The same for a replica, which is of the kind of its primary key.
    pub(super) fn complete(&self, key: Key) -> Key {
        completed(key, &self.kind)
    }
}

fn completed(mut key: Key, kind: &KeyTemplate) -> Key {
    for (told, asked) in [(&mut key.kind.spec, &kind.spec), (&mut key.kind.usage, &kind.usage), (&mut key.kind.origin, &kind.origin)] {
        if told.is_empty() {
            told.clone_from(asked);
        }
    }
    key
}

/// A replica to make.
#[derive(Clone, Debug)]
pub struct Replication {
    /// The canonical reference of its primary key.
    pub primary: String,
    /// The canonical reference that the replica will have.
    pub replica: String,
    /// The Region of the replica.
    pub region: String,
    /// The kind of the primary key, for what an answer leaves out.
    pub kind: KeyTemplate,
    /// Its description.
    pub description: Option<String>,
    /// All its tags, including the marks.
    pub tags: Tags,
    /// The key policy with which it begins. `None`: the KMS's default.
    pub policy: Option<String>,
}

/// The KMS's answer to a scheduled deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// The state of the key.
    pub state: State,
    /// When the KMS will delete it. `None` while a primary waits for its replicas.
    pub deletion_date: Option<Timestamp>,
}

/// A KMS in one account and Region. The [folder](super) says what an adapter guarantees.
pub trait Kms: Send + Sync + 'static {
    /// Who the credentials belong to. The caller asks this before it takes a key for absent.
    fn identity(&self) -> impl Future<Output = Result<Identity, Failure>> + Send;
    /// The key that `reference` names, with those facets. `reference` is an id, a canonical reference (at AWS an ARN), or an alias with
    /// `alias/`. `None`: the KMS has no such key. A facet that cannot be read is a failure in the `Reading`, not an error. A KMS that
    /// answers from a copy says how old the copy is; if it is too old for a change to rest on it, the adapter has it refreshed first,
    /// within a time limit.
    fn read(&self, reference: &str, facets: Facets) -> impl Future<Output = Result<Option<Reading>, Failure>> + Send;
    /// Reads those facets of a key that was read before. A facet that the key has already costs no request.
    fn complete(&self, key: Key, facets: Facets) -> impl Future<Output = Reading> + Send;
    /// The rotations of the key, by the KMS's own record, in no order. A KMS that tells only the last rotation gives that one. Entries
    /// without a date, and entries that only change the next date, are left out.
    fn rotations(&self, key: &str) -> impl Future<Output = Result<Rotations, Failure>> + Send;
    /// When the key was last used. A KMS without such a record tells nothing.
    fn last_use(&self, _key: &str) -> impl Future<Output = Result<LastUse, Failure>> + Send {
        async { Ok(LastUse::Untold) }
    }
    /// Canonical references of all keys of this account and Region that have the marks of that cluster, namespace and name. Reads the tags
    /// of every key.
    fn find_marked(&self, owner: &Owner) -> impl Future<Output = Result<Vec<String>, Failure>> + Send;
    /// All keys of this account and Region that have the mark of that cluster, with their tags. Reads the tags of every key, except at a
    /// KMS that searches for tags itself. Such a search may be late: a caller that concludes something from the tags reads the key again.
    fn marked(&self, cluster: &str) -> impl Future<Output = Result<Listing<MarkedKey>, Failure>> + Send;
    /// The owner marks, in either form, of all keys of this account and Region that have the mark of that cluster. If the KMS denies the
    /// tags of some keys only, those keys are left out and the call succeeds.
    fn owners(&self, cluster: &str) -> impl Future<Output = Result<Vec<String>, Failure>> + Send {
        async move {
            let Listing { found, denied } = self.marked(cluster).await?;
            if let Some(failure) = denied.first() {
                tracing::warn!(keys = denied.len(), "{}; keys whose tags are denied are left out", failure.message);
            }
            Ok(found.iter().filter_map(|key| owner_in(cluster, &key.tags)).map(str::to_owned).collect())
        }
    }
    /// All customer keys of this account and Region without an owner's mark. Reads the tags of every key.
    fn unmarked(&self) -> impl Future<Output = Result<Listing<Key>, Failure>> + Send;
    /// All aliases of this account and Region that begin with that text, sorted, and where each points. An alias of a key that the KMS
    /// knows to be gone points to none.
    fn aliases_under(&self, prefix: &str) -> impl Future<Output = Result<Vec<Pointer>, Failure>> + Send;

    /// Waits for the turns of a creation and of its claim within the request quota. The caller waits before it records the creation, so
    /// that it has nothing to take back if no turn comes. Requests made in turn (`in_turn`) use them. `again`: the last creation was
    /// throttled. Without a known quota there is no turn to wait for.
    fn creation_turn(&self, _again: bool) -> impl Future<Output = Result<Vec<Turn>, Failure>> + Send {
        async { Ok(Vec::new()) }
    }
    /// Creates a key. The request is sent once. `tags` and `aliases` of the answer are what was made together with the key; if one is
    /// `None`, the caller has to set it. A KMS that makes the claim together with the key refuses a claim that is taken, with
    /// [`FailureKind::AliasTaken`](crate::domain::failure::FailureKind::AliasTaken).
    fn create(&self, creation: &Creation) -> impl Future<Output = Result<Key, Failure>> + Send;
    /// Makes a replica of a multi-Region key in another Region, with its tags in the same request. It is asked of the KMS of the primary
    /// key. Of `tags` and `aliases` of the answer, one that is `None` has to be set by the caller. If that Region has a replica already,
    /// whoever made it, the failure is [`FailureKind::Exists`](crate::domain::failure::FailureKind::Exists). A KMS without multi-Region keys
    /// ([`Limits::multi_region`](crate::domain::limits::Limits::multi_region)) refuses and sends nothing.
    fn replicate(&self, replication: &Replication) -> impl Future<Output = Result<Key, Failure>> + Send;
    /// Makes the replica in that Region the primary key in place of this one. It is asked of the KMS of the primary key. Both keys are
    /// updating for a while. If the key is a replica of the key in that Region already, the call succeeds. A KMS without multi-Region keys
    /// refuses and sends nothing.
    fn move_primary(&self, primary: &str, region: &str) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Gives the key an alias. If another key has it, the failure is
    /// [`FailureKind::AliasTaken`](crate::domain::failure::FailureKind::AliasTaken) and names that key.
    fn add_alias(&self, key: &str, alias: &str) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Removes an alias of the key. If the alias does not exist, or is on another key, nothing is changed and the call succeeds. The
    /// adapter reads right before where the alias points. One risk remains at a KMS that removes an alias from any key and shows a move
    /// late: the alias may be removed from the key that it was just moved to.
    fn remove_alias(&self, key: &str, alias: &str) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Moves an alias from the key `from` to the key, in one request, so that it always points to one of them. The adapter reads right
    /// before where the alias points. If the key has it already, the call succeeds. If a third key has it, nothing is changed and the
    /// failure is
    /// [`FailureKind::AliasTaken`](crate::domain::failure::FailureKind::AliasTaken). A KMS without such a request
    /// ([`Limits::moves_aliases`](crate::domain::limits::Limits::moves_aliases)) refuses and sends nothing.
    fn move_alias(&self, key: &str, alias: &str, from: &str) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Sets tags.
    fn tag(&self, key: &str, tags: &Tags) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Removes tags.
    fn untag(&self, key: &str, keys: &[String]) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Sets the key policy, in exactly that text. The KMS's own check against locking oneself out is never skipped. A KMS without key policies
    /// ([`Limits::key_policies`](crate::domain::limits::Limits::key_policies)) refuses and sends nothing.
    fn set_policy(&self, key: &str, policy: &str) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Sets the description.
    fn set_description(&self, key: &str, description: &str) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Enables the key.
    fn enable(&self, key: &str) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Disables the key. Its object can enable it again.
    fn disable(&self, key: &str) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Disables the key because its object is deleted. No object can enable it again.
    fn disable_for_good(&self, cleared: ClearedDisabling) -> impl Future<Output = Result<(), Failure>> + Send {
        async move { self.disable(cleared.key()).await }
    }
    /// Switches rotation on with that period in days, or changes the period.
    fn start_rotation(&self, key: &str, period_days: i32) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Switches rotation off.
    fn stop_rotation(&self, key: &str) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Rotates the key now. The request is sent once: no KMS has an idempotency token for it, and each one that arrives is another rotation.
    /// The KMS may complete it later. If the key was rotated as often as the KMS allows, the failure is
    /// [`FailureKind::RotationLimit`](crate::domain::failure::FailureKind::RotationLimit).
    fn rotate_on_demand(&self, key: &str) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Schedules the deletion that the guard let pass, in exactly the days that the proof says.
    fn schedule_deletion(&self, cleared: ClearedDeletion) -> impl Future<Output = Result<Scheduled, Failure>> + Send;
    /// Cancels the deletion. The key is disabled afterwards.
    fn cancel_deletion(&self, key: &str) -> impl Future<Output = Result<(), Failure>> + Send;
}
