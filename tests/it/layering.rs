//! Who may use whom, as `ARCHITECTURE.md` draws it, read from the source itself.
//!
//! The core stays pure, SDK types stay in their adapter, and the double stays a stranger, because a change that breaks it fails here and not in a
//! review.

mod circles;
mod record;
mod source;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What the files under one module path may use: the path, our other modules, and the crates of others. The longest path that fits a file is the one that
/// counts. A file may always use its own top-level module.
struct Layer(&'static str, &'static [&'static str], Theirs);

/// Which crates of others.
enum Theirs {
    /// Only these, and nothing that reaches outside of its arguments: no clock, no `async`, no I/O and no output.
    Pure(&'static [&'static str]),
    /// Only these.
    Only(&'static [&'static str]),
    /// All but these. The SDK of a provider is for its adapter only.
    AllBut(&'static [&'static str]),
}
use Theirs::{AllBut, Only, Pure};

/// Modules of `std` that reach outside, or that wait.
const OUTSIDE: &[&str] = &["env", "fs", "future", "io", "net", "os", "process", "task", "thread"];
/// Macros that write.
const OUTPUT: &[&str] = &["dbg", "eprint", "eprintln", "print", "println"];
/// SDKs of providers: the prefix of the crate's name, and the adapter that may use it.
const SDK: (&str, &str) = ("aws_", "kms::aws");

const LAYERS: &[Layer] = &[
    Layer("lib", &[], Pure(&[])),
    Layer("text", &[], Pure(&[])),
    Layer("waits", &[], Pure(&[])),
    Layer("api", &["text"], Pure(&["jiff", "k8s_openapi", "kube", "schemars", "serde", "serde_json"])),
    // The digests of owner marks are text over text.
    Layer("domain", &["api", "text"], Pure(&["base64", "jiff", "k8s_openapi", "serde", "serde_json", "sha2", "thiserror"])),
    // Its walks at random are seeded, and so the same each time; they tell how long they took.
    Layer("domain::tests", &["api", "fuzz"], Only(&["jiff", "k8s_openapi", "serde", "serde_json", "thiserror", "fastrand"])),
    Layer("fuzz", &[], Only(&["fastrand", "serde_json"])),
    Layer("manifests", &["api"], Pure(&["anyhow", "k8s_openapi", "kube", "serde", "serde_json", "serde_saphyr"])),
    Layer("metrics", &[], Only(&["procfs", "prometheus_client"])),
    Layer("telemetry", &["text"], AllBut(&["axum"])),
    Layer("kms", &["domain", "api", "metrics", "fuzz", "text"], AllBut(&["kube", "axum", "clap", "anyhow"])),
    Layer("lease", &["telemetry"], AllBut(&["axum", "clap"])),
    Layer("server", &["metrics", "waits"], AllBut(&["kube", "clap"])),
    Layer("controller", &["kms", "domain", "api", "metrics", "lease", "server", "telemetry", "text"], AllBut(&["axum", "clap"])),
    Layer("cli", &["controller", "manifests", "telemetry", "waits"], AllBut(&["kube", "axum"])),
    Layer("startup", &["api", "manifests", "telemetry", "waits"], AllBut(&["axum", "clap"])),
    Layer("run", &["cli", "controller", "lease", "metrics", "server", "startup", "telemetry", "waits"], AllBut(&[])),
    Layer("main", &["cli", "run", "manifests", "telemetry"], AllBut(&["kube"])),
];

