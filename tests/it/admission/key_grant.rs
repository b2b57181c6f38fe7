//! Each rule and each bound of `KeyGrant`: a value that passes and one that is refused.

use keyward::api::{KeyGrant, key_grant::MOST_FORMER};
use keyward::manifests::crds;
use kube::Api;
use kube::api::{ApiResource, DynamicObject};
use serde_json::{Map, Value, json};

use super::{Row, Write, assert_complete, passes, refused, try_all, with};
use crate::support::control_plane::shared;

const ROLE: &str = "arn:aws:iam::111122223333:role/reader";

/// An object with that laid over its spec.
fn object(spec: Value) -> Value {
    let plain = json!({ "keyRef": { "name": "orders" }, "granteePrincipal": ROLE, "operations": ["Decrypt"] });
    json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "KeyGrant", "metadata": { "generateName": "grant-" }, "spec": with(plain, spec) })
}

fn create(spec: Value) -> Write {
    Write::Create(object(spec))
}

fn without(field: &str) -> Write {
    let mut object = object(json!({}));
    object["spec"].as_object_mut().unwrap().remove(field);
    Write::Create(object)
}

fn change(patch: Value) -> Write {
    Write::Patch { object: object(json!({})), status: Value::Null, patch: json!({ "spec": patch }) }
}

fn status(patch: Value) -> Write {
    Write::Status { object: object(json!({})), status: json!({ "observedGeneration": 1 }), patch: json!({ "status": patch }) }
}

fn text(length: usize) -> String {
    "x".repeat(length)
}

fn pairs(count: usize, length: usize) -> Value {
    let pairs = (0..count).map(|index| (if index == 0 { "k".into() } else { format!("k{index}") }, json!(text(length))));
    pairs.collect::<Map<_, _>>().into()
}

fn operations(count: usize) -> Value {
    (0..count).map(|index| ["A", "B", "C", "D"].map(|letter| letter.repeat(1 + index / 4))[index % 4].clone()).collect()
}

fn former(count: usize) -> Value {
    let provider = json!({ "name": "default", "account": "111122223333", "region": "eu-west-1" });
    json!({ "former": vec![json!({ "keyArn": "arn", "provider": provider }); count] })
}

