//! Huawei Cloud KMS.
//!
//! Each method of the port is one request that changes something, with reads around it. Huawei refuses to do again what is done already, so
//! after such a refusal the key is read, and its state decides. `read` looks at a key, `search` finds keys by alias and by marks, `dialect`
//! makes requests and `sign` signs them, `login` logs in, `convert` reads answers, `failure` reads refusals, `operation` lists all that can
//! be called. The adapter must never take a refusal for an absent key, whatever its HTTP status, and never send `create-key`,
//! `create-grant` or `rotate-on-demand` twice.

mod client;
mod convert;
mod dialect;
mod failure;
#[cfg(test)]
mod fuzz;
mod grants;
mod login;
mod operation;
mod quota;
mod read;
mod request;
mod search;
mod sign;
mod urn;

use std::fmt::Display;

use reqwest::Method;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::time::sleep;

use self::{
    convert::{Changed, RotationStatus, Unusable},
    dialect::Huawei,
    operation::Operation,
    urn::Reference,
};
use super::{
    Creation, Identity, Kms, Listing, Replication, Scheduled, read_back,
    reading::{self, FacetValue, Reading, Source},
    rest::{Answer, Call, Caller},
    waits,
};
use crate::{
    api::{annotation, managed_key::KeyState},
    domain::{
        deletion::guard::ClearedDeletion,
        failure::{Failure, FailureKind, Outcome},
        limits,
        observed::{Facet, Facets, Key, KeyPolicy, Rotation, Rotations, State},
        orphans::{MarkedKey, Pointer},
        ownership::{Owner, Tags},
    },
};

pub use self::client::{HuaweiCredentials, HuaweiSettings};

/// Huawei Cloud KMS in one project.
#[derive(Debug)]
pub struct HuaweiKms {
    caller: Box<Caller<Huawei>>,
    region: String,
    principal: String,
}

impl HuaweiKms {
    fn post<'a>(&self, operation: Operation, subject: &'a str, body: Value) -> Call<'a, Operation> {
        Call::new(operation, subject, Method::POST, self.path(operation.as_str())).with(body)
    }

    fn path(&self, rest: &str) -> String {
        format!("/v1.0/{}/kms/{rest}", self.caller.dialect.project)
    }

    async fn call(&self, call: &Call<'_, Operation>) -> Result<Answer, Failure> {
        self.caller.call(call).await.map_err(|failure| explained(call, failure))
    }

    async fn json<T: DeserializeOwned>(&self, call: &Call<'_, Operation>) -> Result<T, Failure> {
        self.caller.json(call).await.map_err(|failure| explained(call, failure))
    }

    /// A change without an answer that matters. An answer that is not empty has to be JSON: an HTML page is not from Huawei.
    async fn done(&self, call: &Call<'_, Operation>) -> Result<(), Failure> {
        let answer = self.call(call).await?;
        if answer.body.trim_ascii().is_empty() {
            return Ok(());
        }
        let read: Result<Value, _> = serde_json::from_slice(&answer.body);
        read.map(drop).map_err(|error| self.unusable(call.operation, call.subject, error))
    }

    fn unusable(&self, operation: Operation, subject: &str, why: impl Display) -> Failure {
        self.caller.unusable(operation, subject, &why)
    }

    fn refuse(&self, operation: Operation, subject: &str, message: String) -> Failure {
        self.caller.refuse(operation, subject, FailureKind::Invalid, message)
    }

    /// Enables or disables a key. Huawei refuses if the key is in that state already.
    async fn switch(&self, operation: Operation, key: &str, wanted: State) -> Result<(), Failure> {
        let id = self.id(operation, key)?;
        let call = self.post(operation, key, json!({ "key_id": id }));
        let sent = self.json::<Changed>(&call).await;
        let sent = sent.and_then(|changed| self.left(operation, key, &changed, |state| state == wanted).map(drop));
        read_back::change(sent, Box::pin(self.describe(key)), |found| found.state == wanted).await
    }

    /// The key's state in the answer to a change. If it is not a wanted state, the answer cannot be used.
    fn left(&self, operation: Operation, key: &str, changed: &Changed, wanted: impl FnOnce(State) -> bool) -> Result<State, Failure> {
        let state = self.id(operation, key).and_then(|id| changed.state_of(id).map_err(|why| self.unusable(operation, key, why)))?;
        if wanted(state) {
            Ok(state)
        } else {
            Err(self.unusable(operation, key, format!("the key is {} in it", KeyState::from(state).as_str())))
        }
    }

    async fn rotation_status<T>(&self, key: &str, read: impl FnOnce(RotationStatus) -> Result<T, Unusable>) -> Result<T, Failure> {
        let operation = Operation::GetKeyRotationStatus;
        let id = self.id(operation, key)?;
        let status: RotationStatus = self.json(&self.post(operation, key, json!({ "key_id": id }))).await?;
        read(status).map_err(|why| self.unusable(operation, key, why))
    }

    async fn rotation_now(&self, key: &str) -> Result<Rotation, Failure> {
        self.rotation_status(key, |status| status.rotation()).await
    }
}

