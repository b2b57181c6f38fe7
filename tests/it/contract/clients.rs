//! The double as AWS's own clients for Python, Go and JavaScript see it.
//!
//! Node.js is not needed for anything else here, so the story of JavaScript is told only by `make wire`.

use std::{path::Path, process::Stdio, time::Duration};

use kms_double::{ACCESS_KEY, ACCOUNT, SECRET_KEY};
use tokio::{process::Command, time::timeout};

use super::{case::runtime, kms::HOME};
use crate::support::{double, localstack};

/// A busy machine loads the models of two services in seconds, and compiles a client in a minute.
const TOLD_WITHIN: Duration = Duration::from_mins(3);

#[test]
fn boto3_leads_a_key_through_its_life_on_the_double() {
    let mut story = Command::new(&localstack::shared().python);
    story.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/boto3/story.py")).env_clear();
    tell(story, 12);
}

#[test]
fn aws_s_sdk_for_go_leads_keys_through_their_lives_on_the_double_and_makes_terraform_s_calls() {
    let mut story = Command::new(made("tests/aws-go-sdk/build"));
    story.env_clear();
    tell(story, 13);
}

#[test]
#[ignore = "it needs Node.js; `make wire` runs it"]
fn aws_s_sdk_for_javascript_leads_keys_through_their_lives_on_the_double() {
    let mut story = Command::new("node");
    // Node.js itself is found by PATH.
    story.arg(made("tests/aws-js-sdk/build")).env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    tell(story, 7);
}

/// Has a client tell its story on a double of its own. Each of its `steps` is printed once it has held.
fn tell(mut story: Command, steps: usize) {
    let told = runtime().block_on(async {
        let double = double::start().await;
        // Nothing of the environment may lead a client elsewhere: profiles, endpoints, proxies, certificate bundles.
        story.envs([
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
        story.stdin(Stdio::null()).kill_on_drop(true);
        timeout(TOLD_WITHIN, story.output()).await.expect("the story ends in time").expect("the client starts")
    });
    let (stdout, stderr) = (String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    println!("{stdout}{stderr}");
    assert!(told.status.success(), "the story ended with {}: {stderr}", told.status);
    assert_eq!(stdout.lines().filter(|line| line.starts_with("held: ")).count(), steps, "each step is told once it has held");
}

/// What a script made, once, and printed the path of.
fn made(script: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let made = runtime().block_on(async {
        let made = Command::new(&script).stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true).output();
        timeout(TOLD_WITHIN, made).await.expect("the client is made in time").expect("its script starts")
    });
    assert!(made.status.success(), "{}: {}", script.display(), made.status);
    String::from_utf8(made.stdout).expect("a path that is text").trim().to_owned()
}
