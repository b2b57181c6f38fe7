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
//!   sends [`Kms::create`] and [`Kms::rotate_on_demand`] once and never repeats them, because no KMS has an idempotency token for them.
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
mod port;
mod quota;
mod read_back;
mod reading;
mod rest;
mod sanitize;
mod waits;

use crate::domain::{
    deletion::{
        LastUse,
        guard::{ClearedDeletion, ClearedDisabling},
    },
    failure::{Failure, FailureKind, Outcome},
    grant::{Grant, NewGrant},
    observed::{Facets, Key, Rotations},
    orphans::{MarkedKey, Pointer},
    ownership::{Owner, Tags},
};

pub use grants::Grants;
pub use leader_check::LeaderCheck;
pub(crate) use listing::Listing;
pub use port::{Creation, Identity, Kms, Replication, Scheduled};
pub use quota::Books;
pub(crate) use quota::{Patience, Turn, hastily, if_free, in_turn, is_rescuing, patiently, rescuing};
pub(crate) use reading::Reading;

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
    fn rotations(&self, key: &str) -> Result<Rotations, Failure>;
    fn last_use(&self, key: &str) -> Result<LastUse, Failure>;
    fn find_marked(&self, owner: &Owner) -> Result<Vec<String>, Failure>;
    fn marked(&self, cluster: &str) -> Result<Listing<MarkedKey>, Failure>;
    fn unmarked(&self) -> Result<Listing<Key>, Failure>;
    fn aliases_under(&self, prefix: &str) -> Result<Vec<Pointer>, Failure>;
    fn creation_turn(&self, again: bool) -> Result<Vec<Turn>, Failure>;
    fn create(&self, creation: &Creation) -> Result<Key, Failure>;
    fn replicate(&self, replication: &Replication) -> Result<Key, Failure>;
    fn move_primary(&self, primary: &str, region: &str) -> Result<(), Failure>;
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
    fn rotate_on_demand(&self, key: &str) -> Result<(), Failure>;
    fn schedule_deletion(&self, cleared: ClearedDeletion) -> Result<Scheduled, Failure>;
    fn cancel_deletion(&self, key: &str) -> Result<(), Failure>;
}

// `CipherTrust` has no grants (`Limits::grants`). The planner asks that first, so it is never asked; it sends nothing.
impl Grants for AnyKms {
    async fn grants(&self, key: &str) -> Result<Option<Vec<Grant>>, Failure> {
        match self {
            Self::Aws(kms) => Box::pin(kms.grants(key)).await,
            Self::Huawei(kms) => Box::pin(kms.grants(key)).await,
            Self::CipherTrust(_) => Err(no_grants(key)),
        }
    }

    async fn create_grant(&self, key: &str, grant: &NewGrant) -> Result<String, Failure> {
        match self {
            Self::Aws(kms) => Box::pin(kms.create_grant(key, grant)).await,
            Self::Huawei(kms) => Box::pin(kms.create_grant(key, grant)).await,
            Self::CipherTrust(_) => Err(no_grants(key)),
        }
    }

    async fn revoke_grant(&self, key: &str, id: &str) -> Result<(), Failure> {
        match self {
            Self::Aws(kms) => Box::pin(kms.revoke_grant(key, id)).await,
            Self::Huawei(kms) => Box::pin(kms.revoke_grant(key, id)).await,
            Self::CipherTrust(_) => Err(no_grants(key)),
        }
    }
}

fn no_grants(key: &str) -> Failure {
    let message = format!("key {} can have no grants, because Keyward makes none at this KMS", crate::text::name(key));
    Failure { kind: FailureKind::Invalid, operation: "grants", message, outcome: Outcome::Refused, source: None }
}
