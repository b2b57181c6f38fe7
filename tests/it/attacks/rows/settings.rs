//! Names that belong to Keyward, to the KMS or to another object, in `spec.tags`, `spec.aliases` and `spec.description`.

use serde_json::{Value, json};

use super::{Act, Attack, World, accepted, ready, refused};

fn tag(key: &str, value: &str) -> Value {
    json!({ "spec": { "tags": { (key): value } } })
}

fn alias(name: &str) -> Value {
    json!({ "spec": { "aliases": [name] } })
}

/// The UID of the bank's object.
fn uid(w: &World) -> &str {
    w.pay.metadata.uid.as_deref().unwrap()
}

pub fn rows() -> Vec<Attack> {
    const RESERVED: &str = "are reserved";
    vec![
        refused(
            "tag-cluster",
            "The mark `keyward-cluster` in `spec.tags`",
            Act::Create(|_| tag("keyward-cluster", "other")),
            RESERVED,
            ready("InvalidSpec"),
        ),
        refused(
            "tag-owner",
            "The mark `keyward-owner`, with another's name",
            Act::Edit(|w, _| tag("keyward-owner", &format!("{}.pay", w.bank))),
            RESERVED,
            ready("InvalidSpec"),
        ),
        refused(
            "tag-uid",
            "The mark `keyward-uid`, with another's UID",
            Act::Edit(|w, _| tag("keyward-uid", uid(w))),
            RESERVED,
            ready("InvalidSpec"),
        ),
        refused(
            "tag-intent",
            "The mark `keyward-intent`, with a word of one's own",
            Act::Edit(|_, _| tag("keyward-intent", "9.9.7")),
            RESERVED,
            ready("InvalidSpec"),
        ),
        refused(
            "tag-adopt",
            "The tag `keyward-adopt`, which lets a namespace adopt a key",
            Act::Edit(|w, _| tag("keyward-adopt", &w.scene.namespace)),
            RESERVED,
            ready("InvalidSpec"),
        ),
        accepted(
            "tag-in-capitals",
            "`Keyward-Owner` in capitals: another tag, on the attacker's own key",
            Act::Create(|w| tag("Keyward-Owner", &format!("{}.pay", w.bank))),
            "Available",
        ),
        accepted(
            "tag-with-space",
            "` keyward-owner` behind a space: another tag, on the attacker's own key",
            Act::Create(|w| tag(" keyward-owner", &format!("{}.pay", w.bank))),
            "Available",
        ),
        refused(
            "tag-of-aws",
            "A tag of the KMS, `aws:…`",
            Act::Edit(|_, _| tag("aws:cloudformation:stack-name", "bank")),
            RESERVED,
            ready("InvalidSpec"),
        ),
        refused(
            "alias-of-claim",
            "Another's claim alias in `spec.aliases`",
            Act::Edit(|w, _| alias(&format!("keyward/it/{}/pay", w.bank))),
            RESERVED,
            ready("InvalidSpec"),
        ),
        refused(
            "alias-of-future-claim",
            "The claim alias of an object that another team will create",
            Act::Edit(|w, _| alias(&format!("keyward/it/{}/next", w.bank))),
            RESERVED,
            ready("InvalidSpec"),
        ),
        accepted(
            "alias-in-capitals",
            "Another's claim alias in capitals: another alias, of the attacker's own key",
            Act::Create(|w| alias(&format!("Keyward/it/{}/pay", w.bank))),
            "Available",
        ),
        refused("alias-of-aws", "An alias of the KMS, `aws/…`", Act::Edit(|_, _| alias("aws/s3")), RESERVED, ready("InvalidSpec")),
        accepted("alias-of-another", "An alias that another's key has", Act::Create(|_| alias("bank-pay")), "AliasTaken"),
        refused(
            "alias-with-prefix",
            "The same with the prefix `alias/`: another alias, of the attacker's own key",
            Act::Edit(|_, _| alias("alias/bank-pay")),
            "write the alias without the prefix",
            ready("Available"),
        ),
        refused(
            "alias-as-path",
            "A path to another's alias",
            Act::Edit(|_, _| alias("../alias/bank-pay")),
            "should match",
            ready("InvalidSpec"),
        ),
        accepted(
            "description-of-birth",
            "A description that names another's UID, as a new key at Huawei has one",
            Act::Create(|w| json!({ "spec": { "description": format!("keyward-uid: {}", uid(w)) } })),
            "Available",
        ),
        refused(
            "days-too-few",
            "A waiting period of one day",
            Act::Edit(|_, _| json!({ "spec": { "deletionScheduleDays": 1 } })),
            "at least 7 days",
            ready("InvalidSpec"),
        ),
        refused(
            "days-below-zero",
            "A waiting period of -7 days",
            Act::Edit(|_, _| json!({ "spec": { "deletionScheduleDays": -7 } })),
            "greater than or equal to 0",
            ready("InvalidSpec"),
        ),
        refused(
            "policy-unknown",
            "A `deletionPolicy` that does not exist",
            Act::Edit(|_, _| json!({ "spec": { "deletionPolicy": "Shred" } })),
            "Unsupported value",
            super::Ends::LeftAlone,
        ),
    ]
}
