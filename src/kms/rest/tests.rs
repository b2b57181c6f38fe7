//! The loop of attempts, against a server that answers what it is told to.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use reqwest::{Method, Request};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::{Answer, Authorities, Call, Caller, Dialect, Operation, Refusal, client};
use crate::{
    domain::failure::{Failure, FailureKind, Outcome},
    kms::{
        LeaderCheck,
        endpoint::Endpoint,
        names::Names,
        quota::{Grant, Quotas},
    },
    metrics::Metrics,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Op {
    Read,
    Create,
    Change,
}

impl Operation for Op {
    fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Change => "change",
        }
    }

    fn changes(self) -> bool {
        self != Self::Read
    }

    fn repeats(self) -> bool {
        self != Self::Create
    }
}

/// The body of an answer is its code, if it has one.
#[derive(Debug)]
struct Plain(String);

impl Dialect for Plain {
    type Operation = Op;
    const NAME: &'static str = "Plain";

    async fn request(&self, _: &Call<'_, Op>) -> Result<Request, Failure> {
        Ok(Request::new(Method::POST, self.0.parse().unwrap()))
    }

    fn refusal(&self, answer: &Answer) -> Refusal {
        let kind = match answer.status {
            401 => FailureKind::Credentials,
            403 => FailureKind::Denied,
            429 => FailureKind::Throttled,
            500.. => FailureKind::Unavailable,
            _ => FailureKind::Unknown,
        };
        let code = String::from_utf8_lossy(&answer.body).into_owned();
        Refusal { kind, code: Some(code).filter(|code| !code.is_empty()), text: String::new() }
    }

    fn renew(&self, _: &Request) -> bool {
        true
    }

    fn permission(&self, _: Op) -> &'static str {
        "allow it"
    }

    fn credentials(&self, _: &Refusal) -> &'static str {
        "correct them"
    }
}

/// A caller of that server. `quotas`: the requests that it counts.
fn caller(root: &str, quotas: Quotas<Op>) -> Caller<Plain> {
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Caller {
        http: client(&Endpoint::read(root).unwrap(), &Authorities::System, Names::default()).unwrap(),
        dialect: Plain(root.to_owned()),
        quotas: Arc::new(quotas),
        metrics: Metrics::new(false),
        leader_check: LeaderCheck::when(|| true),
    }
}

/// How a call ends that is answered so each time, and how often it was sent.
async fn answered(call: Op, head: impl Into<String>, body: &'static str) -> (Failure, usize) {
    let head = head.into();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let root = format!("http://{}/", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    // It ends with the runtime of the test.
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                counter.fetch_add(1, Ordering::SeqCst);
                let answer = format!("HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                let _sent = stream.write_all(answer.as_bytes()).await;
            }
        }
    });
    let caller = caller(&root, Quotas::new([], 100, &crate::kms::Books::default(), ""));
    let failure = caller.call(&Call::new(call, "", Method::POST, String::new())).await.unwrap_err();
    (failure, count.load(Ordering::SeqCst))
}

/// The client follows no redirect, of any kind.
#[tokio::test]
async fn no_redirect_is_followed() {
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for status in ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"] {
        for call in [Op::Read, Op::Create] {
            let to = format!("{status}\r\nlocation: http://{}/latest/meta-data", other.local_addr().unwrap());
            let (failure, sent) = answered(call, to, "").await;
            assert_eq!((failure.kind, sent), (FailureKind::Unknown, 1), "{status}");
        }
    }
    let connection = tokio::time::timeout(std::time::Duration::ZERO, other.accept()).await;
    assert!(connection.is_err(), "a connection was opened");
}

