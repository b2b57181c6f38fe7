//! What a round writes, at an API server in memory that keeps versions as the real one does, and what a step calls, at a KMS in this process.

use std::{sync::Arc, time::Instant};

use api_double::{ApiDouble, Write};
use kms_double::{ACCESS_KEY, Double, Fault, FaultAction, Options, SECRET_KEY};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{
    execute,
    object::Object,
    provider::Provider,
    report,
    round::{Round, View},
};
use crate::{
    api::{FINALIZER, ManagedKey, condition::seconds, managed_key::CreateAttempt},
    controller::{Context, error::Ending, fixtures, key_provider::Connected, now},
    domain::{
        deletion::hold::{SENTENCES, Sentence, hold},
        observed::{Observed, Searched, State},
        plan::{Plan, Rest, Tried},
        rules::Rules,
        status::{Conclusion, PAUSED},
        step::Step,
        tests::fixtures as domain_fixtures,
    },
    kms::{
        AnyKms, Books, Identity, LeaderCheck,
        aws::{AwsCredentials, AwsEndpoints, AwsKms, AwsSettings},
    },
    metrics::Metrics,
};

/// The API server with one object, `shop/orders`, and what rounds share.
struct World {
    server: ApiDouble,
    keys: Api<ManagedKey>,
    context: Context,
}

impl World {
    async fn new(spec: Value) -> Self {
        let server = ApiDouble::default();
        let client = Client::new(server.service::<kube::client::Body>(), "default");
        for namespace in ["default", "shop"] {
            let namespace = serde_json::from_value(json!({ "metadata": { "name": namespace } })).unwrap();
            Api::<k8s_openapi::api::core::v1::Namespace>::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
        }
        let context = fixtures::context_at(client.clone(), &fixtures::provider(&json!({})), &[]);
        let world = Self { server, keys: Api::namespaced(client, "shop"), context };
        world.make(spec).await;
        world
    }

    async fn make(&self, spec: Value) {
        let mut spec = spec;
        spec["providerRef"] = json!({ "name": fixtures::PROVIDER });
        let object = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": { "name": "orders" }, "spec": spec });
        self.keys.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    }

    async fn stored(&self) -> ManagedKey {
        self.keys.get("orders").await.unwrap()
    }

    /// The object, as a round that begins now takes it.
    async fn object(&self) -> Object<'_> {
        Object::new(&self.context, &self.stored().await, None).unwrap()
    }

    /// A person edits the object, and changes nothing that is declared.
    async fn edit(&self) {
        let patch = Patch::Merge(json!({ "metadata": { "annotations": { "example.com/note": "seen" } } }));
        self.keys.patch("orders", &PatchParams::default(), &patch).await.unwrap();
    }

    /// What was written of the object so far: `object` or `status`, and what was sent.
    fn writes(&self) -> Vec<(&'static str, Value)> {
        let ours = self.server.writes().into_iter().filter(|write| write.plural == "managedkeys" && write.manager == "keyward");
        ours.map(|Write { status, body, .. }| (if status { "status" } else { "object" }, body)).collect()
    }

    /// A round about the object, which has no key, at that KMS.
    async fn round(&self, double: &Double) -> Round<'_> {
        let settings = AwsSettings {
            region: "eu-west-1".into(),
            endpoints: AwsEndpoints { kms: Some(double.endpoint()), sts: Some(double.endpoint()), ..AwsEndpoints::default() },
            ca_pem: None,
            role_arn: None,
            external_id: None,
            credentials: AwsCredentials::Keys {
                access_key_id: ACCESS_KEY.into(),
                secret_access_key: SecretString::from(SECRET_KEY),
                session_token: None,
            },
            quota_share_percent: 10_000,
            books: Books::default(),
            metrics: Metrics::new(false),
            leader_check: LeaderCheck::when(|| true),
        };
        let kms = AnyKms::Aws(AwsKms::new(settings).unwrap());
        let rules = Rules { name: fixtures::PROVIDER.into(), ..domain_fixtures::rules() };
        let identity = Identity { account: rules.account.clone(), region: rules.region.clone(), principal: String::new() };
        let connected = Arc::new(Connected::for_tests(kms, identity));
        let provider = Provider { rules, connected };
        let absent = Observed::Absent(Searched::Everywhere);
        Round::new(&self.context, Instant::now(), self.object().await, provider, absent, Tried::default())
    }
}

