//! Who may ask for a deletion, confirm one, resume deletions, and have keys rotated, under the optional policies that are shipped.

use futures::{StreamExt, stream};
use keyward::{
    api::annotation,
    manifests::policies::{CONFIRM, CONFIRM_ROTATION, RESUME, ROTATE, SCHEDULE, policies, roles},
};
use kube::Api;
use serde_json::{Value, json};

use super::status::{create, grant};
use crate::support::{
    control_plane::{ControlPlane, Output, apply, shared},
    eventually,
    operator::WITHIN,
};

/// What somebody tries. Nothing of it is kept.
struct Try {
    what: &'static str,
    args: Vec<String>,
    /// An object on stdin.
    object: Option<Value>,
    /// Those who may.
    may: &'static [&'static str],
    /// What the others are told.
    told: &'static str,
}

const EVERYBODY: &[&str] = &["editor", "requester", "approver", "rotator", "confirmer", "resumer", "administrator"];

/// So many run at the same time. Nothing of them is kept, so none sees another.
const AT_ONCE: usize = 6;

async fn attempt(cluster: &'static ControlPlane, attempt: &Try, who: &str) -> Output {
    let user = format!("--as={who}");
    let mut args: Vec<&str> = attempt.args.iter().map(String::as_str).collect();
    // A raw request says so in its query.
    if !args.contains(&"--raw") {
        args.push("--dry-run=server");
    }
    if who != "administrator" {
        args.push(&user);
    }
    match &attempt.object {
        Some(object) => cluster.kubectl_with(&args, &object.to_string()).await,
        None => cluster.kubectl(&args).await,
    }
}

fn key(namespace: &str, name: &str, spec: &Value, annotations: &Value) -> Value {
    let metadata = json!({ "name": name, "namespace": namespace, "labels": { "of": namespace, "one": name }, "annotations": annotations });
    json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": metadata, "spec": spec })
}

