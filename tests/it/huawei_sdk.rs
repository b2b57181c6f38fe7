//! The double as Huawei Cloud's own client for Python sees it.

use std::{path::Path, process::Stdio, time::Duration};

use kms_double::{HUAWEI_ACCESS_KEY, HUAWEI_DOMAIN_NAME, HUAWEI_PASSWORD, HUAWEI_REGION, HUAWEI_SECRET_KEY, HUAWEI_USER, HuaweiProject};
use tokio::{process::Command, time::timeout};

use crate::support::double;

/// The first run installs the SDK into an environment of its own, which takes minutes on a slow line.
const TOLD_WITHIN: Duration = Duration::from_mins(10);

/// A Region in which the account has a second project, for replicas.
const OTHER_REGION: &str = "eu-west-0";

/// Every operation of KMS that the double serves.
const OPERATIONS: [&str; 29] = [
    "associate-alias",
    "batch-tags",
    "cancel-key-deletion",
    "create-alias",
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
    "list-keys",
    "list-project-tags",
    "list-regions",
    "list-tags",
    "replicate",
    "rotate-on-demand",
    "schedule-key-deletion",
    "update-key-alias",
    "update-key-description",
    "update-key-rotation-interval",
    "update-primary-region",
    "user-instances",
    "user-quotas",
];

#[tokio::test]
async fn huawei_s_sdk_leads_a_key_through_its_life_on_the_double() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/huawei-sdk");
    let made = Command::new(here.join("venv")).stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true).output();
    let made = timeout(TOLD_WITHIN, made).await.expect("the environment is made in time").expect("its script starts");
    assert!(made.status.success(), "tests/huawei-sdk/venv: {}", made.status);
    let python = String::from_utf8(made.stdout).expect("a path that is text");

    let double = double::start().await;
    double.add_huawei_project(HuaweiProject::new("11112222333344445555666677778888", OTHER_REGION));
    // The SDK keeps files in the user's home.
    let home = tempfile::tempdir().expect("a folder");
    let region_variable = format!("HUAWEICLOUD_SDK_REGION_KMS_{}", HUAWEI_REGION.to_uppercase().replace('-', "_"));
    let story = here.join("story.py");
    let mut telling = Command::new(python.trim());
    // Nothing of the environment may lead the SDK elsewhere: profiles, endpoints, proxies, certificate bundles.
    telling.env_clear().env("HOME", home.path()).envs([
        (region_variable.as_str(), double.endpoint().as_str()),
        ("HUAWEICLOUD_SDK_IAM_ENDPOINT", double.endpoint().as_str()),
        ("HUAWEICLOUD_SDK_AK", HUAWEI_ACCESS_KEY),
        ("HUAWEICLOUD_SDK_SK", HUAWEI_SECRET_KEY),
        ("KEYWARD_REGION", HUAWEI_REGION),
        ("KEYWARD_OTHER_REGION", OTHER_REGION),
        ("KEYWARD_DOMAIN_NAME", HUAWEI_DOMAIN_NAME),
        ("KEYWARD_USER", HUAWEI_USER),
        ("KEYWARD_PASSWORD", HUAWEI_PASSWORD),
        ("PYTHONDONTWRITEBYTECODE", "1"),
    ]);
    telling.arg(&story).stdin(Stdio::null()).kill_on_drop(true);
    let told = timeout(TOLD_WITHIN, telling.output()).await.expect("the story ends in time").expect("Python starts");
    let (stdout, stderr) = (String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    println!("{stdout}{stderr}");
    assert!(told.status.success(), "{}: {}", story.display(), told.status);
    assert_eq!(stdout.lines().filter(|line| line.starts_with("held: ")).count(), 12, "each step is told once it has held");
    let ledger = double.ledger();
    let led = |operation: &&str| ledger.iter().any(|entry| entry.operation == *operation && entry.succeeded());
    let missing: Vec<_> = OPERATIONS.iter().filter(|operation| !led(operation)).collect();
    assert!(missing.is_empty(), "the SDK called none of {missing:?} with success");
}