async fn kms() -> Double {
    Double::start(Options::default()).await.unwrap()
}

fn attempt() -> CreateAttempt {
    CreateAttempt { id: "a".into(), account: "111122223333".into(), region: "eu-west-1".into(), endpoint: None, time: seconds(now()) }
}

#[tokio::test]
async fn the_later_of_two_writers_is_refused_and_its_status_is_not_rebased() {
    let world = World::new(json!({})).await;
    let (mut first, mut second) = (world.object().await, world.object().await);
    first.memory.status.key_arn = Some("first".into());
    second.memory.status.key_arn = Some("second".into());
    first.write_status().await.unwrap();
    assert!(matches!(second.write_status().await, Err(Ending::Changed)));
    assert!(matches!(second.rebase().await, Err(Ending::Changed)), "somebody else wrote the status");
    assert_eq!(world.stored().await.status.unwrap().key_arn.as_deref(), Some("first"));
}

#[tokio::test]
async fn an_edit_in_between_refuses_a_status_once_and_nothing_is_lost() {
    let world = World::new(json!({})).await;
    let mut object = world.object().await;
    object.memory.status.key_arn = Some("key".into());
    world.edit().await;
    assert!(matches!(object.write_status().await, Err(Ending::Changed)));
    assert!(world.writes().is_empty());
    object.rebase().await.unwrap();
    object.write_status().await.unwrap();
    let stored = world.stored().await;
    assert_eq!(stored.status.unwrap().key_arn.as_deref(), Some("key"));
    assert!(stored.metadata.annotations.unwrap().contains_key("example.com/note"));
}

#[tokio::test]
async fn a_dry_run_is_not_stored_and_an_unchanged_status_is_not_written() {
    let world = World::new(json!({})).await;
    let mut object = world.object().await;
    let mut status = object.stored().clone();
    status.key_arn = Some("key".into());
    object.rehearse_status(status).await.unwrap();
    object.write_status().await.unwrap();
    assert!(world.writes().is_empty() && world.stored().await.status.is_none());
    // A rehearsal is refused where the write would be.
    world.edit().await;
    let status = object.stored().clone();
    assert!(matches!(object.rehearse_status(status).await, Err(Ending::Changed)));
}

#[tokio::test]
async fn an_object_that_was_made_again_takes_no_write_of_the_earlier_one() {
    let world = World::new(json!({})).await;
    let mut earlier = world.object().await;
    world.keys.delete("orders", &DeleteParams::default()).await.unwrap();
    assert!(matches!(earlier.refresh().await, Err(Ending::Changed)), "it is gone");
    world.make(json!({})).await;
    assert!(matches!(earlier.refresh().await, Err(Ending::Newer(_))));
    earlier.memory.status.key_arn = Some("key".into());
    assert!(matches!(earlier.write_status().await, Err(Ending::Changed)));
    assert!(matches!(earlier.rebase().await, Err(Ending::Changed)));
    assert!(matches!(earlier.record_key("key").await, Err(Ending::Changed)));
    assert!(world.writes().is_empty());
}

#[tokio::test]
async fn the_finalizer_is_there_before_a_creation_begins() {
    let world = World::new(json!({ "deletionPolicy": "Disable" })).await;
    let mut object = world.object().await;
    object.begin_creation(attempt()).await.unwrap();
    let writes = world.writes();
    let [("object", finalizer), ("status", begun)] = &writes[..] else { panic!("{writes:?}") };
    assert_eq!(finalizer.pointer("/metadata/finalizers"), Some(&json!([FINALIZER])));
    assert_eq!(begun.pointer("/status/createAttempt/id"), Some(&json!("a")));
}

#[tokio::test]
async fn a_creation_is_on_record_before_it_is_sent_and_its_key_is_after() {
    let (world, double) = (World::new(json!({ "tags": { "team": "shop" } })).await, kms().await);
    let mut round = world.round(&double).await;
    execute::execute(&mut round, Step::Create).await.unwrap();
    let keys = double.keys();
    let [key] = &keys[..] else { panic!("{keys:?}") };
    let writes = world.writes();
    let [("status", begun), ("object", recorded)] = &writes[..] else { panic!("{writes:?}") };
    assert!(begun.pointer("/status/createAttempt/id").is_some_and(Value::is_string), "{begun}");
    assert_eq!(begun.pointer("/status/createAttempt/endpoint"), Some(&json!("default")));
    assert_eq!(recorded.pointer("/metadata/annotations/keyward.dev~1key"), Some(&json!(format!("shop/orders/{}", key.arn))));
    assert_eq!((round.object.memory.open_attempt(), round.object.memory.key.as_deref()), (None, Some(&*key.arn)));
    assert_eq!(Some(&key.tags["keyward-uid"]), world.stored().await.metadata.uid.as_ref());
}

