//! AWS KMS.
//!
//! Each method of the port is one request, or a few that may each be repeated. A comment at the method says where it differs from AWS's
//! operation. `call` sends, `convert` reads answers, `failure` reads errors, `operation` lists all that can be called. No type of the SDK
//! leaves this folder. The adapter must never take an error for an absent key, and never send `CreateKey` or `RotateKeyOnDemand` twice.

mod arn;
mod call;
mod client;
mod convert;
mod credentials;
mod endpoint;
mod failure;
#[cfg(test)]
mod fuzz;
mod grants;
mod operation;
mod quota;
mod trust;

use std::fmt::Display;

use aws_sdk_kms::types::{AliasListEntry, KeyListEntry, KeyMetadata, KeySpec, KeyUsageType, OriginType, Tag};
use futures::{StreamExt, TryStreamExt, stream};

use self::{arn::Arn, client::Clients, convert::Asked, failure::Answered, operation::Operation};
use super::{
    Creation, Identity, Kms, Listing, Replication, Scheduled, Turn, denied, messages, read_back,
    reading::{self, FacetValue, Reading, Source},
};
use crate::domain::{
    candidates::is_unmarked,
    deletion::{
        LastUse,
        guard::{ClearedDeletion, ClearedDisabling},
    },
    failure::{Failure, FailureKind, Outcome},
    observed::{Facet, Facets, Key, KeyPolicy, Rotation, Rotations},
    orphans::{MarkedKey, Pointer},
    ownership::{self, Owner, Tags},
};

pub use self::{
    client::{AwsCredentials, AwsSettings},
    endpoint::AwsEndpoints,
    operation::OPERATIONS,
};

/// How many keys' tags are read at once in a search of the whole account.
const SEARCHES: usize = 8;
/// Entries per page, the most that AWS allows: `ListKeys` and `ListKeyRotations`, `ListAliases`, `ListResourceTags`.
const PAGES: (i32, i32, i32) = (1000, 100, 50);

/// The name of the policy of a key.
const POLICY: &str = "default";

/// AWS KMS in one account and Region.
#[derive(Debug)]
pub struct AwsKms(Clients);

/// Sends a request to KMS. It is a macro because the SDK has no public trait for all its requests.
macro_rules! send {
    ($self:ident, $operation:ident, $subject:expr, $request:expr) => {
        async {
            let request = $request;
            $self.0.caller.call(Operation::$operation, $subject, |call| call.kms(request.clone().customize()).send()).await
        }
    };
}

impl AwsKms {
    /// Makes the clients; nothing is sent yet.
    pub fn new(settings: AwsSettings) -> Result<Self, Failure> {
        Clients::new(settings).map(Self)
    }

    fn unusable(&self, operation: Operation, subject: &str, why: impl Display) -> Failure {
        self.0.caller.unusable(operation, subject, &why)
    }

    /// The key that an answer is about. AWS is asked for the account only if the answer lacks it.
    async fn read_key(&self, operation: Operation, reference: &str, metadata: &KeyMetadata) -> Result<Key, Failure> {
        if metadata.arn().is_none_or(str::is_empty) {
            self.need_account(operation).await?;
        }
        convert::key(metadata, self.asked(reference)).map_err(|why| self.unusable(operation, reference, why))
    }

    async fn need_account(&self, operation: Operation) -> Result<(), Failure> {
        if self.0.caller.account.number().is_some() {
            return Ok(());
        }
        let outcome = if operation.changes() { Outcome::Unknown } else { Outcome::Refused };
        self.identity().await.map(drop).map_err(|failure| Failure { outcome, ..failure })
    }

    /// What was asked about, for an answer that does not tell it.
    fn asked<'a>(&'a self, reference: &'a str) -> Asked<'a> {
        Asked { reference, region: &self.0.caller.region, account: self.0.caller.account.number() }
    }

    /// Refuses references that must not be looked up: a key of another Region would look absent, and looking up an alias of AWS can create
    /// a key.
    fn refuse(&self, reference: &str) -> Option<Failure> {
        let here = &*self.0.caller.region;
        let message = match (Arn::parse(reference), arn::alias(reference)) {
            (Some(arn), _) if arn.region != here => {
                format!(
                    "{reference} is a key of Region {}, but this provider works in {here}; use a KeyProvider of that Region",
                    arn.region
                )
            }
            (_, Some(alias)) if alias.starts_with("alias/aws/") => {
                format!("{reference} is an alias of AWS's own; name a key that you manage yourself")
            }
            _ => return None,
        };
        Some(self.0.caller.refuse(Operation::DescribeKey, reference, FailureKind::Invalid, message))
    }

