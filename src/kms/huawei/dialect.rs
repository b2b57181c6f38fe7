//! Makes the request of an attempt with the current credentials, and reads refusals.
//!
//! Path, query and body get their final form before they are signed. Nothing may change them afterwards.

use jiff::Timestamp;
use reqwest::{
    Request, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};

use super::{
    failure,
    login::PasswordLogin,
    operation::Operation,
    request::request,
    sign::{self, Signable},
};
use crate::{
    domain::failure::{Failure, FailureKind, Outcome},
    kms::rest::{Answer, Call, Dialect, Refusal, Session},
};

/// The content type of every body.
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// The project. It is in the path too; Huawei's own clients always send both.
const PROJECT: HeaderName = HeaderName::from_static("x-project-id");
/// The token that goes with a temporary access key.
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-security-token");
/// IAM's token.
const AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
/// The time of a request, in UTC.
const DATE: &str = "%Y%m%dT%H%M%SZ";

/// How requests prove who sends them.
#[derive(Debug)]
pub(super) enum Signer {
    /// Each is signed with an access key.
    Keys { access_key: String, secret_key: SecretString, security_token: Option<SecretString> },
    /// Each has a token of IAM.
    Tokens(Box<Session<PasswordLogin>>),
}

/// The wire protocol of Huawei's KMS.
#[derive(Debug)]
pub(super) struct Huawei {
    pub(super) base: Url,
    pub(super) project: String,
    pub(super) signer: Signer,
}

impl Dialect for Huawei {
    type Operation = Operation;
    const NAME: &'static str = "Huawei";

    async fn request(&self, call: &Call<'_, Operation>) -> Result<Request, Failure> {
        let mut request = request(&self.base, call);
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(PROJECT, header(call.operation, "the project id", &self.project)?);
        match &self.signer {
            Signer::Keys { access_key, secret_key, security_token } => {
                if let Some(token) = security_token {
                    headers.insert(SECURITY_TOKEN, secret(call.operation, "securityToken", token.expose_secret())?);
                }
                let date = Timestamp::now().strftime(DATE).to_string();
                headers.insert(sign::DATE, header(call.operation, "the time", &date)?);
                let authorization = sign::authorization(&signable(&request), access_key, secret_key.expose_secret());
                let authorization = secret(call.operation, "accessKey", &authorization)?;
                request.headers_mut().insert(AUTHORIZATION, authorization);
            }
            Signer::Tokens(tokens) => {
                headers.insert(AUTH_TOKEN, tokens.header().await?);
            }
        }
        Ok(request)
    }

    /// Huawei's support asks for the request id. It is only in the log, because it differs at every try.
    fn refusal(&self, answer: &Answer) -> Refusal {
        let refusal = failure::refusal(answer);
        let id = answer.headers.get("x-request-id").and_then(|id| id.to_str().ok());
        tracing::debug!(request_id = id, code = refusal.code, status = answer.status, "Huawei refuses a request");
        refusal
    }

    fn renew(&self, refused: &Request) -> bool {
        match &self.signer {
            Signer::Keys { .. } => false,
            Signer::Tokens(tokens) => tokens.refused(refused.headers().get(AUTH_TOKEN)),
        }
    }

    fn accepted(&self, request: &Request) {
        if let Signer::Tokens(tokens) = &self.signer {
            tokens.accepted(request.headers().get(AUTH_TOKEN));
        }
    }

    fn permission(&self, operation: Operation) -> &'static str {
        operation.permission()
    }

    fn credentials(&self, refusal: &Refusal) -> &'static str {
        failure::credentials(refusal, matches!(self.signer, Signer::Tokens(_)))
    }
}

/// The signed parts of a request: all headers that are set, and the host that the HTTP library will set.
fn signable(request: &Request) -> Signable<'_> {
    let url = request.url();
    let host = url.host_str().unwrap_or_default();
    let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let mut headers = named(request.headers());
    headers.push(("host".to_owned(), host));
    let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
    Signable { method: request.method().as_str(), path: url.path(), query: url.query().unwrap_or_default(), headers, body }
}

fn named(headers: &HeaderMap) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
}

/// A value as a header. An error names `what` it is and not the value, which may be a secret.
fn header(operation: Operation, what: &str, value: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(value).map_err(|_| Failure {
        kind: FailureKind::Credentials,
        operation: operation.as_str(),
        message: format!("{what} has characters that no request can carry, such as a line break; correct it"),
        outcome: Outcome::Refused,
        source: None,
    })
}

fn secret(operation: Operation, what: &str, value: &str) -> Result<HeaderValue, Failure> {
    let mut value = header(operation, what, value)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use reqwest::Method;
    use serde_json::json;

    use super::*;

    fn huawei(base: &str, security_token: Option<&str>) -> Huawei {
        let signer =
            Signer::Keys { access_key: "AKEXAMPLE".into(), secret_key: "skexample".into(), security_token: security_token.map(Into::into) };
        Huawei { base: Url::parse(base).unwrap(), project: "0123".into(), signer }
    }

    fn described() -> Call<'static, Operation> {
        Call::new(Operation::DescribeKey, "k", Method::POST, "/v1.0/0123/kms/describe-key".into()).with(json!({ "key_id": "k" }))
    }

    #[tokio::test]
    async fn what_is_signed_is_what_is_sent() {
        let request = huawei("http://127.0.0.1:8080", Some("temporary")).request(&described()).await.unwrap();
        assert_eq!(request.url().as_str(), "http://127.0.0.1:8080/v1.0/0123/kms/describe-key");
        assert_eq!(request.body().unwrap().as_bytes().unwrap(), br#"{"key_id":"k"}"#);
        let authorization = request.headers().get(AUTHORIZATION).unwrap();
        assert!(authorization.is_sensitive() && request.headers().get(SECURITY_TOKEN).unwrap().is_sensitive());
        let names = "SignedHeaders=content-type;host;x-project-id;x-sdk-date;x-security-token, ";
        assert!(authorization.to_str().unwrap().contains(names), "{authorization:?}");
        let mut signed = signable(&request);
        signed.headers.retain(|(name, _)| name != "authorization");
        assert!(signed.headers.contains(&("host".into(), "127.0.0.1:8080".into())));
        assert_eq!(sign::authorization(&signed, "AKEXAMPLE", "skexample"), authorization.to_str().unwrap());
    }

    #[tokio::test]
    async fn a_usual_port_is_not_named() {
        let request = huawei("https://kms.cn-north-4.myhuaweicloud.com:443/", None).request(&described()).await.unwrap();
        assert!(signable(&request).headers.contains(&("host".into(), "kms.cn-north-4.myhuaweicloud.com".into())));
        assert_eq!(request.url().path(), "/v1.0/0123/kms/describe-key");
    }

    #[tokio::test]
    async fn a_query_goes_out_as_it_was_signed() {
        let query = vec![("marker", "a b+c/d".to_owned()), ("key_id", "k".to_owned())];
        let call = Call::new(Operation::ListAliases, "k", Method::GET, "/v1.0/0123/kms/aliases".into()).query(query);
        let request = huawei("http://127.0.0.1:8080", None).request(&call).await.unwrap();
        assert_eq!(request.url().query(), Some("key_id=k&marker=a%20b%2Bc%2Fd"));
    }

    #[tokio::test]
    async fn a_secret_that_cannot_be_sent_is_named_and_not_shown() {
        let failure = huawei("http://127.0.0.1:8080", Some("hush\nhush")).request(&described()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Credentials);
        assert!(failure.message.contains("securityToken") && !failure.message.contains("hush"), "{failure}");
    }
}
