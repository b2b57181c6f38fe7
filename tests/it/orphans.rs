//! `keyward orphans`, and the count of it in the metrics.
//!
//! What is the same for all three KMS is in `stories::orphans`; which key is an orphan is a table of the domain's own tests.

use std::{path::PathBuf, time::Duration};

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::authorization::v1::ResourceAttributes;
use keyward::{
    api::{annotation, key_provider::ProviderType},
    controller::orphans::{Query, list},
    domain::{
        deletion::{Intent, Word},
        limits::Limits,
        orphans::{Report, UnreadKind, Why},
        ownership::Owner,
    },
};
use kms_double::{Fault, FaultAction, KeyView, Options, Plant};
use serde_json::{Value, json};

use crate::{
    layering::{read, root},
    support::{
        control_plane::may,
        eventually,
        memory::{Memory, OPERATOR},
        operator::{CLUSTER, WITHIN},
        program::told,
        scene::{Scene, message},
        vendor::{AWS, CIPHER_TRUST, HUAWEI, Vendor},
    },
};

/// What `keyward orphans` is asked in a scene.
pub fn query(scene: &Scene) -> Query {
    Query {
        cluster_id: CLUSTER.into(),
        namespace: scene.operator_namespace.clone(),
        provider: scene.provider.clone(),
        attempt_wait: SignedDuration::from_mins(15),
    }
}

async fn listed(scene: &Scene) -> Report {
    list(scene.client.clone(), &query(scene)).await.unwrap()
}

/// A key with the marks of an object of that cluster, name and UID.
fn plant(scene: &Scene, cluster: &str, name: &str, uid: &str) -> KeyView {
    let planted = scene.double.plant(&Plant::new(scene.vendor.account, scene.vendor.region)).unwrap();
    let owner = Owner { cluster: cluster.into(), namespace: scene.namespace.clone(), name: name.into(), uid: uid.into() };
    let intent = Intent { seq: 1, generation: 1, word: Word::Live };
    for (tag, value) in owner.marks(intent, Limits::of(scene.vendor.provider).owner_mark) {
        scene.double.set_tag(&planted.id, &tag, Some(&value)).unwrap();
    }
    scene.double.key(&planted.id).unwrap()
}

fn denied(vendor: &Vendor, operation: &str) -> Fault {
    let (code, status) = vendor.denied;
    Fault::on(operation, FaultAction::Error { code: code.into(), status, message: "for a test".into() })
}

