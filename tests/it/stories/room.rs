//! Where a limit of the KMS binds: old tags and aliases are removed first, so that new ones fit. No object is told that its spec asks for
//! too much.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use futures::StreamExt;
use keyward::{
    api::{ManagedKey, mark},
    domain::limits::Limits,
};
use kms_double::{Entry, Options};
use kube::runtime::watcher::{self, Event};
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use crate::support::{eventually, operator::WITHIN, scene::Scene, vendor::Vendor};

/// What the KMS say where there is no room.
const FULL: [&str; 4] = ["TagException", "LimitExceeded", "KMS.0409", "upper limit"];

/// Every status that an object has from now on.
struct Reports {
    seen: Arc<Mutex<Vec<ManagedKey>>>,
    _watch: AbortOnDropHandle<()>,
}

impl Reports {
    async fn of(scene: &Scene) -> Self {
        let (seen, keys) = (Arc::<Mutex<Vec<ManagedKey>>>::default(), scene.keys());
        let into = Arc::clone(&seen);
        let watch = tokio::spawn(async move {
            let mut events = Box::pin(kube::runtime::watcher(keys, watcher::Config::default()));
            while let Some(event) = events.next().await {
                if let Ok(Event::Apply(object) | Event::InitApply(object)) = event {
                    into.lock().unwrap().push(object);
                }
            }
        });
        let told = Self { seen, _watch: AbortOnDropHandle::new(watch) };
        eventually("the watch", WITHIN, async || if told.seen.lock().unwrap().is_empty() { Err("nothing") } else { Ok(()) }).await;
        told
    }

    /// What all conditions said, up to that version of the object.
    async fn until(self, last: &ManagedKey) -> BTreeSet<String> {
        let version = &last.metadata.resource_version;
        eventually("the last version", WITHIN, async || {
            if self.seen.lock().unwrap().iter().any(|seen| seen.metadata.resource_version == *version) { Ok(()) } else { Err("not yet") }
        })
        .await;
        let seen = self.seen.lock().unwrap();
        let conditions = seen.iter().flat_map(|object| object.status.iter().flat_map(|status| &status.conditions));
        conditions.map(|told| format!("{}={} {}: {}", told.type_, told.status, told.reason, told.message)).collect()
    }
}

/// The settings of an object: its tags, or its aliases without `alias/`.
#[derive(Clone)]
enum Settings {
    Tags(BTreeMap<String, String>),
    Aliases(BTreeSet<String>),
}

impl Settings {
    fn spec(&self) -> Value {
        match self {
            Self::Tags(tags) => json!({ "tags": tags }),
            Self::Aliases(aliases) => json!({ "aliases": aliases }),
        }
    }

    /// The merge patch that turns one into the other: what is not named in it stays.
    fn patch(&self, after: &Self) -> Value {
        let mut patch = after.spec();
        if let (Self::Tags(tags), Some(patched)) = (self, patch["tags"].as_object_mut()) {
            for tag in tags.keys() {
                patched.entry(tag).or_insert(Value::Null);
            }
        }
        patch
    }

    /// The tags or aliases of the key, without Keyward's own.
    fn found(&self, scene: &Scene, key: kms_double::KeyView) -> Self {
        match self {
            Self::Tags(_) => Self::Tags(key.tags.into_iter().filter(|(tag, _)| !tag.starts_with(mark::RESERVED_PREFIX)).collect()),
            Self::Aliases(_) => {
                let claim = scene.claim("orders");
                let names = key.aliases.iter().filter(|alias| **alias != claim).filter_map(|alias| alias.strip_prefix("alias/"));
                Self::Aliases(names.map(str::to_owned).collect())
            }
        }
    }
}

/// Tags of these numbers.
fn tags(numbers: std::ops::Range<usize>) -> Settings {
    Settings::Tags(numbers.map(|number| (format!("tag-{number}"), "x".to_owned())).collect())
}

/// Aliases of these numbers.
fn aliases(numbers: std::ops::Range<usize>) -> Settings {
    Settings::Aliases(numbers.map(|number| format!("name-{number}")).collect())
}

/// An object with these settings, and then with those. Nothing is refused on the way, no status says that there is no room, and the key is as usable as before.
async fn changed(vendor: &'static Vendor, name: &str, before: Settings, after: Settings) {
    let scene = Scene::of(vendor, name, Options::default(), json!({})).await;
    scene.create("orders", before.spec()).await;
    scene.until_synced("orders", "True", "Synced").await;
    scene.look_at_all("orders").await;
    let (seen, told) = (scene.now(), Reports::of(&scene).await);
    scene.spec("orders", before.patch(&after)).await;
    let last = scene
        .until("orders", "as declared", |object| {
            let status = object.status.as_ref().unwrap();
            let synced = status.conditions.iter().any(|known| known.type_ == "Synced" && known.status == "True");
            synced && status.observed_generation == object.metadata.generation
        })
        .await;
    let key = scene.key("orders").await;
    assert_eq!(after.found(&scene, key.clone()).spec(), after.spec());
    assert!(key.aliases.contains(&scene.claim("orders")) && key.tags.contains_key(mark::UID), "{key:?}");

    let refused = scene.operator_calls().into_iter().filter(|call: &Entry| call.seq > seen && !call.succeeded());
    let refused: Vec<_> = refused.map(|call| (call.operation, call.result)).collect();
    assert!(refused.is_empty(), "{refused:?}");
    for text in told.until(&last).await {
        assert!(!FULL.iter().any(|word| text.contains(word)) && !text.contains("InvalidSpec"), "{text}");
        assert!(!text.starts_with("Ready=") || text.starts_with("Ready=True "), "{text}");
    }
    let events = scene.events("orders").await;
    assert!(!events.contains(&"SyncFailed".to_owned()), "{events:?}");
    let settled = scene.now();
    scene.look_at_all("orders").await;
    assert_eq!(scene.changes(settled), [""; 0], "what was set stays as it is");
}

/// How many tags of a user a key has room for.
fn room(vendor: &Vendor) -> usize {
    Limits::of(vendor.provider).tags.count - mark::COUNT
}

pub async fn more_tags_are_renamed_than_there_is_room_for(vendor: &'static Vendor) {
    let room = room(vendor);
    // 24 tags and 23 others on AWS.
    let (goes, comes) = (room / 2 + 1, room / 2);
    changed(vendor, "room-tags", tags(0..goes), tags(goes..goes + comes)).await;
}

pub async fn a_tag_of_a_full_key_is_renamed(vendor: &'static Vendor) {
    let room = room(vendor);
    changed(vendor, "room-tag", tags(0..room), tags(1..room + 1)).await;
}

pub async fn an_alias_of_a_full_key_is_renamed(vendor: &'static Vendor) {
    changed(vendor, "room-alias", aliases(0..49), aliases(1..50)).await;
}

pub async fn more_aliases_are_renamed_than_there_is_room_for(vendor: &'static Vendor) {
    changed(vendor, "room-aliases", aliases(0..30), aliases(30..60)).await;
}
