//! Credentials that a pod gets from EKS: IRSA, whose token STS exchanges, and Pod Identity, whose agent answers on the node. And the way through a proxy.
//!
//! Each test runs in a process of its own, with the variables that EKS sets in a pod.

use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use super::settings;
use crate::support::{program::alone, tunnel::Tunnel};

use crate::support::fixtures::ReadKey as _;
use jiff::{SignedDuration, Timestamp};
use keyward::{
    domain::failure::FailureKind,
    kms::{
        Kms,
        aws::{AwsCredentials, AwsKms},
    },
};
use kms_double::{ACCOUNT, Credential, Double, Options, WebIdentity};

const ROLE: &str = "arn:aws:iam::111122223333:role/keyward";
const SUBJECT: &str = "system:serviceaccount:keyward-system:keyward";

/// A double over TLS, so that a proxy for plain HTTP concerns the node's addresses alone, and the adapter with the default chain.
async fn pod() -> (Double, AwsKms) {
    let double = Double::start(Options { ciphertrust: true, ..Options::default() }).await.unwrap();
    let mut settings = settings(&double.ciphertrust_endpoint());
    settings.ca_pem = Some(double.ca_pem().into());
    settings.credentials = AwsCredentials::DefaultChain;
    let kms = AwsKms::new(settings).unwrap();
    (double, kms)
}

fn path(variable: &str) -> PathBuf {
    PathBuf::from(std::env::var_os(variable).unwrap())
}

#[tokio::test]
async fn a_web_identity_is_exchanged_at_the_own_endpoint_and_its_token_may_rotate() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    let environment = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.to_str().unwrap()),
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1"),
    ];
    if !alone("aws::pod::a_web_identity_is_exchanged_at_the_own_endpoint_and_its_token_may_rotate", &environment) {
        return;
    }
    let file = path("AWS_WEB_IDENTITY_TOKEN_FILE");
    let (double, kms) = pod().await;
    let missing = kms.identity().await.unwrap_err();
    assert_eq!(missing.kind, FailureKind::Credentials, "{missing}");
    assert!(missing.message.contains("AWS_WEB_IDENTITY_TOKEN_FILE names ") && missing.message.contains("service account"), "{missing}");

    let identity = |token: &str, role: &str, expires: Option<Timestamp>| WebIdentity {
        token: token.into(),
        role: role.into(),
        subject: SUBJECT.into(),
        expires,
    };
    double.add_web_identity(identity("old", ROLE, Some(Timestamp::now() - SignedDuration::from_secs(1))));
    double.add_web_identity(identity("stranger", "arn:aws:iam::111122223333:role/other", None));
    double.add_web_identity(identity("good", ROLE, None));
    for (token, code) in [("nonsense", "InvalidIdentityToken"), ("old", "ExpiredTokenException"), ("stranger", "AccessDenied")] {
        std::fs::write(&file, token).unwrap();
        let refused = kms.identity().await.unwrap_err();
        assert!(refused.message.contains(&format!("AWS answers AssumeRoleWithWebIdentity in eu-west-1 with {code}; ")), "{refused}");
        assert_ne!(refused.kind, FailureKind::NotFound);
    }
    // The kubelet writes the next token, and the client that there is goes on.
    std::fs::write(&file, "good\n").unwrap();
    let identity = kms.identity().await.unwrap();
    assert_eq!(
        (identity.account.as_str(), identity.principal.as_str()),
        (ACCOUNT, "arn:aws:sts::111122223333:assumed-role/keyward/keyward")
    );
    kms.describe("alias/orders").await.unwrap();
    let asked = double.ledger().into_iter().filter(|entry| entry.operation == "AssumeRoleWithWebIdentity" && entry.result == "OK").count();
    assert!((1..=2).contains(&asked), "once for each service: {asked}");
}

/// The agent of EKS Pod Identity: it takes the pod's token, and gives a session. It runs on a thread of its own and ends with this process.
fn agent() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let lines = BufReader::new(client.try_clone().unwrap()).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
            // To the end: a connection that is closed over what was not read loses its answer.
            let good = lines.fold(false, |good, line| good | line.eq_ignore_ascii_case("authorization: good"));
            let (status, body) = if good {
                let expires = Timestamp::now() + SignedDuration::from_hours(1);
                let body = format!(
                    r#"{{"AccessKeyId":"ASIAPODIDENTITY00000","SecretAccessKey":"secret","Token":"session","AccountId":"{ACCOUNT}","Expiration":"{expires:.0}"}}"#
                );
                ("200 OK", body)
            } else {
                ("400 Bad Request", r#"{"code":"AccessDeniedException","message":"Service account token is not valid"}"#.to_owned())
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            // A client that does not wait for its answer needs none.
            let _ = client.write_all(answer.as_bytes());
        }
    });
    address
}

#[tokio::test]
async fn pod_identity_is_asked_on_the_node_without_a_proxy_and_its_token_may_rotate() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    let uri = format!("http://{}/v1/credentials", agent());
    let environment = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file.to_str().unwrap()),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("HTTP_PROXY", "http://127.0.0.1:1"),
    ];
    if !alone("aws::pod::pod_identity_is_asked_on_the_node_without_a_proxy_and_its_token_may_rotate", &environment) {
        return;
    }
    let file = path("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    let (double, kms) = pod().await;
    let session = Credential {
        session_token: Some("session".into()),
        arn: Some("arn:aws:sts::111122223333:assumed-role/keyward/eks-prod-keyward".into()),
        ..Credential::new("ASIAPODIDENTITY00000", "secret", ACCOUNT)
    };
    double.add_credential(session);
    let refused = async |file: &Path, token: Option<&str>| {
        if let Some(token) = token {
            std::fs::write(file, token).unwrap();
        }
        let failure = kms.identity().await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Credentials, "{failure}");
    };
    refused(&file, None).await;
    refused(&file, Some("old")).await;
    assert!(double.ledger().is_empty(), "without credentials nothing is sent");
    std::fs::write(&file, "good").unwrap();
    assert_eq!(kms.identity().await.unwrap().principal, "arn:aws:sts::111122223333:assumed-role/keyward/eks-prod-keyward");
}

#[tokio::test]
async fn calls_go_through_the_proxy_that_the_environment_names() {
    let tunnel = Tunnel::start();
    let proxy = format!("http://{}", tunnel.address);
    for (no_proxy, used) in [("", true), ("127.0.0.1", false)] {
        let environment = [
            ("AWS_ACCESS_KEY_ID", kms_double::ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", kms_double::SECRET_KEY),
            ("HTTPS_PROXY", proxy.as_str()),
            ("NO_PROXY", no_proxy),
        ];
        let before = tunnel.asked().len();
        if alone("aws::pod::calls_go_through_the_proxy_that_the_environment_names", &environment) {
            let (double, kms) = pod().await;
            assert_eq!(kms.identity().await.unwrap().account, ACCOUNT);
            kms.describe("alias/orders").await.unwrap();
            assert!(!double.ledger().is_empty());
            return;
        }
        assert_eq!(tunnel.asked().len() > before, used, "{:?}", tunnel.asked());
    }
}
