//! A status that somebody else wrote, on an object that has a key of its own.

use keyward::api::ManagedKey;
use serde_json::{Value, json};

use super::{Act, Admission, Attack, Ends, World, ready, refused};

/// What the policy for statuses says.
const ONLY_KEYWARD: &str = "only Keyward may write this status";

type Forge = fn(&World, &ManagedKey) -> Value;

/// The number of the word on the attacker's own key.
fn seq(own: &ManagedKey) -> i64 {
    own.status.as_ref().and_then(|status| status.intent_seq).unwrap()
}

/// An open call that schedules the deletion in seven days.
fn open(own: &ManagedKey) -> Value {
    let deletion = json!({ "origin": "Keyward", "call": "Open", "scheduleDays": 7, "requestedTime": jiff::Timestamp::now().to_string() });
    json!({ "deletion": deletion, "intentWord": "7", "intentSeq": seq(own) + 1 })
}

fn forged(name: &'static str, what: &'static str, forge: Forge, bypassed: Ends) -> Attack {
    refused(name, what, Act::Status(forge), ONLY_KEYWARD, bypassed)
}

/// One that the CRD refuses, before the policy is asked.
fn malformed(name: &'static str, what: &'static str, forge: Forge, words: &'static str, bypassed: Ends) -> Attack {
    refused(name, what, Act::Status(forge), words, bypassed)
}

