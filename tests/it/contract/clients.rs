//! The double as AWS's own client for Python sees it.

use std::{path::Path, process::Stdio, time::Duration};

use kms_double::{ACCESS_KEY, ACCOUNT, SECRET_KEY};
use tokio::{process::Command, time::timeout};

use super::{case::runtime, kms::HOME};
use crate::support::{double, localstack};

/// A busy machine loads the models of two services in seconds.
const TOLD_WITHIN: Duration = Duration::from_mins(3);

#[test]
fn boto3_leads_a_key_through_its_life_on_the_double() {
    let python = &localstack::shared().python;
    let story = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/boto3/story.py");
    let told = runtime().block_on(async {
        let double = double::start().await;
        let mut telling = Command::new(python);
        // Nothing of the environment may lead boto3 elsewhere: profiles, endpoints, proxies, certificate bundles.
        telling.env_clear().envs([
            ("AWS_ENDPOINT_URL", double.endpoint().as_str()),
            ("AWS_REGION", HOME),
            ("AWS_DEFAULT_REGION", HOME),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            ("KEYWARD_ACCOUNT", ACCOUNT),
            ("PYTHONDONTWRITEBYTECODE", "1"),
        ]);
        telling.arg(&story).stdin(Stdio::null()).kill_on_drop(true);
        timeout(TOLD_WITHIN, telling.output()).await.expect("the story ends in time").expect("Python starts")
    });
    let (stdout, stderr) = (String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    println!("{stdout}{stderr}");
    assert!(told.status.success(), "{}: {}", story.display(), told.status);
    assert_eq!(stdout.lines().filter(|line| line.starts_with("held: ")).count(), 9, "each step is told once it has held");
}
