//! Somebody who may write tags and aliases at the KMS, and may do nothing in the cluster.
//!
//! Each story is told on all three KMS. In the end no deletion was scheduled that no object asked for: the ledger says so.

use std::collections::BTreeMap;

use futures::future::join_all;
use keyward::{
    api::{ConditionType, ManagedKey, annotation},
    domain::{limits::Limits, ownership::Owner},
};
use kms_double::{KeyState as Actual, Options, Origin, Plant};
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::support::{
    eventually,
    operator::{CLUSTER, WITHIN},
    scene::{Scene, find, message},
    vendor::Vendor,
};

/// What is done to the tags of a key: `None` removes one.
type Forgery = Vec<(&'static str, Option<String>)>;

fn set(tag: &'static str, value: &str) -> Forgery {
    vec![(tag, Some(value.to_owned()))]
}

fn removed(tags: &[&'static str]) -> Forgery {
    tags.iter().map(|tag| (*tag, None)).collect()
}

const CLUSTER_MARK: &str = "keyward-cluster";
const OWNER: &str = "keyward-owner";
const UID: &str = "keyward-uid";
const INTENT: &str = "keyward-intent";
const MARKS: [&str; 4] = [CLUSTER_MARK, OWNER, UID, INTENT];

/// Writes tags at the KMS, of a key in any state, and a KMS that answers from a copy reads them.
fn forge(scene: &Scene, key: &str, forgery: &Forgery) {
    for (tag, value) in forgery {
        scene.double.set_tag(key, tag, value.as_deref()).unwrap();
    }
    scene.double.ciphertrust_sync();
}

/// A row: a name, what is forged on the key of a living object, and how the object is then, which is asked for a deletion at that very moment.
struct Row<'a> {
    name: &'a str,
    forgery: Forgery,
    then: &'static str,
}

fn row(name: &'static str, forgery: Forgery, then: &'static str) -> Row<'static> {
    Row { name, forgery, then }
}

impl Row<'_> {
    /// Writes the tags, with the numbers of the object's last word.
    async fn forge(&self, scene: &Scene, key: &str) {
        let seq = scene.keys().get(self.name).await.unwrap().status.unwrap().intent_seq.unwrap();
        let numbered = |value: &String| value.replace("SEQ", &seq.to_string()).replace("AHEAD", &(seq + 8).to_string());
        forge(scene, key, &self.forgery.iter().map(|(tag, value)| (*tag, value.as_ref().map(numbered))).collect());
    }
}

/// `SEQ` is the number of the object's last word, and `AHEAD` a larger one.
fn rows() -> Vec<Row<'static>> {
    vec![
        row("all-gone", removed(&MARKS), "AdoptionNotAllowed"),
        row("uid-gone", removed(&[UID]), "AdoptionNotAllowed"),
        row("owner-gone", removed(&[OWNER]), "AdoptionNotAllowed"),
        row("cluster-gone", removed(&[CLUSTER_MARK]), "AdoptionNotAllowed"),
        row("uid-of-another", set(UID, "00000000-0000-4000-8000-000000000000"), "OwnedByAnother"),
        row("owner-another", set(OWNER, "bank.pay"), "OwnedByAnother"),
        row("cluster-another", set(CLUSTER_MARK, "elsewhere"), "OwnedByAnother"),
        row("intent-gone", removed(&[INTENT]), "NotSeenLive"),
        row("intent-empty", set(INTENT, "x"), "NotSeenLive"),
        row("intent-signs", set(INTENT, "+SEQ.1.live"), "NotSeenLive"),
        row("intent-zeros", set(INTENT, "0SEQ.1.live"), "NotSeenLive"),
        row("intent-parts", set(INTENT, "SEQ.1.live.7"), "NotSeenLive"),
        row("intent-case", set(INTENT, "SEQ.1.LIVE"), "NotSeenLive"),
        row("intent-minus", set(INTENT, "SEQ.1.-7"), "NotSeenLive"),
        row("days", set(INTENT, "SEQ.1.7"), "CancelledOutside"),
        row("days-ahead", set(INTENT, "AHEAD.9.7"), "RollbackSuspected"),
        row("held", set(INTENT, "SEQ.1.held"), "NotSeenLive"),
        row("held-nonce", set(INTENT, "SEQ.1.held-abcdef"), "NotSeenLive"),
        row("seq-raised", set(INTENT, "AHEAD.1.live"), "RollbackSuspected"),
        row("seq-last", set(INTENT, "9007199254740992.1.live"), "RollbackSuspected"),
        row("seq-beyond", set(INTENT, "9007199254740993.1.live"), "RollbackSuspected"),
        row("seq-huge", set(INTENT, "99999999999999999999.1.live"), "RollbackSuspected"),
    ]
}

