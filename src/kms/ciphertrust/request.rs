//! What all requests to `CipherTrust` have in common.

use reqwest::{
    Method, Request, Url,
    header::{CONTENT_TYPE, HeaderValue},
};

use super::operation::Operation;
use crate::{
    domain::failure::{Failure, FailureKind, Outcome},
    kms::{endpoint::Endpoint, rest::Call},
};

pub(super) const NAME: &str = "CipherTrust";
pub(super) const AUTHORITY: &str = "ca.crt of the secret that spec.cipherTrust.caSecretRef names";

/// The root of the API, under which the paths of requests are.
#[derive(Clone, Debug)]
pub(super) struct Root(String);

impl Root {
    pub(super) fn request(&self, call: &Call<'_, Operation>) -> Result<Request, Failure> {
        let unmade = || Failure {
            kind: FailureKind::Invalid,
            operation: call.operation.name(),
            message: format!("no request can be made of {}", call.path),
            outcome: Outcome::Refused,
            source: None,
        };
        let mut url = Url::parse(&format!("{}{}", self.0, call.path)).map_err(|_| unmade())?;
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let mut request = Request::new(call.method.clone(), url);
        if call.method != Method::GET {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        *request.body_mut() = call.body.as_ref().map(|body| body.to_string().into());
        Ok(request)
    }
}

/// The root of the API, without a slash at its end.
pub(super) fn root(endpoint: &Endpoint) -> Root {
    Root(format!("{}/api/v1", endpoint.url().as_str().trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(call: &Call<'_, Operation>) -> Request {
        root(&Endpoint::read("https://cm.example.com/gateway/").unwrap()).request(call).unwrap()
    }

    #[test]
    fn the_api_is_below_the_url() {
        for (url, expected) in [
            ("https://cm.example.com", "https://cm.example.com/api/v1"),
            ("https://cm.example.com:8443/", "https://cm.example.com:8443/api/v1"),
            ("https://cm.example.com/gateway/", "https://cm.example.com/gateway/api/v1"),
        ] {
            assert_eq!(root(&Endpoint::read(url).unwrap()).0, expected, "{url}");
        }
    }

    #[test]
    fn queries_are_encoded_and_may_repeat() {
        let call = Call::new(Operation::ListKeys, "", Method::GET, "/cckm/aws/keys".into()).query(vec![
            ("id", "a".into()),
            ("id", "b".into()),
            ("alias", "a/b c&d".into()),
        ]);
        let request = made(&call);
        assert_eq!(request.url().as_str(), "https://cm.example.com/gateway/api/v1/cckm/aws/keys?id=a&id=b&alias=a%2Fb+c%26d");
        assert!(request.body().is_none());
    }

    #[test]
    fn a_body_is_json() {
        let request = made(&Call::new(Operation::Disable, "", Method::POST, "/x".into()).with(json!({ "days": 7 })));
        assert_eq!(request.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(request.body().unwrap().as_bytes().unwrap(), br#"{"days":7}"#);
        let bare = made(&Call::new(Operation::CancelDeletion, "", Method::POST, "/x".into()));
        assert_eq!((bare.method(), bare.url().path(), bare.body().is_none()), (&Method::POST, "/gateway/api/v1/x", true));
    }
}