#[tokio::test]
async fn each_verb_lets_its_own_thing_pass_and_taking_back_is_for_everybody() {
    let cluster = shared();
    let namespace = cluster.namespace("policies").await;
    let admin = cluster.client().await;
    let edit = ["get", "list", "create", "update", "patch", "delete", "deletecollection"];
    let rights =
        |verbs: &[&str], of: &str| json!([{ "apiGroups": ["keyward.dev"], "resources": [of], "verbs": ([&edit[..], verbs].concat()) }]);
    let name = |who: &str| format!("{who}-{namespace}");
    for (who, verbs) in [
        ("editor", &[][..]),
        ("requester", &[SCHEDULE]),
        ("approver", &[CONFIRM]),
        ("rotator", &[ROTATE]),
        ("confirmer", &[CONFIRM_ROTATION]),
        ("resumer", &[]),
    ] {
        grant(cluster, &name(who), who, Some(&namespace), rights(verbs, "managedkeys")).await;
        let of_provider = if who == "resumer" { &[RESUME][..] } else { &[] };
        grant(cluster, &name(who), who, None, rights(of_provider, "keyproviders")).await;
    }
    // What is there before the policies are.
    for (key_name, spec, annotations) in [
        ("alive", json!({}), json!(null)),
        ("allowed", json!({}), json!({ annotation::ALLOW_DELETE: "allowed" })),
        ("scheduled", json!({ "deletionScheduleDays": 7 }), json!({ annotation::CONFIRM_DELETION: "before" })),
        ("rotated", json!({}), json!({ annotation::ROTATE_REQUESTED_AT: "before", annotation::ROTATE_CONFIRM: "before" })),
        ("armed", json!({ "deletionPolicy": "Delete" }), json!({ annotation::ALLOW_DELETE: "armed" })),
    ] {
        create(cluster, key(&namespace, key_name, &spec, &annotations)).await;
    }
    let provider = |name: &str, guard: Value| {
        let spec = json!({ "type": "AWS", "aws": { "region": "eu-west-1" }, "namespaces": { "from": "Names", "names": [] }, "deletionGuard": guard });
        json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "KeyProvider", "metadata": { "name": name, "labels": { "of": namespace } }, "spec": spec })
    };
    let [counted, strict, plain] = ["counted", "strict", "plain"].map(|kind| format!("{kind}-{namespace}"));
    let time = "2026-11-30T00:00:00Z";
    for (name, guard, book) in [
        (&namespace, json!({ "requireConfirmation": true }), json!({ "tripped": { "id": "id", "time": time } })),
        (&counted, json!({}), json!({ "recent": [{ "time": time, "key": "key" }] })),
        (&strict, json!({ "minimumIdleDays": 8 }), json!({})),
        (&plain, json!({}), json!({})),
    ] {
        create(cluster, provider(name, guard)).await;
        let book = json!({ "status": { "deletions": book } }).to_string();
        cluster.kubectl(&["patch", "keyprovider", name, "--subresource=status", "--type=merge", "-p", &book]).await.expect("a book");
    }
    for mut admission in policies() {
        let own = format!("{}-{namespace}", admission.policy.metadata.name.as_deref().unwrap_or_default());
        admission.policy.metadata.name = Some(own.clone());
        admission.binding.metadata.name = Some(own.clone());
        let spec = admission.binding.spec.as_mut().unwrap();
        spec.policy_name = Some(own);
        spec.match_resources = serde_json::from_value(json!({ "objectSelector": { "matchLabels": { "of": namespace } } })).unwrap();
        apply(&Api::all(admin.clone()), &admission.policy).await;
        apply(&Api::all(admin.clone()), &admission.binding).await;
    }

    let patch = |kind: &str, object: &str, patch: Value| -> Vec<String> {
        ["patch", kind, object, "-n", &namespace, "--type=merge", "-p", &patch.to_string()].map(str::to_owned).to_vec()
    };
    let spec = |object: &str, spec: Value| patch("managedkey", object, json!({ "spec": spec }));
    let annotate =
        |kind: &str, object: &str, key: &str, value: Value| patch(kind, object, json!({ "metadata": { "annotations": { key: value } } }));
    let delete = |object: &str| ["delete", "managedkey", object, "-n", &namespace].map(str::to_owned).to_vec();
    // All objects of the namespace, or one of them, in one request, as a client does that does not list them first.
    let collection = |selector: &str| {
        let uri = format!("/apis/keyward.dev/v1alpha1/namespaces/{namespace}/managedkeys?dryRun=All{selector}");
        ["delete", "--raw", &uri].map(str::to_owned).to_vec()
    };
    let make = || ["create", "-f", "-"].map(str::to_owned).to_vec();
    let days = "set spec.deletionScheduleDays";
    let asks = &["requester", "administrator"];
    let tries = [
        Try { what: "ask for a deletion", args: spec("alive", json!({ "deletionScheduleDays": 7 })), object: None, may: asks, told: days },
        Try { what: "other days", args: spec("scheduled", json!({ "deletionScheduleDays": 8 })), object: None, may: asks, told: days },
        Try {
            what: "take it back",
            args: spec("scheduled", json!({ "deletionScheduleDays": null })),
            object: None,
            may: EVERYBODY,
            told: "",
        },
        Try {
            what: "take it back with 0",
            args: spec("scheduled", json!({ "deletionScheduleDays": 0 })),
            object: None,
            may: EVERYBODY,
            told: "",
        },
        Try { what: "edit beside it", args: spec("scheduled", json!({ "enabled": true })), object: None, may: EVERYBODY, told: "" },
        Try {
            what: "create with it",
            args: make(),
            object: Some(key(&namespace, "new", &json!({ "deletionScheduleDays": 7 }), &json!(null))),
            may: asks,
            told: days,
        },
        Try { what: "create", args: make(), object: Some(key(&namespace, "new", &json!({}), &json!(null))), may: EVERYBODY, told: "" },
        Try {
            what: "arm the object",
            args: spec("alive", json!({ "deletionPolicy": "Disable" })),
            object: None,
            may: asks,
            told: "set spec.deletionPolicy to Disable or Delete",
        },
        Try {
            what: "disarm the object",
            args: spec("armed", json!({ "deletionPolicy": "Retain" })),
            object: None,
            may: EVERYBODY,
            told: "",
        },
        Try {
            what: "delete",
            args: delete("alive"),
            object: None,
            may: &[],
            told: "first set the annotation keyward.dev/allow-delete to its name",
        },
        Try { what: "delete what is allowed", args: delete("allowed"), object: None, may: EVERYBODY, told: "" },
        Try {
            what: "delete what is armed",
            args: delete("armed"),
            object: None,
            may: asks,
            told: "delete an object whose spec.deletionPolicy",
        },
        Try {
            what: "delete all in one request",
            args: collection(""),
            object: None,
            may: &[],
            told: "first set the annotation keyward.dev/allow-delete to its name",
        },
        Try {
            what: "delete a collection that is allowed",
            args: collection("&labelSelector=one%3Dallowed"),
            object: None,
            may: EVERYBODY,
            told: "",
        },
        Try {
            what: "delete a collection that is armed",
            args: collection("&labelSelector=one%3Darmed"),
            object: None,
            may: asks,
            told: "delete an object whose spec.deletionPolicy",
        },
        Try {
            what: "create with a confirmation",
            args: make(),
            object: Some(key(&namespace, "new", &json!({}), &json!({ annotation::CONFIRM_DELETION: "token" }))),
            may: &["approver", "administrator"],
            told: "the verb confirm-deletion",
        },
        Try {
            what: "confirm another",
            args: annotate("managedkey", "scheduled", annotation::CONFIRM_DELETION, json!("again")),
            object: None,
            may: &["approver", "administrator"],
            told: "the verb confirm-deletion",
        },
        Try {
            what: "confirm",
            args: annotate("managedkey", "alive", annotation::CONFIRM_DELETION, json!("token")),
            object: None,
            may: &["approver", "administrator"],
            told: "the verb confirm-deletion",
        },
        Try {
            what: "take a confirmation back",
            args: annotate("managedkey", "scheduled", annotation::CONFIRM_DELETION, json!(null)),
            object: None,
            may: EVERYBODY,
            told: "",
        },
        Try {
            what: "request a rotation",
            args: annotate("managedkey", "alive", annotation::ROTATE_REQUESTED_AT, json!("now")),
            object: None,
            may: &["rotator", "administrator"],
            told: "the verb rotate on managedkeys.keyward.dev",
        },
        Try {
            what: "request another rotation",
            args: annotate("managedkey", "rotated", annotation::ROTATE_REQUESTED_AT, json!("again")),
            object: None,
            may: &["rotator", "administrator"],
            told: "the verb rotate on managedkeys.keyward.dev",
        },
        Try {
            what: "create with a text that rotates nothing then",
            args: make(),
            object: Some(key(&namespace, "new", &json!({}), &json!({ annotation::ROTATE_REQUESTED_AT: "now" }))),
            may: EVERYBODY,
            told: "",
        },
        Try {
            what: "confirm a rotation",
            args: annotate("managedkey", "rotated", annotation::ROTATE_CONFIRM, json!("again")),
            object: None,
            may: &["confirmer", "administrator"],
            told: "the verb confirm-rotation on managedkeys.keyward.dev",
        },
        Try {
            what: "create with a confirmation of a rotation",
            args: make(),
            object: Some(key(&namespace, "new", &json!({}), &json!({ annotation::ROTATE_CONFIRM: "later" }))),
            may: &["confirmer", "administrator"],
            told: "the verb confirm-rotation on managedkeys.keyward.dev",
        },
        Try {
            what: "take a confirmation of a rotation back",
            args: annotate("managedkey", "rotated", annotation::ROTATE_CONFIRM, json!(null)),
            object: None,
            may: EVERYBODY,
            told: "",
        },
        Try {
            what: "withdraw a request for a rotation",
            args: annotate("managedkey", "rotated", annotation::ROTATE_REQUESTED_AT, json!(null)),
            object: None,
            may: EVERYBODY,
            told: "",
        },
        Try {
            what: "edit beside a request for a rotation",
            args: spec("rotated", json!({ "description": "orders" })),
            object: None,
            may: EVERYBODY,
            told: "",
        },
        Try {
            what: "resume deletions",
            args: annotate("keyprovider", &namespace, annotation::RESUME_DELETIONS, json!("id")),
            object: None,
            may: &["resumer", "administrator"],
            told: "the verb resume-deletions",
        },
        Try {
            what: "loosen the guard",
            args: patch("keyprovider", &namespace, json!({ "spec": { "deletionGuard": { "minimumIdleDays": 6 } } })),
            object: None,
            may: &["resumer", "administrator"],
            told: "make spec.deletionGuard looser",
        },
        Try {
            what: "drop the confirmation",
            args: patch("keyprovider", &namespace, json!({ "spec": { "deletionGuard": { "requireConfirmation": false } } })),
            object: None,
            may: &["resumer", "administrator"],
            told: "make spec.deletionGuard looser",
        },
        Try {
            what: "make the guard stricter",
            args: patch("keyprovider", &namespace, json!({ "spec": { "deletionGuard": { "maxPerHour": 0, "minimumIdleDays": 8 } } })),
            object: None,
            may: EVERYBODY,
            told: "",
        },
        Try {
            what: "delete a provider that is stopped",
            args: ["delete", "keyprovider", &namespace].map(str::to_owned).to_vec(),
            object: None,
            may: &["resumer", "administrator"],
            told: "all deletions through this KeyProvider are stopped",
        },
        Try {
            what: "delete a provider whose deletions were counted",
            args: ["delete", "keyprovider", &counted].map(str::to_owned).to_vec(),
            object: None,
            may: &["resumer", "administrator"],
            told: "deletions were counted in the budget of this KeyProvider",
        },
        Try {
            what: "delete a provider with a strict guard",
            args: ["delete", "keyprovider", &strict].map(str::to_owned).to_vec(),
            object: None,
            may: &["resumer", "administrator"],
            told: "the deletionGuard of this KeyProvider is stricter than the default",
        },
        Try {
            what: "delete a provider that guards as any other",
            args: ["delete", "keyprovider", &plain].map(str::to_owned).to_vec(),
            object: None,
            may: EVERYBODY,
            told: "",
        },
        Try {
            what: "create a provider with a larger budget",
            args: make(),
            object: Some(provider("new", json!({ "maxPerHour": 11 }))),
            may: &["resumer", "administrator"],
            told: "create a KeyProvider whose guard is looser than the default",
        },
        Try {
            what: "create a provider that looks at no use",
            args: make(),
            object: Some(provider("new", json!({ "requireConfirmation": true, "minimumIdleDays": 0 }))),
            may: &["resumer", "administrator"],
            told: "create a KeyProvider whose guard is looser than the default",
        },
        Try {
            what: "create a provider with shorter waiting periods",
            args: make(),
            object: Some(provider("new", json!({ "objectDeletionDays": 29 }))),
            may: &["resumer", "administrator"],
            told: "create a KeyProvider whose guard is looser than the default",
        },
        Try {
            what: "create a provider without a guard of its own",
            args: make(),
            object: Some(provider("new", json!(null))),
            may: EVERYBODY,
            told: "",
        },
        Try {
            what: "create a provider with a strict guard",
            args: make(),
            object: Some(provider("new", json!({ "requireConfirmation": true, "maxPerHour": 0, "minimumScheduleDays": 30 }))),
            may: EVERYBODY,
            told: "",
        },
        Try {
            what: "edit the provider beside it",
            args: patch("keyprovider", &namespace, json!({ "spec": { "resyncSeconds": 60 } })),
            object: None,
            may: EVERYBODY,
            told: "",
        },
    ];
    // Each policy has to be in force first, and the rights too.
    let refused = stream::iter(tries.iter().filter(|attempt| !attempt.told.is_empty()));
    refused
        .for_each_concurrent(AT_ONCE, async |refused| {
            eventually(&format!("{} is refused", refused.what), WITHIN, async || {
                let output = attempt(cluster, refused, "editor").await;
                if !output.success && output.stderr.contains(refused.told) { Ok(()) } else { Err(format!("{output:?}")) }
            })
            .await;
        })
        .await;
    stream::iter(tries.iter().flat_map(|one| EVERYBODY.iter().map(move |who| (one, who))))
        .for_each_concurrent(AT_ONCE, async |(one, who)| {
            let output = attempt(cluster, one, who).await;
            assert_eq!(output.success, one.may.contains(who), "{}, {who}: {output:?}", one.what);
            assert!(output.success || output.stderr.contains(one.told), "{}, {who}: {output:?}", one.what);
            let warned = output.stderr.contains("it does not set a waiting period for later");
            assert_eq!(warned, one.what == "create with it", "{}, {who}: {output:?}", one.what);
        })
        .await;
    // The objects of a deleted namespace are deleted too, whatever annotations they have.
    cluster.kubectl(&["delete", "namespace", &namespace]).await.expect("the namespace goes");

    for admission in policies() {
        let own = format!("{}-{namespace}", admission.policy.metadata.name.as_deref().unwrap_or_default());
        for kind in ["validatingadmissionpolicybinding", "validatingadmissionpolicy"] {
            cluster.kubectl(&["delete", kind, &own]).await.expect("delete");
        }
    }
    cluster.kubectl(&["delete", "keyprovider", &namespace, &counted, &strict, &plain]).await.expect("delete");
    for who in EVERYBODY.iter().filter(|who| **who != "administrator") {
        for kind in ["clusterrolebinding", "clusterrole"] {
            cluster.kubectl(&["delete", kind, &name(who)]).await.expect("delete");
        }
    }
}

/// The verbs of the roles are those that the policies ask for.
#[test]
fn each_verb_that_a_policy_asks_for_has_a_role() {
    let asked = policies().into_iter().flat_map(|admission| admission.policy.spec.unwrap().variables.unwrap_or_default());
    let asked: Vec<String> = asked.map(|variable| variable.expression).filter(|expression| expression.contains("authorizer")).collect();
    for verb in [SCHEDULE, CONFIRM, RESUME, ROTATE, CONFIRM_ROTATION] {
        assert!(asked.iter().any(|expression| expression.contains(&format!("check('{verb}')"))), "{verb}");
        assert_eq!(
            roles().iter().filter(|role| role.rules.iter().flatten().any(|rule| rule.verbs.iter().any(|known| known == verb))).count(),
            1,
            "{verb}"
        );
    }
}