/// Waits until `Ready` or `DeletionHeld` of an object has that reason.
async fn until_told(scene: &Scene, name: &str, reason: &str) -> ManagedKey {
    scene
        .until(name, reason, |object| {
            let said = |kind| find(object, kind).is_some_and(|condition| condition.reason == reason);
            said(ConditionType::Ready) || said(ConditionType::DeletionHeld)
        })
        .await
}

async fn pause(scene: &Scene, name: &str, paused: bool) {
    let value = if paused { json!("true") } else { json!(null) };
    scene.patch(name, json!({ "metadata": { "annotations": { (annotation::PAUSED): value } } })).await;
}

async fn key_of(scene: &Scene, name: &str) -> String {
    scene.key(name).await.arn
}

fn scheduled(scene: &Scene) -> usize {
    scene.calls(scene.vendor.operations.schedule).len()
}

fn is_alive(scene: &Scene, key: &str) -> bool {
    scene.double.key(key).is_some_and(|key| key.state == Actual::Enabled)
}

/// Both ways to ask for a deletion: the field, and the end of an object whose policy is `Delete`.
///
/// Shows S8.
pub async fn no_forged_mark_has_a_key_deleted(vendor: &'static Vendor) {
    let scene = &Scene::alone(vendor, "forged", Options::default(), json!({})).await;
    join_all(rows().into_iter().map(async |row @ Row { name, then, .. }| {
        scene.create(name, json!({ "deletionPolicy": "Delete" })).await;
        scene.until_ready(name, "True", "Available").await;
        let key = key_of(scene, name).await;
        // Nobody asks: the object goes on declaring its key alive.
        row.forge(scene, &key).await;
        scene.look(name).await;
        assert!(is_alive(scene, &key), "{name}");

        // It is asked for at the moment at which the tags are forged.
        pause(scene, name, true).await;
        scene.until_paused(name).await;
        row.forge(scene, &key).await;
        scene.spec(name, json!({ "deletionScheduleDays": 7 })).await;
        pause(scene, name, false).await;
        until_told(scene, name, then).await;
        scene.look(name).await;
        assert!(is_alive(scene, &key), "{name}");
        // The end of an object whose policy is `Delete`: one that does not own the key leaves it, and one that does is held.
        scene.delete(name).await;
        if then == "OwnedByAnother" || then == "AdoptionNotAllowed" {
            scene.until_gone(name).await;
        } else {
            scene.until(name, "held", |object| find(object, ConditionType::DeletionHeld).is_some()).await;
        }
        assert!(is_alive(scene, &key), "{name}");
    }))
    .await;
    assert_eq!(scheduled(scene), 0);
}

