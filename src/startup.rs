//! What must exist before Keyward reads keys: an API server that answers, the CRDs of this version, the namespace, and the rights.
//!
//! A first run can fail in a few ways. Each gets one log line: what is wrong, where, and the command that helps. This module must never let
//! work begin with CRDs that are older than this version. The API server drops the fields that such CRDs lack, and with them the records
//! that hold a deletion.

use std::fmt;

use futures::{StreamExt, stream};
use k8s_openapi::{
    api::{
        authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
        core::v1::Namespace,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{Api, Client, ResourceExt, api::PostParams};
use serde_json::Value;
use tracing::{error, info, warn};

use crate::{
    api::GROUP,
    manifests::{
        self,
        rbac::{Right, Scope},
    },
    telemetry::causes,
    waits::{START_CHECK, START_REQUEST},
};

/// How many requests are sent at the same time.
const AT_ONCE: usize = 8;
/// The maximum number of fields or rights in one line.
const NAMED: usize = 3;

/// The API server, as messages name it.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its URL.
    pub url: String,
    /// The proxy in front of it.
    pub proxy: Option<String>,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.proxy {
            Some(proxy) => write!(f, "the API server at {} (through the proxy {proxy})", self.url),
            None => write!(f, "the API server at {}", self.url),
        }
    }
}

/// Something that is missing in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Missing {
    /// Whether Keyward cannot read keys without it.
    essential: bool,
    message: String,
}

fn essential(message: String) -> Missing {
    Missing { essential: true, message }
}

/// Checks until nothing is missing. Logs each missing thing once, until it changes. Calls `begin` as soon as Keyward can read keys.
pub async fn check_cluster(client: Client, server: Server, scope: Scope, begin: impl FnOnce() + Send) {
    let mut begin = Some(begin);
    let mut told: Vec<Missing> = Vec::new();
    loop {
        let missing = missing(&client, &server, &scope).await;
        for Missing { essential, message } in missing.iter().filter(|missing| !told.contains(missing)) {
            if *essential {
                error!("{message}");
            } else {
                warn!("{message}");
            }
        }
        if !missing.iter().any(|missing| missing.essential)
            && let Some(begin) = begin.take()
        {
            begin();
        }
        if missing.is_empty() {
            if !told.is_empty() {
                info!("nothing is missing in the cluster any more");
            }
            return;
        }
        told = missing;
        tokio::time::sleep(START_CHECK).await;
    }
}

/// What is missing now. If the API server does not answer, only that.
async fn missing(client: &Client, server: &Server, scope: &Scope) -> Vec<Missing> {
    let namespace = &scope.namespace;
    if let Err(why) = answered(client.apiserver_version()).await {
        return vec![unreachable(server, &why)];
    }
    let mut missing = Vec::new();
    let crds = Api::<CustomResourceDefinition>::all(client.clone());
    for expected in manifests::crds() {
        let name = expected.name_any();
        match answered(crds.get_opt(&name)).await {
            Ok(None) => missing.push(essential(format!(
                "CustomResourceDefinition {name} does not exist in {server}; create it: keyward crds | kubectl apply --server-side -f -"
            ))),
            Ok(Some(found)) => missing.extend(older(&expected, &found, server)),
            Err(Why::Refused(403)) => {} // reported with the rights
            Err(why) => missing.push(unreachable(server, &why)),
        }
    }
    match answered(Api::<Namespace>::all(client.clone()).get_opt(namespace)).await {
        Ok(None) => missing.push(essential(format!(
            "namespace {namespace}, which must have the Lease and the Secrets of providers, does not exist in {server}; create it: kubectl create namespace {namespace}"
        ))),
        Ok(Some(_)) | Err(Why::Refused(403)) => {}
        Err(why) => missing.push(unreachable(server, &why)),
    }
    missing.extend(rights(client, server, scope).await);
    missing.dedup();
    missing
}

/// Why a request has no answer.
enum Why {
    /// The API server refused it with this status.
    Refused(u16),
    /// The request or its answer was lost.
    Lost(String),
}

