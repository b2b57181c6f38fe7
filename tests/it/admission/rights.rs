//! The operator's `ServiceAccount`, as the API server judges it.

use std::collections::BTreeSet;

use k8s_openapi::api::authorization::v1::ResourceAttributes;
use keyward::manifests::{self, rbac};

use crate::support::control_plane::{may, shared};

/// The `ServiceAccount` has each right that `keyward rbac` prints, and lacks what a stolen token must not give.
#[tokio::test]
async fn the_operators_rights_are_those_printed() {
    let cluster = shared();
    let namespace = cluster.namespace("rights").await;
    let elsewhere = cluster.namespace("rights").await;
    let operator = cluster.client_of(&cluster.service_account_kubeconfig(&namespace).await).await;

    let attributes = |group: &str, resource: &str, verb: &str, name: Option<&String>, namespace: Option<&str>| {
        let (resource, subresource) = resource.split_once('/').map_or((resource, None), |(resource, sub)| (resource, Some(sub.to_owned())));
        ResourceAttributes {
            group: Some(group.into()),
            resource: Some(resource.into()),
            subresource,
            verb: Some(verb.into()),
            name: name.cloned(),
            namespace: namespace.map(Into::into),
            ..ResourceAttributes::default()
        }
    };
    for (rights, namespace) in [(rbac::cluster_rights(), None), (rbac::own_rights(), Some(namespace.as_str()))] {
        for rbac::Right { rule, .. } in rights {
            let group = &rule.api_groups.as_ref().unwrap()[0];
            let name = rule.resource_names.as_ref().map(|names| &names[0]);
            for (resource, verb) in rule.resources.iter().flatten().flat_map(|resource| rule.verbs.iter().map(move |verb| (resource, verb)))
            {
                let right = attributes(group, resource, verb, name, namespace);
                may(&operator, right).await.unwrap_or_else(|reason| panic!("{verb} {resource}: {reason}"));
            }
        }
    }
    for (group, resource, verb, namespace) in [
        ("", "secrets", "get", Some(elsewhere.as_str())),
        ("", "secrets", "list", None),
        ("", "secrets", "update", Some(namespace.as_str())),
        ("", "secrets", "create", Some(elsewhere.as_str())),
        ("", "configmaps", "get", Some(elsewhere.as_str())),
        ("", "configmaps", "create", Some(elsewhere.as_str())),
        ("coordination.k8s.io", "leases", "update", Some(elsewhere.as_str())),
        ("keyward.dev", "managedkeys", "create", Some(elsewhere.as_str())),
        ("keyward.dev", "managedkeys", "delete", Some(elsewhere.as_str())),
        ("keyward.dev", "keyproviders", "patch", None),
        ("apiextensions.k8s.io", "customresourcedefinitions", "list", None),
    ] {
        assert!(may(&operator, attributes(group, resource, verb, None, namespace)).await.is_err(), "{verb} {resource} is allowed");
    }
}

/// What `keyward crds` and `keyward rbac` print is accepted by the real `kubectl`, and the server keeps it as it stands.
#[tokio::test]
async fn kubectl_accepts_what_is_printed() {
    let cluster = shared();
    let namespace = cluster.namespace("printed").await;
    let crds = manifests::crds_yaml().unwrap();
    let rbac = manifests::rbac(&namespace).to_yaml().unwrap();
    for text in [&crds, &rbac] {
        let said = cluster.kubectl_with(&["apply", "--dry-run=server", "--validate=strict", "-f", "-"], text).await.expect("apply");
        assert!(!said.is_empty());
    }
    let names: BTreeSet<_> = manifests::crds().into_iter().filter_map(|crd| crd.metadata.name).collect();
    let listed = cluster.kubectl(&["get", "crds", "-o", "name"]).await.expect("get crds");
    let listed: BTreeSet<_> = listed.lines().filter_map(|line| line.split('/').nth(1)).map(str::to_owned).collect();
    assert!(listed.is_superset(&names), "{listed:?}");
}
