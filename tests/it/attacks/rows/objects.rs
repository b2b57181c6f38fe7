//! Names, annotations, finalizers and owners.

use keyward::api::FINALIZER;
use serde_json::{Value, json};

use super::{Act, Admission, Attack, Ends, Foreign, World, accepted, ready, refused};

fn annotated(key: &str, value: &str) -> Value {
    json!({ "metadata": { "annotations": { (key): value } } })
}

/// A namespace whose name has a dot: with the bank's, the owner mark of `<bank>.pay/eu` would be that of `<bank>/pay.eu`.
fn dotted(w: &World) -> Foreign {
    let metadata = json!({ "name": format!("{}.pay", w.bank) });
    Foreign { plural: "namespaces", object: json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata }) }
}

/// A deletion is asked for, with a token, at a provider that demands one.
fn confirmed(w: &World, token: &str) -> Value {
    json!({ "metadata": { "annotations": { "keyward.dev/confirm-deletion": token } }, "spec": { "providerRef": w.provider("strict"), "deletionScheduleDays": 7 } })
}

pub fn rows() -> Vec<Attack> {
    vec![
        accepted(
            "annotation-copied",
            "The annotation `keyward.dev/key` is copied from another object: it is not valid here",
            Act::Create(|w| annotated("keyward.dev/key", &format!("{}/pay/{}", w.bank, w.key.arn))),
            "Available",
        ),
        accepted(
            "annotation-forged",
            "`keyward.dev/key` says that this object has another's key. It only forbids a creation",
            Act::Create(|w| annotated("keyward.dev/key", &format!("{}/annotation-forged/{}", w.scene.namespace, w.key.arn))),
            "KeyMissing",
        ),
        accepted(
            "attempt-copied",
            "The annotation `keyward.dev/create-attempt` is copied from another object: it is older than this one, and not valid",
            Act::Create(|_| annotated("keyward.dev/create-attempt", "x/111122223333/eu-west-1/2020-01-01T00:00:00Z")),
            "Available",
        ),
        accepted(
            "attempt-forged",
            "`keyward.dev/create-attempt` has another text. It only forbids a creation",
            Act::Create(|_| annotated("keyward.dev/create-attempt", "../../x")),
            "CreateUnresolved",
        ),
        accepted(
            "token-guessed",
            "A token that was guessed, for an object that has no key",
            Act::Create(|w| confirmed(w, "00000000-0000-0000-0000-000000000000@1-aaaaaa")),
            "NothingToDelete",
        ),
        accepted(
            "token-of-another",
            "A token for another's key",
            Act::Create(|w| confirmed(w, &format!("{}@1-aaaaaa", w.key.key_id))),
            "NothingToDelete",
        ),
        Attack {
            name: "finalizer-added",
            what: "Keyward's finalizer is added by hand to an object with `deletionPolicy: Retain`, and the object is deleted: it goes, and its key stays",
            act: Act::Delete(|_| json!({ "spec": { "deletionPolicy": "Retain" }, "metadata": { "finalizers": [FINALIZER] } })),
            admission: Admission::Accepted(ready("Available")),
            bypassed: ready("Available"),
        },
        accepted(
            "finalizer-of-others",
            "A finalizer that nobody removes: only this object stays",
            Act::Create(|_| json!({ "metadata": { "finalizers": ["example.com/for-ever"] } })),
            "Available",
        ),
        Attack {
            name: "owner-of-others",
            what: "An owner reference to another's object. The garbage collector of Kubernetes finds no such owner in the namespace and deletes the attacker's object",
            act: Act::Create(|w| {
                let owner = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "name": "pay", "uid": w.pay.metadata.uid, "controller": true, "blockOwnerDeletion": true });
                json!({ "metadata": { "ownerReferences": [owner] } })
            }),
            admission: Admission::Accepted(Ends::Gone),
            bypassed: Ends::Gone,
        },
        accepted(
            "uid-of-others",
            "Another object's UID. The API server gives each new object its own. With the UID of another in the storage, the object still has its own name, and so its own key",
            Act::Create(|w| json!({ "metadata": { "uid": w.pay.metadata.uid } })),
            "Available",
        ),
        accepted(
            "paused",
            "`keyward.dev/paused` with another word pauses nothing",
            Act::Create(|_| annotated("keyward.dev/paused", "TRUE")),
            "Available",
        ),
        refused(
            "name-of-two-parts",
            "A namespace with a dot, so that `<bank>.pay` and `eu` give the same owner mark as `<bank>` and `pay.eu`",
            Act::After(dotted, |w| json!({ "metadata": { "namespace": format!("{}.pay", w.bank), "name": "eu" } })),
            "cannot patch resource \"namespaces\"",
            Ends::LeftAlone,
        ),
        refused(
            "name-with-underscore",
            "A name with `_`, so that two objects have one claim alias",
            Act::Create(|_| json!({ "metadata": { "name": "pay_eu" } })),
            "RFC 1123 subdomain",
            Ends::LeftAlone,
        ),
        refused(
            "name-as-path",
            "A name that is a path",
            Act::Create(|w| json!({ "metadata": { "name": format!("x/../../{}/managedkeys/pay", w.bank) } })),
            "RFC 1123 subdomain",
            Ends::LeftAlone,
        ),
    ]
}
