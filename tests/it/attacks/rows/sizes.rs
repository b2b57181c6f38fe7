//! Objects that are long, wide, deep or large.

use serde_json::{Value, json};

use super::{Act, Attack, Ends, accepted, ready, refused};

fn long() -> String {
    "x".repeat(100_000)
}

fn many(prefix: &str, value: &str, count: usize) -> Value {
    (0..count).map(|number| (format!("{prefix}{number}"), json!(value))).collect()
}

/// A wide object that asks for little: each write of it costs a machine that runs tests something.
fn observed(metadata: &Value) -> Value {
    json!({ "metadata": metadata, "spec": { "managementPolicy": "Observe" } })
}

fn deep(levels: usize) -> Value {
    (0..levels).fold(json!(null), |inner, _| json!({ "a": inner }))
}

pub fn rows() -> Vec<Attack> {
    vec![
        refused(
            "long-description",
            "A description of 100,000 characters",
            Act::Edit(|_, _| json!({ "spec": { "description": long() } })),
            "Too long",
            ready("InvalidSpec"),
        ),
        refused(
            "long-tag-key",
            "A tag key of 100,000 characters",
            Act::Edit(|_, _| json!({ "spec": { "tags": { (long()): "x" } } })),
            "a tag key has 1 to 128 characters",
            ready("InvalidSpec"),
        ),
        refused(
            "long-tag-value",
            "A tag value of 100,000 characters",
            Act::Edit(|_, _| json!({ "spec": { "tags": { "team": long() } } })),
            "Too long",
            ready("InvalidSpec"),
        ),
        refused(
            "long-alias",
            "An alias of 100,000 characters",
            Act::Edit(|_, _| json!({ "spec": { "aliases": [long()] } })),
            "Too long",
            ready("InvalidSpec"),
        ),
        refused(
            "long-key-id",
            "A `keyId` of 100,000 characters",
            Act::Create(|_| json!({ "spec": { "keyId": long() } })),
            "Too long",
            ready("InvalidSpec"),
        ),
        refused(
            "long-provider",
            "A provider's name of 100,000 characters",
            Act::Create(|_| json!({ "spec": { "providerRef": { "name": long() } } })),
            "Too long",
            ready("ProviderNotFound"),
        ),
        accepted(
            "long-request",
            "A request for a look of 100,000 characters",
            Act::Create(|_| json!({ "metadata": { "annotations": { "keyward.dev/reconcile-requested-at": long() } } })),
            "Available",
        ),
        accepted(
            "long-annotations",
            "Annotations that Keyward reads, of 200,000 characters together",
            Act::Create(
                |_| json!({ "metadata": { "annotations": { "keyward.dev/confirm-deletion": long(), "keyward.dev/paused": long() } } }),
            ),
            "Available",
        ),
        refused(
            "many-tags",
            "10,000 tags",
            Act::Edit(|_, _| json!({ "spec": { "tags": many("t", "x", 10_000) } })),
            "must have at most 46 items",
            ready("InvalidSpec"),
        ),
        refused(
            "many-aliases",
            "1,000 reserved aliases, each of which gives a sentence",
            Act::Edit(
                |_, _| json!({ "spec": { "aliases": (0..1000).map(|number| format!("keyward/it/x/{number}")).collect::<Vec<_>>() } }),
            ),
            "must have at most 49 items",
            ready("InvalidSpec"),
        ),
        accepted(
            "many-annotations",
            "2,000 annotations",
            Act::Create(|_| observed(&json!({ "annotations": many("a", "x", 2000) }))),
            "KeyMissing",
        ),
        refused(
            "too-many-annotations",
            "More annotations than the API server accepts. It then accepts no write of the object, not even of its status",
            Act::Create(|_| observed(&json!({ "annotations": many("a", &"x".repeat(1000), 1000) }))),
            "may not be more than 262144 bytes",
            Ends::LeftAlone,
        ),
        accepted(
            "many-finalizers",
            "100 finalizers. Keyward keeps 64 of them in memory, and reads the list again before it changes it",
            Act::Create(
                |_| json!({ "metadata": { "finalizers": (0..100).map(|number| format!("example.com/for-ever-{number}")).collect::<Vec<_>>() } }),
            ),
            "Available",
        ),
        accepted(
            "deep",
            "A field that does not exist, 100 levels deep",
            Act::Create(|_| json!({ "spec": { "unknown": deep(100) } })),
            "Available",
        ),
        accepted(
            "large",
            "An object of about one megabyte",
            Act::Create(|_| {
                // The longest keys and values: each label costs the API server the same.
                let prefix = ["x".repeat(62), "x".repeat(62), "x".repeat(62), "x".repeat(62)].join(".");
                observed(&json!({ "labels": many(&format!("{prefix}/{}", "l".repeat(58)), &"x".repeat(63), 2500) }))
            }),
            "KeyMissing",
        ),
    ]
}
