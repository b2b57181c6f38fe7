//! The operator's `ServiceAccount`, as the API server judges it.

use std::collections::BTreeSet;

use k8s_openapi::api::authorization::v1::ResourceAttributes;
use keyward::manifests::{
    self,
    policies::{RESUME, roles},
    rbac,
};
use serde_json::json;

use crate::{
    layering::{read, root},
    support::{
        control_plane::{apply, may, shared},
        eventually,
        operator::WITHIN,
    },
};

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
    for (rights, namespace) in
        [(rbac::cluster_rights(), None), (rbac::object_rights(), None), (rbac::own_rights(), Some(namespace.as_str()))]
    {
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
    let rbac = manifests::rbac(&rbac::Scope::whole(&namespace)).to_yaml().unwrap();
    for text in [&crds, &rbac] {
        let said = cluster.kubectl_with(&["apply", "--dry-run=server", "--validate=strict", "-f", "-"], text).await.expect("apply");
        assert!(!said.is_empty());
    }
    let names: BTreeSet<_> = manifests::crds().into_iter().filter_map(|crd| crd.metadata.name).collect();
    let listed = cluster.kubectl(&["get", "crds", "-o", "name"]).await.expect("get crds");
    let listed: BTreeSet<_> = listed.lines().filter_map(|line| line.split('/').nth(1)).map(str::to_owned).collect();
    assert!(listed.is_superset(&names), "{listed:?}");
}

/// A team has the role that the page tells, each role of the optional policies that is for teams, and all that a `RoleBinding` can give. With none of them it
/// can write a provider, which would say whose credentials are used, and where they are sent.
#[tokio::test]
async fn a_team_cannot_write_a_provider() {
    let cluster = shared();
    let namespace = cluster.namespace("team").await;
    let page = read(&root().join("docs/policies.md"));
    let commands = page.split("\n## What a team gets\n").nth(1).and_then(|rest| rest.split("```sh\n").nth(1)?.split("```").next());
    let commands = commands.expect("the commands of the page").replace("-n shop ", &format!("-n {namespace} "));
    assert_eq!(commands.matches(&namespace).count(), 2, "{commands}");
    cluster.shell(&commands).await.expect("the commands of the page");
    let group = "shop-team";
    let client = cluster.client().await;
    let bind = async |name: &str, role: &str| {
        let args = ["create", "rolebinding", name, "-n", &namespace, &format!("--clusterrole={role}"), &format!("--group={group}")]
            .map(str::to_owned);
        cluster.kubectl(&args.each_ref().map(String::as_str)).await.expect("a binding");
    };
    let own = |name: &str| format!("{name}-{namespace}");
    for mut role in roles() {
        let name = role.metadata.name.take().unwrap();
        let is_for_administrators = role.rules.iter().flatten().any(|rule| rule.verbs.iter().any(|verb| verb == RESUME));
        role.metadata.name = Some(own(&name));
        if !is_for_administrators {
            apply(&kube::Api::all(client.clone()), &role).await;
            bind(&name, &own(&name)).await;
        }
    }
    let key = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": { "name": "orders", "namespace": namespace },
        "spec": { "providerRef": { "name": namespace } } });
    let provider = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "KeyProvider", "metadata": { "name": namespace },
        "spec": { "type": "AWS", "aws": { "region": "eu-west-1" }, "namespaces": { "from": "Names", "names": [] } } });
    cluster.kubectl_with(&["create", "-f", "-"], &provider.to_string()).await.expect("a provider");
    let edit = json!({ "spec": { "aws": { "endpoint": "https://attacker.example" }, "namespaces": { "from": "All" } } }).to_string();
    let mut another = provider.clone();
    another["metadata"]["name"] = json!(own("another"));
    let tries: [(&[&str], String); 6] = [
        (&["create", "-f", "-"], another.to_string()),
        (&["patch", "keyprovider", &namespace, "--type=merge", "-p", &edit], String::new()),
        (
            &["patch", "keyprovider", &namespace, "--subresource=status", "--type=merge", "-p", "{\"status\":{\"deletions\":null}}"],
            String::new(),
        ),
        (&["annotate", "keyprovider", &namespace, "keyward.dev/resume-deletions=id"], String::new()),
        (&["delete", "keyprovider", &namespace], String::new()),
        (&["delete", "--raw", "/apis/keyward.dev/v1alpha1/keyproviders?dryRun=All"], String::new()),
    ];
    // First with what a team gets, then with every right that can be given in a namespace.
    for (name, role) in [("page", None), ("edit", Some("edit")), ("admin", Some("admin")), ("everything", Some("cluster-admin"))] {
        if let Some(role) = role {
            bind(name, role).await;
        }
        let team = ["--as=somebody", &format!("--as-group={group}")].map(str::to_owned);
        eventually("the rights of the team", WITHIN, async || {
            let args: Vec<&str> = ["create", "--dry-run=server", "-f", "-"].into_iter().chain(team.iter().map(String::as_str)).collect();
            let output = cluster.kubectl_with(&args, &key.to_string()).await;
            if output.success { Ok(()) } else { Err(output.stderr) }
        })
        .await;
        for (args, object) in &tries {
            let dry = if args.contains(&"--raw") { None } else { Some("--dry-run=server") };
            let args: Vec<&str> = args.iter().copied().chain(dry).chain(team.iter().map(String::as_str)).collect();
            let output = cluster.kubectl_with(&args, object).await;
            let is_refused = output.stderr.contains("cannot")
                && output.stderr.contains("keyproviders")
                && output.stderr.contains("at the cluster scope");
            assert!(!output.success && is_refused, "{name}: {args:?}: {output:?}");
        }
    }
    cluster.kubectl(&["delete", "keyprovider", &namespace]).await.expect("delete");
    for role in roles() {
        cluster
            .kubectl(&["delete", "clusterrole", "--ignore-not-found", &own(role.metadata.name.as_deref().unwrap())])
            .await
            .expect("delete");
    }
}
