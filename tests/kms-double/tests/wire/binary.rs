//! The binary, run alone.

use std::collections::HashMap;
use std::process::Stdio;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::ciphertrust_client;
use crate::client::Client;

/// Longer than any machine takes to start or end a process.
const WITHIN: Duration = Duration::from_secs(30);

/// Starts the binary and reads what it prints until it is ready. It ends with this process, because its stdin does.
async fn start() -> (Child, Client) {
    let (child, exports) = start_exporting().await;
    assert_eq!(exports["AWS_REGION"], exports["AWS_DEFAULT_REGION"]);
    for name in ["HUAWEICLOUD_SDK_REGION_KMS_EU_WEST_101", "HUAWEICLOUD_SDK_IAM_ENDPOINT"] {
        assert_eq!(exports[name], exports["AWS_ENDPOINT_URL"], "{name}");
    }
    assert_eq!(exports["HUAWEICLOUD_SDK_AK"], kms_double::HUAWEI_ACCESS_KEY);
    assert_eq!(exports["HUAWEICLOUD_SDK_SK"], kms_double::HUAWEI_SECRET_KEY);
    assert_eq!(exports["HUAWEICLOUD_SDK_PROJECT_ID"], kms_double::HUAWEI_PROJECT);
    let client = Client {
        address: exports["AWS_ENDPOINT_URL"].strip_prefix("http://").unwrap().parse().unwrap(),
        access_key: exports["AWS_ACCESS_KEY_ID"].clone(),
        secret: exports["AWS_SECRET_ACCESS_KEY"].clone(),
        token: None,
        region: exports["AWS_REGION"].clone(),
        skew: SignedDuration::ZERO,
    };
    (child, client)
}

/// The process and what it printed.
async fn start_exporting() -> (Child, HashMap<String, String>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kms-double"))
        .args(["--exit-on-stdin-eof", "--region", "us-east-2", "--log", "warn"])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut exports = HashMap::new();
    while !exports.contains_key("AWS_EC2_METADATA_DISABLED") {
        let line = timeout(WITHIN, lines.next_line()).await.unwrap().unwrap().unwrap();
        let (name, value) = line.strip_prefix("export ").unwrap().split_once('=').unwrap();
        exports.insert(name.to_owned(), value.to_owned());
    }
    (child, exports)
}

#[tokio::test]
async fn what_it_prints_points_a_client_at_it_and_it_ends_with_its_stdin() {
    let (mut child, client) = start().await;
    let key = client.create(json!({})).await;
    let arn = client.describe(&key).await["Arn"].as_str().unwrap().to_owned();
    assert_eq!(arn, format!("arn:aws:kms:us-east-2:111122223333:key/{key}"));
    drop(child.stdin.take());
    assert!(timeout(WITHIN, child.wait()).await.unwrap().unwrap().success());
}

#[tokio::test]
async fn it_ends_on_sigterm() {
    let (mut child, _client) = start().await;
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    assert!(timeout(WITHIN, child.wait()).await.unwrap().unwrap().success());
}

#[tokio::test]
async fn the_certificate_of_ciphertrust_goes_with_it() {
    let (mut child, exports) = start_exporting().await;
    let file = std::path::PathBuf::from(&exports["CIPHERTRUST_CA_FILE"]);
    let address = exports["CIPHERTRUST_ADDRESS"].strip_prefix("https://").unwrap().parse().unwrap();
    let client = ciphertrust_client::Client::trusting(address, &std::fs::read_to_string(&file).unwrap());
    let login = json!({ "username": exports["CIPHERTRUST_USERNAME"], "password": exports["CIPHERTRUST_PASSWORD"] });
    assert_eq!(client.post("/api/v1/auth/tokens", login).await.status, 200);
    drop(child.stdin.take());
    assert!(timeout(WITHIN, child.wait()).await.unwrap().unwrap().success());
    assert!(!file.exists());
}

#[tokio::test]
async fn at_its_start_it_says_what_it_does_not_serve() {
    let options = ["--exit-on-stdin-eof", "--forms", "midnight-dates,huawei-texts", "--log", "info"];
    let ended = Command::new(env!("CARGO_BIN_EXE_kms-double")).args(options).env_clear().stdin(Stdio::null()).output();
    let ended = timeout(WITHIN, ended).await.unwrap().unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    assert!(ended.status.success(), "{told}");
    for name in kms_double::NOT_SERVED.iter().chain(&kms_double::STS_NOT_SERVED) {
        assert!(told.contains(name), "{name} is not in {told}");
    }
}
