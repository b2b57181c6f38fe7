//! AWS keys behind Thales `CipherTrust` Cloud Key Manager (CCKM).
//!
//! CCKM has a copy of each key, a row, and answers reads from it. A change through CCKM shows in the row at once, a change in AWS only
//! after a refresh. So each key has the age of its row, by the clock of the server, and `read` refreshes a row that is too old. Keys that
//! CCKM has not synchronised are not visible, neither by name nor in a search.
//!
//! `client`, `request` and `login` are the wire protocol; `list` and `batch` read many rows at once; `failure` reads refusals and `convert`
//! rows; `id` keeps the three names of a key apart; `account_cache` finds the AWS account; `operation` lists all that can be called. The
//! adapter must never take a refusal for an absent key, and never send a creation or a
//! rotation on demand twice.

mod account_cache;
mod batch;
mod client;
mod clock;
mod convert;
mod failure;
#[cfg(test)]
mod fuzz;
mod id;
mod id_cache;
mod list;
mod login;
mod operation;
mod quota;
mod read;
mod request;
mod sync;

use std::collections::BTreeMap;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Map, Value, json};

use self::{
    account_cache::AccountCache,
    batch::Batch,
    client::Cckm,
    convert::{Rotated, RotationStatus, Row},
    failure::{is_absent, is_denied_by_aws, is_unsupported, settles_creation},
    id::Arn,
    id_cache::IdCache,
    list::List,
    operation::Operation,
    read::{Age, KEYS, Seen},
    sync::Synchronisation,
};
use super::{
    Creation, Identity, Kms, Listing, Replication, Scheduled, Turn, denied, messages, read_back,
    reading::{self, FacetValue, Reading, Source},
    rest::{Answer, Call, Caller},
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

pub use self::client::CipherTrustSettings;

/// CCKM's own tag, which ties a key to a policy template. Keyward never removes it.
const POLICY_TEMPLATE: &str = "cckm_policy_template_id";

/// The AWS keys of one KMS of CCKM, in one Region.
#[derive(Debug)]
pub struct CipherTrustKms {
    caller: Box<Caller<Cckm>>,
    account_cache: AccountCache,
    id_cache: Box<IdCache>,
    batch: Batch,
    synchronisation: Synchronisation,
    max_staleness: SignedDuration,
    principal: String,
}

impl CipherTrustKms {
    /// Makes the client; nothing is sent yet.
    pub fn new(settings: CipherTrustSettings) -> Result<Self, Failure> {
        let caller = Box::new(client::caller(&settings)?);
        let CipherTrustSettings { kms, region, domain, username, max_staleness, .. } = settings;
        Ok(Self {
            caller,
            account_cache: AccountCache::new(kms, region),
            id_cache: Box::default(),
            batch: Batch::default(),
            synchronisation: Synchronisation::default(),
            max_staleness: SignedDuration::try_from(max_staleness).unwrap_or(SignedDuration::MAX),
            principal: match domain.filter(|domain| !domain.is_empty()) {
                Some(domain) => format!("{username} in domain {domain}"),
                None => username,
            },
        })
    }

    /// Sends an action on a key. If CCKM does not know the id any more, the action was not done: the id is looked up once and the action
    /// sent again.
    async fn act(&self, operation: Operation, key: &str, body: Option<Value>) -> Result<Answer, Failure> {
        let id = self.id(key, operation).await?;
        let send = async |id: &id::CckmId| {
            let call = Call::new(operation, key, Method::POST, format!("{KEYS}/{}/{}", id.as_str(), operation.name()));
            self.caller.call(&Call { body: body.clone(), ..call }).await
        };
        let done = match (send(&id).await, Arn::parse(key)) {
            (Err(failure), Some(arn)) if is_absent(&failure) && failure.outcome == Outcome::Refused => {
                self.id_cache.forget(&arn);
                let now = self.id(key, operation).await?;
                if now == id { Err(failure) } else { send(&now).await }
            }
            (done, _) => done,
        };
        done.and_then(|answer| self.is_its_own(operation, key, answer))
    }

    /// Checks that the answer is from CCKM. A proxy in between may answer with success too, but CCKM's answers are empty or JSON.
    fn is_its_own(&self, operation: Operation, key: &str, answer: Answer) -> Result<Answer, Failure> {
        if !answer.body.is_empty() && serde_json::from_slice::<serde::de::IgnoredAny>(&answer.body).is_err() {
            return Err(self.caller.unusable(operation, key, &"it is not valid JSON"));
        }
        Ok(answer)
    }

    /// The row in the answer to an action. It has to be of that key.
    fn answered(&self, operation: Operation, key: &str, answer: &Answer) -> Result<Seen, Failure> {
        let row: Row = serde_json::from_slice(&answer.body).map_err(|error| self.caller.unusable(operation, key, &error))?;
        match row.arn() {
            Ok(arn) if Arn::parse(key).is_none_or(|asked| asked == arn) => Ok(Seen { row, now: clock::now(answer) }),
            Ok(_) => Err(self.caller.unusable(operation, key, &"it is of another key")),
            Err(why) => Err(self.caller.unusable(operation, key, &why)),
        }
    }

    /// A key that a call is about.
    async fn needed(&self, key: &str) -> Result<Key, Failure> {
        self.read_key(key, Age::Allowed).await?.ok_or_else(|| self.not_found(Operation::GetKey, key))
    }

    /// CCKM reads rotation from AWS at once. For a key that AWS cannot rotate, rotation is off.
    async fn rotation(&self, key: &str) -> Result<Rotation, Failure> {
        let operation = Operation::GetKeyRotationStatus;
        let answer = match self.act(operation, key, None).await {
            Ok(answer) => answer,
            Err(failure) if is_unsupported(&failure) => return Ok(Rotation::default()),
            Err(failure) => return Err(failure),
        };
        let status: RotationStatus = serde_json::from_slice(&answer.body).map_err(|error| self.caller.unusable(operation, key, &error))?;
        status.read().map_err(|why| self.caller.unusable(operation, key, &why))
    }

    /// Has CCKM synchronise its keys with AWS, then reads every row. CCKM's filter for tags is not documented, and a key that the search
    /// misses would be created a second time.
    async fn rows(&self) -> Result<List<Row>, Failure> {
        self.synchronised().await?;
        self.list::<Row>(Operation::ListKeys, "", KEYS, &self.here().await?, Row::id_text).await
    }

    /// The ARN that a row of the list tells.
    fn listed_arn(&self, row: &Row) -> Result<String, Failure> {
        row.arn().map(|arn| arn.as_str().to_owned()).map_err(|why| self.caller.unusable(Operation::ListKeys, "", &why))
    }

    async fn disabled(&self, key: &str, last_use: LastUse) -> Result<(), Failure> {
        let sent = self.act(Operation::Disable, key, None).await.map(drop);
        sent.map_err(|failure| if is_denied_by_aws(&failure) { denied::of_disabling(failure, last_use) } else { failure })
    }

    /// The failure for an alias that another key has.
    async fn taken(&self, alias: &str, refused: Failure) -> Failure {
        let holder = match read_back::after(&refused, self.read_key(alias, Age::Allowed)).await {
            Ok(holder) => holder,
            Err(failure) => return failure,
        };
        let message = match holder {
            Some(holder) => read_back::taken(alias, &holder),
            None => ownership::alias_held(
                alias,
                "a key that CCKM does not show",
                "synchronise the KMS in CCKM, choose another alias, or remove it in AWS",
            ),
        };
        Failure { message, ..refused }
    }
}

impl Source for CipherTrustKms {
    async fn describe(&self, reference: &str) -> Result<Option<Key>, Failure> {
        self.read_key(reference, Age::Allowed).await
    }

    /// A row tells tags and aliases together.
    async fn facet(&self, key: &Key, facet: Facet) -> Result<FacetValue, Failure> {
        match facet {
            Facet::Rotation => self.rotation(&key.arn).await.map(FacetValue::Rotation),
            Facet::Tags | Facet::Aliases => {
                let Key { tags, aliases, .. } = self.needed(&key.arn).await?;
                Ok(FacetValue::TagsAndAliases(tags.unwrap_or_default(), aliases.unwrap_or_default()))
            }
            Facet::Policy => Ok(FacetValue::Policy(self.needed(&key.arn).await?.policy.unwrap_or(KeyPolicy::Untold))),
        }
    }
}

impl Kms for CipherTrustKms {
    async fn identity(&self) -> Result<Identity, Failure> {
        let account = self.account_now().await?;
        Ok(Identity { account: account.number.clone(), region: self.account_cache.region.clone(), principal: self.principal.clone() })
    }

    async fn read(&self, reference: &str, facets: Facets) -> Result<Option<Reading>, Failure> {
        reading::read(self, reference, facets).await
    }

    async fn complete(&self, key: Key, facets: Facets) -> Reading {
        reading::complete(self, key, facets).await
    }

    /// CCKM's list of the key's material, in which each rotation is an entry with a date.
    async fn rotations(&self, key: &str) -> Result<Rotations, Failure> {
        let operation = Operation::ListRotations;
        let path = format!("{KEYS}/{}/rotations", self.id(key, operation).await?.as_str());
        let listed = match self.list::<Rotated>(operation, key, &path, &[], Rotated::id_text).await {
            Ok(listed) => listed,
            Err(failure) if is_unsupported(&failure) => return Ok(Rotations::default()),
            Err(failure) => return Err(failure),
        };
        let rotations = listed.items.iter().filter_map(|entry| entry.read().transpose());
        rotations.collect::<Result<_, _>>().map(Rotations).map_err(|why| self.caller.unusable(operation, key, &why))
    }

    async fn find_marked(&self, owner: &Owner) -> Result<Vec<String>, Failure> {
        let mut found = Vec::new();
        for row in self.rows().await?.items.iter().filter(|row| !row.is_gone()) {
            if owner.is_named_by(&row.tags()) {
                let arn = self.listed_arn(row)?;
                self.learn(row);
                found.push(arn);
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    async fn marked(&self, cluster: &str) -> Result<Listing<MarkedKey>, Failure> {
        let rows = self.rows().await?.items;
        let marked = rows.iter().filter(|row| !row.is_gone() && ownership::is_of(cluster, &row.tags()));
        let tagged = |row: &Row| self.listed_arn(row).map(|reference| MarkedKey { reference, tags: row.tags() });
        Ok(Listing::whole(marked.map(tagged).collect::<Result<_, _>>()?))
    }

    async fn unmarked(&self) -> Result<Listing<Key>, Failure> {
        let List { items, now } = self.rows().await?;
        let mut found = Vec::new();
        for row in items.into_iter().filter(|row| !row.is_gone() && is_unmarked(&row.tags())) {
            let key = self.key(&Seen { row, now }, Operation::ListKeys, "")?;
            found.extend(Some(key).filter(|key| key.customer_managed));
        }
        Ok(Listing::whole(found))
    }

    /// The row of a key that is gone may still have an alias that AWS has removed, or moved to another key.
    async fn aliases_under(&self, prefix: &str) -> Result<Vec<Pointer>, Failure> {
        let mut found = BTreeMap::new();
        for row in self.rows().await?.items {
            for alias in row.aliases().into_iter().filter(|alias| alias.starts_with(prefix)) {
                let key = if row.is_gone() { None } else { Some(self.listed_arn(&row)?) };
                let known = found.entry(alias).or_insert(None);
                *known = key.or_else(|| known.take());
            }
        }
        Ok(found.into_iter().map(|(alias, key)| Pointer { alias, key }).collect())
    }

    async fn creation_turn(&self, again: bool) -> Result<Vec<Turn>, Failure> {
        Ok(self.caller.turn(Operation::CreateKey, "", again).await?.into_iter().collect())
    }

    /// CCKM creates the key in AWS with its tags and then gives it the claim. So most refusals leave open whether the key exists.
    async fn create(&self, creation: &Creation) -> Result<Key, Failure> {
        let operation = Operation::CreateKey;
        let body = json!({ "kms": self.account().await?.id, "region": self.account_cache.region, "aws_param": param(creation) });
        let call = Call::new(operation, "", Method::POST, KEYS.to_owned()).with(body);
        let answer = match self.caller.call(&call).await {
            Ok(answer) => answer,
            Err(failure) => {
                let outcome = if settles_creation(&failure) { failure.outcome } else { Outcome::Unknown };
                let failure = Failure { outcome, ..failure };
                return Err(if failure.kind == FailureKind::AliasTaken { self.taken(&creation.claim, failure).await } else { failure });
            }
        };
        let seen = self.answered(operation, "", &answer)?;
        let mut key = creation.complete(self.key(&seen, operation, "")?);
        self.learn(&seen.row);
        // The caller sets what the row does not show yet. If it is set already, nothing changes.
        key.tags = key.tags.filter(|shown| creation.tags.iter().all(|(tag, value)| shown.get(tag) == Some(value)));
        key.aliases = key.aliases.filter(|shown| shown.contains(&creation.claim));
        Ok(key)
    }

    /// CCKM could give the replica an alias too. It is left to the caller: then `AlreadyExistsException` of AWS can only mean the replica.
    async fn replicate(&self, replication: &Replication) -> Result<Key, Failure> {
        let Replication { primary, replica, region, kind: _, description, tags, policy } = replication;
        let operation = Operation::ReplicateKey;
        let mut param = Map::from_iter([("Tags".to_owned(), tag_list(tags))]);
        param.extend(description.iter().map(|text| ("Description".to_owned(), json!(text))));
        if let Some(policy) = policy {
            let document: Map<String, Value> =
                serde_json::from_str(policy).map_err(|error| self.caller.unusable(Operation::GetKey, primary, &error))?;
            param.insert("Policy".to_owned(), Value::Object(document));
        }
        let answer = match self.act(operation, primary, Some(json!({ "replica_region": region, "aws_param": param }))).await {
            Err(failure) if failure.kind == FailureKind::AliasTaken => return Err(messages::replica_exists(primary, region, failure)),
            sent => sent?,
        };
        let seen = self.answered(operation, replica, &answer)?;
        let key = replication.complete(self.key(&seen, operation, replica)?);
        let tags = key.tags.filter(|shown| tags.iter().all(|(tag, value)| shown.get(tag) == Some(value)));
        Ok(Key { tags, aliases: None, ..key })
    }

    /// AWS refuses to move a primary key that is a replica by now. The row may be older than the refusal, so it is refreshed before it is read.
    async fn move_primary(&self, primary: &str, region: &str) -> Result<(), Failure> {
        let sent = self.act(Operation::UpdatePrimaryRegion, primary, Some(json!({ "PrimaryRegion": region }))).await.map(drop);
        let sent = sent.map_err(|failure| match failure.kind {
            FailureKind::Invalid => Failure { kind: FailureKind::Conflict, ..failure },
            _ => failure,
        });
        read_back::change(sent, Box::pin(self.read_key(primary, Age::Newest)), |found| found.has_its_primary_in(region)).await
    }

    /// It succeeds if the key has the alias already.
    async fn add_alias(&self, key: &str, alias: &str) -> Result<(), Failure> {
        let refused = match self.act(Operation::AddAlias, key, Some(json!({ "alias": bare(alias) }))).await {
            Err(failure) if failure.kind == FailureKind::AliasTaken => failure,
            done => return done.map(drop),
        };
        match read_back::after(&refused, self.read_key(key, Age::Newest)).await? {
            Some(found) if has(&found, alias) => Ok(()),
            _ => Err(self.taken(alias, refused).await),
        }
    }

    /// AWS removes an alias from any key that has it, and CCKM may not check. So the row is refreshed first, and the alias has to be in it.
    async fn remove_alias(&self, key: &str, alias: &str) -> Result<(), Failure> {
        if !self.read_key(key, Age::Newest).await?.is_some_and(|found| has(&found, alias)) {
            return Ok(());
        }
        let refused = match self.act(Operation::DeleteAlias, key, Some(json!({ "alias": bare(alias) }))).await {
            Err(failure) if failure.kind == FailureKind::NotFound => failure,
            done => return done.map(drop),
        };
        // AWS has no such alias; CCKM may mean the key.
        if !is_absent(&refused) {
            return Ok(());
        }
        match self.read_key(key, Age::Allowed).await? {
            Some(found) if !has(&found, alias) => Ok(()),
            _ => Err(refused),
        }
    }

    /// CCKM's API has no such request: an alias has to be removed and added.
    async fn move_alias(&self, _: &str, alias: &str, from: &str) -> Result<(), Failure> {
        let message = ownership::alias_of(alias, from, "CCKM cannot move aliases, so remove it there first");
        Err(self.caller.refuse(Operation::AddAlias, alias, FailureKind::AliasTaken, message))
    }

    async fn tag(&self, key: &str, tags: &Tags) -> Result<(), Failure> {
        let tags: Vec<Value> = tags.iter().map(|(key, value)| json!({ "tag_key": key, "tag_value": value })).collect();
        self.act(Operation::AddTags, key, Some(json!({ "tags": tags }))).await.map(drop)
    }

    async fn untag(&self, key: &str, keys: &[String]) -> Result<(), Failure> {
        let keys: Vec<&String> = keys.iter().filter(|key| *key != POLICY_TEMPLATE).collect();
        if keys.is_empty() {
            return Ok(());
        }
        self.act(Operation::RemoveTags, key, Some(json!({ "tags": keys }))).await.map(drop)
    }

    /// CCKM takes the document as an object (Thales's Terraform provider).
    async fn set_policy(&self, key: &str, policy: &str) -> Result<(), Failure> {
        let operation = Operation::Policy;
        let document: Map<String, Value> = serde_json::from_str(policy)
            .map_err(|_| self.caller.refuse(operation, key, FailureKind::Invalid, "the key policy is no JSON object".to_owned()))?;
        self.act(operation, key, Some(json!({ "policy": document }))).await.map(drop)
    }

    async fn set_description(&self, key: &str, description: &str) -> Result<(), Failure> {
        self.act(Operation::UpdateDescription, key, Some(json!({ "description": description }))).await.map(drop)
    }

    async fn enable(&self, key: &str) -> Result<(), Failure> {
        self.act(Operation::Enable, key, None).await.map(drop)
    }

    async fn disable(&self, key: &str) -> Result<(), Failure> {
        self.disabled(key, LastUse::Untold).await
    }

    async fn disable_for_good(&self, cleared: ClearedDisabling) -> Result<(), Failure> {
        self.disabled(cleared.key(), cleared.last_use()).await
    }

    async fn start_rotation(&self, key: &str, period_days: i32) -> Result<(), Failure> {
        let body = json!({ "rotation_period_in_days": period_days });
        self.act(Operation::EnableAutoRotation, key, Some(body)).await.map(drop)
    }

    async fn stop_rotation(&self, key: &str) -> Result<(), Failure> {
        self.act(Operation::DisableAutoRotation, key, None).await.map(drop)
    }

    /// AWS rotates the material and completes that later. CCKM's `rotate` would make another key.
    async fn rotate_on_demand(&self, key: &str) -> Result<(), Failure> {
        let sent = self.act(Operation::RotateMaterial, key, None).await;
        sent.map(drop).map_err(|failure| messages::of_rotation("AWS", key, failure))
    }

    /// AWS refuses to schedule a key whose deletion is pending. The row may be older than the refusal, so it is refreshed before it is
    /// read.
    async fn schedule_deletion(&self, cleared: ClearedDeletion) -> Result<Scheduled, Failure> {
        let (key, days) = (cleared.key(), cleared.days());
        let operation = Operation::ScheduleDeletion;
        let sent = match self.act(operation, key, Some(json!({ "days": days }))).await {
            Ok(answer) => {
                let unusable = |why: convert::Unusable| self.caller.unusable(operation, key, &why);
                let Seen { row, .. } = self.answered(operation, key, &answer)?;
                let (state, deletion_date) = (row.state().map_err(unusable)?, row.deletion_date().map_err(unusable)?);
                if !state.is_pending() {
                    return Err(self.caller.unusable(operation, key, &"it does not show the key as pending"));
                }
                Ok(Scheduled { state, deletion_date })
            }
            Err(failure) if is_denied_by_aws(&failure) => Err(denied::of_deletion(failure, days, cleared.last_use())),
            Err(failure) => Err(failure),
        };
        read_back::schedule(sent, Box::pin(self.read_key(key, Age::Newest))).await
    }

    /// AWS refuses to cancel if no deletion is pending.
    async fn cancel_deletion(&self, key: &str) -> Result<(), Failure> {
        let sent = self.act(Operation::CancelDeletion, key, None).await.map(drop);
        read_back::change(sent, Box::pin(self.read_key(key, Age::Newest)), |found| !found.state.is_pending()).await
    }
}

/// CCKM expects aliases without `alias/`, and answers with it.
fn bare(alias: &str) -> &str {
    alias.strip_prefix("alias/").unwrap_or(alias)
}

fn has(key: &Key, alias: &str) -> bool {
    key.aliases.iter().flatten().any(|known| known == alias)
}

/// The parameters of a new key for AWS. Unset ones are left out: a null might clear a default.
fn param(creation: &Creation) -> Value {
    let Creation { kind, description, tags, claim } = creation;
    let mut param = Map::from_iter([
        ("Alias".to_owned(), json!(bare(claim))),
        ("CustomerMasterKeySpec".to_owned(), json!(kind.spec)),
        ("KeyUsage".to_owned(), json!(kind.usage)),
        ("Origin".to_owned(), json!(kind.origin)),
        ("MultiRegion".to_owned(), json!(kind.multi_region)),
    ]);
    if let Some(description) = description {
        param.insert("Description".to_owned(), json!(description));
    }
    if !tags.is_empty() {
        param.insert("Tags".to_owned(), tag_list(tags));
    }
    Value::Object(param)
}

/// Tags as the parameters of a new key for AWS have them.
fn tag_list(tags: &Tags) -> Value {
    tags.iter().map(|(key, value)| json!({ "TagKey": key, "TagValue": value })).collect()
}