    /// All entries of a list. A page may be short or empty although more pages follow.
    async fn pages<T, F>(&self, operation: Operation, subject: &str, page: impl Fn(Option<String>) -> F) -> Result<Vec<T>, Failure>
    where
        F: Future<Output = Result<Page<T>, Failure>>,
    {
        let (mut all, mut marker) = (Vec::new(), None);
        loop {
            let Page { entries, truncated, next } = page(marker.clone()).await?;
            // A missing list is not an empty list: a key would seem to have no marks, and an account no keys.
            all.extend(entries.ok_or_else(|| self.unusable(operation, subject, "it has no list"))?);
            // AWS may leave out the flag and tell only where the next page begins.
            if !truncated && next.is_none() {
                return Ok(all);
            }
            if next.is_none() || next == marker {
                return Err(self.unusable(operation, subject, "it has more pages, but does not say where"));
            }
            marker = next;
        }
    }

    async fn tags(&self, key: &str) -> Result<Tags, Failure> {
        let page = |marker| async {
            let request = self.0.kms.list_resource_tags().key_id(key).limit(PAGES.2).set_marker(marker);
            let page = send!(self, ListResourceTags, key, request).await?;
            Ok(Page { entries: page.tags, truncated: page.truncated, next: page.next_marker })
        };
        let tags = self.pages(Operation::ListResourceTags, key, page).await?;
        Ok(tags.into_iter().map(|tag| (tag.tag_key, tag.tag_value)).collect())
    }

    /// For a key that AWS cannot rotate, rotation is off.
    async fn rotation(&self, key: &str) -> Result<Rotation, Failure> {
        match send!(self, GetKeyRotationStatus, key, self.0.kms.get_key_rotation_status().key_id(key)).await {
            Ok(output) => convert::rotation(&output).map_err(|why| self.unusable(Operation::GetKeyRotationStatus, key, why)),
            Err(failure) if cannot_rotate(&failure) => Ok(Rotation::default()),
            Err(failure) => Err(failure),
        }
    }

    async fn aliases(&self, key: &str) -> Result<Vec<String>, Failure> {
        let aliases = self.list_aliases(Some(key)).await?;
        let names = aliases.iter().map(|alias| convert::text(alias.alias_name(), "AliasName"));
        names.collect::<Result<_, _>>().map_err(|why| self.unusable(Operation::ListAliases, key, why))
    }

    /// The aliases of a key, or all aliases of the account and Region.
    async fn list_aliases(&self, key: Option<&str>) -> Result<Vec<AliasListEntry>, Failure> {
        let subject = key.unwrap_or_default();
        let page = |marker| async {
            let request = self.0.kms.list_aliases().set_key_id(key.map(str::to_owned)).limit(PAGES.1).set_marker(marker);
            let page = send!(self, ListAliases, subject, request).await?;
            Ok(Page { entries: page.aliases, truncated: page.truncated, next: page.next_marker })
        };
        self.pages(Operation::ListAliases, subject, page).await
    }

    /// AWS has one policy for each key, and its name is always `default`.
    async fn policy(&self, key: &str) -> Result<KeyPolicy, Failure> {
        let request = self.0.kms.get_key_policy().key_id(key).policy_name(POLICY);
        let policy = send!(self, GetKeyPolicy, key, request).await?.policy;
        policy.map(KeyPolicy::Text).ok_or_else(|| self.unusable(Operation::GetKeyPolicy, key, "it has no Policy"))
    }

    async fn keys(&self) -> Result<Vec<KeyListEntry>, Failure> {
        let page = |marker| async {
            let page = send!(self, ListKeys, "", self.0.kms.list_keys().limit(PAGES.0).set_marker(marker)).await?;
            Ok(Page { entries: page.keys, truncated: page.truncated, next: page.next_marker })
        };
        self.pages(Operation::ListKeys, "", page).await
    }

    /// The key's ARN, if it has the marks of that owner.
    async fn marked(&self, key: KeyListEntry, owner: &Owner) -> Result<Option<String>, Failure> {
        let (arn, tags) = self.listed(key).await?;
        Ok(owner.is_named_by(&tags).then_some(arn))
    }