/// The body of a login has the password, the answer to it the token. Neither is shown, and neither is a refusal that repeats them.
#[test]
fn no_request_and_no_answer_shows_what_proves_who_sent_it() {
    let request = Call::new(Op::Read, "", Method::POST, "/auth/tokens".into()).with(serde_json::json!({ "password": "hush" }));
    let headers = [(reqwest::header::AUTHORIZATION, reqwest::header::HeaderValue::from_static("hush"))].into_iter().collect();
    let answer = Answer { status: 201, headers, body: b"hush".to_vec() };
    let header = reqwest::header::HeaderValue::from_static("hush");
    let grant = super::Grant { header, life: std::time::Duration::ZERO, ahead: std::time::Duration::ZERO, refresh: Some("hush".into()) };
    let refusal = |kind| Refusal { kind, code: Some("401".into()), text: "you sent hush".into() };
    let (wrong, ended) = (refusal(FailureKind::Credentials), refusal(FailureKind::Expired));
    let of_login = refusal(FailureKind::Unknown).of_login();
    let shown =
        format!("{request:?} {request:#?} {answer:?} {answer:#?} {grant:?} {wrong:?} {wrong} {ended:?} {ended} {of_login:?} {of_login}");
    // As bytes, too.
    assert!(!shown.contains("hush") && !shown.contains("104, 117"), "{shown}");
    assert!(shown.contains("/auth/tokens") && shown.contains("201") && shown.contains("its text is not shown"), "{shown}");
    assert!(refusal(FailureKind::Unknown).to_string().contains("you sent"), "other refusals are told");
}

async fn ends(call: Op, head: &'static str, body: &'static str) -> (FailureKind, Outcome, usize) {
    let (failure, sent) = answered(call, head, body).await;
    (failure.kind, failure.outcome, sent)
}

#[tokio::test]
async fn only_the_kms_s_own_word_has_a_creation_sent_again() {
    use FailureKind::{Credentials, Denied, Unavailable, Unknown};
    assert_eq!(ends(Op::Create, "401 Unauthorized", "Expired").await, (Credentials, Outcome::Refused, 2), "it says that nothing was done");
    assert_eq!(ends(Op::Create, "401 Unauthorized", "").await, (Credentials, Outcome::Unknown, 1), "anything may have said so");
    assert_eq!(ends(Op::Create, "403 Forbidden", "No").await, (Denied, Outcome::Refused, 1));
    assert_eq!(ends(Op::Create, "400 Bad Request", "NeverHeardOf").await, (Unknown, Outcome::Unknown, 1));
    assert_eq!(ends(Op::Create, "502 Bad Gateway", "").await, (Unavailable, Outcome::Unknown, 1));
}

#[tokio::test]
async fn a_read_is_repeated_where_that_helps() {
    use FailureKind::{Credentials, Denied, Throttled, Unavailable};
    assert_eq!(ends(Op::Read, "503 Service Unavailable", "Down").await, (Unavailable, Outcome::Refused, 3));
    assert_eq!(ends(Op::Read, "429 Too Many Requests", "Slow").await, (Throttled, Outcome::Refused, 3));
    assert_eq!(ends(Op::Read, "401 Unauthorized", "").await, (Credentials, Outcome::Refused, 2));
    assert_eq!(ends(Op::Read, "403 Forbidden", "No").await, (Denied, Outcome::Refused, 1));
}

#[tokio::test]
async fn a_long_retry_after_ends_the_call_as_throttled() {
    assert_eq!(
        ends(Op::Read, "429 Too Many Requests\r\nretry-after: 60", "Slow").await,
        (FailureKind::Throttled, Outcome::Refused, 1),
        "and not as a KMS that does not answer"
    );
}

#[tokio::test]
async fn an_outage_has_one_message_for_all_calls() {
    let (read, _) = answered(Op::Read, "503 Service Unavailable", "Down").await;
    let (create, _) = answered(Op::Create, "503 Service Unavailable", "Down").await;
    assert_eq!(read.message, create.message);
}

/// The first request may have taken effect: its reply is lost. The second one is throttled, and no turn comes for a third.
#[tokio::test]
async fn a_call_that_waits_for_its_next_turn_may_have_taken_effect() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let root = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut is_lost = true;
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            if stream.read(&mut request).await.is_ok_and(|read| read > 0) && !std::mem::take(&mut is_lost) {
                let _sent = stream.write_all(b"HTTP/1.1 429 Too Many Requests\r\nconnection: close\r\ncontent-length: 4\r\n\r\nSlow").await;
            }
        }
    });
    let quotas = Quotas::new([(Op::Change, "change", Grant { per_second: 1, urgent: false })], 100, &crate::kms::Books::default(), "");
    let call = Call::new(Op::Change, "", Method::POST, String::new());
    let failure = crate::kms::if_free(caller(&root, quotas).call(&call)).await.unwrap_err();
    assert_eq!((failure.kind, failure.outcome), (FailureKind::Waiting, Outcome::Unknown), "{failure}");
    assert!(!failure.had_no_effect(), "its place in the budget is not given back");
}