/// Replaces a general message by one that says what a person can do.
fn explained(call: &Call<'_, Operation>, failure: Failure) -> Failure {
    let Some(advice) = failure::advice(&failure) else { return failure };
    let about = if call.subject.is_empty() { "the project" } else { call.subject };
    Failure { message: format!("Huawei refuses {} on {about}: {advice}", call.operation.as_str()), ..failure }
}

/// The answer to `GET tags`.
#[derive(Debug, Deserialize)]
struct Tagged {
    tags: Option<Vec<convert::Tag>>,
}

impl Source for HuaweiKms {
    async fn describe(&self, reference: &str) -> Result<Option<Key>, Failure> {
        Ok(self.find(reference).await?.map(|found| found.key))
    }

    async fn facet(&self, key: &Key, facet: Facet) -> Result<FacetValue, Failure> {
        match facet {
            Facet::Tags => self.tags(&key.arn).await.map(FacetValue::Tags),
            Facet::Rotation => self.rotation(&key.arn).await.map(FacetValue::Rotation),
            Facet::Aliases => self.aliases(&key.arn, key.name.as_deref()).await.map(FacetValue::Aliases),
            // Huawei has no key policies.
            Facet::Policy => Ok(FacetValue::Policy(KeyPolicy::Untold)),
        }
    }
}

impl Kms for HuaweiKms {
    /// A read proves the identity: Huawei refuses a project that does not belong to the credentials.
    async fn identity(&self) -> Result<Identity, Failure> {
        let operation = Operation::UserQuotas;
        let quotas: Value = self.json(&Call::new(operation, "", Method::GET, self.path("user-quotas"))).await?;
        if !quotas.get("quotas").is_some_and(Value::is_object) {
            return Err(self.unusable(operation, "", "it has no quotas"));
        }
        Ok(Identity { account: self.caller.dialect.project.clone(), region: self.region.clone(), principal: self.principal.clone() })
    }

    async fn read(&self, reference: &str, facets: Facets) -> Result<Option<Reading>, Failure> {
        reading::read(self, reference, facets).await
    }

    async fn complete(&self, key: Key, facets: Facets) -> Reading {
        reading::complete(self, key, facets).await
    }

    /// Huawei tells the number of rotations and the time of the last one, but not what caused it.
    async fn rotations(&self, key: &str) -> Result<Rotations, Failure> {
        match self.rotation_status(key, |status| status.last()).await {
            Ok(last) => Ok(Rotation { last, ..Rotation::default() }.told().unwrap_or_default()),
            Err(failure) if failure::says(&failure, failure::NOT_ROTATED) => Ok(Rotations::default()),
            Err(failure) => Err(failure),
        }
    }

    async fn find_marked(&self, owner: &Owner) -> Result<Vec<String>, Failure> {
        self.search(owner).await
    }

    async fn marked(&self, cluster: &str) -> Result<Listing<MarkedKey>, Failure> {
        self.search_cluster(cluster).await
    }

    async fn unmarked(&self) -> Result<Listing<Key>, Failure> {
        self.search_unmarked().await
    }

    async fn aliases_under(&self, prefix: &str) -> Result<Vec<Pointer>, Failure> {
        self.pointers(prefix).await
    }

    /// The claim is the key's own name, so it is made together with the key.
    async fn create(&self, creation: &Creation) -> Result<Key, Failure> {
        let Creation { kind, description, tags: _, claim } = creation;
        let operation = Operation::CreateKey;
        let Reference::Alias { name, .. } = self.reference(operation, claim)? else {
            return Err(self.refuse(operation, claim, format!("{claim} is no alias, and a key of Huawei needs a name")));
        };
        if kind.multi_region {
            return Err(self.refuse(
                operation,
                claim,
                "Huawei has no multi-Region keys that are made as such; set multiRegion to false".into(),
            ));
        }
        let mut body = json!({ "key_alias": name, "key_spec": kind.spec, "key_usage": kind.usage, "origin": kind.origin });
        if let (Some(description), Some(body)) = (description, body.as_object_mut()) {
            body.insert("key_description".to_owned(), json!(description));
        }
        let created = match self.json::<Changed>(&self.post(operation, claim, body)).await {
            Err(failure) if failure.kind == FailureKind::AliasTaken => return Err(self.claim_taken(claim, failure).await),
            created => created?,
        };
        // From here on the key exists, so any failure leaves the creation open.
        let id = created.id().map_err(|why| self.unusable(operation, claim, why))?;
        match self.shown(&id).await {
            Ok(Some(key)) => Ok(Key { aliases: Some(vec![claim.clone()]), ..creation.complete(key) }),
            Ok(None) => {
                let message = format!("Huawei made the key {id}, but does not show it yet; it is looked for again");
                Err(Failure { outcome: Outcome::Unknown, ..self.caller.refuse(operation, claim, FailureKind::Conflict, message) })
            }
            Err(failure) => Err(Failure { outcome: Outcome::Unknown, ..failure }),
        }
    }