pub fn rows() -> Vec<Attack> {
    let own = ready("Available");
    vec![
        malformed(
            "status-key-id",
            "`status.keyId` is the id of another's key",
            |w, _| json!({ "keyId": w.key.key_id }),
            "cannot be changed or removed",
            own,
        ),
        forged("status-key-arn", "`status.keyArn` is another's key", |w, _| json!({ "keyArn": w.key.arn }), ready("OwnedByAnother")),
        malformed(
            "status-key",
            "Both, and the key counts as marked by this object",
            |w, _| json!({ "keyId": w.key.key_id, "keyArn": w.key.arn, "applied": { "generation": 1, "enabled": true } }),
            "cannot be changed or removed",
            ready("OwnedByAnother"),
        ),
        forged(
            "status-key-of-gone-object",
            "`status.keyArn` is a key whose object is gone",
            |w, _| json!({ "keyArn": w.old }),
            ready("OwnedByAnother"),
        ),
        forged(
            "status-key-without-marks",
            "`status.keyArn` is a key without marks",
            |w, _| json!({ "keyArn": w.foreign }),
            ready("AdoptionNotAllowed"),
        ),
        forged(
            "status-account",
            "`status.provider` names another account: the ARN of the key decides, and the status is corrected",
            |_, _| json!({ "provider": { "type": "AWS", "account": "444455556666", "region": "eu-west-1" } }),
            own,
        ),
        forged(
            "status-region",
            "`status.provider` names another Region: the ARN of the key decides, and the status is corrected",
            |_, _| json!({ "provider": { "type": "AWS", "account": "111122223333", "region": "us-east-1" } }),
            own,
        ),
        forged(
            "status-attempt",
            "`status.createAttempt` says that a creation is under way",
            |_, _| json!({ "createAttempt": { "id": "x", "account": "111122223333", "region": "eu-west-1", "time": "2020-01-01T00:00:00Z" } }),
            own,
        ),
        forged(
            "status-attempt-ahead",
            "The same, in a hundred years",
            |_, _| json!({ "createAttempt": { "id": "x", "account": "111122223333", "region": "eu-west-1", "time": "2126-01-01T00:00:00Z" } }),
            own,
        ),
        forged(
            "status-seq-largest",
            "`status.intentSeq` is the largest number",
            |_, _| json!({ "intentSeq": 9_007_199_254_740_992_i64 }),
            own,
        ),
        malformed(
            "status-seq-beyond",
            "`status.intentSeq` is larger than that",
            |_, _| json!({ "intentSeq": i64::MAX }),
            "should be less than or equal to",
            own,
        ),
        malformed(
            "status-seq-negative",
            "`status.intentSeq` is negative",
            |_, _| json!({ "intentSeq": -1 }),
            "should be greater than or equal to 0",
            own,
        ),
        forged("status-seq-lowered", "`status.intentSeq` is lowered", |_, _| json!({ "intentSeq": 0 }), own),
        malformed(
            "status-generation-lowered",
            "`status.observedGeneration` and `applied.generation` are lowered",
            |_, _| json!({ "observedGeneration": -5, "applied": { "generation": -5 } }),
            "should be greater than or equal to 0",
            own,
        ),
        forged(
            "status-generation-raised",
            "They are raised",
            |_, _| json!({ "observedGeneration": 99, "applied": { "generation": 99 } }),
            own,
        ),
        forged(
            "status-applied",
            "`status.applied` says that this object set marks, claim aliases and aliases of others, so that Keyward would remove them",
            |w, _| json!({ "applied": { "generation": 0, "tagKeys": ["keyward-owner", "keyward-uid", "keyward-cluster", "keyward-intent", "aws:x"], "aliases": ["bank-pay", format!("keyward/it/{}/pay", w.bank), "aws/s3"] } }),
            own,
        ),
        forged(
            "status-deletion-open",
            "`status.deletion` says that a call of Keyward is open that schedules a deletion",
            |_, own| open(own),
            own,
        ),
        forged(
            "status-deletion-external",
            "`status.deletion` says that somebody else scheduled one",
            |_, _| json!({ "deletion": { "origin": "External" }, "keyState": "PendingDeletion", "deletionDate": "2020-01-01T00:00:00Z" }),
            own,
        ),
        forged(
            "status-word",
            "`status.intentWord` says that a deletion is held",
            |_, own| json!({ "intentWord": "held-aaaaaa", "intentSeq": seq(own) + 1, "intentReason": "BudgetExhausted" }),
            own,
        ),
        malformed(
            "status-word-unreadable",
            "`status.intentWord` is no word",
            |_, _| json!({ "intentWord": "7\u{1b}[2J" }),
            "should match",
            own,
        ),
        forged(
            "status-missing",
            "`status.missing` says that the key was not found three times",
            |_, _| json!({ "missing": { "count": 3, "firstTime": "2020-01-01T00:00:00Z" } }),
            own,
        ),
        malformed(
            "status-missing-beyond",
            "`status.missing` has the largest count, and the key does not exist",
            |w, _| json!({ "keyArn": w.key.arn.replace(&w.key.key_id, "00000000-0000-0000-0000-000000000000"), "missing": { "count": i32::MAX, "firstTime": "2020-01-01T00:00:00Z" } }),
            "should be less than or equal to 3",
            ready("KeyMissing"),
        ),
        forged(
            "status-deleted",
            "`status.keyState` says that the key is deleted",
            |_, _| json!({ "keyState": "Deleted", "deletionDate": "2020-01-01T00:00:00Z" }),
            own,
        ),
        malformed(
            "status-state-unknown",
            "`status.keyState` is no state",
            |_, _| json!({ "keyState": "Exploded" }),
            "Unsupported value",
            Ends::LeftAlone,
        ),
        forged(
            "status-conditions",
            "Conditions say that all is well, and fifteen of others leave no room",
            |_, _| {
                let of = |kind: String| json!({ "type": kind, "status": "True", "reason": "Forged", "message": "forged\n\u{1b}[2J", "lastTransitionTime": "2020-01-01T00:00:00Z" });
                json!({ "conditions": (0..15).map(|number| of(format!("Forged{number}"))).chain([of("Ready".into())]).collect::<Vec<_>>() })
            },
            own,
        ),
        malformed(
            "status-handled",
            "`status.lastHandledReconcileAt` is a text of 100,000 characters",
            |_, _| json!({ "lastHandledReconcileAt": "x".repeat(100_000) }),
            "Too long",
            own,
        ),
        malformed(
            "status-emptied",
            "The status is emptied: the key is found again by its claim alias",
            |_, own| {
                let status = serde_json::to_value(&own.status).unwrap();
                Value::Object(status.as_object().unwrap().keys().map(|field| (field.clone(), Value::Null)).collect())
            },
            "cannot be changed or removed",
            own,
        ),
        Attack {
            name: "status-at-creation",
            what: "A status in a new object, with another's key. The API server drops it",
            act: Act::Create(|w| json!({ "status": { "keyId": w.key.key_id, "keyArn": w.key.arn } })),
            admission: Admission::Accepted(own),
            bypassed: ready("OwnedByAnother"),
        },
    ]
}