/// A scene in which no operator works.
async fn still(vendor: &'static Vendor, name: &str) -> Scene {
    Scene::within(&Memory::new().await, vendor, name, Options::default(), json!({})).await
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_no_orphan() {
    let each = [&AWS, &HUAWEI].map(async |vendor| {
        let scene = still(vendor, "unread").await;
        let (one, other) = (plant(&scene, CLUSTER, "orders", "u1"), plant(&scene, CLUSTER, "invoices", "u2"));
        // The search finds it, and the key itself is not shown.
        scene.double.inject(denied(vendor, vendor.operations.look).for_key(&one.key_id));
        let report = listed(&scene).await;
        let keys: Vec<_> = report.keys.iter().map(|orphan| &orphan.key_id).collect();
        assert_eq!(keys, [&other.key_id], "{report:?}");
        let [unread] = report.unread.as_slice() else { panic!("{report:?}") };
        assert_eq!((unread.kind, unread.count), (UnreadKind::Keys, 1), "{report:?}");
        assert!(report.exit_code() == 1 && report.to_string().contains("1 key could not be read, and may be missing above: "), "{report}");
        scene.double.clear_faults();
        assert_eq!(listed(&scene).await.keys.len(), 2);
    });
    join_all(each).await;
    // Where the search itself reads the tags: a key of somebody else that may not be read.
    let scene = still(&AWS, "unread-tags").await;
    plant(&scene, CLUSTER, "orders", "u1");
    let foreign = scene.double.plant(&Plant::new(AWS.account, AWS.region)).unwrap();
    scene.double.inject(denied(&AWS, "ListResourceTags").for_key(&foreign.id));
    let report = listed(&scene).await;
    assert_eq!((report.keys.len(), report.unread.len(), report.exit_code()), (1, 1, 1), "{report:?}");
    // Nothing at all can be read, so nothing is known.
    scene.double.inject(denied(&AWS, "ListResourceTags"));
    let error = format!("{:#}", list(scene.client.clone(), &query(&scene)).await.unwrap_err());
    assert!(error.contains("the keys could not be listed: ") && error.contains("kms:ListResourceTags"), "{error}");
}

/// An object with the status that it would have, which no operator writes here.
async fn object(scene: &Scene, name: &str, status: Value) -> String {
    let object = scene.create(name, json!({})).await;
    scene.patch_status(name, status).await;
    object.metadata.uid.unwrap()
}

#[tokio::test]
async fn the_keys_of_an_open_creation_are_told_as_such() {
    let each = [&AWS, &CIPHER_TRUST, &HUAWEI].map(async |vendor| {
        let scene = still(vendor, "creating").await;
        let id = scene.plant_outside(None);
        let begun = Timestamp::from_second(scene.double.now().as_second()).unwrap();
        let attempt = |account: &str| json!({ "createAttempt": { "id": "a", "account": account, "region": vendor.region, "time": begun } });
        let uid = object(&scene, "orders", attempt(vendor.account)).await;
        object(&scene, "elsewhere", attempt("444455556666")).await;
        plant(&scene, CLUSTER, "orders", &uid);
        let surplus = plant(&scene, CLUSTER, "invoices", "u1");
        object(&scene, "invoices", json!({ "keyId": "another", "keyArn": "another" })).await;
        let report = listed(&scene).await;
        let [creation] = report.creations.as_slice() else { panic!("{report:?}") };
        assert_eq!((creation.object.name.as_str(), creation.begun, creation.marked_keys.len()), ("orders", Some(begun), 1), "{report:?}");
        assert_eq!(creation.unmarked_keys, [id]);
        let keys: Vec<_> = report.keys.iter().map(|orphan| (orphan.reason, orphan.key.ends_with(&surplus.key_id))).collect();
        assert_eq!(keys, [(Why::AnotherKey, true)], "{report:?}");
        // Longer ago than a creation takes.
        scene.double.advance(SignedDuration::from_hours(1)).unwrap();
        let late = scene.plant_outside(None);
        let report = listed(&scene).await;
        assert!(report.creations.iter().all(|creation| !creation.unmarked_keys.contains(&late)), "{report:?}");
    });
    join_all(each).await;
}

/// With the id of another cluster every key of that cluster would be listed.
#[tokio::test]
async fn the_id_of_another_cluster_is_noticed() {
    let scene = still(&AWS, "another-cluster").await;
    let key = plant(&scene, "prod", "orders", "u1");
    plant(&scene, CLUSTER, "of-the-other", "u2");
    object(&scene, "orders", json!({ "keyId": key.key_id, "keyArn": key.arn })).await;
    let error = list(scene.client.clone(), &query(&scene)).await.unwrap_err().to_string();
    assert!(error.ends_with(&format!("key {} has the mark of cluster prod; check --cluster-id", key.arn)), "{error}");
    let right = Query { cluster_id: "prod".into(), ..query(&scene) };
    let report = list(scene.client.clone(), &right).await.unwrap();
    assert_eq!(report.exit_code(), 0, "{report:?}");
    let none = Query { provider: "none".into(), ..query(&scene) };
    let error = list(scene.client.clone(), &none).await.unwrap_err().to_string();
    assert_eq!(error, "KeyProvider none does not exist; kubectl get keyproviders lists those that exist");
}

/// The rights of the page, and nobody else's.
async fn person(scene: &Scene) -> PathBuf {
    let (control_plane, namespace) = (scene.control_plane(), scene.operator_namespace.as_str());
    let page = read(&root().join("docs/orphans.md"));
    let rights = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the rights on the page");
    let rights =
        rights.replace("keyward-system", namespace).replace("jane@example.com", &format!("system:serviceaccount:{namespace}:person"));
    control_plane.kubectl(&["create", "serviceaccount", "person", "-n", namespace]).await.expect("an account");
    control_plane.kubectl_with(&["apply", "-f", "-"], &rights).await.expect("the rights of the page");
    let token = control_plane.kubectl(&["create", "token", "person", "-n", namespace]).await.expect("a token");
    let path = control_plane.dir.join(format!("{namespace}-person.kubeconfig"));
    std::fs::write(&path, control_plane.kubeconfig_with(token.trim())).unwrap();
    let client = control_plane.client_of(&path).await;
    for (group, resource, verb) in [("keyward.dev", "managedkeys", "list"), ("keyward.dev", "keyproviders", "get"), ("", "secrets", "get")]
    {
        let attributes = ResourceAttributes {
            group: Some(group.into()),
            resource: Some(resource.into()),
            verb: Some(verb.into()),
            namespace: (resource == "secrets").then(|| namespace.to_owned()),
            ..ResourceAttributes::default()
        };
        eventually("the rights of the page", WITHIN, async || may(&client, attributes.clone()).await).await;
    }
    path
}

#[tokio::test]
async fn the_program_prints_the_list_and_its_exit_code_tells() {
    let scene = Scene::real_with("printed", Options::default(), json!({ "resyncSeconds": 600 })).await;
    let kubeconfig = person(&scene).await;
    let flags = ["orphans", "--provider", &scene.provider, "--cluster-id", CLUSTER, "--namespace", &scene.operator_namespace];
    let run = async |more: &[&str]| {
        let output = told(&kubeconfig, &[&flags, more].concat()).await;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let head = format!("KeyProvider {}: AWS account {}, Region {}; cluster {CLUSTER}\n", scene.provider, AWS.account, AWS.region);
    let none = "0 keys without an object, 0 objects whose key is gone, 0 aliases without a key of their cluster\n";
    assert_eq!(run(&[]).await, (Some(0), format!("{head}\n{none}"), String::new()));

    let key = plant(&scene, CLUSTER, "orders", "u1");
    let created = Timestamp::from_second(key.created.as_second()).unwrap().to_string();
    let (arn, owner) = (&key.arn, format!("{}/orders", scene.namespace));
    let why = "no object has this name; make one to take the key up, or delete the key at the KMS";
    let (wide_key, wide_created, wide_owner) = (arn.len(), created.len(), owner.len());
    let expected = format!(
        "{head}\nKeys with this cluster's marks that no object has:\n\
         {:<wide_key$}   STATE     {:<wide_created$}   DELETES-AT   {:<wide_owner$}   COST/MONTH   WHY\n\
         {arn}   Enabled   {created}   -            {owner}   $1           {why}\n\
         \n1 key without an object ($1 a month), 0 objects whose key is gone, 0 aliases without a key of their cluster\n",
        "KEY", "CREATED", "LAST-OWNER"
    );
    assert_eq!(run(&[]).await, (Some(2), expected, String::new()));

    let (code, json, errors) = run(&["-o", "json"]).await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, errors.as_str(), &json["keys"][0]["key"]), (Some(2), "", &json!(arn)), "{json}");
    assert_eq!(json["keys"][0]["lastOwner"], json!({ "namespace": scene.namespace, "name": "orders" }), "{json}");
    assert_eq!(json["totals"], json!({ "keys": 1, "objects": 0, "aliases": 0, "costPerMonth": 1, "costUnknown": 0 }));

    scene.double.inject(denied(&AWS, "DescribeKey").for_key(arn));
    let (code, text, _) = run(&[]).await;
    assert!(code == Some(1) && !text.contains("Keys with this") && text.contains("1 key could not be read"), "{code:?} {text}");
    // What is wrong with the arguments is no finding.
    let (code, text, errors) = run(&["-o", "yaml"]).await;
    assert!(code == Some(1) && text.is_empty() && errors.contains("[possible values: table, json]"), "{code:?} {text} {errors}");
    let (code, text, errors) = run(&["--namespace", "default"]).await;
    assert!(code == Some(1) && text.is_empty() && errors.contains("cannot be used"), "{code:?} {text} {errors}");
    assert_eq!(scene.changes(0), [""; 0]);
}