/// What one file has against the table, in sentences.
fn complaints(module: &[String], source: &str, crates: &BTreeSet<String>) -> Vec<String> {
    let path = module.join("::");
    let is_under = |name: &str| path == name || path.starts_with(&format!("{name}::"));
    let Some(Layer(_, ours, theirs)) = LAYERS.iter().filter(|layer| is_under(layer.0)).max_by_key(|layer| layer.0.len()) else {
        return vec![format!("{path} has no layer; give it one in tests/it/layering.rs and in ARCHITECTURE.md")];
    };
    let words = source::words(source);
    let found = source::read(module, &words);
    let is_sdk = |name: &str| name.starts_with(SDK.0) && !is_under(SDK.1);
    let is_crate = |name: &str| crates.contains(name) || name.starts_with(SDK.0);
    let is_refused = |name: &str| match theirs {
        Pure(names) | Only(names) => !names.contains(&name),
        AllBut(names) => is_sdk(name) || names.contains(&name),
    };
    let first = |paths: &BTreeSet<source::Path>| paths.iter().filter_map(|path| path.first().cloned()).collect::<BTreeSet<_>>();
    let mut complaints = Vec::new();
    for other in first(&found.ours) {
        if other != module[0] && !ours.contains(&&*other) {
            complaints.push(format!("{path} may not use crate::{other}"));
        }
    }
    for other in first(&found.theirs) {
        if is_crate(&other) && is_refused(&other) {
            complaints.push(format!("{path} may not use {other}"));
        }
    }
    if let Pure(_) = theirs {
        complaints.extend(impurities(&found, &words).into_iter().map(|impurity| format!("{path} {impurity}")));
    }
    complaints
}

