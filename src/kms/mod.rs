//! The port: what Keyward needs of a KMS, and the adapters that give it.
//!
//! # What every adapter guarantees
//!
//! - **Reading never writes.** [`Kms::identity`], [`Kms::describe`], [`Kms::tags`], [`Kms::rotation`], [`Kms::rotations`], [`Kms::aliases`],
//!   [`Kms::find_marked`] and [`Kms::owners`] change nothing, and may be repeated.
//! - **Absent is a value.** A key, or an alias, that the KMS says is not there is `None`. Everything that is not that very answer, such as a refusal, an
//!   expired credential or a time-out, is a [`Failure`]; it is never taken for absence.
//! - **One change is one request.** A method that changes something sends one request, or several of which each may be repeated. [`Kms::create`] is sent
//!   once and never repeated by the adapter, because no KMS knows an idempotency token for it.
//! - **Repeating is harmless.** Any other change that already took effect succeeds again, or fails as [`FailureKind::Conflict`], and changes nothing.
//! - **Nothing is added.** No default takes the place of a value that was given; the days of a deletion are sent as they are.
//! - **The leader alone changes.** Whether this process may change anything is asked right before each request that does, retries included.
//! - **Every call ends.** Each attempt has a deadline, shorter than the grace of the lease, and each call has one.
//! - **Nothing is destroyed without proof.** What can make data unreadable takes by value what only the guard gives:
//!   [`ClearedDeletion`] and [`ClearedDisabling`].
//! - **Every error is classified**, by the provider's code and never by its text; one that is not known is [`FailureKind::Unknown`]. Messages are stable
//!   from one try to the next: no request ids, no times, no secrets.
//! - **Every call is counted and timed** by its operation, in a metric and a tracing span.
//! - **The provider's types stay inside.** What goes in and out is [`crate::domain`]'s.
//!
//! A new KMS is a folder here, a variant of [`AnyKms`], and its numbers in [`crate::domain::limits`].
//!
//! [`FailureKind::Conflict`]: crate::domain::failure::FailureKind::Conflict
//! [`FailureKind::Unknown`]: crate::domain::failure::FailureKind::Unknown

pub mod aws;
pub mod ciphertrust;
pub mod huawei;
mod leader_check;
mod quota;
mod rest;
mod sanitize;

use std::future::Future;

use jiff::Timestamp;

use crate::{
    api::managed_key::KeyTemplate,
    domain::{
        deletion::guard::{ClearedDeletion, ClearedDisabling},
        failure::Failure,
        observed::{Key, Rotation, State},
        ownership::{Owner, Tags},
    },
};

pub use leader_check::LeaderCheck;
pub use quota::{Books, Patience, Turn, hastily, in_turn, is_rescuing, patiently, rescuing};

/// Whose credentials they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account.
    pub account: String,
    /// The Region that is worked in.
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
    /// All its tags, marks included.
    pub tags: Tags,
    /// Its claim alias, with `alias/`.
    pub claim: String,
}

impl Creation {
    /// What the answer to it does not tell of the new key's kind is as it was asked for: a KMS makes that, or refuses it.
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

/// What the KMS answered to a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// The state of the key.
    pub state: State,
    /// When it will be deleted; absent while a primary waits for its replicas.
    pub deletion_date: Option<Timestamp>,
}