async fn answered<T>(question: impl Future<Output = kube::Result<T>>) -> Result<T, Why> {
    match tokio::time::timeout(START_REQUEST, question).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) => Err(Why::Refused(status.code)),
        Ok(Err(error)) => Err(Why::Lost(causes(&error))),
        Err(_) => Err(Why::Lost(format!("no answer within {} s", START_REQUEST.as_secs()))),
    }
}

fn unreachable(server: &Server, why: &Why) -> Missing {
    essential(match why {
        Why::Refused(401) => {
            format!(
                "{server} does not accept the credentials (401); renew the credentials in the kubeconfig or of the pod's ServiceAccount; kubectl auth whoami shows their user"
            )
        }
        Why::Refused(status) => format!("{server} answers with status {status}; kubectl get --raw /readyz shows what is wrong with it"),
        Why::Lost(why) => {
            format!(
                "{server} cannot be reached: {why}; check KUBECONFIG, its certificate-authority, and HTTPS_PROXY and NO_PROXY, with: kubectl cluster-info"
            )
        }
    })
}

/// Reports if the installed CRD lacks a field that this version writes or reads.
fn older(expected: &CustomResourceDefinition, found: &CustomResourceDefinition, server: &Server) -> Option<Missing> {
    let mut lacks = Vec::new();
    for version in &expected.spec.versions {
        let schema = |crd: &CustomResourceDefinition| {
            let version = crd.spec.versions.iter().find(|other| other.name == version.name && other.served)?;
            serde_json::to_value(version.schema.as_ref()?.open_api_v3_schema.as_ref()?).ok()
        };
        match (schema(expected), schema(found)) {
            (Some(expected), Some(found)) => fields("", &expected, &found, &mut lacks),
            (Some(_), None) => lacks.push(format!("version {}", version.name)),
            (None, _) => {}
        }
    }
    let (first, more) = first(&lacks)?;
    Some(essential(format!(
        "the CustomResourceDefinition {} in {server} is older than this version of Keyward: it lacks {first}{more}; renew it: keyward crds | kubectl apply --server-side -f -",
        expected.name_any()
    )))
}

/// Collects the paths of fields that only `expected` has.
fn fields(path: &str, expected: &Value, found: &Value, lacks: &mut Vec<String>) {
    for (name, field) in expected.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = format!("{path}{}{name}", if path.is_empty() { "" } else { "." });
        match found.get("properties").and_then(|properties| properties.get(name)) {
            Some(found) => fields(&path, field, found, lacks),
            None => lacks.push(path),
        }
    }
    for inner in ["items", "additionalProperties"] {
        if let (Some(expected), Some(found)) = (expected.get(inner), found.get(inner)) {
            fields(path, expected, found, lacks);
        }
    }
}

/// The first few names, and how many more there are. `None` if there are no names.
fn first(names: &[String]) -> Option<(String, String)> {
    let (head, rest) = names.split_at(names.len().min(NAMED));
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
    (!head.is_empty()).then(|| (head.join(", "), more))
}

/// The rights of `keyward rbac` that this process does not have, in one line. They are essential if keys cannot be listed.
async fn rights(client: &Client, server: &Server, scope: &Scope) -> Option<Missing> {
    let Scope { namespace, watch_namespaces } = scope;
    let asked = stream::iter(needed(scope)).map(|attributes| async move {
        let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes.clone()), ..SelfSubjectAccessReviewSpec::default() };
        let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
        let reviews = Api::all(client.clone());
        let answer = answered(reviews.create(&PostParams::default(), &review)).await;
        // If the request is not allowed or gets no answer, no right is reported as missing.
        answer.ok().and_then(|review| review.status).filter(|status| !status.allowed).map(|_| attributes)
    });
    let lacking: Vec<ResourceAttributes> = asked.buffered(AT_ONCE).filter_map(std::future::ready).collect().await;
    let blind =
        lacking.iter().any(|right| right.group.as_deref() == Some(GROUP) && matches!(right.verb.as_deref(), Some("list" | "watch")));
    let names: Vec<String> = lacking.iter().map(name).collect();
    let (first, more) = first(&names)?;
    let only = if watch_namespaces.is_empty() { String::new() } else { format!(" --watch-namespaces {}", watch_namespaces.join(",")) };
    Some(Missing {
        essential: blind,
        message: format!(
            "{server} does not let this process {first}{more}; give it the rights: keyward rbac --namespace {namespace}{only} | kubectl apply -f -"
        ),
    })
}