/// The series of a provider, by kind.
fn series(text: &str, provider: &str, kind: &str) -> Option<String> {
    let begin = format!("keyward_provider_orphans{{provider=\"{provider}\",kind=\"{kind}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&begin)).map(str::to_owned)
}

/// Shows S2.
#[tokio::test]
async fn the_count_is_absent_until_it_is_known_and_stays_while_it_cannot_be_read() {
    let memory = Memory::new().await;
    let scene = Scene::within(&memory, &AWS, "counted", Options::default(), json!({ "resyncSeconds": 600 })).await;
    plant(&scene, CLUSTER, "orders", "u1");
    let counted = |operator: &crate::support::memory::Hand, kind: &str| series(&operator.metrics.encode(), &scene.provider, kind);
    let mut once_a_day = memory.start();
    scene.create("invoices", json!({})).await;
    scene.until_ready("invoices", "True", "Available").await;
    assert_eq!(counted(&once_a_day, "key"), None, "nothing is counted at the start");
    once_a_day.kill();

    let operator = memory.start_with(|settings| settings.orphans_every = Duration::from_millis(600));
    let until = async |expected: &str| {
        eventually(&format!("{expected} keys are counted"), WITHIN, async || match counted(&operator, "key") {
            Some(found) if found == expected => Ok(()),
            found => Err(format!("{found:?}")),
        })
        .await;
    };
    until("1").await;
    assert_eq!((counted(&operator, "object").as_deref(), counted(&operator, "alias").as_deref()), (Some("0"), Some("0")));
    plant(&scene, CLUSTER, "reports", "u3");
    until("2").await;

    scene.double.inject(denied(&AWS, "ListKeys"));
    let before = scene.now();
    let tried = || scene.calls("ListKeys").iter().filter(|call| call.seq > before && !call.succeeded()).count();
    eventually("counts fail", WITHIN, async || if tried() > 1 { Ok(()) } else { Err(tried()) }).await;
    assert_eq!(counted(&operator, "key").as_deref(), Some("2"), "the last one stays");
    scene.double.clear_faults();
    scene.create("orders", json!({})).await;
    until("1").await;
    assert_eq!(scene.operator_namespace, OPERATOR);
}

#[tokio::test]
async fn a_creation_that_stays_unresolved_names_the_keys_that_could_be_it() {
    let each = [&AWS, &CIPHER_TRUST, &HUAWEI].map(async |vendor| {
        let scene = Scene::alone(vendor, "unresolved", Options::default(), json!({ "resyncSeconds": 600 })).await;
        let id = scene.plant_outside(None);
        plant(&scene, CLUSTER, "invoices", "u2");
        let object = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey",
            "metadata": { "name": "orders", "annotations": { (annotation::CREATE_ATTEMPT): "begun some time" } },
            "spec": { "providerRef": { "name": scene.provider } } });
        scene.restore(&serde_json::from_value(object).unwrap()).await;
        let object = scene.until_ready("orders", "False", "CreateUnresolved").await;
        let told = format!(
            "; one key without an owner's mark was created since this object was made: {id}; \
             to adopt one of them, set spec.keyId to its id and remove the annotation keyward.dev/create-attempt"
        );
        assert!(message(&object).ends_with(&told), "{}", message(&object));
        // Many objects with such a record cost one listing.
        if vendor.provider == ProviderType::Aws {
            let before = scene.calls("ListKeys").len();
            scene.look("orders").await;
            assert_eq!(scene.calls("ListKeys").len(), before);
        }
        assert_eq!(scene.changes(0), [""; 0]);
    });
    join_all(each).await;
}

/// A cluster that was given up leaves aliases behind. Those of a cluster that lives are not touched by this list.
#[tokio::test]
async fn aliases_of_every_cluster_are_listed_if_their_keys_are_not_of_it() {
    let each = [&AWS, &CIPHER_TRUST].map(async |vendor| {
        let scene = still(vendor, "stray").await;
        let [gone, theirs] = ["given-up", "other"].map(|cluster| format!("alias/keyward/{cluster}/shop/orders"));
        scene.plant_outside(Some(&gone));
        scene.plant_outside(Some(&theirs));
        scene.tag_key_outside(&theirs, "keyward-cluster", Some("other"));
        let report = listed(&scene).await;
        let found: Vec<_> = report.aliases.iter().map(|stray| stray.alias.as_str()).collect();
        assert_eq!(found, [gone.as_str()], "{report:?}");
        assert!(report.to_string().contains("the key does not have the mark of cluster given-up"), "{report}");
    });
    join_all(each).await;
}
