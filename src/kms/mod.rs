//! The port: what Keyward needs from a KMS, and the adapters that provide it.
//!
//! # What every adapter guarantees
//!
//! - **Reading never writes.** [`Grants::grants`], [`Kms::identity`], [`Kms::read`], [`Kms::complete`], [`Kms::rotations`], [`Kms::last_use`],
//!   [`Kms::find_marked`], [`Kms::marked`], [`Kms::owners`], [`Kms::unmarked`] and [`Kms::aliases_under`] change nothing and may be
//!   repeated.
//! - **Absent is a value.** If the KMS says that a key or an alias does not exist, the answer is `None`. Anything else, such as a refusal,
//!   an expired credential or a time-out, is a [`Failure`] and never means that the key is absent.
//! - **One change is one request.** A method that changes something sends one request, or several that may each be repeated. The adapter
//!   sends [`Kms::create`] once and never repeats it, because no KMS has an idempotency token for it.
//! - **Repeating is harmless.** Any other change that already took effect succeeds again, or fails as [`FailureKind::Conflict`], and
//!   changes nothing.
//! - **Nothing is added.** The adapter sends the values that it was given, such as the days of a deletion, and replaces none by a default.
//! - **Only the leader changes keys.** The adapter asks whether this process still leads right before each request that changes something,
//!   also before a retry.
//! - **Every call ends.** Each attempt has a deadline, shorter than the grace period of the lease, and so has each call.
//! - **Nothing is destroyed without proof.** A method that can make data unreadable takes, by value, a proof that only the guard can make:
//!   [`ClearedDeletion`] or [`ClearedDisabling`].
//! - **Every error is classified** by the provider's code, never by its text. An unknown code is [`FailureKind::Unknown`]. A message is the
//!   same at every try: it has no request id, no time and no secret.
//! - **Every call is counted and timed** by its operation, in a metric and a tracing span.
//! - **The provider's types stay inside.** Arguments and results are types of [`crate::domain`] or of this module.
//! - **An adapter remembers no key.** What one read told is in the [`Key`] that it returned; the next read starts from that key.
//!
//! A new KMS is a folder here, a variant of [`AnyKms`], and an entry in [`crate::domain::limits`].
//!
//! [`FailureKind::Conflict`]: crate::domain::failure::FailureKind::Conflict
//! [`FailureKind::Unknown`]: crate::domain::failure::FailureKind::Unknown

pub mod aws;
pub mod ciphertrust;
mod denied;
mod endpoint;
mod grants;
pub mod huawei;
mod leader_check;
mod listing;
mod messages;
mod names;
mod quota;
mod read_back;
mod reading;
mod rest;
mod sanitize;
mod waits;

use std::future::Future;

use jiff::Timestamp;

use crate::{
    api::managed_key::KeyTemplate,
    domain::{
        deletion::{
            LastUse,
            guard::{ClearedDeletion, ClearedDisabling},
        },
        failure::Failure,
        observed::{Facets, Key, State},
        orphans::{MarkedKey, Pointer},
        ownership::{Owner, Tags, owner_in},
    },
};

pub use grants::Grants;
pub use leader_check::LeaderCheck;
pub(crate) use listing::Listing;
pub use quota::Books;
pub(crate) use quota::{Patience, Turn, hastily, in_turn, is_rescuing, patiently, rescuing};
pub(crate) use reading::Reading;

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
    fn complete(&self, mut key: Key) -> Key {
        for (told, asked) in
            [(&mut key.kind.spec, &self.kind.spec), (&mut key.kind.usage, &self.kind.usage), (&mut key.kind.origin, &self.kind.origin)]
        {
            if told.is_empty() {
                told.clone_from(asked);
            }
        }
        key
    }
}

/// The KMS's answer to a scheduled deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// The state of the key.
    pub state: State,
    /// When the KMS will delete it. `None` while a primary waits for its replicas.
    pub deletion_date: Option<Timestamp>,
}