/// A deletion that is held because nobody saw its key alive.
async fn held(scene: &Scene, name: &str) -> (String, String) {
    scene.create(name, json!({})).await;
    scene.until_ready(name, "True", "Available").await;
    scene.delete(name).await;
    scene.until_gone(name).await;
    scene.create(name, json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready(name, "False", "NotSeenLive").await;
    let key = key_of(scene, name).await;
    let intent = scene.double.key(&key).unwrap().tags[INTENT].clone();
    (key, intent)
}

/// A word, for the number of the hold that it replaces; `None` removes the mark.
type Forged = fn(i64) -> Option<String>;

/// What is written in the place of `<seq>.<generation>.held-<nonce>`.
const WORDS: [(&str, Forged); 9] = [
    ("gone", |_| None),
    ("live", |seq| Some(format!("{seq}.1.live"))),
    ("live-next", |seq| Some(format!("{}.1.live", seq + 1))),
    ("live-before", |seq| Some(format!("{}.1.live", seq - 1))),
    ("live-first", |_| Some("1.1.live".into())),
    ("days", |seq| Some(format!("{seq}.1.7"))),
    ("nonce", |seq| Some(format!("{seq}.1.held-abcdef"))),
    ("no-nonce", |seq| Some(format!("{seq}.1.held"))),
    ("malformed", |_| Some("held".into())),
];

/// Shows S10.
pub async fn no_forged_mark_ends_a_hold(vendor: &'static Vendor) {
    let scene = &Scene::alone(vendor, "held", Options::default(), json!({})).await;
    join_all(WORDS.map(async |(name, word)| {
        let (key, intent) = held(scene, name).await;
        let seq = intent.split('.').next().unwrap().parse().unwrap();
        forge(scene, &key, &vec![(INTENT, word(seq))]);
        scene.look(name).await;
        // Flapping: each read finds another word than the one before.
        for round in 0..2 {
            forge(scene, &key, &vec![(INTENT, if round % 2 == 0 { Some(intent.clone()) } else { word(seq) })]);
            scene.look(name).await;
        }
        let object = scene.until(name, "held", |object| find(object, ConditionType::DeletionHeld).is_some()).await;
        assert!(find(&object, ConditionType::Stalled).is_some(), "{name}");
        assert!(is_alive(scene, &key), "{name}");
    }))
    .await;
    assert_eq!(scheduled(scene), 0);
}

/// The object saw its key alive, so it may delete it. Its own number counts, not the one on the key.
pub async fn a_lower_number_is_replaced_by_the_objects_own(vendor: &'static Vendor) {
    let scene = Scene::alone(vendor, "lowered", Options::default(), json!({})).await;
    scene.create("orders", json!({ "tags": { "team": "shop" } })).await;
    scene.until_ready("orders", "True", "Available").await;
    let key = key_of(&scene, "orders").await;
    forge(&scene, &key, &set(INTENT, "0.1.live"));
    scene.look_at_all("orders").await;
    assert_ne!(scene.double.key(&key).unwrap().tags[INTENT], "0.1.live");
    assert_eq!(scheduled(&scene), 0);
    pause(&scene, "orders", true).await;
    scene.until_paused("orders").await;
    forge(&scene, &key, &set(INTENT, "0.1.live"));
    scene.spec("orders", json!({ "deletionScheduleDays": 7 })).await;
    pause(&scene, "orders", false).await;
    scene.until_ready("orders", "True", "DeletionScheduled").await;
    let word = scene.double.key(&key).unwrap().tags[INTENT].clone();
    assert!(word.ends_with(".7") && !word.starts_with('0'), "{word}");
}

/// Shows S3.
pub async fn swapped_marks_stop_both_objects(vendor: &'static Vendor) {
    let scene = Scene::alone(vendor, "swapped", Options::default(), json!({})).await;
    for name in ["one", "two"] {
        scene.create(name, json!({ "deletionPolicy": "Delete" })).await;
        scene.until_ready(name, "True", "Available").await;
    }
    let [one, two] = [key_of(&scene, "one").await, key_of(&scene, "two").await];
    let tags = |key: &str| MARKS.map(|mark| (mark, Some(scene.double.key(key).unwrap().tags[mark].clone()))).to_vec();
    let (of_one, of_two) = (tags(&one), tags(&two));
    forge(&scene, &one, &of_two);
    forge(&scene, &two, &of_one);
    for name in ["one", "two"] {
        scene.look_at_all(name).await;
        scene.until_ready(name, "False", "OwnedByAnother").await;
        scene.spec(name, json!({ "deletionScheduleDays": 7 })).await;
        scene.until_ready(name, "False", "OwnedByAnother").await;
    }
    for name in ["one", "two"] {
        scene.delete(name).await;
        scene.until_gone(name).await;
    }
    assert!(is_alive(&scene, &one) && is_alive(&scene, &two));
    assert_eq!(scheduled(&scene), 0);
}

/// The four marks of an object of the scene.
fn marks(scene: &Scene, name: &str, uid: &str, intent: &str) -> BTreeMap<String, String> {
    let owner = Owner { cluster: CLUSTER.into(), namespace: scene.namespace.clone(), name: name.into(), uid: uid.into() };
    owner.marks(intent.parse().unwrap(), Limits::of(scene.vendor.provider).owner_mark)
}

/// A key of somebody else in the account, with those tags.
fn foreign(scene: &Scene, origin: Origin, alias: Option<&str>, tags: &BTreeMap<String, String>) -> String {
    let plant = Plant { origin, alias: alias.map(str::to_owned), ..Plant::new(scene.vendor.account, scene.vendor.region) };
    let key = scene.double.plant(&plant).unwrap().arn();
    for (tag, value) in tags {
        scene.double.set_tag(&key, tag, Some(value)).unwrap();
    }
    scene.double.ciphertrust_sync();
    key
}

/// An object without a key finds its key by its claim alias and by marks, and whoever may write both names the key. What they cannot bring about is that a
/// deletion follows, that a key with material of their own is taken, or that a second key is made.
pub async fn a_new_object_gets_what_its_marks_name_and_no_deletion_follows(vendor: &'static Vendor) {
    // Keys look an hour old, as a stranger's are.
    let options = Options { clock_behind: jiff::SignedDuration::from_hours(1), ..Options::default() };
    let scene = &Scene::alone(vendor, "new", options, json!({})).await;
    let none = BTreeMap::new();
    let new = async |name: &str| scene.create(name, json!({ "deletionPolicy": "Delete" })).await;
    let is_held = async |name: &str| {
        scene.spec(name, json!({ "deletionScheduleDays": 7 })).await;
        until_told(scene, name, "NotSeenLive").await;
    };

    // All keys are there before the first object, which has the marks of all keys read.
    let default = Origin::AwsKms;
    let taken = foreign(scene, default, None, &marks(scene, "taken", "u0", "1.1.live"));
    let brought = foreign(scene, Origin::External, None, &marks(scene, "brought", "u0", "1.1.live"));
    let two = ["u0", "u1"].map(|uid| foreign(scene, default, None, &marks(scene, "two", uid, "1.1.live")));
    let claimed = foreign(scene, default, Some(&scene.claim("claimed")), &none);
    let both = foreign(scene, default, Some(&scene.claim("both")), &marks(scene, "both", "u0", "1.1.7"));
    let ended = foreign(scene, default, None, &marks(scene, "ended", "u0", "9007199254740992.1.live"));
    let adopt = foreign(scene, default, Some("alias/open"), &BTreeMap::from([("keyward-adopt".to_owned(), scene.namespace.clone())]));
    let other = foreign(scene, default, Some("alias/taken-name"), &none);

    let object = new("taken").await;
    scene.until_ready("taken", "True", "Available").await;
    assert_eq!(key_of(scene, "taken").await, taken);
    assert!(scene.until_event("taken", "KeyTakenUp").await.contains("took up"), "a person is told");
    assert_eq!(scene.double.key(&taken).unwrap().tags[UID], object.uid().unwrap());
    is_held("taken").await;

    // Material that somebody brought is known to them.
    new("brought").await;
    let object = scene.until_ready("brought", "False", "AdoptionMismatch").await;
    assert!(message(&object).contains("remove the keyward-* tags from it"), "{}", message(&object));

    new("two").await;
    scene.until_ready("two", "False", "ClaimUnclear").await;
    new("claimed").await;
    scene.until_ready("claimed", "False", "ClaimUnclear").await;
    new("both").await;
    scene.until_ready("both", "True", "Available").await;
    assert_eq!(key_of(scene, "both").await, both);
    is_held("both").await;
    new("ended").await;
    scene.until_ready("ended", "False", "MarksNotWritable").await;

    // `keyward-adopt` admits nothing where the provider says `from: None`.
    scene.create("adopts", json!({ "keyId": "alias/open" })).await;
    scene.until_ready("adopts", "False", "AdoptionNotAllowed").await;
    // An alias that an object declares is on another key.
    scene.create("aliased", json!({ "aliases": ["taken-name"] })).await;
    scene
        .until("aliased", "AliasTaken", |object| {
            object.status.as_ref().is_some_and(|status| status.conditions.iter().any(|known| known.reason == "AliasTaken"))
        })
        .await;
    assert!(scene.double.key(&other).unwrap().aliases.contains(&"alias/taken-name".to_owned()), "it is not moved");

    // The UID of an object that never had a key, on a key that is older than the object.
    let paused = json!({ "metadata": { "annotations": { (annotation::PAUSED): "true" } } });
    let uid = create_with(scene, "uid", paused).await.uid().unwrap();
    let own = foreign(scene, default, Some(&scene.claim("uid")), &marks(scene, "uid", &uid, "1.1.live"));
    pause(scene, "uid", false).await;
    scene.until_ready("uid", "True", "Available").await;
    assert_eq!(key_of(scene, "uid").await, own);
    is_held("uid").await;

    // The same while the object says that it began a creation: that makes the key its own no more than before.
    let time = jiff::Timestamp::now();
    let attempt = format!("{}/{}/{}/{time}", uuid::Uuid::new_v4(), scene.vendor.account, scene.vendor.region);
    let begun = json!({ "metadata": { "annotations": { (annotation::PAUSED): "true", (annotation::CREATE_ATTEMPT): attempt } } });
    let uid = create_with(scene, "begun", begun).await.uid().unwrap();
    let stranger = foreign(scene, default, Some(&scene.claim("begun")), &marks(scene, "begun", &uid, "1.1.live"));
    pause(scene, "begun", false).await;
    scene.until_ready("begun", "True", "Available").await;
    assert_eq!(key_of(scene, "begun").await, stranger);
    is_held("begun").await;

    // The claim alias of a bound object points elsewhere. It is not an address any more.
    scene.create("bound", json!({})).await;
    scene.until_ready("bound", "True", "Available").await;
    let key = key_of(scene, "bound").await;
    scene.double.point_alias(&scene.claim("bound"), &other).unwrap();
    scene.double.ciphertrust_sync();
    scene.look_at_all("bound").await;
    assert_eq!(key_of(scene, "bound").await, key);

    for key in [&taken, &brought, &two[0], &two[1], &claimed, &both, &ended, &adopt, &other, &own, &stranger, &key] {
        let state = scene.double.key(key).unwrap().state;
        assert!(!matches!(state, Actual::PendingDeletion), "{key}");
    }
    assert_eq!(scheduled(scene), 0);
    assert_eq!(scene.calls(vendor.operations.create).len(), 2, "for `aliased` and `bound` alone");
}

async fn create_with(scene: &Scene, name: &str, over: Value) -> ManagedKey {
    let mut object = json!({
        "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": { "name": name },
        "spec": { "providerRef": { "name": scene.provider } },
    });
    crate::support::scene::merge(&mut object, over);
    scene.keys().create(&kube::api::PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap()
}

/// Somebody puts `live` back as soon as Keyward writes a word, and fills the room for tags.
///
/// Shows S8.
pub async fn tags_that_are_put_back_at_once_end_no_hold(vendor: &'static Vendor) {
    let scene = &Scene::alone(vendor, "raced", Options::default(), json!({})).await;
    let (key, _) = held(scene, "raced").await;
    let mut puts = 0;
    eventually("three words were put back", WITHIN, async || {
        if scene.double.key(&key).unwrap().tags.get(INTENT).is_none_or(|word| word != "1.1.live") {
            forge(scene, &key, &set(INTENT, "1.1.live"));
            puts += 1;
        }
        let asked = json!({ "metadata": { "annotations": { (annotation::RECONCILE_REQUESTED_AT): uuid::Uuid::new_v4().to_string() } } });
        scene.patch("raced", asked).await;
        if puts >= 3 { Ok(()) } else { Err(format!("{puts} times")) }
    })
    .await;
    assert!(is_alive(scene, &key));
    let object = scene.until("raced", "held", |object| find(object, ConditionType::DeletionHeld).is_some()).await;
    assert!(find(&object, ConditionType::Stalled).is_some());

    // The marks are gone, and there is no room for them.
    scene.create("full", json!({})).await;
    scene.until_ready("full", "True", "Available").await;
    let full = key_of(scene, "full").await;
    forge(scene, &full, &removed(&MARKS));
    for at in 0..60 {
        if scene.double.set_tag(&full, &format!("filler-{at}"), Some("x")).is_err() {
            break;
        }
    }
    scene.double.ciphertrust_sync();
    scene.provide(&scene.provider, json!({ "adoption": { "from": "Rules", "rules": [{ "namespaces": ["*"], "keys": ["*"] }] } })).await;
    scene.spec("full", json!({ "deletionScheduleDays": 7 })).await;
    eventually("the object says why", WITHIN, async || {
        let object = scene.look("full").await;
        let told = message(&object).to_owned();
        if find(&object, ConditionType::Ready).is_some_and(|ready| ready.status == "False") { Ok(()) } else { Err(told) }
    })
    .await;
    assert!(is_alive(scene, &full));
    assert_eq!(scheduled(scene), 0);
}

/// `spec.keyId` is an alias, and somebody moves that alias before the object is made. The alias is resolved once, so the object gets the other key if the adoption
/// rules admit that, and says which one it is. It never gets a key that bears another owner's mark, and an ARN leads to its own key wherever aliases go.
pub async fn an_alias_that_was_moved_before_the_adoption_leads_to_the_other_key_and_to_no_deletion(vendor: &'static Vendor) {
    let rules = json!({ "adoption": { "from": "Rules", "rules": [{ "namespaces": ["*"], "keys": ["*"] }] } });
    let scene = &Scene::alone(vendor, "alias", Options::default(), rules).await;
    let none = BTreeMap::new();
    let meant = foreign(scene, Origin::AwsKms, None, &none);
    let other = foreign(scene, Origin::AwsKms, None, &none);
    scene.create("bank", json!({})).await;
    scene.until_ready("bank", "True", "Available").await;
    let bank = key_of(scene, "bank").await;
    let point = |alias: &str, key: &str| {
        scene.double.point_alias(alias, key).unwrap();
        scene.double.ciphertrust_sync();
    };

    // To the key of another object.
    point("alias/orders", &bank);
    scene.create("thief", json!({ "keyId": "alias/orders", "deletionPolicy": "Delete" })).await;
    scene.until_ready("thief", "False", "OwnedByAnother").await;
    scene.spec("thief", json!({ "deletionScheduleDays": 7 })).await;
    scene.until_ready("thief", "False", "OwnedByAnother").await;
    scene.delete("thief").await;
    scene.until_gone("thief").await;

    // To a key that the rules admit: that one is adopted, and a person is told which one it is.
    point("alias/orders", &other);
    scene.create("orders", json!({ "keyId": "alias/orders", "deletionPolicy": "Delete" })).await;
    scene.until_ready("orders", "True", "Available").await;
    assert_eq!(key_of(scene, "orders").await, other);
    let id = scene.double.key(&other).unwrap().key_id;
    let told = scene.until_event("orders", "KeyAdopted").await;
    assert!(told.contains(&id) || told.contains(&scene.keys().get("orders").await.unwrap().status.unwrap().key_id.unwrap()), "{told}");
    // From then on the alias leads nowhere.
    point("alias/orders", &meant);
    scene.look_at_all("orders").await;
    assert_eq!(key_of(scene, "orders").await, other);

    // By its reference, the key that was meant is adopted.
    point("alias/orders", &bank);
    let reference = match vendor.provider {
        keyward::api::key_provider::ProviderType::CipherTrust => scene.double.ciphertrust_id(&meant).expect("it was just synchronised"),
        _ => scene.double.key(&meant).unwrap().key_id,
    };
    scene.create("named", json!({ "keyId": reference })).await;
    scene.until_ready("named", "True", "Available").await;
    assert_eq!(key_of(scene, "named").await, meant);
    for key in [&meant, &other, &bank] {
        assert!(is_alive(scene, key), "{key}");
    }
    assert_eq!(scheduled(scene), 0);
}
