//! Makes the client: endpoint, credentials and trusted authorities.
//!
//! Connections are always `https`, and certificates are always verified: the server gets the password and tells whether keys exist.

use std::{sync::Arc, time::Duration};

use reqwest::{Request, header::AUTHORIZATION};
use secrecy::SecretString;

use super::{
    failure,
    login::{Credentials, LoginDialect, PasswordLogin},
    operation::Operation,
    quota,
    request::{AUTHORITY, NAME, Root, root},
};
use crate::{
    domain::failure::{Failure, FailureKind, Outcome},
    kms::{
        Books, LeaderCheck,
        endpoint::{Endpoint, NoEndpoint},
        names::Names,
        rest::{Answer, Authorities, Call, Caller, Dialect, Refusal, Session, client},
    },
    metrics::Metrics,
};

/// How to reach CCKM, with which credentials, and for which keys.
#[derive(Clone, Debug)]
pub struct CipherTrustSettings {
    /// Address of the `CipherTrust` Manager, with `https`. It may have a path, under which the API is.
    pub url: String,
    /// Name or id of the KMS in CCKM: an AWS account.
    pub kms: String,
    /// Region of the keys.
    pub region: String,
    /// Domain to work in; `None`: the root domain.
    pub domain: Option<String>,
    /// Domain of the user; `None`: the root domain.
    pub auth_domain: Option<String>,
    /// The authority that signed the server's certificate, in PEM; `None`: an authority of the system.
    pub ca_pem: Option<Vec<u8>>,
    /// The user.
    pub username: String,
    /// The user's password.
    pub password: SecretString,
    /// How old CCKM's copy of a key may be before it is refreshed.
    pub max_staleness: Duration,
    /// How much of AWS's default request quotas to use, 1 to 10,000 percent.
    pub quota_share_percent: i32,
    /// The limiters of all clients.
    pub books: Books,
    /// Where calls are counted.
    pub metrics: Metrics,
    /// Checked right before each request that changes something.
    pub leader_check: LeaderCheck,
}

/// The wire protocol of everything else: each request has a token.
#[derive(Debug)]
pub(super) struct Cckm {
    root: Root,
    session: Session<PasswordLogin>,
}

impl Dialect for Cckm {
    type Operation = Operation;
    const NAME: &'static str = NAME;
    const AUTHORITY: &'static str = AUTHORITY;

    async fn request(&self, call: &Call<'_, Operation>) -> Result<Request, Failure> {
        let mut request = self.root.request(call)?;
        request.headers_mut().insert(AUTHORIZATION, self.session.header().await?);
        Ok(request)
    }

    fn refusal(&self, answer: &Answer) -> Refusal {
        failure::refusal(answer)
    }

    fn renew(&self, refused: &Request) -> bool {
        self.session.refused(refused.headers().get(AUTHORIZATION))
    }

    fn accepted(&self, request: &Request) {
        self.session.accepted(request.headers().get(AUTHORIZATION));
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
    let CipherTrustSettings { quota_share_percent, books, metrics, leader_check, .. } = settings;
    let refuse = |message| Failure {
        kind: FailureKind::Invalid,
        operation: Operation::Login.name(),
        message,
        outcome: Outcome::Refused,
        source: None,
    };
    let endpoint = Endpoint::read(url).and_then(|endpoint| if endpoint.is_plain() { Err(NoEndpoint::Plain) } else { Ok(endpoint) });
    let endpoint = endpoint.map_err(|why| refuse(format!("spec.cipherTrust.url {why}")))?;
    let root = root(&endpoint);
    let authorities = ca_pem.clone().map_or(Authorities::System, Authorities::And);
    let http = client(&endpoint, &authorities, Names::default())
        .map_err(|why| refuse(format!("{AUTHORITY} {why}; put the certificate in PEM there")))?;
    let share = u32::try_from(*quota_share_percent).unwrap_or_default();
    let quotas = Arc::new(quota::quotas(share, books, &format!("CipherTrust {url} {kms} {region}")));
    let login_caller = Caller {
        dialect: LoginDialect(root.clone()),
        http: http.clone(),
        quotas: Arc::clone(&quotas),
        metrics: metrics.clone(),
        leader_check: leader_check.clone(),
    };
    let set = |domain: &Option<String>| domain.clone().filter(|domain| !domain.is_empty());
    let (username, password) = (username.clone(), password.clone());
    let credentials = Credentials { username, password, domain: set(domain), auth_domain: set(auth_domain) };
    let dialect = Cckm { root, session: Session::new(PasswordLogin { caller: login_caller, credentials }) };
    Ok(Caller { dialect, http, quotas, metrics: metrics.clone(), leader_check: leader_check.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

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
            leader_check: LeaderCheck::when(|| true),
        };
        let shown = format!("{settings:?} {:?}", caller(&settings).unwrap());
        assert!(shown.contains("keyward") && !shown.contains("hush"), "{shown}");
        let refused = caller(&CipherTrustSettings { ca_pem: Some(b"hello".to_vec()), ..settings }).unwrap_err();
        assert!(refused.message.contains("caSecretRef") && refused.message.contains("PEM"), "{refused}");
    }
}
