//! A client of Huawei Cloud that signs for itself.

use jiff::{SignedDuration, Timestamp};
use kms_double::{Double, HUAWEI_ACCESS_KEY, HUAWEI_PROJECT, HUAWEI_SECOND_ACCESS_KEY, HUAWEI_SECOND_PROJECT, HUAWEI_SECOND_SECRET_KEY};
use kms_double::{HUAWEI_SECRET_KEY, Options};
use serde_json::{Value, json};

use crate::client::{mac, request, sha256};

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in small letters.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }

    /// `OK`, or status and code, of whichever sender.
    pub(crate) fn outcome(&self) -> String {
        if self.status < 300 {
            return "OK".to_owned();
        }
        let body = self.json();
        let code = [&body["error_code"], &body["error"]["error_code"], &body["error"]["code"]].into_iter().find(|code| !code.is_null());
        format!("{} {}", self.status, code.unwrap().to_string().trim_matches('"'))
    }
}

/// How a client proves who it is.
#[derive(Clone, Debug)]
pub(crate) enum Proof {
    Signature { access_key: String, secret: String },
    Token(String),
    None,
}

/// A client with one proof for one project.
#[derive(Clone, Debug)]
pub(crate) struct Huawei {
    pub(crate) address: std::net::SocketAddr,
    pub(crate) proof: Proof,
    pub(crate) project: String,
    /// Added to the real time when signing.
    pub(crate) skew: SignedDuration,
    /// Further headers, which are signed too.
    pub(crate) headers: Vec<(String, String)>,
}

impl Huawei {
    pub(crate) fn new(double: &Double) -> Self {
        Self {
            address: double.address(),
            proof: Proof::Signature { access_key: HUAWEI_ACCESS_KEY.to_owned(), secret: HUAWEI_SECRET_KEY.to_owned() },
            project: HUAWEI_PROJECT.to_owned(),
            skew: SignedDuration::ZERO,
            headers: Vec::new(),
        }
    }

    pub(crate) fn second(double: &Double) -> Self {
        let (access_key, secret) = (HUAWEI_SECOND_ACCESS_KEY.to_owned(), HUAWEI_SECOND_SECRET_KEY.to_owned());
        Self { proof: Proof::Signature { access_key, secret }, project: HUAWEI_SECOND_PROJECT.to_owned(), ..Self::new(double) }
    }

    pub(crate) fn signing_as(&self, access_key: &str, secret: &str) -> Self {
        Self { proof: Proof::Signature { access_key: access_key.to_owned(), secret: secret.to_owned() }, ..self.clone() }
    }

    pub(crate) fn with_header(&self, name: &str, value: &str) -> Self {
        let mut headers = self.headers.clone();
        headers.push((name.to_owned(), value.to_owned()));
        Self { headers, ..self.clone() }
    }

    /// Sends to a path below the server; none if the connection was closed without a byte. The target has to be in canonical form, but
    /// for the slash at the end of the path.
    pub(crate) async fn send(&self, method: &str, target: &str, body: &str) -> Option<Answer> {
        let stamp = (Timestamp::now() + self.skew).strftime("%Y%m%dT%H%M%SZ").to_string();
        let host = self.address.to_string();
        let mut all: Vec<(&str, &str)> = vec![("host", &host), ("x-sdk-date", &stamp)];
        all.extend(self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        all.sort_unstable();
        let authorization;
        match &self.proof {
            Proof::Signature { access_key, secret } => {
                let names = all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
                let lines: Vec<String> = all.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
                let (path, query) = target.split_once('?').unwrap_or((target, ""));
                let slash = if path.ends_with('/') { "" } else { "/" };
                let canonical = format!("{method}\n{path}{slash}\n{query}\n{}\n{names}\n{}", lines.concat(), sha256(body));
                let to_sign = format!("SDK-HMAC-SHA256\n{stamp}\n{}", sha256(&canonical));
                let signature = hex::encode(mac(secret.as_bytes(), &to_sign));
                authorization = format!("SDK-HMAC-SHA256 Access={access_key}, SignedHeaders={names}, Signature={signature}");
                all.push(("authorization", &authorization));
            }
            Proof::Token(token) => all.push(("x-auth-token", token)),
            Proof::None => {}
        }
        let text = request(self.address, method, target, &all, body).await?;
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let (first, head) = head.split_once("\r\n").unwrap();
        let status = first.split(' ').nth(1).unwrap().parse().unwrap();
        Some(Answer { status, head: head.to_owned(), body: body.to_owned() })
    }

    /// Sends to a path below the project's keys.
    pub(crate) async fn kms(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, &format!("/v1.0/{}/kms/{path}", self.project), &body).await.unwrap()
    }

    pub(crate) async fn post(&self, operation: &str, body: Value) -> Answer {
        self.kms("POST", operation, &body).await
    }

    /// The answer of a call that has to succeed.
    pub(crate) async fn ok(&self, operation: &str, body: Value) -> Value {
        let answer = self.post(operation, body.clone()).await;
        assert_eq!(answer.status, 200, "{operation} {body}: {answer:?}");
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    /// `OK`, or status and code.
    pub(crate) async fn outcome(&self, operation: &str, body: Value) -> String {
        self.post(operation, body).await.outcome()
    }

    pub(crate) async fn create(&self, alias: &str) -> String {
        self.create_with(json!({ "key_alias": alias })).await
    }

    pub(crate) async fn create_with(&self, body: Value) -> String {
        self.ok("create-key", body).await["key_info"]["key_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn describe(&self, key: &str) -> Value {
        self.ok("describe-key", json!({ "key_id": key })).await["key_info"].clone()
    }
}

pub(crate) async fn start() -> (Double, Huawei) {
    let double = Double::start(Options::default()).await.unwrap();
    let client = Huawei::new(&double);
    (double, client)
}
