//! What a client asks for.

use http::{Method, header, request::Parts};
use serde_json::Value;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    List,
    Watch,
    Create,
    Replace,
    Merge,
    Apply,
    Delete,
    DeleteAll,
}

/// A request, as the path, the query and the body say it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) verb: Verb,
    /// The kind, as `managedkeys`.
    pub(crate) plural: String,
    /// Empty for all of them, and for a kind that has none.
    pub(crate) namespace: String,
    /// Empty for the whole kind.
    pub(crate) name: String,
    /// Whether it is about the status.
    pub(crate) status: bool,
    /// Whether the metadata alone is wanted.
    pub(crate) metadata_only: bool,
    pub(crate) body: Value,
    query: Vec<(String, String)>,
}

impl Request {
    pub(crate) fn read(parts: &Parts, body: &[u8]) -> Result<Self, String> {
        let path: Vec<&str> = parts.uri.path().split('/').filter(|part| !part.is_empty()).collect();
        let (["api", _version, rest @ ..] | ["apis", _, _version, rest @ ..]) = path.as_slice() else {
            return Err(format!("no resource has the path {}", parts.uri.path()));
        };
        // A namespace is a resource as well as the place of others.
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() && !is_part(rest) => (*namespace, rest),
            rest => ("", rest),
        };
        let (plural, name, part) = match rest {
            [plural] => (*plural, "", ""),
            [plural, name] => (*plural, *name, ""),
            [plural, name, part] => (*plural, *name, *part),
            _ => return Err(format!("no resource has the path {}", parts.uri.path())),
        };
        let query = parts.uri.query().map(pairs).unwrap_or_default();
        let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let watches = query.iter().any(|(key, value)| key == "watch" && value == "true");
        let verb = match (&parts.method, name) {
            (&Method::GET, _) if watches => Verb::Watch,
            (&Method::GET, "") => Verb::List,
            (&Method::GET, _) => Verb::Get,
            (&Method::POST, "") => Verb::Create,
            (&Method::PUT, _) => Verb::Replace,
            (&Method::PATCH, _) if header(header::CONTENT_TYPE).starts_with("application/apply-patch") => Verb::Apply,
            (&Method::PATCH, _) if header(header::CONTENT_TYPE).starts_with("application/merge-patch") => Verb::Merge,
            (&Method::DELETE, "") => Verb::DeleteAll,
            (&Method::DELETE, _) => Verb::Delete,
            (method, _) => return Err(format!("{method} with {} is not known here", header(header::CONTENT_TYPE))),
        };
        if !["", "status"].contains(&part) {
            return Err(format!("the subresource {part} is not known here"));
        }
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(body).map_err(|error| error.to_string())? };
        Ok(Self {
            verb,
            plural: plural.into(),
            namespace: namespace.into(),
            name: name.into(),
            status: part == "status",
            metadata_only: header(header::ACCEPT).contains("as=PartialObjectMetadata"),
            body,
            query,
        })
    }

    pub(crate) fn query(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(found, _)| found == key).map(|(_, value)| value.as_str())
    }
}

/// Whether what follows a namespace's name is a part of the namespace itself.
fn is_part(rest: &[&str]) -> bool {
    matches!(rest, ["status" | "finalize"])
}

/// What the clients here write into a query needs no decoding but for labels, of which there are no strange ones.
fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.replace("%3D", "=").replace("%2F", "/"))).collect()
}
