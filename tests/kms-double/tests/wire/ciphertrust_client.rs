//! A client of `CipherTrust` that speaks over its own TLS socket, and what tests need around it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kms_double::{CIPHERTRUST_KMS, CIPHERTRUST_PASSWORD, CIPHERTRUST_USER, Double, Options};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::client::REGION;

/// A reply as it came.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The lines before the body.
    pub(crate) head: String,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(candidate, _)| candidate.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// A client with the token of one user.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) tls: TlsConnector,
    pub(crate) token: String,
}

impl Client {
    /// A client that trusts the double's authority and has no token.
    pub(crate) fn stranger(double: &Double) -> Self {
        let address = double.ciphertrust_endpoint().strip_prefix("https://").unwrap().parse().unwrap();
        Self::trusting(address, double.ca_pem())
    }

    pub(crate) fn trusting(address: SocketAddr, pem: &str) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { address, tls: TlsConnector::from(Arc::new(config)), token: String::new() }
    }

    /// A client of the known user.
    pub(crate) async fn login(double: &Double) -> Self {
        Self::login_as(double, json!({ "username": CIPHERTRUST_USER, "password": CIPHERTRUST_PASSWORD })).await
    }

    pub(crate) async fn login_as(double: &Double, body: Value) -> Self {
        let mut client = Self::stranger(double);
        let reply = client.post("/api/v1/auth/tokens", body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["jwt"].as_str().unwrap().clone_into(&mut client.token);
        client
    }

    /// Writes these bytes to a new connection and reads what comes; none if nothing does.
    pub(crate) async fn raw(&self, request: &str) -> Option<Answer> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let mut stream = self.tls.connect(ServerName::try_from("127.0.0.1").unwrap(), stream).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        // A connection that is cut ends without TLS's own farewell.
        let _ended = stream.read_to_end(&mut bytes).await;
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some(Answer { status, head: head.to_owned(), text: body.to_owned() })
    }

    /// A request; none if the connection was closed without a byte.
    pub(crate) async fn send(&self, method: &str, path: &str, body: &str) -> Option<Answer> {
        let bearer = if self.token.is_empty() { String::new() } else { format!("Authorization: Bearer {}\r\n", self.token) };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let length = body.len();
        self.raw(&format!(
            "{method} {path} HTTP/1.1\r\nHost: double\r\n{bearer}{kind}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
        .await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send("POST", path, &body).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", &format!("/api/v1/cckm/aws/{path}"), "").await.unwrap()
    }

    /// The key object of a row.
    pub(crate) async fn key(&self, id: &str) -> Value {
        let reply = self.get(&format!("keys/{id}")).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    /// The keys that a query finds.
    pub(crate) async fn list(&self, query: &str) -> Vec<Value> {
        let reply = self.get(&format!("keys?{query}")).await;
        assert_eq!(reply.status, 200, "{query}: {reply:?}");
        reply.json()["resources"].as_array().unwrap().clone()
    }

    pub(crate) async fn act(&self, id: &str, action: &str, body: Value) -> Answer {
        self.post(&format!("/api/v1/cckm/aws/keys/{id}/{action}"), body).await
    }

    /// The reply of an action that has to succeed.
    pub(crate) async fn done(&self, id: &str, action: &str, body: Value) -> Value {
        let reply = self.act(id, action, body).await;
        assert!((200..300).contains(&reply.status), "{action}: {reply:?}");
        reply.json()
    }

    /// The status and text of an action that has to be refused.
    pub(crate) async fn refused(&self, id: &str, action: &str, body: Value) -> (u16, String) {
        let reply = self.act(id, action, body.clone()).await;
        assert!(reply.status >= 400, "{action} {body}: {reply:?}");
        assert!(reply.json()["code"].is_u64(), "{reply:?}");
        (reply.status, reply.json()["codeDesc"].as_str().unwrap().to_owned())
    }

    /// Makes a key; answers its object.
    pub(crate) async fn create(&self, aws: Value) -> Value {
        let reply = self.post("/api/v1/cckm/aws/keys", json!({ "kms": CIPHERTRUST_KMS, "region": REGION, "aws_param": aws })).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.json()
    }

    /// Reads a row until it is as wanted.
    pub(crate) async fn until(&self, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let key = self.key(id).await;
            if wanted(&key) {
                return key;
            }
            assert!(Instant::now() < deadline, "the row did not become as wanted: {key}");
        }
    }

    /// Refreshes a row and waits until that shows.
    pub(crate) async fn refresh(&self, id: &str) -> Value {
        let before = self.key(id).await["synced_at"].clone();
        self.done(id, "refresh", Value::Null).await;
        self.until(id, |key| key["synced_at"] != before).await
    }
}

/// The id of a key object.
pub(crate) fn id(key: &Value) -> String {
    key["id"].as_str().unwrap().to_owned()
}

pub(crate) fn options() -> Options {
    Options { ciphertrust: true, ..Options::default() }
}

pub(crate) async fn start() -> (Double, Client) {
    let double = Double::start(options()).await.unwrap();
    let client = Client::login(&double).await;
    (double, client)
}

/// A time on the wire.
pub(crate) fn instant(value: &Value) -> jiff::Timestamp {
    value.as_str().unwrap().parse().unwrap()
}
