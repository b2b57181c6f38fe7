//! What has to be there before keys are looked at: an API server that answers, the CRDs of this version, the namespace, the rights.
//!
//! A first run goes wrong in few ways, and each is told in one line: what is wrong, where, and the command that helps. It must never let work begin on CRDs that
//! are older than this version: the API server drops the fields that they lack, and with them records that hold a deletion.

use std::{fmt, time::Duration};

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
    manifests::{self, rbac::Right},
    telemetry::causes,
};

/// How long one question may take. Two in a row, and what is wrong has been said within ten seconds.
const PATIENCE: Duration = Duration::from_secs(4);
/// From one look to the next, as long as something is wrong.
const AGAIN: Duration = Duration::from_secs(5);
/// How many questions are asked at once.
const AT_ONCE: usize = 8;
/// How many fields or rights are named in one line.
const NAMED: usize = 3;

/// Which API server it is, and as whom it is asked, for messages.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its URL.
    pub url: String,
    /// The proxy before it.
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

/// Something that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Missing {
    /// Whether keys cannot be looked at without it.
    essential: bool,
    message: String,
}

fn essential(message: String) -> Missing {
    Missing { essential: true, message }
}

/// Looks until nothing is missing, and tells what is: each thing once, until it changes. `begin` is called as soon as keys can be looked at.
pub async fn check_cluster(client: Client, server: Server, namespace: String, begin: impl FnOnce() + Send) {
    let mut begin = Some(begin);
    let mut told: Vec<Missing> = Vec::new();
    loop {
        let missing = missing(&client, &server, &namespace).await;
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
                info!("what was missing is there now");
            }
            return;
        }
        told = missing;
        tokio::time::sleep(AGAIN).await;
    }
}

/// What is missing now. If the API server does not answer, that alone.
async fn missing(client: &Client, server: &Server, namespace: &str) -> Vec<Missing> {
    if let Err(why) = answered(client.apiserver_version()).await {
        return vec![unreachable(server, &why)];
    }
    let mut missing = Vec::new();
    let crds = Api::<CustomResourceDefinition>::all(client.clone());
    for expected in manifests::crds() {
        let name = expected.name_any();
        match answered(crds.get_opt(&name)).await {
            Ok(None) => missing.push(essential(format!(
                "there is no CustomResourceDefinition {name} in {server}; create it: keyward crds | kubectl apply --server-side -f -"
            ))),
            Ok(Some(found)) => missing.extend(older(&expected, &found, server)),
            Err(Why::Refused(403)) => {} // told with the rights
            Err(why) => missing.push(unreachable(server, &why)),
        }
    }
    match answered(Api::<Namespace>::all(client.clone()).get_opt(namespace)).await {
        Ok(None) => missing.push(essential(format!(
            "there is no namespace {namespace} in {server}, where the lease and the secrets of providers are; create it: kubectl create namespace {namespace}"
        ))),
        Ok(Some(_)) | Err(Why::Refused(403)) => {}
        Err(why) => missing.push(unreachable(server, &why)),
    }
    missing.extend(rights(client, server, namespace).await);
    missing.dedup();
    missing
}

/// Why a question has no answer.
enum Why {
    /// The API server refused it with this status.
    Refused(u16),
    /// It did not get there, or back.
    Lost(String),
}

async fn answered<T>(question: impl Future<Output = kube::Result<T>>) -> Result<T, Why> {
    match tokio::time::timeout(PATIENCE, question).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) => Err(Why::Refused(status.code)),
        Ok(Err(error)) => Err(Why::Lost(causes(&error))),
        Err(_) => Err(Why::Lost(format!("no answer within {} s", PATIENCE.as_secs()))),
    }
}

fn unreachable(server: &Server, why: &Why) -> Missing {
    essential(match why {
        Why::Refused(401) => {
            format!(
                "{server} does not accept the credentials (401); renew those of the kubeconfig, or of the pod's ServiceAccount; kubectl auth whoami shows whose they are"
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

/// Says if the CRD that is there lacks a field that this version writes or reads.
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

/// The first few, and how many more there are; none if there are none.
fn first(names: &[String]) -> Option<(String, String)> {
    let (head, rest) = names.split_at(names.len().min(NAMED));
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
    (!head.is_empty()).then(|| (head.join(", "), more))
}

/// The rights of `keyward rbac` that this process does not have, in one line; essential if keys cannot be listed.
async fn rights(client: &Client, server: &Server, namespace: &str) -> Option<Missing> {
    let everywhere = manifests::rbac::cluster_rights().into_iter().flat_map(|right| wanted(&right, None));
    let own = manifests::rbac::own_rights().into_iter().flat_map(|right| wanted(&right, Some(namespace)));
    let asked = stream::iter(everywhere.chain(own)).map(|attributes| async move {
        let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes.clone()), ..SelfSubjectAccessReviewSpec::default() };
        let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
        let reviews = Api::all(client.clone());
        let answer = answered(reviews.create(&PostParams::default(), &review)).await;
        // Where nobody may ask, or no answer comes, nothing is claimed.
        answer.ok().and_then(|review| review.status).filter(|status| !status.allowed).map(|_| attributes)
    });
    let lacking: Vec<ResourceAttributes> = asked.buffered(AT_ONCE).filter_map(std::future::ready).collect().await;
    let blind =
        lacking.iter().any(|right| right.group.as_deref() == Some(GROUP) && matches!(right.verb.as_deref(), Some("list" | "watch")));
    let names: Vec<String> = lacking.iter().map(name).collect();
    let (first, more) = first(&names)?;
    Some(Missing {
        essential: blind,
        message: format!(
            "{server} does not let this process {first}{more}; give it the rights: keyward rbac --namespace {namespace} | kubectl apply -f -"
        ),
    })
}

/// What has to be asked for one right.
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

/// A right as `kubectl auth can-i` takes it.
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