/// What keeps a file from being pure.
fn impurities(found: &source::Named, words: &[String]) -> Vec<String> {
    let is_clock = |path: &source::Path| {
        path.iter().any(|name| name == "SystemTime" || name == "Instant") || path.last().is_some_and(|last| last == "now")
    };
    let is_outside = |path: &&source::Path| path[0] == "std" && path.get(1).is_some_and(|part| OUTSIDE.contains(&&**part));
    let mut impurities = Vec::new();
    if found.ours.iter().chain(&found.theirs).any(is_clock) {
        impurities.push("may not read a clock; time is a parameter".to_owned());
    }
    if words.iter().any(|word| word == "async" || word == "await") {
        impurities.push("may not be async".to_owned());
    }
    impurities.extend(found.theirs.iter().filter(is_outside).map(|path| format!("may not use {}", path.join("::"))));
    let calls = words.windows(2).filter(|pair| pair[1] == "!" && OUTPUT.contains(&&*pair[0]));
    impurities.extend(calls.map(|call| format!("may not call {}!", call[0])));
    impurities
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file under a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// `src/kms/aws/mod.rs` is `kms::aws`.
pub(crate) fn module_of(path: &Path) -> Vec<String> {
    let mut module: Vec<_> = path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}

/// The names of `[dependencies]`, as Rust writes them.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap();
    let section = section.split("\n[").next().unwrap();
    section
        .lines()
        .filter_map(|line| line.split(['=', '.', ' ']).next())
        .filter(|name| !name.is_empty())
        .map(|name| name.replace('-', "_"))
        .collect()
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// A file without the tests at its end.
pub(crate) fn without_tests(source: &str) -> &str {
    source.split("\nmod tests {").next().unwrap_or_default()
}

/// Whether a module is compiled for tests alone.
pub(crate) fn is_of_tests(module: &[String]) -> bool {
    module.iter().any(|part| ["tests", "fuzz", "fixtures", "in_memory"].contains(&&**part))
}

#[test]
fn every_module_keeps_to_its_layer() {
    let crates = dependencies(&read(&root().join("Cargo.toml")));
    assert!(crates.contains("kube") && crates.contains("aws_sdk_kms"), "{crates:?}");
    let source = root().join("src");
    let files = files(&source);
    assert!(files.len() > 20, "{files:?}");
    let complaints: Vec<_> =
        files.iter().flat_map(|path| complaints(&module_of(path.strip_prefix(&source).unwrap()), &read(path), &crates)).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// The doubles and the operator have to be wrong independently.
#[test]
fn the_double_shares_nothing() {
    for name in ["kms-double", "api-double"] {
        let double = root().join("tests").join(name);
        let manifest = read(&double.join("Cargo.toml"));
        assert!(!manifest.contains("path =") && !dependencies(&manifest).contains("keyward"), "{name} depends on something of ours");
        let files = files(&double.join("src"));
        assert!(files.len() > 3, "{files:?}");
        for path in &files {
            let text = read(path);
            let pasted = ["include!", "include_str!", "include_bytes!", "#[path", "keyward::"].iter().any(|words| text.contains(words));
            assert!(!pasted, "{} takes source from elsewhere", path.display());
        }
        let of_the_operator = dependencies(&read(&root().join("Cargo.toml")));
        assert!(!of_the_operator.contains(&*name.replace('-', "_")), "the operator depends on {name}");
    }
}

/// The check finds each violation, and it reports nothing else.
#[test]
fn violations_are_caught() {
    let crates = ["kube", "tokio", "tracing", "jiff", "aws_sdk_kms", "axum"].map(str::to_owned).into();
    for (module, source, caught) in [
        ("domain::plan", "use crate::api::Reason; use super::step::Step; use std::time::Duration; mod tests { use super::super::x; }", ""),
        ("domain::plan", "use crate::{api::{Reason, kms}, controller::{self, api}};", "may not use crate::controller"),
        ("domain::plan", "fn f() -> crate::controller::X {}", "may not use crate::controller"),
        ("domain::plan", "use super::super::kms::Kms;", "may not use crate::kms"),
        ("domain::plan", "mod tests { use super::super::super::{api, lease}; }", "may not use crate::lease"),
        ("domain::plan", "fn f() { tracing::info!(\"x\"); }", "may not use tracing"),
        ("domain::plan", "use kube;", "may not use kube"),
        ("domain::plan", "macro_rules! m { () => { use kube::{Client}; } }", "may not use kube"),
        ("domain::plan", "#[derive(kube::CustomResource)] struct S;", "may not use kube"),
        ("domain::plan", "fn f() { say!(\"{}\", jiff::Timestamp::now()); }", "may not read a clock; time is a parameter"),
        ("domain::plan", "use std::time::{Duration, SystemTime};", "may not read a clock; time is a parameter"),
        ("domain::plan", "fn f() { g(async || {}); }", "may not be async"),
        ("domain::plan", "fn f() { say!(g().await); }", "may not be async"),
        ("domain::plan", "use std::{fmt, net::TcpStream};", "may not use std::net::TcpStream"),
        ("domain::plan", "fn f() { println!(); }", "may not call println!"),
        (
            "domain::plan",
            "const S: &str = \"kube::Client \\\" tokio::x\"; // tokio::x\n/* crate::kms */ const R: &str = r#\"crate::kms \" x\"#;",
            "",
        ),
        ("domain::plan", "const C: char = '\"'; use tokio::x; const D: char = '\"';", "may not use tokio"),
        ("kms", "async fn f() { std::fs::read(std::time::Instant::now()).await; println!(); }", ""),
        ("kms", "use aws_sdk_kms::Client;", "may not use aws_sdk_kms"),
        ("kms::huawei", "use aws_sdk_kms::Client;", "may not use aws_sdk_kms"),
        ("kms::aws::calls", "use aws_sdk_kms::Client; use aws_smithy_types::X;", ""),
        ("kms::aws", "use crate::controller::X;", "may not use crate::controller"),
        ("kms::aws", "use kube::Client;", "may not use kube"),
        ("main", "use keyward::domain::plan;", "may not use crate::domain"),
        ("surprise", "", "has no layer; give it one in tests/it/layering.rs and in ARCHITECTURE.md"),
    ] {
        let path: Vec<_> = module.split("::").map(str::to_owned).collect();
        let expected = if caught.is_empty() { vec![] } else { vec![format!("{module} {caught}")] };
        assert_eq!(complaints(&path, source, &crates), expected, "{source}");
    }
}
