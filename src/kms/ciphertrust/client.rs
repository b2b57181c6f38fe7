//! Makes the client: where it sends to, as whom, and what it trusts.
//!
//! Connections are always `https`, and a certificate is always verified: whoever answers gets the password, and says whether keys are there.

use std::{sync::Arc, time::Duration};

use reqwest::{
    Method, Request, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use secrecy::SecretString;

use super::{
    failure,
    operation::Operation,
    quota,
    token::{Login, Tokens},
};
use crate::{
    domain::failure::{Failure, FailureKind, Outcome},
    kms::{
        Books, MayChange,
        rest::{Answer, Ask, Authorities, Caller, Dialect, Refusal, base_url, client},
    },
    metrics::Metrics,
};

/// How CCKM is reached, as whom, and for which keys.
#[derive(Clone, Debug)]
pub struct CipherTrustSettings {
    /// Address of the `CipherTrust` Manager, `https`; it may have a path, under which the API is.
    pub url: String,
    /// Name or id of the KMS in CCKM: an AWS account.
    pub kms: String,
    /// Region of the keys.
    pub region: String,
    /// Domain to work in; `None`: the root domain.
    pub domain: Option<String>,
    /// Domain that the user is of; `None`: the root domain.
    pub auth_domain: Option<String>,
    /// The authority that signed the server's certificate, in PEM; `None`: one of the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// The user.
    pub username: String,
    /// The user's password.
    pub password: SecretString,
    /// How old CCKM's copy of a key may become before it is asked for a new one.
    pub max_staleness: Duration,
    /// How much of AWS's default request quotas may be used, 1 to 10,000 percent.
    pub quota_share_percent: i32,
    /// The limiters of all clients.
    pub books: Books,
    /// Where calls are counted.
    pub metrics: Metrics,
    /// Whether this process may change anything.
    pub may_change: MayChange,
}

/// Makes requests of a path under the root of the API.
#[derive(Clone, Debug)]
struct Root(String);

impl Root {
    fn request(&self, ask: &Ask<'_, Operation>) -> Result<Request, Failure> {
        let unmade = || Failure {
            kind: FailureKind::Invalid,
            operation: ask.operation.name(),
            message: format!("no request can be made of {}", ask.path),
            outcome: Outcome::Refused,
            source: None,
        };
        let mut url = Url::parse(&format!("{}{}", self.0, ask.path)).map_err(|_| unmade())?;
        if !ask.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&ask.query);
        }
        let mut request = Request::new(ask.method.clone(), url);
        if ask.method != Method::GET {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        *request.body_mut() = ask.body.as_ref().map(|body| body.to_string().into());
        Ok(request)
    }
}

/// How a login is spoken: without a token, as it brings one.
#[derive(Debug)]
pub(super) struct Door(Root);

impl Dialect for Door {
    type Operation = Operation;
    const NAME: &'static str = NAME;
    const AUTHORITY: &'static str = AUTHORITY;

    async fn request(&self, ask: &Ask<'_, Operation>) -> Result<Request, Failure> {
        self.0.request(ask)
    }

    /// Whatever `CipherTrust` itself has against a login is about what was given for it.
    fn refusal(&self, answer: &Answer) -> Refusal {
        let refusal = failure::refusal(answer);
        match refusal.kind {
            FailureKind::NotFound | FailureKind::Invalid => Refusal { kind: FailureKind::Credentials, ..refusal },
            _ => refusal,
        }
    }

    fn renew(&self, _: &Request) -> bool {
        false
    }

    fn permission(&self, operation: Operation) -> &'static str {
        failure::permission(operation)
    }

    fn credentials(&self, refusal: &Refusal) -> &'static str {
        failure::credentials(refusal)
    }
}

/// How everything else is spoken: with a token.
#[derive(Debug)]
pub(super) struct Cckm {
    root: Root,
    tokens: Tokens,
}

const NAME: &str = "CipherTrust";
const AUTHORITY: &str = "ca.crt of the secret that spec.cipherTrust.caSecretRef names";

impl Dialect for Cckm {
    type Operation = Operation;
    const NAME: &'static str = NAME;
    const AUTHORITY: &'static str = AUTHORITY;

    async fn request(&self, ask: &Ask<'_, Operation>) -> Result<Request, Failure> {
        let mut request = self.root.request(ask)?;
        request.headers_mut().insert(AUTHORIZATION, self.tokens.header().await?);
        Ok(request)
    }

    fn refusal(&self, answer: &Answer) -> Refusal {
        failure::refusal(answer)
    }

    fn renew(&self, refused: &Request) -> bool {
        self.tokens.refused(refused.headers().get(AUTHORIZATION))
    }

    fn accepted(&self, request: &Request) {
        self.tokens.accepted(request.headers().get(AUTHORIZATION));
    }

    fn permission(&self, operation: Operation) -> &'static str {
        failure::permission(operation)
    }

    fn credentials(&self, refusal: &Refusal) -> &'static str {
        failure::credentials(refusal)
    }
}

