//! A client that signs for itself, and what tests need around it.

use std::time::{Duration, Instant};

use aws_lc_rs::{digest, hmac};
use jiff::{SignedDuration, Timestamp};
use kms_double::{Double, Options};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The Region of most tests.
pub(crate) const REGION: &str = "eu-west-1";
const DAY: i64 = 86_400;

/// What came back: status and body. None: the connection was closed without a byte.
pub(crate) type Reply = Option<(u16, String)>;

/// A client with one credential in one Region.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) address: std::net::SocketAddr,
    pub(crate) access_key: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
    pub(crate) region: String,
    /// Added to the real time when signing.
    pub(crate) skew: SignedDuration,
}

impl Client {
    pub(crate) fn new(double: &Double) -> Self {
        Self {
            address: double.address(),
            access_key: kms_double::ACCESS_KEY.to_owned(),
            secret: kms_double::SECRET_KEY.to_owned(),
            token: None,
            region: REGION.to_owned(),
            skew: SignedDuration::ZERO,
        }
    }

    pub(crate) fn second(double: &Double) -> Self {
        Self { access_key: kms_double::SECOND_ACCESS_KEY.to_owned(), secret: kms_double::SECOND_SECRET_KEY.to_owned(), ..Self::new(double) }
    }

    pub(crate) fn in_region(&self, region: &str) -> Self {
        Self { region: region.to_owned(), ..self.clone() }
    }

    pub(crate) async fn send(&self, service: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let stamp = (Timestamp::now() + self.skew).strftime("%Y%m%dT%H%M%SZ").to_string();
        let host = self.address.to_string();
        let mut all = vec![("host", host.as_str()), ("x-amz-date", stamp.as_str())];
        all.extend(headers);
        if let Some(token) = &self.token {
            all.push(("x-amz-security-token", token));
        }
        all.sort_unstable();
        let names = all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let lines: Vec<String> = all.iter().map(|(name, value)| format!("{name}:{value}")).collect();
        let lines = lines.join("\n");
        let canonical = format!("POST\n/\n\n{lines}\n\n{names}\n{}", sha256(body));
        let scope = format!("{}/{}/{service}/aws4_request", &stamp[..8], self.region);
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in scope.split('/') {
            key = mac(&key, part);
        }
        let signature = hex::encode(mac(&key, &format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", sha256(&canonical))));
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}", self.access_key);
        all.push(("authorization", &authorization));
        exchange(self.address, "POST", "/", &all, body).await
    }

    pub(crate) async fn call(&self, operation: &str, members: Value) -> Reply {
        let target = format!("TrentService.{operation}");
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
        self.send("kms", &headers, &members.to_string()).await
    }

    /// The answer of a call that has to succeed.
    pub(crate) async fn ok(&self, operation: &str, members: Value) -> Value {
        let (status, body) = self.call(operation, members.clone()).await.unwrap();
        assert_eq!(status, 200, "{operation} {members}: {body}");
        if body.is_empty() { Value::Null } else { serde_json::from_str(&body).unwrap() }
    }

    /// The code of a call that has to be refused with status 400.
    pub(crate) async fn refused(&self, operation: &str, members: Value) -> String {
        let (status, body) = self.call(operation, members.clone()).await.unwrap();
        assert_eq!(status, 400, "{operation} {members}: {body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        // A message that AWS does not send is absent.
        assert!(body.get("message").is_none_or(|message| message.as_str().is_some_and(|text| !text.is_empty())), "{body}");
        body["__type"].as_str().unwrap().to_owned()
    }

    /// `OK` or the error code.
    pub(crate) async fn outcome(&self, operation: &str, members: Value) -> String {
        let (status, body) = self.call(operation, members).await.unwrap();
        if status == 200 {
            return "OK".to_owned();
        }
        let body: Value = serde_json::from_str(&body).unwrap();
        format!("{status} {}", body["__type"].as_str().unwrap())
    }

    pub(crate) async fn create(&self, members: Value) -> String {
        self.ok("CreateKey", members).await["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn describe(&self, key: &str) -> Value {
        self.ok("DescribeKey", json!({ "KeyId": key })).await["KeyMetadata"].clone()
    }

    pub(crate) async fn sts(&self, form: &str) -> (u16, String) {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.send("sts", &headers, form).await.unwrap()
    }
}

pub(crate) async fn exchange(address: std::net::SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let text = request(address, method, path, headers, body).await?;
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    Some((head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned()))
}

/// The whole response as it came; none if the connection was closed without a byte.
pub(crate) async fn request(
    address: std::net::SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let lines: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let lines = lines.concat();
    let host = if headers.iter().any(|(name, _)| *name == "host") { "" } else { "host: double\r\n" };
    let request = format!("{method} {path} HTTP/1.1\r\n{host}{lines}connection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    (!bytes.is_empty()).then(|| String::from_utf8(bytes).unwrap())
}

/// An admin route.
pub(crate) async fn admin(double: &Double, method: &str, path: &str, body: Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let headers = [("content-type", "application/json")];
    let (status, text) = exchange(double.address(), method, &format!("/_double/{path}"), &headers, &body).await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

pub(crate) fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

pub(crate) fn sha256(text: &str) -> String {
    hex::encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

pub(crate) fn days(days: i64) -> SignedDuration {
    SignedDuration::from_secs(days * DAY)
}

/// Seconds since 1970 of a member, as the wire has it.
pub(crate) fn seconds(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

pub(crate) async fn start() -> (Double, Client) {
    let double = Double::start(Options::default()).await.unwrap();
    let client = Client::new(&double);
    (double, client)
}

/// Waits until `condition` holds; fails after ten seconds.
pub(crate) async fn eventually(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "the condition did not come to hold");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
