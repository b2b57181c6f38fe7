//! Line feeds, escape sequences, quotes, and characters that change the direction of writing.

use serde_json::{Value, json};

use super::{Act, Attack, accepted, ready, refused};

/// Ends a line of a log, a label of a metric and a string of JSON; clears a terminal; turns the direction of writing.
pub const TEXT: &str = "x\n{\"level\":\"ERROR\",\"message\":\"forged\"}\"} 1\nkeyward_leader 0\u{1b}[2J\u{9b}31m\u{202e}\u{2028}";

fn annotated(key: &str) -> Value {
    json!({ "metadata": { "annotations": { (key): TEXT } } })
}

pub fn rows() -> Vec<Attack> {
    vec![
        accepted(
            "text-tag-key",
            "Such a text as the key of a tag",
            Act::Create(|_| json!({ "spec": { "tags": { (TEXT): "x" } } })),
            "InvalidSpec",
        ),
        accepted(
            "text-tag-value",
            "As the value of a tag",
            Act::Create(|_| json!({ "spec": { "tags": { "team": TEXT } } })),
            "InvalidSpec",
        ),
        refused(
            "text-alias",
            "As an alias",
            Act::Edit(|_, _| json!({ "spec": { "aliases": [TEXT] } })),
            "should match",
            ready("InvalidSpec"),
        ),
        accepted("text-description", "As the description", Act::Create(|_| json!({ "spec": { "description": TEXT } })), "Available"),
        accepted("text-key-id", "As `spec.keyId`", Act::Create(|_| json!({ "spec": { "keyId": TEXT } })), "KeyMissing"),
        accepted(
            "text-provider",
            "As the name of the provider",
            Act::Create(|_| json!({ "spec": { "providerRef": { "name": TEXT } } })),
            "ProviderNotFound",
        ),
        accepted("text-paused", "In the annotation `keyward.dev/paused`", Act::Create(|_| annotated("keyward.dev/paused")), "Available"),
        accepted("text-key", "In the annotation `keyward.dev/key`", Act::Create(|_| annotated("keyward.dev/key")), "KeyMissing"),
        accepted(
            "text-attempt",
            "In the annotation `keyward.dev/create-attempt`",
            Act::Create(|_| annotated("keyward.dev/create-attempt")),
            "CreateUnresolved",
        ),
        accepted(
            "text-request",
            "In the annotation `keyward.dev/reconcile-requested-at`",
            Act::Create(|_| annotated("keyward.dev/reconcile-requested-at")),
            "Available",
        ),
        accepted(
            "text-rotation",
            "In the annotation `keyward.dev/rotate-requested-at`",
            Act::Create(|_| annotated("keyward.dev/rotate-requested-at")),
            "Available",
        ),
        accepted(
            "text-rotation-confirmed",
            "In the annotation `keyward.dev/rotate-confirm`",
            Act::Create(|_| annotated("keyward.dev/rotate-confirm")),
            "Available",
        ),
        accepted(
            "text-token",
            "In the annotation `keyward.dev/confirm-deletion`",
            Act::Create(|_| annotated("keyward.dev/confirm-deletion")),
            "Available",
        ),
        refused(
            "text-name",
            "As the name of the object",
            Act::Create(|_| json!({ "metadata": { "name": "x\n\u{1b}[2J\"} 1" } })),
            "RFC 1123 subdomain",
            super::Ends::LeftAlone,
        ),
        refused(
            "text-key-kind",
            "As the kind of the key",
            Act::Create(|_| json!({ "spec": { "key": { "spec": TEXT } } })),
            "Too long",
            ready("InvalidSpec"),
        ),
    ]
}
