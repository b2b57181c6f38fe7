//! Helm itself, as `tests/helm/build` makes it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use super::control_plane::{ControlPlane, Output};

/// The name and the namespace of a release, if a test has no reason for others.
pub const RELEASE: [&str; 3] = ["keyward", "--namespace", "keyward-system"];

/// Where Helm keeps what is its user's.
const HOMES: [&str; 3] = ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"];

/// The folder of the chart.
pub fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/keyward")
}

/// What a script of the tests prints: a path. It builds or downloads what is there, if need be.
pub fn made(script: &str) -> PathBuf {
    let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(script)).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end())
}

fn helm() -> &'static Path {
    static HELM: OnceLock<PathBuf> = OnceLock::new();
    HELM.get_or_init(|| made("tests/helm/build"))
}

/// Runs Helm without a cluster. Nothing of the user's own settings reaches it.
pub async fn offline(arguments: &[&str]) -> Output {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("helm");
    let output = tokio::process::Command::new(helm())
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("KUBECONFIG", "/dev/null")
        .envs(HOMES.map(|name| (name, &folder)))
        .output()
        .await
        .unwrap();
    Output::of(&output)
}

/// What makes `helm` mean this Helm in a shell.
pub fn in_a_shell(cluster: &ControlPlane) -> String {
    let folders = HOMES.map(|name| format!("{name}='{}'", cluster.dir.join("helm").display()));
    format!("export {}; helm() {{ '{}' \"$@\"; }}", folders.join(" "), helm().display())
}

/// What the chart renders with these values, beside those that it is shipped with and a cluster id.
pub async fn render(values: &Value, flags: &[&str]) -> Output {
    let file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::write(file.path(), values.to_string()).unwrap();
    let (chart, values) = (chart(), file.path().to_str().unwrap());
    let template = ["template", RELEASE[0], chart.to_str().unwrap(), RELEASE[1], RELEASE[2], "--values", values];
    offline(&[&template, flags].concat()).await
}
