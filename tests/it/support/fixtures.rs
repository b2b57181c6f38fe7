//! An object, its provider and its key as plain values, and what the guard gives for them.

use jiff::Timestamp;
use keyward::{
    api::{
        ManagedKey,
        key_provider::{Adoption, Allow, DeletionGuard, ProviderType},
        managed_key::KeyTemplate,
    },
    domain::{
        deletion::{
            Intent, LastUse, Passed, Word,
            budget::{self, Answer},
            guard::{self, Cleared, ClearedDeletion, Evidence},
        },
        desired::Desired,
        failure::Failure,
        memory::Memory,
        observed::{Facets, Key, Rotation, State},
        ownership::{OwnerMark, Tags},
        rules::Rules,
        step::{Destruction, Step},
    },
    kms::{Kms, Scheduled, aws::AwsEndpoints},
};
use serde_json::{Value, json};

pub const ACCOUNT: &str = "111122223333";
pub const REGION: &str = "eu-west-1";
pub const ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
pub const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// `shop/orders`, with that spec.
pub fn object(mut spec: Value) -> ManagedKey {
    spec["providerRef"] = json!({ "name": "aws" });
    let metadata = json!({ "name": "orders", "namespace": "shop", "uid": "0c6c1b9e-2f4b-4d0a-9a54-6a1d2b3c4d5e", "generation": 1 });
    serde_json::from_value(json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": metadata, "spec": spec }))
        .unwrap()
}

pub fn rules() -> Rules {
    Rules {
        name: "aws".into(),
        provider: ProviderType::Aws,
        account: ACCOUNT.into(),
        region: REGION.into(),
        endpoint: "default".into(),
        principal: None,
        adoption: Adoption::default(),
        allow: Allow::default(),
        default_tags: Tags::new(),
        default_tag_keys: std::collections::BTreeSet::new(),
        guard: DeletionGuard::default(),
        trip: None,
        max_staleness: None,
    }
}

pub fn key(state: State) -> Key {
    Key {
        id: ID.into(),
        arn: ARN.into(),
        account: ACCOUNT.into(),
        region: REGION.into(),
        state,
        deletion_date: None,
        kind: KeyTemplate::default(),
        customer_managed: true,
        multi_region: None,
        description: Some(String::new()),
        creation_time: None,
        age: None,
        name: None,
        rotation: Some(Rotation::default()),
        rotations: None,
        tags: Some(Tags::new()),
        aliases: Some(Vec::new()),
        policy: None,
        unread: Facets::NONE,
    }
}

/// What the guard gives for a deletion that nothing speaks against: its object saw the key alive, and then asked for it.
pub fn cleared(key: &str, days: i32) -> ClearedDeletion {
    let mut object = object(json!({}));
    let desired = Desired::of(&object, "prod").unwrap();
    let seen_alive = Intent { seq: 1, generation: 1, word: Word::Live };
    let key = Key { arn: key.into(), tags: Some(desired.owner.marks(seen_alive, OwnerMark::Name)), ..self::key(State::Enabled) };
    let mut memory = Memory::default();
    memory.close(&Step::Create, &desired);
    memory.status.key_state = Some(key.state.into());
    object.metadata.generation = Some(2);
    let desired = Desired::of(&object, "prod").unwrap();
    // Huawei's, because its keys may be deleted after more days than those of the others.
    let rules = Rules { provider: ProviderType::Huawei, ..rules() };
    let cleared = guard::check(&Evidence {
        requested: Destruction::Schedule { days, passed: Passed::Edge },
        desired: &desired,
        memory: &memory,
        still_asked: true,
        rules: &rules,
        key: &key,
        last_use: LastUse::Untold,
        terminating: false,
        now: "2026-11-22T12:00:00Z".parse().unwrap(),
    });
    let checked = cleared.unwrap_or_else(|hold| panic!("{days} days: {hold:?}"));
    let Answer::Room(entry) = budget::check(None, 1, checked.key_id(), Timestamp::UNIX_EPOCH, "trip") else { panic!("the book is empty") };
    let stored = entry.book().clone();
    match checked.counted(&entry.written(Some(&stored)).unwrap()) {
        Some(Cleared::Schedule(deletion)) => deletion,
        other => panic!("{days} days: {other:?}"),
    }
}

/// KMS and STS of AWS at one URL.
pub fn aws_endpoints(url: &str) -> AwsEndpoints {
    AwsEndpoints { kms: Some(url.into()), sts: Some(url.into()), ..AwsEndpoints::default() }
}

/// Destructive calls of a KMS, with a proof made for the test.
pub trait Destroy: Kms {
    /// Schedules the deletion, in 7 to 1,096 days.
    fn schedule(&self, key: &str, days: i32) -> impl Future<Output = Result<Scheduled, Failure>> + Send {
        self.schedule_deletion(cleared(key, days))
    }
}

impl<K: Kms> Destroy for K {}

/// One thing that a KMS tells of a key, with no request besides.
pub trait ReadKey: Kms {
    /// The key that a reference names.
    fn describe(&self, reference: &str) -> impl Future<Output = Result<Option<Key>, Failure>> + Send {
        async move { Ok(self.read(reference, Facets::NONE).await?.map(|reading| reading.key)) }
    }

    /// Its tags.
    fn tags(&self, key: &str) -> impl Future<Output = Result<Tags, Failure>> + Send {
        async move { Ok(self.complete(bare(key), Facets::TAGS).await.whole()?.tags.unwrap()) }
    }

    /// Its rotation.
    fn rotation(&self, key: &str) -> impl Future<Output = Result<Rotation, Failure>> + Send {
        async move { Ok(self.complete(bare(key), Facets::ROTATION).await.whole()?.rotation.unwrap()) }
    }

    /// Its aliases.
    fn aliases(&self, key: &str) -> impl Future<Output = Result<Vec<String>, Failure>> + Send {
        async move { Ok(self.complete(bare(key), Facets::ALIASES).await.whole()?.aliases.unwrap()) }
    }
}

impl<K: Kms> ReadKey for K {}

/// A key of which nothing was read.
fn bare(reference: &str) -> Key {
    Key { arn: reference.into(), rotation: None, tags: None, aliases: None, ..key(State::Enabled) }
}
