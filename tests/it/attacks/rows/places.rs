//! Providers that are not for the attacker, and what belongs to the administrator.

use serde_json::{Value, json};

use super::{Act, Attack, Foreign, World, accepted, ready, refused};

fn through(provider: &Value) -> Value {
    json!({ "spec": { "providerRef": provider } })
}

fn named(name: &str) -> Value {
    through(&json!({ "name": name }))
}

fn labelled(w: &World) -> Foreign {
    let metadata = json!({ "name": w.scene.namespace, "labels": { "team": "bank" } });
    Foreign { plural: "namespaces", object: json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata }) }
}

/// A Secret of the provider's name, in the attacker's own namespace.
fn secret(w: &World) -> Foreign {
    let metadata = json!({ "name": w.scene.provider, "namespace": w.scene.namespace });
    let values = json!({ "AWS_ACCESS_KEY_ID": "AKIAMALLORY7EXAMPLE0", "AWS_SECRET_ACCESS_KEY": "mallory" });
    Foreign { plural: "secrets", object: json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values }) }
}

pub fn rows() -> Vec<Attack> {
    vec![
        accepted(
            "provider-of-others",
            "A provider that does not admit the namespace",
            Act::Create(|w| through(&w.provider("closed"))),
            "NamespaceNotAllowed",
        ),
        accepted(
            "provider-and-key-of-others",
            "The same, with another's key in `spec.keyId`",
            Act::Create(|w| json!({ "spec": { "providerRef": w.provider("closed"), "keyId": w.key.arn } })),
            "NamespaceNotAllowed",
        ),
        refused(
            "namespace-relabelled",
            "The attacker's namespace gets the label that a provider selects. Whoever may label namespaces admits them: the object gets a key of its own, and nobody else's",
            Act::After(labelled, |w| through(&w.provider("labelled"))),
            "cannot patch resource \"namespaces\"",
            ready("Available"),
        ),
        accepted(
            "provider-as-path",
            "A provider's name that is a path",
            Act::Create(|w| named(&format!("x/../{}", w.scene.provider))),
            "ProviderNotFound",
        ),
        accepted(
            "provider-as-status",
            "A provider's name with a subresource",
            Act::Create(|w| named(&format!("{}/status", w.scene.provider))),
            "ProviderNotFound",
        ),
        accepted(
            "provider-as-query",
            "A provider's name with a query",
            Act::Create(|w| named(&format!("{}?a=b", w.scene.provider))),
            "ProviderNotFound",
        ),
        accepted(
            "provider-escaped",
            "A provider's name with an escaped slash",
            Act::Create(|w| named(&format!("..%2f{}", w.scene.provider))),
            "ProviderNotFound",
        ),
        accepted(
            "provider-in-capitals",
            "A provider's name in capitals",
            Act::Create(|w| named(&w.scene.provider.to_uppercase())),
            "ProviderNotFound",
        ),
        accepted(
            "endpoint-of-ones-own",
            "An endpoint in the object. Only providers have endpoints, so the field means nothing",
            Act::Create(
                |_| json!({ "spec": { "endpoint": "http://127.0.0.1:1", "aws": { "endpoint": "http://127.0.0.1:1" }, "providerRef": { "endpoint": "http://127.0.0.1:1" } } }),
            ),
            "Available",
        ),
        accepted(
            "secret-of-others",
            "A reference to the Secret of another provider in the object. Only providers have such references",
            Act::Create(|w| json!({ "spec": { "credentialsSecretRef": { "name": w.scene.provider, "namespace": "kube-system" } } })),
            "Available",
        ),
        refused(
            "secret-in-ones-namespace",
            "A Secret of the provider's name in the attacker's namespace. Secrets are read from the operator's namespace",
            Act::After(secret, |_| json!({})),
            "cannot patch resource \"secrets\"",
            ready("Available"),
        ),
    ]
}