#[tokio::test]
async fn nothing_is_created_where_the_attempt_cannot_be_put_on_record() {
    let (world, double) = (World::new(json!({})).await, kms().await);
    let mut round = world.round(&double).await;
    world.edit().await;
    assert!(execute::execute(&mut round, Step::Create).await.is_err());
    assert!(double.keys().is_empty() && double.ledger().iter().all(|call| call.operation != "CreateKey"), "{:?}", double.ledger());
    assert!(world.writes().is_empty());
}

#[tokio::test]
async fn a_creation_that_was_refused_leaves_no_attempt_and_one_whose_reply_is_lost_does() {
    let denied = FaultAction::Error { code: "AccessDeniedException".into(), status: 400, message: String::new() };
    for (action, stays) in [(denied, false), (FaultAction::LoseReply, true)] {
        let (world, double) = (World::new(json!({})).await, kms().await);
        double.inject(Fault::on("CreateKey", action));
        let mut round = world.round(&double).await;
        assert!(execute::execute(&mut round, Step::Create).await.is_err());
        assert_eq!(round.object.memory.open_attempt().is_some(), stays);
        assert_eq!(round.object.ends_attempt(), !stays, "the report takes it back");
        let calls = double.ledger().iter().filter(|call| call.operation == "CreateKey").count();
        assert_eq!((calls, double.keys().len()), (1, usize::from(stays)));
    }
}

#[tokio::test]
async fn a_status_is_written_once_and_over_an_edit_only_after_steps() {
    let world = World::new(json!({})).await;
    let mut object = world.object().await;
    let paused = async |object: &mut Object<'_>, steps: &[Step]| {
        report::write(&world.context, object, None, View::default(), Conclusion::Paused(PAUSED), steps).await
    };
    paused(&mut object, &[]).await.unwrap();
    paused(&mut object, &[]).await.unwrap();
    assert_eq!(world.writes().len(), 1, "it says the same");

    // What was done is told whatever a person edits meanwhile. What was only seen is read again.
    for (steps, told) in [(vec![], false), (vec![Step::Enable], true)] {
        let world = World::new(json!({})).await;
        let mut object = world.object().await;
        world.edit().await;
        let written = report::write(&world.context, &mut object, None, View::default(), Conclusion::Paused(PAUSED), &steps).await;
        assert_eq!((written.is_ok(), world.writes().len()), (told, usize::from(told)));
    }
}

/// Also for the reasons that pass within a round, or that let the object go.
#[tokio::test]
async fn a_hold_of_every_reason_is_a_series_and_the_series_goes_with_it() {
    let world = World::new(json!({ "deletionScheduleDays": 7 })).await;
    let mut object = world.object().await;
    let (rules, key) = (domain_fixtures::rules(), domain_fixtures::key(State::Enabled));
    let series = || {
        let text = world.context.metrics.encode();
        text.lines().filter(|line| line.starts_with("keyward_managedkey_deletion_held{")).map(str::to_owned).collect::<Vec<_>>()
    };
    for Sentence { reason, .. } in SENTENCES {
        let plan = Plan::Hold(hold(&object.desired, &rules, &key, Some(7), *reason));
        report::write(&world.context, &mut object, Some(&rules), View::default(), Conclusion::Planned(&plan), &[]).await.unwrap();
        let reason = reason.as_str();
        assert_eq!(series(), [format!(r#"keyward_managedkey_deletion_held{{namespace="shop",name="orders",reason="{reason}"}} 1"#)]);
    }
    let (rest, observed) = (Plan::Rest(Rest::default()), Observed::Present(Box::new(key)));
    let view = View { observed: Some(&observed), ..View::default() };
    report::write(&world.context, &mut object, Some(&rules), view, Conclusion::Planned(&rest), &[]).await.unwrap();
    assert_eq!(series(), [""; 0]);
}
