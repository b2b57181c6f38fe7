//! What is published, where, and under which names.

use serde_json::{Value, json};

use super::{Act, Admission, Attack, Ends, World, accepted, ready, refused};

fn to(name: &str, keys: &Value) -> Value {
    json!({ "spec": { "publishTo": { "kind": "ConfigMap", "name": name, "keys": keys } } })
}

fn create(over: fn(&World) -> Value) -> Act {
    Act::Create(over)
}

/// Forged places: an object of another namespace, and paths to other kinds.
fn forged() -> Value {
    let names = ["../secrets/bank", "../../bank/configmaps/pay", "bank?dryRun=All", ""];
    names.map(|name| json!({ "kind": "ConfigMap", "name": name })).into()
}

pub fn rows() -> Vec<Attack> {
    let invalid = ready("InvalidSpec");
    vec![
        refused(
            "publish-over-the-root-certificate",
            "`spec.publishTo` names `kube-root-ca.crt`, which Kubernetes puts into every namespace",
            create(|_| to("kube-root-ca.crt", &json!({ "keyArn": "ca.crt" }))),
            "names that begin with kube- are reserved",
            invalid,
        ),
        refused(
            "publish-to-a-path",
            "`spec.publishTo` names a path to another namespace",
            create(|w| to(&format!("../../{}/configmaps/pay", w.bank), &Value::Null)),
            "should match",
            invalid,
        ),
        refused(
            "publish-to-another-kind",
            "`spec.publishTo` names a kind that gives rights",
            create(|_| json!({ "spec": { "publishTo": { "kind": "RoleBinding", "name": "admin" } } })),
            "Unsupported value",
            Ends::LeftAlone,
        ),
        refused(
            "publish-under-a-path",
            "A value has a path as its name, which a volume would write as a file",
            create(|_| to("orders-key", &json!({ "keyId": "../../etc/passwd" }))),
            "should match",
            invalid,
        ),
        refused(
            "publish-under-a-parent",
            "A value has the name `..`",
            create(|_| to("orders-key", &json!({ "keyId": ".." }))),
            "is not . and does not begin with ..",
            invalid,
        ),
        refused(
            "publish-twice",
            "Two values have one name, so that one hides the other",
            create(|_| to("orders-key", &json!({ "keyId": "keyArn" }))),
            "two values have one name",
            invalid,
        ),
        refused(
            "publish-under-a-long-name",
            "A value has a name of 100,000 characters",
            create(|_| to("orders-key", &json!({ "keyId": "x".repeat(100_000) }))),
            "Too long",
            invalid,
        ),
        Attack {
            name: "publish-many-names",
            what: "Names of 50 values that do not exist, to make a larger object",
            act: create(|_| to("orders-key", &(0..50).map(|number| (format!("x{number}"), json!("y"))).collect())),
            admission: Admission::Accepted(ready("PublishNotPermitted")),
            bypassed: ready("Available"),
        },
        Attack {
            name: "publish-credentials",
            what: "The values have the names of credentials, in the attacker's own namespace: Keyward reads no credentials there",
            act: create(|_| {
                to("keyward", &json!({ "keyId": "AWS_ACCESS_KEY_ID", "keyArn": "AWS_SECRET_ACCESS_KEY", "account": "cluster-id" }))
            }),
            admission: Admission::Accepted(ready("PublishNotPermitted")),
            bypassed: ready("Available"),
        },
        accepted(
            "publish-the-key-of-another",
            "The key of another, in `spec.keyId`, is to be published",
            create(|w| json!({ "spec": { "keyId": w.key.arn, "publishTo": { "kind": "ConfigMap", "name": "stolen" } } })),
            "OwnedByAnother",
        ),
        refused(
            "status-published-to",
            "`status.publishedTo` and `status.publishAttempts` name what others have, so that Keyward removes it",
            Act::Status(|_, _| json!({ "publishedTo": { "kind": "ConfigMap", "name": "kube-root-ca.crt" }, "publishAttempts": forged() })),
            "only Keyward may write this status",
            ready("Available"),
        ),
    ]
}