    /// The key with its tags, if it has the mark of that cluster.
    async fn of_cluster(&self, key: KeyListEntry, cluster: &str) -> Result<Option<MarkedKey>, Failure> {
        let (reference, tags) = self.listed(key).await?;
        Ok(ownership::is_of(cluster, &tags).then_some(MarkedKey { reference, tags }))
    }

    /// The key, if it is a customer's and has no owner's mark.
    async fn without_marks(&self, key: KeyListEntry) -> Result<Option<Key>, Failure> {
        let (arn, tags) = self.listed(key).await?;
        if !is_unmarked(&tags) {
            return Ok(None);
        }
        let key = self.describe(&arn).await?.filter(|key| key.customer_managed);
        Ok(key.map(|key| Key { tags: Some(tags), ..key }))
    }

    /// An alias and the ARN of its key. `TargetKeyId` is optional, so AWS is asked for the key if it is absent.
    async fn pointer(&self, alias: AliasListEntry) -> Result<Pointer, Failure> {
        let operation = Operation::ListAliases;
        if alias.target_key_id().is_some() {
            self.need_account(operation).await?;
        }
        let pointer = convert::pointer(&alias, self.asked("")).map_err(|why| self.unusable(operation, "", why))?;
        match pointer {
            Pointer { alias, key: None } => {
                let key = self.describe(&alias).await?.map(|key| key.arn);
                Ok(Pointer { alias, key })
            }
            pointer => Ok(pointer),
        }
    }

    /// ARN and tags of a listed key. A key that was deleted since has no tags.
    async fn listed(&self, key: KeyListEntry) -> Result<(String, Tags), Failure> {
        if key.key_arn().is_none_or(str::is_empty) {
            self.need_account(Operation::ListKeys).await?;
        }
        let arn = convert::listed(&key, self.asked("")).map_err(|why| self.unusable(Operation::ListKeys, "", why))?;
        match self.tags(&arn).await {
            Ok(tags) => Ok((arn, tags)),
            Err(failure) if failure.kind == FailureKind::NotFound => Ok((arn, Tags::new())),
            Err(mut failure) if failure.kind == FailureKind::Denied => {
                failure.message += "; a search has to read the tags of every key of the account";
                Err(failure)
            }
            Err(failure) => Err(failure),
        }
    }
}

/// Whether a key is the one that an id or an ARN names.
fn is(key: &Key, reference: &str) -> bool {
    key.arn == reference || key.id == reference
}

/// A page of a list.
struct Page<T> {
    entries: Option<Vec<T>>,
    truncated: bool,
    next: Option<String>,
}