    /// It succeeds if the key has the alias already.
    async fn add_alias(&self, key: &str, alias: &str) -> Result<(), Failure> {
        let operation = Operation::CreateAlias;
        let id = self.id(operation, key)?;
        self.reference(operation, alias)?;
        let path = self.path("aliases");
        let call = Call::new(operation, alias, Method::POST, path).with(json!({ "key_id": id, "alias": alias }));
        let refused = match self.json::<Changed>(&call).await {
            Ok(created) => {
                let about = created.id().and_then(|found| convert::same(&found, id));
                return about.map_err(|why| self.unusable(operation, alias, why));
            }
            Err(failure) if failure::says(&failure, failure::NO_SUCH_PATH) => return Err(self.no_aliases(alias, failure)),
            Err(failure) if matches!(failure.kind, FailureKind::AliasTaken | FailureKind::Conflict) => failure,
            Err(failure) => return Err(failure),
        };
        read_back::alias(refused, ("Huawei", alias), Box::pin(self.describe(alias)), |holder| holder.id == id).await
    }

    /// Huawei has no separate code for an alias that does not exist, so the aliases are read before the removal and again after a refusal.
    async fn remove_alias(&self, key: &str, alias: &str) -> Result<(), Failure> {
        let operation = Operation::DeleteAlias;
        let id = self.id(operation, key)?;
        let has = async || self.aliases(key, None).await.map(|aliases| aliases.iter().position(|known| known == alias));
        match has().await? {
            None => return Ok(()),
            Some(0) => {
                let message =
                    format!("{alias} is the key's own name, and Huawei does not let anybody remove it; rename the key there, or keep it");
                return Err(self.refuse(operation, alias, message));
            }
            Some(_) => {}
        }
        let call = Call::new(operation, alias, Method::DELETE, self.path("aliases")).with(json!({ "aliases": [alias], "key_id": id }));
        let refused = match self.done(&call).await {
            Err(failure) if matches!(failure.kind, FailureKind::NotFound | FailureKind::Invalid | FailureKind::Conflict) => failure,
            done => return done,
        };
        match has().await {
            Ok(None) => Ok(()),
            _ => Err(refused),
        }
    }

    /// Huawei moves an alias from any key that has it, so the adapter reads first where the alias points.
    async fn move_alias(&self, key: &str, alias: &str, from: &str) -> Result<(), Failure> {
        let operation = Operation::AssociateAlias;
        let (id, from) = (self.id(operation, key)?, self.id(operation, from)?);
        let may_move = read_back::may_move(alias, self.describe(alias).await?, |holder| holder.id == id, |holder| holder.id == from);
        if !may_move.map_err(|(kind, message)| self.caller.refuse(operation, alias, kind, message))? {
            return Ok(());
        }
        let call =
            Call::new(operation, alias, Method::POST, self.path("alias/associate")).with(json!({ "alias": alias, "target_key_id": id }));
        let moved: Changed = self.json(&call).await?;
        moved.id().and_then(|found| convert::same(&found, id)).map_err(|why| self.unusable(operation, alias, why))
    }

    async fn tag(&self, key: &str, tags: &Tags) -> Result<(), Failure> {
        self.change_tags("create", key, tags).await
    }

    /// Huawei refuses to remove tags that do not exist, and may require their values. So the tags are read first, and only existing ones
    /// are removed.
    async fn untag(&self, key: &str, keys: &[String]) -> Result<(), Failure> {
        let there = async || {
            let mut tags = self.tags(key).await?;
            tags.retain(|key, _| keys.contains(key));
            Ok(tags)
        };
        let tags: Tags = there().await?;
        if tags.is_empty() {
            return Ok(());
        }
        let refused = match self.change_tags("delete", key, &tags).await {
            Err(failure) if failure.kind == FailureKind::Conflict => failure,
            done => return done,
        };
        let left = read_back::after(&refused, there()).await?;
        if left.is_empty() { Ok(()) } else { Err(refused) }
    }

