//! Who may import whom, as `ARCHITECTURE.md` draws it, read from the source itself.
//!
//! The core stays pure, SDK types stay in their adapter, and the double stays a stranger, because a change that breaks it fails here and not in a
//! review.

mod circles;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What the files under one module path may use. The longest path that fits a file is the one that counts.
struct Layer {
    module: &'static str,
    /// Other modules of ours; its own top-level module is always one.
    ours: &'static [&'static str],
    theirs: Theirs,
    clock: Clock,
}

/// Which crates of others.
enum Theirs {
    /// These alone: the module is pure, and what is new needs a decision.
    Only(&'static [&'static str]),
    /// All but these and the SDKs of providers.
    AllBut(&'static [&'static str]),
    /// All but these; an adapter, so the SDK that its own prefix names is in.
    Adapter(&'static str, &'static [&'static str]),
}

/// Whether it may ask what time it is.
#[derive(PartialEq)]
enum Clock {
    Free,
    /// Time is a parameter.
    Forbidden,
}

/// SDKs of providers, by prefix of the crate's name.
const SDKS: &[&str] = &["aws_"];

const LAYERS: &[Layer] = &[
    layer("api", &[], Theirs::Only(&["jiff", "k8s_openapi", "kube", "schemars", "serde", "serde_json"]), Clock::Forbidden),
    layer(
        "domain",
        &["api"],
        // The digests of owner marks are text over text.
        Theirs::Only(&["base64", "jiff", "k8s_openapi", "serde", "serde_json", "sha2", "thiserror"]),
        Clock::Forbidden,
    ),
    layer("manifests", &["api"], Theirs::Only(&["anyhow", "k8s_openapi", "kube", "serde", "serde_json", "serde_saphyr"]), Clock::Forbidden),
    layer("metrics", &[], Theirs::Only(&["prometheus_client"]), Clock::Free),
    // Its walks at random are seeded, and so the same each time; they tell how long they took.
    layer(
        "domain::tests",
        &["domain", "api"],
        Theirs::Only(&["jiff", "k8s_openapi", "serde", "serde_json", "thiserror", "fastrand"]),
        Clock::Free,
    ),
    layer("kms", &["domain", "api", "metrics"], Theirs::AllBut(&["kube", "axum", "clap", "anyhow"]), Clock::Free),
    layer("kms::aws", &["domain", "api", "metrics"], Theirs::Adapter("aws_", &["kube", "axum", "clap", "anyhow"]), Clock::Free),
    layer("kms::ciphertrust", &["domain", "api", "metrics"], Theirs::AllBut(&["kube", "axum", "clap", "anyhow"]), Clock::Free),
    layer("kms::huawei", &["domain", "api", "metrics"], Theirs::AllBut(&["kube", "axum", "clap", "anyhow"]), Clock::Free),
    layer("lease", &["telemetry"], Theirs::AllBut(&["axum", "clap"]), Clock::Free),
    layer("server", &["metrics"], Theirs::AllBut(&["kube", "clap"]), Clock::Free),
    layer("telemetry", &[], Theirs::AllBut(&["axum"]), Clock::Free),
    layer(
        "controller",
        &["kms", "domain", "api", "metrics", "lease", "server", "telemetry"],
        Theirs::AllBut(&["axum", "clap"]),
        Clock::Free,
    ),
    layer("cli", &["controller", "manifests", "telemetry"], Theirs::AllBut(&["kube", "axum"]), Clock::Free),
    layer("startup", &["api", "manifests", "telemetry"], Theirs::AllBut(&["axum", "clap"]), Clock::Free),
    layer("run", &["cli", "controller", "lease", "metrics", "server", "startup", "telemetry"], Theirs::AllBut(&[]), Clock::Free),
    layer("main", &["cli", "run", "manifests", "telemetry"], Theirs::AllBut(&["kube"]), Clock::Free),
    layer("lib", &[], Theirs::Only(&[]), Clock::Forbidden),
];

const fn layer(module: &'static str, ours: &'static [&'static str], theirs: Theirs, clock: Clock) -> Layer {
    Layer { module, ours, theirs, clock }
}

/// What one file has against the table, in sentences.
fn complaints(module: &[String], source: &str, crates: &BTreeSet<String>) -> Vec<String> {
    let path = module.join("::");
    let fits = |layer: &&Layer| path == layer.module || path.starts_with(&format!("{}::", layer.module));
    let Some(layer) = LAYERS.iter().filter(fits).max_by_key(|layer| layer.module.len()) else {
        return vec![format!("{path} has no layer; give it one in tests/it/layering.rs and in ARCHITECTURE.md")];
    };
    let used = Used::read(module, &words(source), crates);
    let mut complaints = Vec::new();
    for ours in &used.ours {
        if *ours != module[0] && !layer.ours.contains(&ours.as_str()) {
            complaints.push(format!("{path} may not use crate::{ours}"));
        }
    }
    for theirs in &used.theirs {
        let sdk = SDKS.iter().any(|prefix| theirs.starts_with(prefix));
        let allowed = match &layer.theirs {
            Theirs::Only(names) => names.contains(&theirs.as_str()),
            Theirs::AllBut(names) => !sdk && !names.contains(&theirs.as_str()),
            Theirs::Adapter(prefix, names) => theirs.starts_with(prefix) || (!sdk && !names.contains(&theirs.as_str())),
        };
        if !allowed {
            complaints.push(format!("{path} may not use {theirs}"));
        }
    }
    if layer.clock == Clock::Forbidden && used.clock {
        complaints.push(format!("{path} may not read a clock; time is a parameter"));
    }
    complaints
}

/// What a file uses.
#[derive(Default)]
struct Used {
    /// Top-level modules of ours.
    ours: BTreeSet<String>,
    /// Crates of others.
    theirs: BTreeSet<String>,
    clock: bool,
}

impl Used {
    fn read(module: &[String], words: &[String], crates: &BTreeSet<String>) -> Self {
        let mut used = Self::default();
        // `mod tests {` makes `super` mean one level less; each entry is the depth of braces at which such a module ends.
        let (mut depth, mut inline) = (0_usize, Vec::new());
        for (index, word) in words.iter().enumerate() {
            let next = |ahead: usize| words.get(index + ahead).map_or("", String::as_str);
            let before = |behind: usize| index.checked_sub(behind).map_or("", |index| words[index].as_str());
            match word.as_str() {
                "{" => {
                    if before(2) == "mod" {
                        inline.push(depth);
                    }
                    depth += 1;
                }
                "}" => {
                    depth = depth.saturating_sub(1);
                    if inline.last() == Some(&depth) {
                        inline.pop();
                    }
                }
                "SystemTime" | "Instant" => used.clock = true,
                "now" if before(1) == "::" => used.clock = true,
                "crate" | "keyward" if next(1) == "::" && before(1) != "::" => used.ours.extend(heads(&words[index + 2..])),
                "super" if next(1) == "::" && before(1) != "::" => {
                    let ups = words[index..].chunks(2).take_while(|pair| *pair == ["super", "::"]).count();
                    // Whatever is below the crate's root is the file's own top-level module.
                    if ups == module.len() + inline.len() {
                        used.ours.extend(heads(&words[index + 2 * ups..]));
                    }
                }
                name if next(1) == "::" && before(1) != "::" && (crates.contains(name) || SDKS.iter().any(|sdk| name.starts_with(sdk))) => {
                    used.theirs.insert(name.to_owned());
                }
                name if crates.contains(name) && before(1) == "use" => {
                    used.theirs.insert(name.to_owned());
                }
                _ => {}
            }
        }
        used
    }
}

/// The first names of a path or of a group of paths: `a` of `a::b`; `a` and `c` of `{a::{b, x}, c}`.
fn heads(words: &[String]) -> Vec<String> {
    if words.first().is_none_or(|word| word != "{") {
        return words.first().cloned().into_iter().collect();
    }
    let (mut depth, mut heads, mut at_head) = (0, Vec::new(), false);
    for word in words {
        match word.as_str() {
            "{" => {
                depth += 1;
                at_head = depth == 1;
            }
            "}" if depth == 1 => break,
            "}" => depth -= 1,
            "," => at_head = depth == 1,
            name if at_head => {
                heads.push(name.to_owned());
                at_head = false;
            }
            _ => {}
        }
    }
    heads
}

/// The words and signs of a source text, without comments and without what stands in quotes.
fn words(source: &str) -> Vec<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut words = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let raw = rest.strip_prefix('r').map(|rest| rest.len() - rest.trim_start_matches('#').len());
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(hashes) = raw.filter(|hashes| rest[1 + hashes..].starts_with('"')) {
            let close = format!("\"{}", "#".repeat(hashes));
            let start = 2 + hashes;
            rest[start..].find(&close).map_or(rest.len(), |end| start + end + close.len())
        } else if first == '"' {
            let mut escaped = false;
            let end = rest[1..].find(|c| {
                let closes = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                closes
            });
            end.map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("'\"'") || rest.starts_with("'{'") || rest.starts_with("'}'") {
            3
        } else if rest.starts_with("'\\\"'") {
            4
        } else if rest.starts_with("::") {
            words.push("::".to_owned());
            2
        } else if is_name(first) {
            let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            words.push(rest[..end].to_owned());
            end
        } else {
            if !first.is_whitespace() {
                words.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    words
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file under a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
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
fn module_of(path: &Path) -> Vec<String> {
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

fn read(path: &Path) -> String {
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
            let words = words(&read(path));
            let ours = words.windows(2).any(|pair| pair[0] == "keyward" && pair[1] == "::");
            let by_path = words.windows(3).any(|three| three[0] == "#" && three[1] == "[" && three[2] == "path");
            let pasted = words.windows(2).any(|pair| pair[0].starts_with("include") && pair[1] == "!");
            assert!(!ours && !by_path && !pasted, "{} takes source from elsewhere", path.display());
        }
        let of_the_operator = dependencies(&read(&root().join("Cargo.toml")));
        assert!(!of_the_operator.contains(&*name.replace('-', "_")), "the operator depends on {name}");
    }
}

/// The test catches what it is for, and nothing else.
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
        ("domain::plan", "let now = jiff::Timestamp::now();", Some("domain::plan may not read a clock; time is a parameter")),
        ("domain::plan", "use std::time::Instant;", Some("domain::plan may not read a clock; time is a parameter")),
        ("domain::plan", "use std::time::SystemTime;", Some("domain::plan may not read a clock; time is a parameter")),
        ("domain::plan", "let s = \"kube::Client \\\" tokio::x\"; // tokio::x\n/* crate::kms */ let r = r#\"crate::kms \" x\"#;", None),
        ("domain::plan", "let c = '\"'; use tokio::x; let d = '\"';", Some("domain::plan may not use tokio")),
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