impl Source for AwsKms {
    async fn describe(&self, reference: &str) -> Result<Option<Key>, Failure> {
        if let Some(refused) = self.refuse(reference) {
            return Err(refused);
        }
        let operation = Operation::DescribeKey;
        match send!(self, DescribeKey, reference, self.0.kms.describe_key().key_id(reference)).await {
            Ok(output) => {
                let metadata = output.key_metadata.ok_or_else(|| self.unusable(operation, reference, "it has no KeyMetadata"))?;
                self.read_key(operation, reference, &metadata).await.map(Some)
            }
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn facet(&self, key: &Key, facet: Facet) -> Result<FacetValue, Failure> {
        match facet {
            Facet::Tags => self.tags(&key.arn).await.map(FacetValue::Tags),
            Facet::Rotation => self.rotation(&key.arn).await.map(FacetValue::Rotation),
            Facet::Aliases => self.aliases(&key.arn).await.map(FacetValue::Aliases),
            Facet::Policy => self.policy(&key.arn).await.map(FacetValue::Policy),
        }
    }
}

impl Kms for AwsKms {
    async fn identity(&self) -> Result<Identity, Failure> {
        let operation = Operation::GetCallerIdentity;
        let caller = self.0.caller.call(operation, "", |call| call.sts(self.0.sts.get_caller_identity().customize()).send()).await?;
        let text = |text: Option<&str>, member| convert::text(text, member).map_err(|why| self.unusable(operation, "", why));
        let account = text(caller.account(), "Account")?;
        self.0.caller.account.is(&account);
        Ok(Identity { account, region: self.0.caller.region.to_string(), principal: text(caller.arn(), "Arn")? })
    }

    async fn read(&self, reference: &str, facets: Facets) -> Result<Option<Reading>, Failure> {
        reading::read(self, reference, facets).await
    }

    async fn complete(&self, key: Key, facets: Facets) -> Reading {
        reading::complete(self, key, facets).await
    }

    /// Automatic rotations and those on demand. A key that AWS cannot rotate has none.
    async fn rotations(&self, key: &str) -> Result<Rotations, Failure> {
        let operation = Operation::ListKeyRotations;
        let page = |marker| async {
            let request = self.0.kms.list_key_rotations().key_id(key).limit(PAGES.0).set_marker(marker);
            let page = send!(self, ListKeyRotations, key, request).await?;
            Ok(Page { entries: page.rotations, truncated: page.truncated, next: page.next_marker })
        };
        match self.pages(operation, key, page).await {
            Ok(entries) => convert::rotations(&entries).map_err(|why| self.unusable(operation, key, why)),
            Err(failure) if cannot_rotate(&failure) => Ok(Rotations::default()),
            Err(failure) => Err(failure),
        }
    }

    /// AWS records uses since it began to, which it tells. A key that is older and was not used since may have been used before.
    async fn last_use(&self, key: &str) -> Result<LastUse, Failure> {
        let operation = Operation::GetKeyLastUsage;
        let usage = send!(self, GetKeyLastUsage, key, self.0.kms.get_key_last_usage().key_id(key)).await?;
        convert::last_use(&usage).map_err(|why| self.unusable(operation, key, why))
    }

    async fn find_marked(&self, owner: &Owner) -> Result<Vec<String>, Failure> {
        let keys = self.keys().await?;
        let marked = stream::iter(keys).map(|key| self.marked(key, owner)).buffer_unordered(SEARCHES);
        let mut found: Vec<String> = marked.try_filter_map(async |arn| Ok(arn)).try_collect().await?;
        found.sort_unstable();
        Ok(found)
    }

    async fn marked(&self, cluster: &str) -> Result<Listing<MarkedKey>, Failure> {
        let keys = self.keys().await?;
        Listing::of(stream::iter(keys).map(|key| self.of_cluster(key, cluster)).buffer_unordered(SEARCHES)).await
    }

    async fn unmarked(&self) -> Result<Listing<Key>, Failure> {
        let keys = self.keys().await?;
        Listing::of(stream::iter(keys).map(|key| self.without_marks(key)).buffer_unordered(SEARCHES)).await
    }

    async fn aliases_under(&self, prefix: &str) -> Result<Vec<Pointer>, Failure> {
        let mut found = Vec::new();
        for alias in self.list_aliases(None).await? {
            if alias.alias_name().is_some_and(|name| name.starts_with(prefix)) {
                found.push(self.pointer(alias).await?);
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Also takes the turn of the claim, so that the claim need not wait once the key exists.
    async fn creation_turn(&self, again: bool) -> Result<Vec<Turn>, Failure> {
        let key = self.0.caller.turn(Operation::CreateKey, "", again).await?;
        let claim = self.0.caller.turn(Operation::CreateAlias, "", again).await?;
        Ok(key.into_iter().chain(claim).collect())
    }

    async fn create(&self, creation: &Creation) -> Result<Key, Failure> {
        // The claim takes a request of its own, which may be repeated.
        let Creation { kind, description, tags, claim: _ } = creation;
        let operation = Operation::CreateKey;
        let request = self
            .0
            .kms
            .create_key()
            .key_spec(KeySpec::from(kind.spec.as_str()))
            .key_usage(KeyUsageType::from(kind.usage.as_str()))
            .origin(OriginType::from(kind.origin.as_str()))
            .multi_region(kind.multi_region)
            .set_custom_key_store_id(kind.custom_key_store_id.clone())
            .set_xks_key_id(kind.xks_key_id.clone())
            .set_description(description.clone())
            .set_tags(Some(self.tag_list(operation, "", tags)?));
        let output = send!(self, CreateKey, "", request).await?;
        let metadata = output.key_metadata.ok_or_else(|| self.unusable(operation, "", "it has no KeyMetadata"))?;
        let key = creation.complete(self.read_key(operation, "", &metadata).await?);
        Ok(Key { tags: Some(tags.clone()), ..key })
    }

    /// AWS says of a replica only that it exists, not whose it is: the caller finds out.
    async fn replicate(&self, replication: &Replication) -> Result<Key, Failure> {
        let Replication { primary, replica, region, kind: _, description, tags, policy } = replication;
        let operation = Operation::ReplicateKey;
        let request = self
            .0
            .kms
            .replicate_key()
            .key_id(primary)
            .replica_region(region)
            .set_description(description.clone())
            .set_tags(Some(self.tag_list(operation, primary, tags)?))
            .set_policy(policy.clone());
        let output = match send!(self, ReplicateKey, primary, request).await {
            Err(failure) if failure.kind == FailureKind::AliasTaken => return Err(messages::replica_exists(primary, region, failure)),
            sent => sent?,
        };
        let metadata = output.replica_key_metadata.ok_or_else(|| self.unusable(operation, primary, "it has no ReplicaKeyMetadata"))?;
        let asked = Asked { reference: replica, region, account: self.0.caller.account.number() };
        let key = convert::new_replica(&metadata, asked).map_err(|why| self.unusable(operation, primary, why))?;
        if key.arn != *replica {
            return Err(self.unusable(operation, primary, format!("it is about key {}", key.arn)));
        }
        Ok(Key { tags: Some(tags.clone()), ..replication.complete(key) })
    }

    /// AWS refuses to move a primary key that is a replica by now.
    async fn move_primary(&self, primary: &str, region: &str) -> Result<(), Failure> {
        let request = self.0.kms.update_primary_region().key_id(primary).primary_region(region);
        let sent = send!(self, UpdatePrimaryRegion, primary, request).await.map(drop);
        let sent = sent.map_err(|failure| match failure.kind {
            FailureKind::Invalid => Failure { kind: FailureKind::Conflict, ..failure },
            _ => failure,
        });
        read_back::change(sent, Box::pin(self.describe(primary)), |found| found.has_its_primary_in(region)).await
    }

    /// It succeeds if the key has the alias already.
    async fn add_alias(&self, key: &str, alias: &str) -> Result<(), Failure> {
        let refused = match send!(self, CreateAlias, alias, self.0.kms.create_alias().alias_name(alias).target_key_id(key)).await {
            Err(failure) if failure.kind == FailureKind::AliasTaken => failure,
            done => return done.map(drop),
        };
        read_back::alias(refused, ("AWS", alias), Box::pin(self.describe(alias)), |holder| is(holder, key)).await
    }

    /// AWS removes an alias from any key that has it, so the adapter reads first where the alias points.
    async fn remove_alias(&self, key: &str, alias: &str) -> Result<(), Failure> {
        match self.describe(alias).await? {
            Some(holder) if is(&holder, key) => {}
            _ => return Ok(()),
        }
        match send!(self, DeleteAlias, alias, self.0.kms.delete_alias().alias_name(alias)).await {
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(()),
            done => done.map(drop),
        }
    }

    /// AWS moves an alias from any key that has it, so the adapter reads first where the alias points.
    async fn move_alias(&self, key: &str, alias: &str, from: &str) -> Result<(), Failure> {
        let holder = self.describe(alias).await?;
        let may_move = read_back::may_move(alias, holder, |holder| is(holder, key), |holder| is(holder, from));
        if !may_move.map_err(|(kind, message)| self.0.caller.refuse(Operation::UpdateAlias, alias, kind, message))? {
            return Ok(());
        }
        send!(self, UpdateAlias, alias, self.0.kms.update_alias().alias_name(alias).target_key_id(key)).await.map(drop)
    }

    async fn tag(&self, key: &str, tags: &Tags) -> Result<(), Failure> {
        let tags = self.tag_list(Operation::TagResource, key, tags)?;
        send!(self, TagResource, key, self.0.kms.tag_resource().key_id(key).set_tags(Some(tags))).await.map(drop)
    }

    async fn untag(&self, key: &str, keys: &[String]) -> Result<(), Failure> {
        send!(self, UntagResource, key, self.0.kms.untag_resource().key_id(key).set_tag_keys(Some(keys.to_vec()))).await.map(drop)
    }

    async fn set_policy(&self, key: &str, policy: &str) -> Result<(), Failure> {
        let request = self.0.kms.put_key_policy().key_id(key).policy_name(POLICY).policy(policy);
        send!(self, PutKeyPolicy, key, request).await.map(drop)
    }

    async fn set_description(&self, key: &str, description: &str) -> Result<(), Failure> {
        send!(self, UpdateKeyDescription, key, self.0.kms.update_key_description().key_id(key).description(description)).await.map(drop)
    }

    async fn enable(&self, key: &str) -> Result<(), Failure> {
        send!(self, EnableKey, key, self.0.kms.enable_key().key_id(key)).await.map(drop)
    }

    async fn disable(&self, key: &str) -> Result<(), Failure> {
        self.disabled(key, LastUse::Untold).await
    }

    async fn disable_for_good(&self, cleared: ClearedDisabling) -> Result<(), Failure> {
        self.disabled(cleared.key(), cleared.last_use()).await
    }

    async fn start_rotation(&self, key: &str, period_days: i32) -> Result<(), Failure> {
        let request = self.0.kms.enable_key_rotation().key_id(key).rotation_period_in_days(period_days);
        send!(self, EnableKeyRotation, key, request).await.map(drop)
    }

    async fn stop_rotation(&self, key: &str) -> Result<(), Failure> {
        send!(self, DisableKeyRotation, key, self.0.kms.disable_key_rotation().key_id(key)).await.map(drop)
    }

    /// AWS completes it later.
    async fn rotate_on_demand(&self, key: &str) -> Result<(), Failure> {
        let sent = send!(self, RotateKeyOnDemand, key, self.0.kms.rotate_key_on_demand().key_id(key)).await;
        sent.map(drop).map_err(|failure| messages::of_rotation("AWS", key, failure))
    }

    /// AWS refuses to schedule a key whose deletion is pending.
    async fn schedule_deletion(&self, cleared: ClearedDeletion) -> Result<Scheduled, Failure> {
        let (key, days) = (cleared.key(), cleared.days());
        let request = self.0.kms.schedule_key_deletion().key_id(key).pending_window_in_days(days);
        let sent = send!(self, ScheduleKeyDeletion, key, request)
            .await
            .and_then(|output| convert::scheduled(&output).map_err(|why| self.unusable(Operation::ScheduleKeyDeletion, key, why)))
            .map_err(|failure| denied::of_deletion(failure, days, cleared.last_use()));
        read_back::schedule(sent, Box::pin(self.describe(key))).await
    }

    /// AWS refuses to cancel if no deletion is pending.
    async fn cancel_deletion(&self, key: &str) -> Result<(), Failure> {
        let sent = send!(self, CancelKeyDeletion, key, self.0.kms.cancel_key_deletion().key_id(key)).await.map(drop);
        read_back::change(sent, Box::pin(self.describe(key)), |found| !found.state.is_pending()).await
    }
}

impl AwsKms {
    async fn disabled(&self, key: &str, last_use: LastUse) -> Result<(), Failure> {
        let sent = send!(self, DisableKey, key, self.0.kms.disable_key().key_id(key)).await;
        sent.map(drop).map_err(|failure| denied::of_disabling(failure, last_use))
    }

    fn tag_list(&self, operation: Operation, key: &str, tags: &Tags) -> Result<Vec<Tag>, Failure> {
        let tags = tags.iter().map(|(key, value)| Tag::builder().tag_key(key).tag_value(value).build());
        tags.collect::<Result<_, _>>().map_err(|error| self.0.caller.refuse(operation, key, FailureKind::Invalid, error.to_string()))
    }
}

/// Whether AWS says that it cannot rotate keys of this kind.
fn cannot_rotate(failure: &Failure) -> bool {
    let answered = failure.source.as_ref().and_then(|error| error.downcast_ref::<Answered>());
    answered.is_some_and(|answered| answered.is("UnsupportedOperationException"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    /// The actions of all policies on the page.
    fn documented() -> BTreeSet<String> {
        let page = include_str!("../../../docs/aws-iam.md");
        let blocks = page.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
        let policies: Vec<Value> = blocks.map(|block| serde_json::from_str(block).unwrap()).collect();
        let statements = policies.iter().flat_map(|policy| policy["Statement"].as_array().cloned().unwrap_or_else(|| vec![policy.clone()]));
        let actions = statements.flat_map(|statement| match &statement["Action"] {
            Value::String(action) => vec![action.clone()],
            list => serde_json::from_value(list.clone()).unwrap(),
        });
        actions.collect()
    }

    #[test]
    fn the_documented_policy_allows_what_is_called_and_no_more() {
        let (documented, called): (_, BTreeSet<_>) = (documented(), OPERATIONS.iter().map(ToString::to_string).collect());
        let (lacks, more): (Vec<_>, Vec<_>) = (called.difference(&documented).collect(), documented.difference(&called).collect());
        assert!(
            lacks.is_empty() && more.is_empty(),
            "a policy of docs/aws-iam.md has to allow {lacks:?}, and no policy there may allow {more:?}, which the adapter cannot send"
        );
    }
}