/// The access reviews for all rights of an operator.
fn needed(scope: &Scope) -> Vec<ResourceAttributes> {
    let everywhere = manifests::rbac::cluster_rights().into_iter().flat_map(|right| wanted(&right, None));
    let own = manifests::rbac::own_rights().into_iter().flat_map(|right| wanted(&right, Some(&scope.namespace)));
    let objects =
        scope.objects().flat_map(|within| manifests::rbac::object_rights().into_iter().flat_map(move |right| wanted(&right, within)));
    everywhere.chain(own).chain(objects).collect()
}

/// The access reviews for one right.
fn wanted(right: &Right, namespace: Option<&str>) -> Vec<ResourceAttributes> {
    let rule = &right.rule;
    let mut wanted = Vec::new();
    for group in rule.api_groups.iter().flatten() {
        for resource in rule.resources.iter().flatten() {
            let (resource, subresource) = resource.split_once('/').map_or((resource.as_str(), None), |(main, sub)| (main, Some(sub)));
            for verb in &rule.verbs {
                let objects = match &rule.resource_names {
                    Some(names) => names.iter().cloned().map(Some).collect(),
                    None => vec![None],
                };
                wanted.extend(objects.into_iter().map(|name| ResourceAttributes {
                    group: Some(group.clone()),
                    resource: Some(resource.to_owned()),
                    subresource: subresource.map(str::to_owned),
                    verb: Some(verb.clone()),
                    name,
                    namespace: namespace.map(str::to_owned),
                    ..ResourceAttributes::default()
                }));
            }
        }
    }
    wanted
}

/// A right in the form that `kubectl auth can-i` accepts.
fn name(right: &ResourceAttributes) -> String {
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    let group = right.group.as_deref().filter(|group| !group.is_empty()).map(|group| format!(".{group}")).unwrap_or_default();
    let sub = right.subresource.as_deref().map(|sub| format!("/{sub}")).unwrap_or_default();
    let inside = right.namespace.as_deref().map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
    format!("{} {}{group}{sub}{inside}", text(&right.verb), text(&right.resource))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Server {
        Server { url: "https://127.0.0.1:6443/".into(), proxy: None }
    }

    #[test]
    fn a_crd_that_lacks_a_field_is_older_and_one_that_has_more_is_not() {
        let ours = manifests::crds().remove(0);
        assert_eq!(older(&ours, &ours, &server()), None);
        let mut theirs = serde_json::to_value(&ours).unwrap();
        let status = &mut theirs["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"];
        status.as_object_mut().unwrap().remove("intentWord").unwrap();
        status["deletion"]["properties"].as_object_mut().unwrap().remove("call").unwrap();
        let theirs = serde_json::from_value(theirs).unwrap();
        let said = older(&ours, &theirs, &server()).unwrap();
        assert!(said.essential && said.message.contains("it lacks status.deletion.call, status.intentWord;"), "{}", said.message);
        assert_eq!(older(&theirs, &ours, &server()), None);
        let mut unserved = ours.clone();
        unserved.spec.versions[0].served = false;
        assert!(older(&ours, &unserved, &server()).unwrap().message.contains("it lacks version v1alpha1;"));
    }

    #[test]
    fn only_the_first_of_many_are_named() {
        let names: Vec<String> = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
        assert_eq!(first(&names), Some(("a, b, c".into(), " and 2 more".into())));
        assert_eq!(first(&names[..1]), Some(("a".into(), String::new())));
        assert_eq!(first(&[]), None);
    }
}
