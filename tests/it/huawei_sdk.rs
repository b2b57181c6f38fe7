//! The double as Huawei Cloud's own clients for Python and Go see it.

use std::{path::Path, process::Stdio, time::Duration};

use kms_double::{
    Form, HUAWEI_ACCESS_KEY, HUAWEI_DOMAIN_NAME, HUAWEI_PASSWORD, HUAWEI_REGION, HUAWEI_SECRET_KEY, HUAWEI_USER, HuaweiProject, Options,
};
use tokio::{process::Command, time::timeout};

use crate::support::double;

/// The first run installs or builds the client, which takes minutes on a slow line.
const TOLD_WITHIN: Duration = Duration::from_mins(10);

/// A Region in which the account has a second project, for replicas.
const OTHER_REGION: &str = "eu-west-0";
const OTHER_PROJECT: &str = "11112222333344445555666677778888";

/// Every operation of KMS that the double serves.
const OPERATIONS: [&str; 32] = [
    "associate-alias",
    "batch-tags",
    "cancel-key-deletion",
    "create-alias",
    "create-grant",
    "create-key",
    "create-tag",
    "delete-alias",
    "delete-tag",
    "describe-key",
    "disable-key",
    "disable-key-rotation",
    "enable-key",
    "enable-key-rotation",
    "filter-resources",
    "get-key-rotation-status",
    "list-aliases",
    "list-grants",
    "list-keys",
    "list-project-tags",
    "list-regions",
    "list-tags",
    "replicate",
    "revoke-grant",
    "rotate-on-demand",
    "schedule-key-deletion",
    "update-key-alias",
    "update-key-description",
    "update-key-rotation-interval",
    "update-primary-region",
    "user-instances",
    "user-quotas",
];

/// Runs a script that makes a client if need be, and gives the path that it prints.
async fn made(script: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let made = Command::new(&script).stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true).output();
    let made = timeout(TOLD_WITHIN, made).await.expect("the client is made in time").expect("its script starts");
    assert!(made.status.success(), "{}: {}", script.display(), made.status);
    String::from_utf8(made.stdout).expect("a path that is text").trim().to_owned()
}

/// Has a client tell its story on a double of its own, and compares what it called: every operation but those that it does not have.
async fn tell(mut story: Command, forms: &[Form], lacks: &[&str], steps: usize) {
    let double = double::start_with(Options { forms: forms.to_vec(), ..Options::default() }).await;
    double.add_huawei_project(HuaweiProject::new(OTHER_PROJECT, OTHER_REGION));
    // The SDK keeps files in the user's home.
    let home = tempfile::tempdir().expect("a folder");
    let region_variable = format!("HUAWEICLOUD_SDK_REGION_KMS_{}", HUAWEI_REGION.to_uppercase().replace('-', "_"));
    // Nothing of the environment may lead the SDK elsewhere: profiles, endpoints, proxies, certificate bundles.
    story.env_clear().env("HOME", home.path()).envs([
        (region_variable.as_str(), double.endpoint().as_str()),
        ("HUAWEICLOUD_SDK_IAM_ENDPOINT", double.endpoint().as_str()),
        ("HUAWEICLOUD_SDK_AK", HUAWEI_ACCESS_KEY),
        ("HUAWEICLOUD_SDK_SK", HUAWEI_SECRET_KEY),
        ("KEYWARD_REGION", HUAWEI_REGION),
        ("KEYWARD_OTHER_REGION", OTHER_REGION),
        ("KEYWARD_OTHER_PROJECT", OTHER_PROJECT),
        ("KEYWARD_DOMAIN_NAME", HUAWEI_DOMAIN_NAME),
        ("KEYWARD_USER", HUAWEI_USER),
        ("KEYWARD_PASSWORD", HUAWEI_PASSWORD),
        ("PYTHONDONTWRITEBYTECODE", "1"),
    ]);
    story.stdin(Stdio::null()).kill_on_drop(true);
    let told = timeout(TOLD_WITHIN, story.output()).await.expect("the story ends in time").expect("the client starts");
    let (stdout, stderr) = (String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    println!("{stdout}{stderr}");
    assert!(told.status.success(), "the story ended with {}: {stderr}", told.status);
    assert_eq!(stdout.lines().filter(|line| line.starts_with("held: ")).count(), steps, "each step is told once it has held");
    let ledger = double.ledger();
    let led = |operation: &&str| ledger.iter().any(|entry| entry.operation == *operation && entry.succeeded());
    let missing: Vec<_> = OPERATIONS.iter().filter(|operation| !lacks.contains(*operation) && !led(operation)).collect();
    assert!(missing.is_empty(), "the SDK called none of {missing:?} with success");
}

#[tokio::test]
async fn huawei_s_sdk_leads_a_key_through_its_life_on_the_double() {
    let mut story = Command::new(made("tests/huawei-sdk/venv").await);
    story.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/huawei-sdk/story.py"));
    tell(story, &[], &[], 13).await;
}

/// It signs neither `Host` nor `Content-Type`, and it takes no number for a text, nor an object for a list of one, as the client for Python does.
#[tokio::test]
async fn huawei_s_sdk_for_go_leads_a_key_through_its_life_on_the_double() {
    tell(Command::new(made("tests/huawei-go-sdk/build").await), &[Form::HuaweiSdkTypes], &["rotate-on-demand"], 12).await;
}