fn rows() -> Vec<Row> {
    let constraint = |name: &str, pairs: Value| create(json!({ "constraints": { name: pairs } }));
    let (equals, subset) = ("encryptionContextEquals", "encryptionContextSubset");
    vec![
        passes("a plain one", create(json!({}))),
        passes(
            "all of it",
            create(
                json!({ "retiringPrincipal": ROLE, "constraints": { (equals): { "a": "b" }, (subset): {} }, "deletionPolicy": "Retain" }),
            ),
        ),
        passes("null means absent", create(json!({ "retiringPrincipal": null, "constraints": null, "deletionPolicy": null }))),
        refused("no key", without("keyRef"), "spec.keyRef: Required value"),
        refused(
            "an empty name",
            create(json!({ "keyRef": { "name": "" } })),
            "spec.keyRef.name: Invalid value: \"\": spec.keyRef.name in body should be at least 1",
        ),
        refused("a name that is too long", create(json!({ "keyRef": { "name": text(254) } })), "spec.keyRef.name: Too long"),
        refused("nobody", without("granteePrincipal"), "spec.granteePrincipal: Required value"),
        refused(
            "an empty grantee",
            create(json!({ "granteePrincipal": "" })),
            "spec.granteePrincipal: Invalid value: \"\": spec.granteePrincipal in body should be at least 1",
        ),
        refused("a grantee that is too long", create(json!({ "granteePrincipal": text(257) })), "spec.granteePrincipal: Too long"),
        refused(
            "everybody",
            create(json!({ "granteePrincipal": "*" })),
            "granteePrincipal names one principal; it has no wildcard and no space",
        ),
        refused(
            "a wildcard",
            create(json!({ "granteePrincipal": "arn:aws:iam::111122223333:role/*" })),
            "granteePrincipal names one principal",
        ),
        refused(
            "an empty retirer",
            create(json!({ "retiringPrincipal": "" })),
            "spec.retiringPrincipal: Invalid value: \"\": spec.retiringPrincipal in body should be at least 1",
        ),
        refused("a retirer that is too long", create(json!({ "retiringPrincipal": text(257) })), "spec.retiringPrincipal: Too long"),
        refused(
            "a retirer with a space",
            create(json!({ "retiringPrincipal": "a b" })),
            "retiringPrincipal names one principal; it has no wildcard and no space",
        ),
        refused("no operation", without("operations"), "spec.operations: Required value"),
        refused(
            "an empty list of operations",
            create(json!({ "operations": [] })),
            "spec.operations: Invalid value: 0: spec.operations in body should have at least 1",
        ),
        passes("many operations", create(json!({ "operations": operations(32) }))),
        refused(
            "too many operations",
            create(json!({ "operations": operations(33) })),
            "spec.operations: Too many: 33: must have at most 32",
        ),
        refused("an operation twice", create(json!({ "operations": ["Decrypt", "Decrypt"] })), "spec.operations[1]: Duplicate value"),
        passes("operations of Huawei", create(json!({ "operations": ["decrypt-data", "create-datakey-without-plaintext"] }))),
        passes("an account of Huawei", create(json!({ "granteePrincipal": "account/0d0466b00d0466b00d0466b00d0466b0" }))),
        refused(
            "an operation that ends with a hyphen",
            create(json!({ "operations": ["decrypt-"] })),
            "spec.operations[0]: Invalid value: \"decrypt-\": spec.operations[0] in body should match",
        ),
        refused(
            "an operation with a wildcard",
            create(json!({ "operations": ["*"] })),
            "spec.operations[0]: Invalid value: \"*\": spec.operations[0] in body should match",
        ),
        refused(
            "an empty operation",
            create(json!({ "operations": [""] })),
            "spec.operations[0]: Invalid value: \"\": spec.operations[0] in body should be at least 1",
        ),
        refused("an operation that is too long", create(json!({ "operations": [text(65)] })), "spec.operations[0]: Too long"),
        passes("8 pairs", constraint(equals, pairs(8, 384))),
        refused("9 pairs", constraint(equals, pairs(9, 1)), "spec.constraints.encryptionContextEquals: Too many: 9: must have at most 8"),
        refused("a long value", constraint(equals, pairs(1, 385)), "spec.constraints.encryptionContextEquals.k: Too long"),
        refused(
            "9 pairs of a part",
            constraint(subset, pairs(9, 1)),
            "spec.constraints.encryptionContextSubset: Too many: 9: must have at most 8",
        ),
        refused("a long value of a part", constraint(subset, pairs(1, 385)), "spec.constraints.encryptionContextSubset.k: Too long"),
        refused("another policy", create(json!({ "deletionPolicy": "Delete" })), "spec.deletionPolicy: Unsupported value: \"Delete\""),
        // A change makes a new grant, so all of it can be changed.
        passes(
            "a change of everything",
            change(
                json!({ "keyRef": { "name": "invoices" }, "granteePrincipal": "arn:aws:iam::111122223333:root", "retiringPrincipal": ROLE, "operations": ["Encrypt"], "constraints": { (equals): { "a": "b" } } }),
            ),
        ),
        passes("earlier keys", status(former(MOST_FORMER))),
        refused("more of them", status(former(MOST_FORMER + 1)), "status.former: Too many"),
        refused("a grant id that is too long", status(json!({ "grantId": text(129) })), "status.grantId: Too long"),
        refused(
            "more answers than are counted",
            status(json!({ "missing": { "count": 4, "firstTime": "2026-11-29T00:00:00Z" } })),
            "status.missing.count",
        ),
    ]
}

#[tokio::test]
async fn what_a_grant_can_say() {
    let cluster = shared();
    let namespace = cluster.namespace("grant").await;
    let api: Api<DynamicObject> = Api::namespaced_with(cluster.client().await, &namespace, &ApiResource::erase::<KeyGrant>(&()));
    try_all(&api, &rows()).await;
}

#[test]
fn each_rule_and_bound_of_a_grant_has_a_row() {
    let crds = crds();
    assert_complete(crds.iter().find(|crd| crd.spec.names.kind == "KeyGrant").unwrap(), &rows());
}
