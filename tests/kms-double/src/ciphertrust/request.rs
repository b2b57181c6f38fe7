//! A request, read as far as possible.

use axum::http::{HeaderMap, Method, Uri, header};
use serde_json::Value;

use super::body::Body;
use super::failure::Failure;
use super::operation::Route;
use crate::aws::query_pairs;

/// A request before its sender is known.
#[derive(Debug)]
pub(crate) struct Request {
    /// None for a path or method that the double does not serve.
    pub(crate) route: Option<Route>,
    /// The method and path, for the ledger when there is no route.
    line: String,
    pub(crate) bearer: Option<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Result<Body, Failure>,
}

impl Request {
    pub(crate) fn parse(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Self {
        let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        Self {
            route: Route::find(method, uri.path()),
            line: format!("{method} {}", uri.path()),
            bearer: authorization.and_then(|text| text.strip_prefix("Bearer ")).map(|token| token.trim().to_owned()),
            query: query_pairs(uri.query().unwrap_or_default()),
            body: Body::parse(body),
        }
    }

    /// The name of the operation, or the method and path.
    pub(crate) fn name(&self) -> &str {
        self.route.as_ref().map_or(self.line.as_str(), |route| route.operation.name())
    }

    /// The parameters for the ledger: the members of the body, or the query if there is no body. A repeated parameter is a list.
    pub(crate) fn for_ledger(&self) -> Value {
        match &self.body {
            Ok(body) if !body.0.is_empty() => body.for_ledger(),
            Ok(_) => {
                let mut members = serde_json::Map::new();
                for (name, value) in &self.query {
                    let value = Value::from(value.as_str());
                    match members.get_mut(name) {
                        None => _ = members.insert(name.clone(), value),
                        Some(Value::Array(values)) => values.push(value),
                        Some(first) => *first = Value::Array(vec![first.take(), value]),
                    }
                }
                members.into()
            }
            Err(_) => Value::Null,
        }
    }
}