/// Makes the client. Nothing is sent.
pub(super) fn caller(settings: &CipherTrustSettings) -> Result<Caller<Cckm>, Failure> {
    let CipherTrustSettings { url, kms, region, domain, auth_domain, ca_pem, username, password, .. } = settings;
    let CipherTrustSettings { quota_share_percent, books, metrics, may_change, .. } = settings;
    let refuse = |message| Failure {
        kind: FailureKind::Invalid,
        operation: Operation::Login.name(),
        message,
        outcome: Outcome::Refused,
        source: None,
    };
    let root = root(url).ok_or_else(|| {
        refuse(format!("spec.cipherTrust.url {url} is no https URL; write it as https://host, https://host:port or https://host/path"))
    })?;
    let authorities = ca_pem.clone().map_or(Authorities::System, Authorities::And);
    let http = client(&authorities).map_err(|why| refuse(format!("{AUTHORITY} {why}; put the certificate in PEM there")))?;
    let share = u32::try_from(*quota_share_percent).unwrap_or_default();
    let quotas = Arc::new(quota::quotas(share, books, &format!("CipherTrust {url} {kms} {region}")));
    let door = Caller {
        dialect: Door(root.clone()),
        http: http.clone(),
        quotas: Arc::clone(&quotas),
        metrics: metrics.clone(),
        may_change: may_change.clone(),
    };
    let set = |domain: &Option<String>| domain.clone().filter(|domain| !domain.is_empty());
    let login = Login { username: username.clone(), password: password.clone(), domain: set(domain), auth_domain: set(auth_domain) };
    let dialect = Cckm { root, tokens: Tokens::new(door, login) };
    Ok(Caller { dialect, http, quotas, metrics: metrics.clone(), may_change: may_change.clone() })
}

/// The root of the API, without a slash at its end.
fn root(url: &str) -> Option<Root> {
    let url = base_url(url).filter(|url| url.scheme() == "https" && url.username().is_empty() && url.password().is_none())?;
    Some(Root(format!("{}/api/v1", url.as_str().trim_end_matches('/'))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(ask: &Ask<'_, Operation>) -> Request {
        root("https://cm.example.com/gateway/").unwrap().request(ask).unwrap()
    }

    #[test]
    fn only_https_is_spoken() {
        for (url, expected) in [
            ("https://cm.example.com", Some("https://cm.example.com/api/v1")),
            ("https://cm.example.com:8443/", Some("https://cm.example.com:8443/api/v1")),
            ("https://cm.example.com/gateway/", Some("https://cm.example.com/gateway/api/v1")),
            ("http://127.0.0.1", None),
            ("https://user:hush@cm.example.com", None),
            ("cm.example.com", None),
        ] {
            assert_eq!(root(url).map(|root| root.0), expected.map(str::to_owned), "{url}");
        }
    }

    #[test]
    fn queries_are_encoded_and_may_repeat() {
        let ask = Ask::new(Operation::ListKeys, "", Method::GET, "/cckm/aws/keys".into()).query(vec![
            ("id", "a".into()),
            ("id", "b".into()),
            ("alias", "a/b c&d".into()),
        ]);
        let request = made(&ask);
        assert_eq!(request.url().as_str(), "https://cm.example.com/gateway/api/v1/cckm/aws/keys?id=a&id=b&alias=a%2Fb+c%26d");
        assert!(request.body().is_none());
    }

    #[test]
    fn a_body_is_json() {
        let request = made(&Ask::new(Operation::Disable, "", Method::POST, "/x".into()).with(json!({ "days": 7 })));
        assert_eq!(request.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(request.body().unwrap().as_bytes().unwrap(), br#"{"days":7}"#);
        let bare = made(&Ask::new(Operation::CancelDeletion, "", Method::POST, "/x".into()));
        assert_eq!((bare.method(), bare.url().path(), bare.body().is_none()), (&Method::POST, "/gateway/api/v1/x", true));
    }

    #[test]
    fn secrets_are_not_shown() {
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let settings = CipherTrustSettings {
            url: "https://cm.example.com".into(),
            kms: "prod".into(),
            region: "eu-west-1".into(),
            domain: None,
            auth_domain: None,
            ca_pem: None,
            username: "keyward".into(),
            password: "hush".into(),
            max_staleness: Duration::from_mins(10),
            quota_share_percent: 100,
            books: Books::default(),
            metrics: Metrics::new(false),
            may_change: MayChange::when(|| true),
        };
        let shown = format!("{settings:?} {:?}", caller(&settings).unwrap());
        assert!(shown.contains("keyward") && !shown.contains("hush"), "{shown}");
        let refused = caller(&CipherTrustSettings { ca_pem: Some(b"hello".to_vec()), ..settings }).unwrap_err();
        assert!(refused.message.contains("caSecretRef") && refused.message.contains("PEM"), "{refused}");
    }
}