/// A KMS in one account and Region. The [module](self) says what an adapter guarantees.
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
    /// When the KMS rotated the key, by its own record, in no order. A KMS that tells only the last rotation gives that one. Entries
    /// without a date, and entries that only change the next date, are left out.
    fn rotations(&self, key: &str) -> impl Future<Output = Result<Vec<Timestamp>, Failure>> + Send;
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
    /// Schedules the deletion that the guard let pass, in exactly the days that the proof says.
    fn schedule_deletion(&self, cleared: ClearedDeletion) -> impl Future<Output = Result<Scheduled, Failure>> + Send;
    /// Cancels the deletion. The key is disabled afterwards.
    fn cancel_deletion(&self, key: &str) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// The KMS that a provider names. A closed enum, so that the compiler lists every place that a new KMS touches.
#[derive(Debug)]
pub enum AnyKms {
    /// AWS KMS.
    Aws(aws::AwsKms),
    /// AWS keys behind `CipherTrust` Cloud Key Manager.
    CipherTrust(ciphertrust::CipherTrustKms),
    /// Huawei Cloud KMS.
    Huawei(huawei::HuaweiKms),
}

// Boxed, because the calls of an SDK are large: without it, the deepest path of a round, a rescue, overflows the stack of a thread in a
// debug build.
macro_rules! delegate {
    ($(fn $name:ident(&self $(, $arg:ident: $type:ty)*) -> $result:ty;)+) => {
        impl Kms for AnyKms {
            $(async fn $name(&self $(, $arg: $type)*) -> $result {
                match self {
                    Self::Aws(kms) => Box::pin(kms.$name($($arg),*)).await,
                    Self::CipherTrust(kms) => Box::pin(kms.$name($($arg),*)).await,
                    Self::Huawei(kms) => Box::pin(kms.$name($($arg),*)).await,
                }
            })+
        }
    };
}

delegate! {
    fn identity(&self) -> Result<Identity, Failure>;
    fn read(&self, reference: &str, facets: Facets) -> Result<Option<Reading>, Failure>;
    fn complete(&self, key: Key, facets: Facets) -> Reading;
    fn rotations(&self, key: &str) -> Result<Vec<Timestamp>, Failure>;
    fn last_use(&self, key: &str) -> Result<LastUse, Failure>;
    fn find_marked(&self, owner: &Owner) -> Result<Vec<String>, Failure>;
    fn marked(&self, cluster: &str) -> Result<Listing<MarkedKey>, Failure>;
    fn unmarked(&self) -> Result<Listing<Key>, Failure>;
    fn aliases_under(&self, prefix: &str) -> Result<Vec<Pointer>, Failure>;
    fn creation_turn(&self, again: bool) -> Result<Vec<Turn>, Failure>;
    fn create(&self, creation: &Creation) -> Result<Key, Failure>;
    fn add_alias(&self, key: &str, alias: &str) -> Result<(), Failure>;
    fn remove_alias(&self, key: &str, alias: &str) -> Result<(), Failure>;
    fn move_alias(&self, key: &str, alias: &str, from: &str) -> Result<(), Failure>;
    fn tag(&self, key: &str, tags: &Tags) -> Result<(), Failure>;
    fn untag(&self, key: &str, keys: &[String]) -> Result<(), Failure>;
    fn set_policy(&self, key: &str, policy: &str) -> Result<(), Failure>;
    fn set_description(&self, key: &str, description: &str) -> Result<(), Failure>;
    fn enable(&self, key: &str) -> Result<(), Failure>;
    fn disable(&self, key: &str) -> Result<(), Failure>;
    fn disable_for_good(&self, cleared: ClearedDisabling) -> Result<(), Failure>;
    fn start_rotation(&self, key: &str, period_days: i32) -> Result<(), Failure>;
    fn stop_rotation(&self, key: &str) -> Result<(), Failure>;
    fn schedule_deletion(&self, cleared: ClearedDeletion) -> Result<Scheduled, Failure>;
    fn cancel_deletion(&self, key: &str) -> Result<(), Failure>;
}
