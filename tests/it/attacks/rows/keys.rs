//! Another's key, by every name that it has. The provider `lax` lets every namespace adopt every key, so only the marks protect the key of the bank.

use serde_json::{Value, json};

use super::{Act, Attack, World, accepted, ready, refused};

/// An object that wants that key, through the provider `lax`.
fn wants(w: &World, key: &str) -> Value {
    json!({ "spec": { "providerRef": w.provider("lax"), "keyId": key } })
}

/// An object that wants a replica of that key, through the provider `lax` of its Region.
fn replicates(w: &World, key: &str) -> Value {
    json!({ "spec": { "providerRef": w.provider("elsewhere"), "replicaOf": { "keyArn": key, "providerRef": w.provider("lax") } } })
}

pub fn rows() -> Vec<Attack> {
    vec![
        accepted("key-by-id", "`spec.keyId` is the id of another's key", Act::Create(|w| wants(w, &w.key.key_id)), "OwnedByAnother"),
        accepted("key-by-arn", "`spec.keyId` is its ARN", Act::Create(|w| wants(w, &w.key.arn)), "OwnedByAnother"),
        accepted("key-by-alias", "`spec.keyId` is its alias", Act::Create(|w| wants(w, "alias/bank-pay")), "OwnedByAnother"),
        accepted(
            "key-by-alias-arn",
            "`spec.keyId` is the ARN of its alias",
            Act::Create(|w| wants(w, &w.key.arn.replace(&format!("key/{}", w.key.key_id), "alias/bank-pay"))),
            "OwnedByAnother",
        ),
        accepted(
            "key-by-claim",
            "`spec.keyId` is its claim alias",
            Act::Create(|w| wants(w, &format!("alias/keyward/it/{}/pay", w.bank))),
            "OwnedByAnother",
        ),
        accepted(
            "key-in-capitals",
            "`spec.keyId` is its id in capital letters",
            Act::Create(|w| wants(w, &w.key.key_id.to_uppercase())),
            "KeyMissing",
        ),
        accepted(
            "key-with-spaces",
            "`spec.keyId` is its id between spaces",
            Act::Create(|w| wants(w, &format!(" {} ", w.key.key_id))),
            "KeyMissing",
        ),
        accepted("key-as-path", "`spec.keyId` is a path to its alias", Act::Create(|w| wants(w, "key/../alias/bank-pay")), "KeyMissing"),
        accepted(
            "key-observed",
            "`managementPolicy: Observe` of another's key, to learn its state",
            Act::Create(|w| json!({ "spec": { "providerRef": w.provider("lax"), "keyId": w.key.arn, "managementPolicy": "Observe" } })),
            "OwnedByAnother",
        ),
        accepted(
            "key-of-another-region",
            "`spec.keyId` is the ARN of its replica in another Region",
            Act::Create(|w| wants(w, &w.key.arn.replace("eu-west-1", "us-east-1"))),
            "AdoptionNotAllowed",
        ),
        accepted(
            "replica-through-its-region",
            "The replica, which has no marks, through a provider of its Region",
            Act::Create(|w| json!({ "spec": { "providerRef": w.provider("elsewhere"), "keyId": w.key.key_id } })),
            "AdoptionNotAllowed",
        ),
        accepted(
            "key-of-another-account",
            "`spec.keyId` is the ARN of a key of another account",
            Act::Create(|w| wants(w, &w.key.arn.replace(&w.key.account, "444455556666"))),
            "AdoptionNotAllowed",
        ),
        accepted(
            "key-of-a-gone-object",
            "A key whose object is gone, through a provider that lets nobody adopt",
            Act::Create(|w| json!({ "spec": { "keyId": w.old } })),
            "AdoptionNotAllowed",
        ),
        accepted(
            "key-without-marks",
            "A key that no object has, through a provider that lets nobody adopt",
            Act::Create(|w| json!({ "spec": { "keyId": w.foreign } })),
            "AdoptionNotAllowed",
        ),
        accepted(
            "key-to-be-deleted",
            "The same with `deletionPolicy: Delete`, and the object is deleted",
            Act::Delete(|w| json!({ "spec": { "keyId": w.foreign, "deletionPolicy": "Delete" } })),
            "AdoptionNotAllowed",
        ),
        accepted(
            "key-scheduled-at-once",
            "Another's key, with `deletionScheduleDays`",
            Act::Create(|w| json!({ "spec": { "providerRef": w.provider("lax"), "keyId": w.key.arn, "deletionScheduleDays": 7 } })),
            "OwnedByAnother",
        ),
        accepted(
            "key-of-a-neighbour",
            "The key of another object of the same namespace",
            Act::Create(|w| wants(w, w.neighbour.status.as_ref().and_then(|status| status.key_arn.as_deref()).unwrap())),
            "OwnedByAnother",
        ),
        accepted(
            "replica-of-anothers-key",
            "`spec.replicaOf.keyArn` is the ARN of another's key, through a provider that lets every namespace adopt every key",
            Act::Create(|w| replicates(w, &w.key.arn)),
            "OwnedByAnother",
        ),
        accepted(
            "replica-of-anothers-object",
            "`spec.replicaOf.name` is the name of another's object",
            Act::Create(|w| json!({ "spec": { "providerRef": w.provider("elsewhere"), "replicaOf": { "name": "pay" } } })),
            "KeyNotReady",
        ),
        refused(
            "replica-of-a-path",
            "`spec.replicaOf.keyArn` is the ARN of an alias of another's key",
            Act::Create(|w| replicates(w, &w.key.arn.replace(&format!("key/{}", w.key.key_id), "alias/bank-pay"))),
            "spec.replicaOf.keyArn",
            ready("InvalidSpec"),
        ),
        accepted(
            "replica-through-a-closed-provider",
            "The same through a provider that does not admit the namespace",
            Act::Create(|w| {
                let of = json!({ "keyArn": w.key.arn, "providerRef": w.provider("closed") });
                json!({ "spec": { "providerRef": w.provider("elsewhere"), "replicaOf": of } })
            }),
            "NamespaceNotAllowed",
        ),
        refused(
            "key-swapped",
            "`spec.keyId` is set to another's key on an object that has its own",
            Act::Edit(|w, _| json!({ "spec": { "keyId": w.key.arn } })),
            "spec.keyId",
            ready("Available"),
        ),
    ]
}