    async fn replicate(&self, replication: &Replication) -> Result<Key, Failure> {
        Err(self.no_multi_region(&replication.primary))
    }

    async fn move_primary(&self, primary: &str, _: &str) -> Result<(), Failure> {
        Err(self.no_multi_region(primary))
    }

    async fn set_policy(&self, key: &str, _: &str) -> Result<(), Failure> {
        let message = format!("key {key} can have no policy, because Huawei has no key policies; remove spec.policy");
        Err(self.caller.refuse(Operation::DescribeKey, key, FailureKind::Invalid, message))
    }

    async fn set_description(&self, key: &str, description: &str) -> Result<(), Failure> {
        let operation = Operation::UpdateKeyDescription;
        let id = self.id(operation, key)?;
        self.done(&self.post(operation, key, json!({ "key_id": id, "key_description": description }))).await
    }

    async fn enable(&self, key: &str) -> Result<(), Failure> {
        self.switch(Operation::EnableKey, key, State::Enabled).await
    }

    async fn disable(&self, key: &str) -> Result<(), Failure> {
        self.switch(Operation::DisableKey, key, State::Disabled).await
    }

    /// Switching rotation on and setting the period are two requests, and the second may be refused after the first took effect. So a
    /// period that Huawei does not accept is refused before the first request. Nothing is sent for what is set already.
    async fn start_rotation(&self, key: &str, period_days: i32) -> Result<(), Failure> {
        let operation = Operation::UpdateKeyRotationInterval;
        let id = self.id(operation, key)?;
        let (shortest, longest) = limits::HUAWEI.rotation;
        if !(shortest..=longest).contains(&period_days) {
            let message = format!("a key of Huawei is rotated every {shortest} to {longest} days, and not every {period_days}");
            return Err(self.refuse(operation, key, message));
        }
        let mut found = self.rotation_now(key).await?;
        let mut changed = Outcome::Refused;
        if !found.enabled {
            let enabled = self.done(&self.post(Operation::EnableKeyRotation, key, json!({ "key_id": id }))).await;
            match enabled {
                Err(failure) if failure::says(&failure, failure::ROTATED_ALREADY) => {}
                done => done?,
            }
            changed = Outcome::Unknown;
            found = self.rotation_now(key).await.map_err(|failure| Failure { outcome: changed, ..failure })?;
        }
        if found.period_days == Some(period_days) {
            return Ok(());
        }
        let updated = self.done(&self.post(operation, key, json!({ "key_id": id, "rotation_interval": period_days }))).await;
        updated.map_err(|failure| if changed == Outcome::Unknown { Failure { outcome: changed, ..failure } } else { failure })
    }

    /// Huawei refuses if rotation is off already.
    async fn stop_rotation(&self, key: &str) -> Result<(), Failure> {
        let operation = Operation::DisableKeyRotation;
        let id = self.id(operation, key)?;
        let refused = match self.done(&self.post(operation, key, json!({ "key_id": id }))).await {
            Err(failure) if failure::says(&failure, failure::ROTATED_NO_MORE) => failure,
            done => return done,
        };
        let found = read_back::after(&refused, self.rotation(key)).await?;
        if found.enabled { Err(refused) } else { Ok(()) }
    }

    /// Newer Regions have it. Where it is missing, the gateway says that there is no such path.
    async fn rotate_on_demand(&self, key: &str) -> Result<(), Failure> {
        let operation = Operation::RotateOnDemand;
        let id = self.id(operation, key)?;
        match self.done(&self.post(operation, key, json!({ "key_id": id }))).await {
            Err(failure) if failure::says(&failure, failure::NO_SUCH_PATH) => {
                let message = format!(
                    "Huawei's Region {} rotates no key on demand, so {key} is not rotated; remove the annotation {}",
                    self.region,
                    annotation::ROTATE_REQUESTED_AT
                );
                Err(Failure { message, ..failure })
            }
            done => done,
        }
    }

