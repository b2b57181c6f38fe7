//! Who may import whom, as `ARCHITECTURE.md` draws it, read from the source itself.
//!
//! The core stays pure, SDK types stay in their adapter, and the double stays a stranger, because a change that breaks it fails here and not in a
//! review.

mod circles;
mod record;
mod source;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use source::Named;

/// What the files under one module path may use. The longest path that fits a file is the one that counts.
struct Layer {
    module: &'static str,
    /// Other modules of ours; its own top-level module is always one.
    ours: &'static [&'static str],
    theirs: Theirs,
    purity: Purity,
}

/// Which crates of others.
enum Theirs {
    /// Only these. The module is pure, and another crate needs a decision.
    Only(&'static [&'static str]),
    /// All but these and the SDKs of providers.
    AllBut(&'static [&'static str]),
    /// All but these; an adapter, so the SDK that its own prefix names is in.
    Adapter(&'static str, &'static [&'static str]),
}

/// Whether it may reach outside of its arguments.
#[derive(PartialEq)]
enum Purity {
    Free,
    /// No clock, no `async`, no I/O and no output: the same arguments give the same result.
    Pure,
}

/// Modules of `std` that reach outside, or that wait.
const OUTSIDE: &[&str] = &["env", "fs", "future", "io", "net", "os", "process", "task", "thread"];
/// Macros that write.
const OUTPUT: &[&str] = &["dbg", "eprint", "eprintln", "print", "println"];

/// SDKs of providers, by prefix of the crate's name.
const SDKS: &[&str] = &["aws_"];

const LAYERS: &[Layer] = &[
    layer("text", &[], Theirs::Only(&[]), Purity::Pure),
    layer("api", &["text"], Theirs::Only(&["jiff", "k8s_openapi", "kube", "schemars", "serde", "serde_json"]), Purity::Pure),
    layer(
        "domain",
        &["api", "text"],
        // The digests of owner marks are text over text.
        Theirs::Only(&["base64", "jiff", "k8s_openapi", "serde", "serde_json", "sha2", "thiserror"]),
        Purity::Pure,
    ),
    layer("manifests", &["api"], Theirs::Only(&["anyhow", "k8s_openapi", "kube", "serde", "serde_json", "serde_saphyr"]), Purity::Pure),
    layer("metrics", &[], Theirs::Only(&["prometheus_client"]), Purity::Free),
    // Its walks at random are seeded, and so the same each time; they tell how long they took.
    layer(
        "domain::tests",
        &["domain", "api", "fuzz"],
        Theirs::Only(&["jiff", "k8s_openapi", "serde", "serde_json", "thiserror", "fastrand"]),
        Purity::Free,
    ),
    layer("fuzz", &[], Theirs::Only(&["fastrand", "serde_json"]), Purity::Free),
    layer("kms", &["domain", "api", "metrics", "fuzz", "text"], Theirs::AllBut(&["kube", "axum", "clap", "anyhow"]), Purity::Free),
    layer(
        "kms::aws",
        &["domain", "api", "metrics", "fuzz", "text"],
        Theirs::Adapter("aws_", &["kube", "axum", "clap", "anyhow"]),
        Purity::Free,
    ),
    layer(
        "kms::ciphertrust",
        &["domain", "api", "metrics", "fuzz", "text"],
        Theirs::AllBut(&["kube", "axum", "clap", "anyhow"]),
        Purity::Free,
    ),
    layer("kms::huawei", &["domain", "api", "metrics", "fuzz", "text"], Theirs::AllBut(&["kube", "axum", "clap", "anyhow"]), Purity::Free),
    layer("lease", &["telemetry"], Theirs::AllBut(&["axum", "clap"]), Purity::Free),
    layer("server", &["metrics"], Theirs::AllBut(&["kube", "clap"]), Purity::Free),
    layer("telemetry", &["text"], Theirs::AllBut(&["axum"]), Purity::Free),
    layer(
        "controller",
        &["kms", "domain", "api", "metrics", "lease", "server", "telemetry", "text"],
        Theirs::AllBut(&["axum", "clap"]),
        Purity::Free,
    ),
    layer("cli", &["controller", "manifests", "telemetry"], Theirs::AllBut(&["kube", "axum"]), Purity::Free),
    layer("startup", &["api", "manifests", "telemetry"], Theirs::AllBut(&["axum", "clap"]), Purity::Free),
    layer("run", &["cli", "controller", "lease", "metrics", "server", "startup", "telemetry"], Theirs::AllBut(&[]), Purity::Free),
    layer("main", &["cli", "run", "manifests", "telemetry"], Theirs::AllBut(&["kube"]), Purity::Free),
    layer("lib", &[], Theirs::Only(&[]), Purity::Pure),
];

const fn layer(module: &'static str, ours: &'static [&'static str], theirs: Theirs, purity: Purity) -> Layer {
    Layer { module, ours, theirs, purity }
}

/// What one file has against the table, in sentences.
fn complaints(module: &[String], source: &str, crates: &BTreeSet<String>) -> Vec<String> {
    let path = module.join("::");
    let fits = |layer: &&Layer| path == layer.module || path.starts_with(&format!("{}::", layer.module));
    let Some(layer) = LAYERS.iter().filter(fits).max_by_key(|layer| layer.module.len()) else {
        return vec![format!("{path} has no layer; give it one in tests/it/layering.rs and in ARCHITECTURE.md")];
    };
    let found = source::read(module, source);
    let ours: BTreeSet<_> = found.ours.iter().filter_map(|path| path.first()).collect();
    let ours = ours.into_iter().filter(|ours| **ours != module[0] && !layer.ours.contains(&ours.as_str()));
    let is_sdk = |name: &str| SDKS.iter().any(|prefix| name.starts_with(prefix));
    let theirs: BTreeSet<_> = found.theirs.iter().map(|path| &path[0]).filter(|name| crates.contains(*name) || is_sdk(name)).collect();
    let theirs = theirs.into_iter().filter(|name| match &layer.theirs {
        Theirs::Only(names) => !names.contains(&name.as_str()),
        Theirs::AllBut(names) => is_sdk(name) || names.contains(&name.as_str()),
        Theirs::Adapter(prefix, names) => !name.starts_with(prefix) && (is_sdk(name) || names.contains(&name.as_str())),
    });
    let mut complaints: Vec<_> = ours.map(|ours| format!("{path} may not use crate::{ours}")).collect();
    complaints.extend(theirs.map(|theirs| format!("{path} may not use {theirs}")));
    if layer.purity == Purity::Pure {
        complaints.extend(impurities(&found).into_iter().map(|impurity| format!("{path} {impurity}")));
    }
    complaints
}

/// What keeps a file from being pure.
fn impurities(named: &Named) -> Vec<String> {
    let all = || named.theirs.iter().chain(&named.ours);
    let clock = |path: &Vec<String>| {
        path.iter().any(|name| name == "SystemTime" || name == "Instant") || path.last().is_some_and(|last| last == "now")
    };
    let outside = |path: &&Vec<String>| path[0] == "std" && path.get(1).is_some_and(|part| OUTSIDE.contains(&part.as_str()));
    let mut impurities = Vec::new();
    if all().any(clock) {
        impurities.push("may not read a clock; time is a parameter".to_owned());
    }
    if named.is_async {
        impurities.push("may not be async".to_owned());
    }
    impurities.extend(named.theirs.iter().filter(outside).map(|path| format!("may not use {}", path.join("::"))));
    impurities.extend(named.macros.iter().filter(|name| OUTPUT.contains(&name.as_str())).map(|name| format!("may not call {name}!")));
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
            let named = source::read(&["double".to_owned()], &text);
            let pasted = named.macros.iter().any(|name| name.starts_with("include")) || text.contains("#[path");
            assert!(!pasted && !text.contains("keyward::"), "{} takes source from elsewhere", path.display());
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
        ("domain::plan", "use crate::api::Reason;", None),
        ("domain::plan", "use crate::kms::Kms;", Some("domain::plan may not use crate::kms")),
        ("domain::plan", "use crate::{api::{Reason, kms}, controller::{self, api}};", Some("domain::plan may not use crate::controller")),
        ("domain::plan", "fn f() -> crate::controller::X {}", Some("domain::plan may not use crate::controller")),
        ("domain::plan", "use super::step::Step;", None),
        ("domain::plan", "use super::super::kms::Kms;", Some("domain::plan may not use crate::kms")),
        ("domain::plan", "mod tests { use super::super::observed::X; }", None),
        ("domain::plan", "mod tests { use super::super::super::{api, lease}; }", Some("domain::plan may not use crate::lease")),
        ("domain", "use super::lease;", Some("domain may not use crate::lease")),
        ("domain::plan", "use tokio::time::sleep;", Some("domain::plan may not use tokio")),
        ("domain::plan", "fn f() { tracing::info!(\"x\"); }", Some("domain::plan may not use tracing")),
        ("domain::plan", "use kube::Client;", Some("domain::plan may not use kube")),
        ("domain::plan", "use kube;", Some("domain::plan may not use kube")),
        ("domain::plan", "fn f() { let now = jiff::Timestamp::now(); }", Some("domain::plan may not read a clock; time is a parameter")),
        ("domain::plan", "use std::time::Instant;", Some("domain::plan may not read a clock; time is a parameter")),
        ("domain::plan", "use std::time::SystemTime;", Some("domain::plan may not read a clock; time is a parameter")),
        ("domain::plan", "use std::time::Duration;", None),
        (
            "domain::plan",
            "fn f() { say!(\"{}\", jiff::Timestamp::now()); }",
            Some("domain::plan may not read a clock; time is a parameter"),
        ),
        ("domain::plan", "async fn f() {}", Some("domain::plan may not be async")),
        ("domain::plan", "fn f() { g(async || {}); }", Some("domain::plan may not be async")),
        ("domain::plan", "fn f() { say!(g().await); }", Some("domain::plan may not be async")),
        ("domain::plan", "use std::{fmt, net::TcpStream};", Some("domain::plan may not use std::net::TcpStream")),
        ("domain::plan", "fn f() { println!(); }", Some("domain::plan may not call println!")),
        ("kms", "async fn f() { std::fs::read(std::time::Instant::now()).await; println!(); }", None),
        ("domain::plan", "macro_rules! m { () => { use kube::{Client}; } }", Some("domain::plan may not use kube")),
        ("domain::plan", "#[derive(kube::CustomResource)] struct S;", Some("domain::plan may not use kube")),
        (
            "domain::plan",
            "const S: &str = \"kube::Client \\\" tokio::x\"; // tokio::x\n/* crate::kms */ const R: &str = r#\"crate::kms \" x\"#;",
            None,
        ),
        ("domain::plan", "const C: char = '\"'; use tokio::x; const D: char = '\"';", Some("domain::plan may not use tokio")),
        ("api::condition", "use crate::domain::plan;", Some("api::condition may not use crate::domain")),
        ("kms::aws::calls", "use aws_sdk_kms::Client; use aws_smithy_types::X;", None),
        ("kms::aws", "use crate::controller::X;", Some("kms::aws may not use crate::controller")),
        ("kms", "use aws_sdk_kms::Client;", Some("kms may not use aws_sdk_kms")),
        ("kms::huawei", "use aws_sdk_kms::Client;", Some("kms::huawei may not use aws_sdk_kms")),
        ("kms::aws", "use kube::Client;", Some("kms::aws may not use kube")),
        ("controller::managed_key", "use aws_smithy_types::X;", Some("controller::managed_key may not use aws_smithy_types")),
        ("controller", "use crate::cli::Options;", Some("controller may not use crate::cli")),
        ("main", "use keyward::domain::plan;", Some("main may not use crate::domain")),
        ("surprise", "", Some("surprise has no layer; give it one in tests/it/layering.rs and in ARCHITECTURE.md")),
    ] {
        let module: Vec<_> = module.split("::").map(str::to_owned).collect();
        let said = complaints(&module, source, &crates);
        assert_eq!(said.iter().map(String::as_str).collect::<Vec<_>>(), caught.into_iter().collect::<Vec<_>>(), "{source}");
    }
}
