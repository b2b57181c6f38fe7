//! Two teams with one KMS: the attacker's namespace, the namespace of the bank, and what would be harm.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use futures::future::join_all;
use keyward::{
    api::{ConditionType, ManagedKey, annotation, condition},
    text::shown,
};
use kms_double::{ACCESS_KEY, KeyState, KeyView};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::{Act, Attack, Ends};
use crate::support::{
    eventually,
    operator::{CLUSTER, WITHIN},
    scene::{Scene, describe, find, merge},
    storage::{Place, Storage},
};

/// How long a row may take, of which it needs well under a second on a quiet machine.
const LONGEST: Duration = Duration::from_mins(2);

/// How long a row waits before it asks again how its object is: a part of the time that it waited so far. Many rows ask at the same time.
fn pause(started: Instant) -> Duration {
    (started.elapsed() / 3).clamp(Duration::from_millis(100), Duration::from_secs(5))
}

/// How the attacker writes.
#[derive(Clone, Copy)]
pub enum Way<'a> {
    /// To the API server, as that user.
    Admitted(&'a Client),
    /// Into its storage.
    Bypassed(&'a Storage),
}

/// Both teams, and the keys that are not the attacker's.
pub struct World {
    /// The attacker's part.
    pub scene: Scene,
    /// The namespace of the bank.
    pub bank: String,
    /// The bank's object.
    pub pay: ManagedKey,
    /// Its key: a multi-Region key with the alias `bank-pay` and a tag.
    pub key: KeyView,
    /// The key of an object of the bank that is gone.
    pub old: String,
    /// A key in the same account without any mark.
    pub foreign: String,
    /// The attacker's object that has a key.
    pub neighbour: ManagedKey,
    /// The keys of others, as they were before the attacks.
    before: Vec<KeyView>,
    /// The last entry of the ledger before the attacks.
    begun: u64,
}

impl World {
    /// In that scene, whose namespace is the attacker's.
    pub async fn new(scene: Scene) -> Self {
        let bank = scene.another_namespace("bank").await;
        let provide = async |name: &str, spec: Value| scene.provide(&format!("{}-{name}", scene.provider), spec).await;
        // Every namespace may adopt every key: the marks alone protect.
        provide("lax", json!({ "adoption": { "from": "Rules", "rules": [{ "namespaces": ["*"], "keys": ["*"] }] } })).await;
        provide("closed", json!({ "namespaces": { "from": "Names", "names": [bank] } })).await;
        provide("labelled", json!({ "namespaces": { "from": "Selector", "selector": { "matchLabels": { "team": "bank" } } } })).await;
        provide("strict", json!({ "deletionGuard": { "requireConfirmation": true } })).await;
        provide("policies", json!({ "allow": { "policies": { "from": "Accounts" } } })).await;
        provide("elsewhere", json!({ "aws": { "region": "us-east-1" } })).await;

        let provider = json!({ "name": scene.provider });
        let banks = [
            (
                "pay",
                json!({ "aliases": ["bank-pay"], "tags": { "team": "bank" }, "description": "payments", "key": { "multiRegion": true } }),
            ),
            ("pay.eu", json!({})),
            ("old", json!({})),
        ];
        let api = Api::namespaced(scene.client.clone(), &bank);
        for (name, spec) in banks {
            let spec = laid(json!({ "providerRef": provider }), spec);
            create(&scene.client, json!({ "metadata": { "name": name, "namespace": bank }, "spec": spec })).await.unwrap();
        }
        let neighbour = scene.create("neighbour", json!({})).await.name_any();
        let ready = |object: &ManagedKey| find(object, ConditionType::Ready).is_some_and(|ready| ready.reason == "Available");
        let ready = async |api: &Api<ManagedKey>, name: &str| {
            eventually(name, WITHIN, async || {
                let object = api.get(name).await.unwrap();
                if ready(&object) { Ok(object) } else { Err(describe(&object)) }
            })
            .await
        };
        let keys = scene.keys();
        let (pay, _, old, neighbour) =
            futures::join!(ready(&api, "pay"), ready(&api, "pay.eu"), ready(&api, "old"), ready(&keys, &neighbour));
        let arn = |object: &ManagedKey| object.status.as_ref().and_then(|status| status.key_arn.clone()).unwrap();
        api.delete("old", &DeleteParams::default()).await.unwrap();
        let key = scene.double.key(&arn(&pay)).unwrap();
        scene.person().replicate_key().key_id(&key.arn).replica_region("us-east-1").send().await.unwrap();
        eventually("the replica is there", WITHIN, async || {
            let states: Vec<_> = scene.double.keys().iter().map(|key| key.state).collect();
            if states.iter().all(|state| *state == KeyState::Enabled) { Ok(()) } else { Err(format!("{states:?}")) }
        })
        .await;
        let foreign = scene.foreign_key().await;
        let mine = arn(&neighbour);
        let before = scene.double.keys().into_iter().filter(|key| key.arn != mine).collect();
        let begun = scene.now();
        Self { bank, pay, key, old: arn(&old), foreign, neighbour, before, begun, scene }
    }

    /// The provider of that name.
    pub fn provider(&self, name: &str) -> Value {
        json!({ "name": format!("{}-{name}", self.scene.provider) })
    }

    /// The attacker's object for a row, as it is created.
    pub fn object(&self, name: &str, over: Value) -> Value {
        let plain = json!({
            "metadata": { "name": name, "namespace": self.scene.namespace },
            "spec": { "providerRef": { "name": self.scene.provider } },
        });
        laid(plain, over)
    }

    /// Makes an object with a key of its own, for a row that changes it.
    pub async fn own(&self, client: &Client, attack: &Attack) -> Result<ManagedKey, String> {
        create(client, self.object(attack.name, json!({}))).await?;
        let api = Api::namespaced(client.clone(), &self.scene.namespace);
        until(&api, attack.name, |object| reason(object) == Some("Available") && object.status.as_ref().is_some_and(|s| s.key_id.is_some()))
            .await
    }

    /// Does what a row says. Gives the metadata of what was stored.
    pub async fn act(&self, way: Way<'_>, attack: &Attack) -> Result<ManagedKey, String> {
        let client = self.client(way);
        let created = async |over: Value| match way {
            Way::Admitted(client) => create(client, self.object(attack.name, over)).await,
            Way::Bypassed(storage) => Ok(named(storage.create(whole(self.object(attack.name, over))).await)),
        };
        match &attack.act {
            Act::Create(over) | Act::Delete(over) => created(over(self)).await,
            Act::Edit(patch) => {
                let own = self.own(client, attack).await?;
                self.edit(way, attack.name, patch(self, &own), None).await
            }
            Act::Status(patch) => {
                let own = self.own(client, attack).await?;
                self.edit(way, attack.name, json!({ "status": patch(self, &own) }), Some("status")).await
            }
            Act::After(foreign, over) => {
                match (way, write(client, foreign(self)).await) {
                    // The name of a namespace that not even an administrator can make. The storage needs no namespace for an object.
                    (Way::Admitted(_), Err(refused)) => return Err(refused),
                    (Way::Bypassed(_), Err(_)) | (_, Ok(())) => {}
                }
                created(over(self)).await
            }
        }
    }

    /// Who reads, and makes what is no attack.
    const fn client<'a>(&'a self, way: Way<'a>) -> &'a Client {
        match way {
            Way::Admitted(client) => client,
            Way::Bypassed(_) => &self.scene.client,
        }
    }

    /// Changes an object of the attacker.
    async fn edit(&self, way: Way<'_>, name: &str, patch: Value, subresource: Option<&str>) -> Result<ManagedKey, String> {
        let keys = untyped(self.client(way), &self.scene.namespace);
        let person = PatchParams::default();
        let edited = match (way, subresource) {
            (Way::Admitted(_), None) => keys.patch(name, &person, &Patch::Merge(patch)).await.map_err(|error| error.to_string()),
            (Way::Admitted(_), Some(part)) => {
                keys.patch_subresource(part, name, &person, &Patch::Merge(patch)).await.map_err(|error| error.to_string())
            }
            (Way::Bypassed(storage), _) => storage.edit(&patch, async || keys.get(name).await.map_err(|error| error.to_string())).await,
        };
        edited.map(named)
    }

    /// Waits for the end of a row, and compares it.
    pub async fn ended(&self, way: Way<'_>, attack: &Attack, stored: &ManagedKey, ends: Ends) -> Result<(), String> {
        let api = Api::<ManagedKey>::namespaced(self.client(way).clone(), &stored.namespace().unwrap_or_default());
        let name = stored.name_any();
        match ends {
            // Whether it stays so is asked when all rows have ended.
            Ends::LeftAlone => return Ok(()),
            Ends::Gone => {}
            Ends::Ready(expected) => {
                let asked = uuid::Uuid::new_v4().to_string();
                // The attack may be in this very annotation.
                let waits = !stored.annotations().contains_key(annotation::RECONCILE_REQUESTED_AT);
                if waits {
                    let patch = json!({ "metadata": { "annotations": { (annotation::RECONCILE_REQUESTED_AT): asked } } });
                    self.edit(way, &name, patch, None).await?;
                }
                let object = until(&api, &name, |object| {
                    let handled = object.status.as_ref().and_then(|status| status.last_handled_reconcile_at.as_deref());
                    reason(object) == Some(expected) && (!waits || handled == Some(&asked))
                })
                .await?;
                let status = object.status.clone().unwrap_or_default();
                // Whoever names a key and may not have it is told nothing of it.
                let names_a_key = matches!(&attack.act, Act::Create(over) if over(self)["spec"]["keyId"].is_string());
                if names_a_key && (status.key.is_some() || status.key_state.is_some() || status.deletion_date.is_some()) {
                    return Err(format!("it is told of another's key: {}", describe(&object)));
                }
            }
        }
        if matches!(attack.act, Act::Delete(_)) {
            api.delete(&name, &DeleteParams::default()).await.map_err(|error| error.to_string())?;
        }
        if ends == Ends::Gone || matches!(attack.act, Act::Delete(_)) {
            return gone(&api, &name).await;
        }
        Ok(())
    }

    /// What is wrong after all rows.
    pub async fn harm(&self, left_alone: &[ManagedKey]) -> Vec<String> {
        let mut harm = Vec::new();
        let bank = Api::<ManagedKey>::namespaced(self.scene.client.clone(), &self.bank);
        // The API server cannot be asked for an object whose name is none.
        let storage = Storage::of(self.scene.control_plane());
        for stored in left_alone {
            let place = Place::of_key(&stored.namespace().unwrap_or_default(), &stored.name_any());
            if storage.revision(&place).await != stored.metadata.resource_version {
                harm.push(format!("{} was written", stored.name_any()));
            }
        }
        let entries: Vec<_> = self.scene.operator_calls().into_iter().filter(|entry| entry.seq > self.begun).collect();
        let others: BTreeSet<_> = self.before.iter().map(|key| key.arn.as_str()).collect();
        let claims = (format!("alias/keyward/{CLUSTER}/"), format!("alias/keyward/{CLUSTER}/{}/", self.scene.namespace));
        for entry in &entries {
            let text = entry.params.to_string();
            let alias = entry.params["AliasName"].as_str().unwrap_or_default();
            let of_another = entry.changed && entry.key.as_deref().is_some_and(|key| others.contains(key));
            let destroys = ["ScheduleKeyDeletion", "DisableKey"].contains(&&*entry.operation);
            let claims_anothers = entry.operation == "CreateAlias" && alias.starts_with(&claims.0) && !alias.starts_with(&claims.1);
            let by_another = entry.access_key.as_deref() != Some(ACCESS_KEY);
            if of_another || destroys || claims_anothers || by_another {
                harm.push(format!("{} {text} by {:?}", entry.operation, entry.access_key));
            }
        }
        for before in &self.before {
            match self.scene.double.key(&before.arn) {
                Some(now) if as_was(before, &now) => {}
                now => harm.push(format!("{before:?}\n    is now {now:?}")),
            }
        }
        harm.extend(self.told().await);
        // The operator still works, and the bank's object is as it was.
        let patch = json!({ "spec": { "description": "after the attacks" } });
        bank.patch("pay", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
        let pay = until(&bank, "pay", |object| {
            let ready = find(object, ConditionType::Ready);
            ready.is_some_and(|ready| ready.reason == "Available" && ready.observed_generation == object.metadata.generation)
        });
        match pay.await {
            Err(error) => harm.push(error),
            Ok(pay) => {
                let facts = |object: &ManagedKey| {
                    let status = object.status.clone().unwrap_or_default();
                    (status.key_id, status.key_arn, status.key_state, status.deletion, status.missing, object.metadata.uid.clone())
                };
                if facts(&pay) != facts(&self.pay) {
                    harm.push(format!("{}\n    is now {}", describe(&self.pay), describe(&pay)));
                }
            }
        }
        harm
    }

    /// What a reader could take for something else: in conditions, and in events.
    async fn told(&self) -> Vec<String> {
        let objects = untyped(&self.scene.client, &self.scene.namespace).list(&ListParams::default()).await.unwrap();
        let conditions = objects.iter().filter_map(|object| object.data.pointer("/status/conditions")?.as_array());
        // Conditions of others stay as they are.
        let ours = conditions.flatten().filter(|condition| condition["type"].as_str().is_some_and(condition::is_ours));
        let messages: Vec<_> = ours.filter_map(|condition| condition["message"].as_str().map(str::to_owned)).collect();
        let events = Api::<k8s_openapi::api::events::v1::Event>::namespaced(self.scene.client.clone(), &self.scene.namespace);
        let notes = events.list(&ListParams::default()).await.unwrap().items.into_iter().filter_map(|event| event.note);
        let texts: Vec<String> = messages.into_iter().chain(notes).collect();
        assert!(texts.len() > 50, "little was told: {texts:?}");
        texts.into_iter().filter(|text| shown(text) != *text).collect()
    }
}

/// Whether a key of another is as it was.
fn as_was(before: &KeyView, now: &KeyView) -> bool {
    let facts = |key: &KeyView| (key.state, key.tags.clone(), key.aliases.clone(), key.description.clone(), key.deletion_date);
    facts(before) == facts(now)
}

/// Creates an object. What it has need not fit the types.
async fn create(client: &Client, object: Value) -> Result<ManagedKey, String> {
    create_with(client, object, &PostParams::default()).await
}

async fn create_with(client: &Client, object: Value, parameters: &PostParams) -> Result<ManagedKey, String> {
    let whole = whole(object);
    let api = untyped(client, whole["metadata"]["namespace"].as_str().unwrap());
    let stored = api.create(parameters, &serde_json::from_value(whole).unwrap()).await.map_err(|error| error.to_string())?;
    Ok(named(stored))
}

/// The object with its kind.
fn whole(object: Value) -> Value {
    laid(json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey" }), object)
}

/// Objects without their types: an attacker writes what no type allows.
fn untyped(client: &Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &ApiResource::erase::<ManagedKey>(&()))
}

/// The metadata of an object. What else it has may not be readable.
fn named(stored: DynamicObject) -> ManagedKey {
    ManagedKey { metadata: stored.metadata, ..ManagedKey::default() }
}

/// Writes an object of another kind.
pub async fn write(client: &Client, foreign: super::Foreign) -> Result<(), String> {
    let super::Foreign { plural, object } = foreign;
    let text = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
    let (group, version) = text("apiVersion")
        .rsplit_once('/')
        .map_or_else(|| (String::new(), text("apiVersion")), |(group, version)| (group.into(), version.into()));
    let resource = ApiResource { group, version, api_version: text("apiVersion"), kind: text("kind"), plural: plural.into() };
    let api: Api<DynamicObject> = match object["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    api.patch(&name, &PatchParams::apply("mallory").force(), &Patch::Apply(&object)).await.map(drop).map_err(|error| error.to_string())
}

/// Tries a row as `client`, and keeps nothing of it.
pub async fn attempt(world: &World, client: &Client, attack: &Attack) -> Result<(), String> {
    let dry = PatchParams { dry_run: true, ..PatchParams::default() };
    let keys = untyped(client, &world.scene.namespace);
    let tried = match &attack.act {
        Act::Create(over) | Act::Delete(over) => {
            let object = world.object(attack.name, over(world));
            return create_with(client, object, &PostParams { dry_run: true, ..PostParams::default() }).await.map(drop);
        }
        Act::After(foreign, _) => return write(client, foreign(world)).await,
        Act::Edit(patch) => keys.patch("neighbour", &dry, &Patch::Merge(patch(world, &world.neighbour))).await,
        Act::Status(patch) => {
            let patch = Patch::Merge(json!({ "status": patch(world, &world.neighbour) }));
            keys.patch_status("neighbour", &dry, &patch).await
        }
    };
    tried.map(drop).map_err(|error| error.to_string())
}

/// Waits until an object is as asked, and gives it.
async fn until(api: &Api<ManagedKey>, name: &str, ask: impl Fn(&ManagedKey) -> bool) -> Result<ManagedKey, String> {
    let started = Instant::now();
    loop {
        let last = match api.get(name).await {
            Ok(object) if ask(&object) => return Ok(object),
            Ok(object) => describe(&object),
            Err(error) => error.to_string(),
        };
        if started.elapsed() > LONGEST {
            return Err(format!("{name}: {last}"));
        }
        tokio::time::sleep(pause(started)).await;
    }
}

/// Waits until an object is gone.
async fn gone(api: &Api<ManagedKey>, name: &str) -> Result<(), String> {
    let started = Instant::now();
    while api.get_metadata_opt(name).await.map_err(|error| error.to_string())?.is_some() {
        if started.elapsed() > LONGEST {
            return Err(format!("{name} is not gone"));
        }
        tokio::time::sleep(pause(started)).await;
    }
    Ok(())
}

/// The reason of `Ready`.
fn reason(object: &ManagedKey) -> Option<&str> {
    find(object, ConditionType::Ready).map(|ready| ready.reason.as_str())
}

fn laid(mut base: Value, over: Value) -> Value {
    merge(&mut base, over);
    base
}

/// Tries these rows at the same time. Gives what came out otherwise.
pub async fn all(attacks: &[Attack], one: impl AsyncFn(&Attack) -> Result<(), String>) -> Vec<String> {
    let tried = join_all(attacks.iter().map(async |attack| one(attack).await.map_err(|why| format!("{}: {why}", attack.name)))).await;
    tried.into_iter().filter_map(Result::err).collect()
}