    /// Huawei refuses to schedule a key whose deletion is pending. The answer has no date, so the key is read for it; if that fails, the
    /// schedule stands all the same.
    async fn schedule_deletion(&self, cleared: ClearedDeletion) -> Result<Scheduled, Failure> {
        let (key, days) = (cleared.key(), cleared.days());
        let operation = Operation::ScheduleKeyDeletion;
        let id = self.id(operation, key)?;
        let call = self.post(operation, key, json!({ "key_id": id, "pending_days": days.to_string() }));
        let sent = match self.json::<Changed>(&call).await {
            Ok(changed) => {
                let state = self.left(operation, key, &changed, |state| state == State::PendingDeletion)?;
                let found = self.describe(id).await.ok().flatten();
                Ok(Scheduled { state, deletion_date: found.and_then(|found| found.deletion_date) })
            }
            Err(failure) => Err(failure),
        };
        read_back::schedule(sent, Box::pin(self.describe(key))).await
    }

    /// Huawei refuses to cancel if no deletion is pending.
    async fn cancel_deletion(&self, key: &str) -> Result<(), Failure> {
        let operation = Operation::CancelKeyDeletion;
        let id = self.id(operation, key)?;
        let sent = self.json::<Changed>(&self.post(operation, key, json!({ "key_id": id }))).await;
        let sent = sent.and_then(|changed| self.left(operation, key, &changed, |state| !state.is_pending()).map(drop));
        read_back::change(sent, Box::pin(self.describe(key)), |found| !found.state.is_pending()).await
    }
}

impl HuaweiKms {
    fn no_multi_region(&self, key: &str) -> Failure {
        let message = format!("key {key} can have no replica, because Huawei has no multi-Region keys that Keyward uses");
        self.caller.refuse(Operation::DescribeKey, key, FailureKind::Invalid, message)
    }

    async fn tags(&self, key: &str) -> Result<Tags, Failure> {
        let operation = Operation::ListTags;
        let path = self.path(&format!("{}/tags", self.id(operation, key)?));
        let tagged: Tagged = self.json(&Call::new(operation, key, Method::GET, path)).await?;
        convert::tags(tagged.tags).map_err(|why| self.unusable(operation, key, why))
    }

    /// For a key that Huawei cannot rotate, rotation is off. In some states Huawei does not tell the period; then only whether the key is
    /// rotated is known.
    async fn rotation(&self, key: &str) -> Result<Rotation, Failure> {
        let refused = match self.rotation_now(key).await {
            Err(failure) if failure::says(&failure, failure::NOT_ROTATED) => return Ok(Rotation::default()),
            Err(failure) if failure.kind == FailureKind::Conflict => failure,
            done => return done,
        };
        let Some(found) = self.find(key).await? else { return Err(refused) };
        let enabled = found.details.is_rotated().map_err(|why| self.unusable(Operation::DescribeKey, key, why))?;
        Ok(Rotation { enabled, ..Rotation::default() })
    }

    /// The key's own name first, then the aliases that it was given. Huawei's list of aliases lacks the own name, which only a description
    /// tells.
    async fn aliases(&self, key: &str, own: Option<&str>) -> Result<Vec<String>, Failure> {
        let operation = Operation::ListAliases;
        let id = self.id(operation, key)?;
        let own = match own {
            Some(name) => name.to_owned(),
            None => format!("alias/{}", self.own_name(operation, key).await?),
        };
        let mut aliases = vec![own];
        let given = self.given_aliases(key, Some(id)).await?.unwrap_or_default();
        for alias in given.into_iter().filter(|alias| alias.key_id == id) {
            if !aliases.contains(&alias.alias) {
                aliases.push(alias.alias);
            }
        }
        Ok(aliases)
    }

    /// A new key, as soon as Huawei shows it.
    async fn shown(&self, id: &str) -> Result<Option<Key>, Failure> {
        for wait in waits::NOT_SHOWN_YET {
            if let Some(key) = self.describe(id).await? {
                return Ok(Some(key));
            }
            sleep(wait).await;
        }
        self.describe(id).await
    }

    /// The refusal of a claim that another key has. It names that key if it can be found.
    async fn claim_taken(&self, claim: &str, refused: Failure) -> Failure {
        match self.describe(claim).await {
            Ok(Some(holder)) => Failure { message: read_back::taken(claim, &holder), ..refused },
            _ => refused,
        }
    }

    /// The refusal of an alias in a Region where a key has only its name.
    fn no_aliases(&self, alias: &str, refused: Failure) -> Failure {
        let message =
            format!("Huawei's Region {} gives keys no aliases beside their name, so {alias} cannot be set; remove it", self.region);
        Failure { message, ..refused }
    }

    async fn change_tags(&self, action: &str, key: &str, tags: &Tags) -> Result<(), Failure> {
        let operation = Operation::BatchTags;
        let path = self.path(&format!("{}/tags/action", self.id(operation, key)?));
        let tags: Vec<_> = tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        self.done(&Call::new(operation, key, Method::POST, path).with(json!({ "action": action, "tags": tags }))).await
    }
}