/// A KMS, in one account and Region. See the [module](self) for what an adapter guarantees.
pub trait Kms: Send + Sync + 'static {
    /// Whose credentials these are. Asked before anything is called absent.
    fn identity(&self) -> impl Future<Output = Result<Identity, Failure>> + Send;
    /// The key that `reference` names: an id, a canonical reference (at AWS an ARN), or an alias with `alias/`. Rotation, tags and
    /// aliases are there only if the same answer brings them. A KMS that answers from a copy says how old it is, and makes it new first, within a
    /// bound, if it is too old for a change to follow from it.
    fn describe(&self, reference: &str) -> impl Future<Output = Result<Option<Key>, Failure>> + Send;
    /// All tags of a key.
    fn tags(&self, key: &str) -> impl Future<Output = Result<Tags, Failure>> + Send;
    /// Automatic rotation of a key.
    fn rotation(&self, key: &str) -> impl Future<Output = Result<Rotation, Failure>> + Send;
    /// When the KMS rotated the key, by its own record and in no order; a KMS that tells of the last rotation alone gives that one. A rotation whose date it
    /// does not tell is left out, and so is what only sets the next date.
    fn rotations(&self, key: &str) -> impl Future<Output = Result<Vec<Timestamp>, Failure>> + Send;
    /// All aliases of a key, with `alias/`.
    fn aliases(&self, key: &str) -> impl Future<Output = Result<Vec<String>, Failure>> + Send;
    /// Canonical references of all keys of this account and Region that bear the marks of that cluster, namespace and name. Reads the tags of every key.
    fn find_marked(&self, owner: &Owner) -> impl Future<Output = Result<Vec<String>, Failure>> + Send;
    /// The owner marks that keys of this account and Region bear beside the mark of that cluster, in either form. Reads the tags of every key. A KMS that denies
    /// those of some keys, and tells those of others, is not failed by it: what can be read of Keyward's own keys is told.
    fn owners(&self, cluster: &str) -> impl Future<Output = Result<Vec<String>, Failure>> + Send;

    /// The turns of a creation and of its claim, waited for before anything is written down for the creation, so that nothing has to be taken back if they do
    /// not come. They are used by what is done [in turn](in_turn). `again`: the last creation was throttled. A KMS whose quotas are not known has none to wait for.
    fn creation_turn(&self, _again: bool) -> impl Future<Output = Result<Vec<Turn>, Failure>> + Send {
        async { Ok(Vec::new()) }
    }
    /// Creates a key. Sent once. The answer says what was made along with it: `tags` are those that it bears from its first moment, `aliases` those
    /// that it has; what is `None` is for the caller to set. A KMS that makes the claim together with the key refuses one that is taken:
    /// [`FailureKind::AliasTaken`](crate::domain::failure::FailureKind::AliasTaken).
    fn create(&self, creation: &Creation) -> impl Future<Output = Result<Key, Failure>> + Send;
    /// Gives the key an alias. If another key has it: [`FailureKind::AliasTaken`](crate::domain::failure::FailureKind::AliasTaken), naming that key.
    fn add_alias(&self, key: &str, alias: &str) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Takes an alias of the key away; one that is not there, or on another key, is fine and left alone. Where it points is read right before. A KMS that
    /// takes an alias away from whichever key has it, and shows a move late, can still take it from the key that it was moved to within that time.
    fn remove_alias(&self, key: &str, alias: &str) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Gives the key an alias that the key `from` has, in one request, so that it is at no moment on no key. Where it points is read right before: one that the
    /// key has already is fine, and one that is on any other key stays there: [`FailureKind::AliasTaken`](crate::domain::failure::FailureKind::AliasTaken).
    /// A KMS that has no such request, by [`Limits::moves_aliases`](crate::domain::limits::Limits::moves_aliases), refuses it and sends nothing.
    fn move_alias(&self, key: &str, alias: &str, from: &str) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Sets tags.
    fn tag(&self, key: &str, tags: &Tags) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Removes tags.
    fn untag(&self, key: &str, keys: &[String]) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Sets the description.
    fn set_description(&self, key: &str, description: &str) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Enables the key.
    fn enable(&self, key: &str) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Disables the key, which its object enables again when that is asked of it.
    fn disable(&self, key: &str) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Disables the key because its object is deleted: no object enables it again.
    fn disable_for_good(&self, cleared: ClearedDisabling) -> impl Future<Output = Result<(), Failure>> + Send {
        async move { self.disable(cleared.key()).await }
    }
    /// Switches rotation on with that period in days, or changes the period.
    fn start_rotation(&self, key: &str, period_days: i32) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Switches rotation off.
    fn stop_rotation(&self, key: &str) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Schedules the deletion that the guard let pass, in exactly that many days.
    fn schedule_deletion(&self, cleared: ClearedDeletion) -> impl Future<Output = Result<Scheduled, Failure>> + Send;
    /// Cancels the deletion; the key is disabled afterwards.
    fn cancel_deletion(&self, key: &str) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// The KMS that a provider names. Closed, so that the compiler lists every place that a new one touches.
#[derive(Debug)]
pub enum AnyKms {
    /// AWS KMS.
    Aws(aws::AwsKms),
    /// AWS keys behind `CipherTrust` Cloud Key Manager.
    CipherTrust(ciphertrust::CipherTrustKms),
    /// Huawei Cloud KMS.
    Huawei(huawei::HuaweiKms),
}

macro_rules! delegate {
    ($(fn $name:ident(&self $(, $arg:ident: $type:ty)*) -> $result:ty;)+) => {
        impl Kms for AnyKms {
            $(async fn $name(&self $(, $arg: $type)*) -> Result<$result, Failure> {
                match self {
                    Self::Aws(kms) => kms.$name($($arg),*).await,
                    Self::CipherTrust(kms) => kms.$name($($arg),*).await,
                    Self::Huawei(kms) => kms.$name($($arg),*).await,
                }
            })+
        }
    };
}

delegate! {
    fn identity(&self) -> Identity;
    fn describe(&self, reference: &str) -> Option<Key>;
    fn tags(&self, key: &str) -> Tags;
    fn rotation(&self, key: &str) -> Rotation;
    fn rotations(&self, key: &str) -> Vec<Timestamp>;
    fn aliases(&self, key: &str) -> Vec<String>;
    fn find_marked(&self, owner: &Owner) -> Vec<String>;
    fn owners(&self, cluster: &str) -> Vec<String>;
    fn creation_turn(&self, again: bool) -> Vec<Turn>;
    fn create(&self, creation: &Creation) -> Key;
    fn add_alias(&self, key: &str, alias: &str) -> ();
    fn remove_alias(&self, key: &str, alias: &str) -> ();
    fn move_alias(&self, key: &str, alias: &str, from: &str) -> ();
    fn tag(&self, key: &str, tags: &Tags) -> ();
    fn untag(&self, key: &str, keys: &[String]) -> ();
    fn set_description(&self, key: &str, description: &str) -> ();
    fn enable(&self, key: &str) -> ();
    fn disable(&self, key: &str) -> ();
    fn start_rotation(&self, key: &str, period_days: i32) -> ();
    fn stop_rotation(&self, key: &str) -> ();
    fn schedule_deletion(&self, cleared: ClearedDeletion) -> Scheduled;
    fn cancel_deletion(&self, key: &str) -> ();
}
