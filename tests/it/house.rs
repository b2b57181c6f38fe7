//! Values that are in two places of the repository agree: versions, folders, commands.

use std::{collections::BTreeSet, path::PathBuf};

use crate::layering::{files, is_of_tests, module_of, read, root, without_tests};

fn text(path: &str) -> String {
    read(&root().join(path))
}

/// What stands between `before` and the end of the line or the next quote, wherever it occurs.
fn after<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    text.split(before).skip(1).filter_map(|rest| rest.split(['"', '\n', ' ']).next()).collect()
}

#[test]
fn tools_have_the_same_version_in_every_file() {
    let rust = text("rust-toolchain.toml");
    let rust = after(&rust, "channel = \"")[0];
    assert!(rust.starts_with(after(&text("Cargo.toml"), "rust-version = \"")[0]), "Cargo.toml has another Rust than {rust}");
    let container = text(".devcontainer/Dockerfile");
    assert_eq!(after(&container, "FROM rust:"), [format!("{rust}-bookworm")]);
    let modules = ["control-plane", "huawei-go-sdk", "aws-go-sdk", "ack", "helm", "prometheus-operator"]
        .map(|folder| format!("tests/{folder}/go.mod"));
    let go: BTreeSet<String> = modules
        .iter()
        .map(|module| after(&text(module), "\ngo ")[0].trim_end_matches(".0").to_owned())
        .chain([after(&container, "FROM golang:")[0].trim_end_matches("-bookworm").to_owned()])
        .chain([after(&text(".github/workflows/ci.yaml"), "go-version: \"")[0].to_owned()])
        .collect();
    assert_eq!(go.len(), 1, "Go differs: {go:?}");
    assert!(text(".ci/run").contains(&format!("install Go {} or later", go.first().unwrap())), "{go:?}");
}

#[test]
fn a_container_has_what_ci_installs() {
    let (run, container) = (text(".ci/run"), text(".devcontainer/Dockerfile"));
    let line = run.lines().find(|line| line.starts_with("declare -A package")).unwrap();
    for package in line.split(['=', ' ', ')']).filter(|word| ["make", "gcc", "openssl", "util-linux", "python3", "git"].contains(word)) {
        assert!(container.contains(&format!(" {package} ")), ".devcontainer/Dockerfile installs no {package}");
    }
}

#[test]
fn dependabot_watches_every_folder_with_dependencies() {
    let bot = text(".github/dependabot.yml");
    let listed: BTreeSet<PathBuf> = bot
        .split(['[', ']', ' ', ',', '\n'])
        .filter_map(|word| word.strip_prefix("/tests/"))
        .map(|folder| root().join("tests").join(folder))
        .collect();
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(root().join("tests")).unwrap() {
        let folder = entry.unwrap().path();
        if ["go.mod", "requirements.txt", "package-lock.json"].iter().any(|file| folder.join(file).exists()) {
            found.insert(folder);
        }
    }
    assert_eq!(listed, found, "dependabot.yml lists other folders than have dependencies");
    for path in text(".github/CODEOWNERS").lines().filter_map(|line| line.split(' ').next()?.strip_prefix('/')) {
        assert!(root().join(path).exists(), "CODEOWNERS names {path}");
    }
    assert!(text(".github/workflows/ci.yaml").contains("- run: .ci/run\n"), "the workflow does not run .ci/run");
}

#[test]
fn every_command_is_in_the_table() {
    let (makefile, page) = (text("Makefile"), text("CONTRIBUTING.md"));
    let targets: Vec<&str> =
        makefile.lines().filter(|line| line.contains(':') && line.contains(" ## ")).filter_map(|line| line.split(':').next()).collect();
    assert!(targets.len() > 8, "{targets:?}");
    for target in targets.iter().filter(|target| **target != "help" && **target != "clean") {
        assert!(page.contains(&format!("| `make {target}` |")), "CONTRIBUTING.md has no `make {target}`");
    }
}

#[test]
fn the_readme_is_read_in_five_minutes() {
    const MOST: usize = 900;
    let words = text("README.md").split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).count();
    assert!(words <= MOST, "README.md has {words} words, and at most {MOST} are allowed; move something to docs/");
}

/// The files with the waits and periods of their layer.
const WAITS: [&str; 6] = ["waits.rs", "lease.rs", "controller/waits.rs", "kms/waits.rs", "domain/requeue.rs", "domain/periods.rs"];

/// The lines of a source text that have a time of their own, such as `Duration::from_secs(5)`. Tests may have any.
fn times(source: &str) -> Vec<&str> {
    let is_time = |line: &&str| {
        let mut calls = line.split("Duration::from_").skip(1).filter_map(|rest| rest.split_once('('));
        let is_number = |rest: &str| {
            let number = rest.split([')', ',']).next().unwrap_or_default();
            !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '_')
        };
        calls.any(|(_, rest)| is_number(rest))
    };
    without_tests(source).lines().filter(is_time).collect()
}

#[test]
fn each_wait_is_in_the_file_of_its_layer() {
    let source = root().join("src");
    let mut strays = Vec::new();
    for path in files(&source) {
        let path = path.strip_prefix(&source).unwrap();
        let (name, text) = (path.to_str().unwrap(), read(&source.join(path)));
        if WAITS.contains(&name) {
            assert!(!times(&text).is_empty(), "{name} has no times; a wait is not recognised");
        } else if !is_of_tests(&module_of(path)) {
            strays.extend(times(&text).into_iter().map(|line| format!("{name}: {}", line.trim())));
        }
    }
    assert!(strays.is_empty(), "move these into one of {WAITS:?}:\n{}", strays.join("\n"));
}
