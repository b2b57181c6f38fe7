//! Pages name tests as evidence. Each named test must exist and must be run; otherwise the page is wrong.
//!
//! `docs/seeds.md` names them by file, `tests/it/a.rs::b`; other pages by module, `a::b`, and the list of invariants also as "`a`: `b`, `c`".

use std::path::{Path, PathBuf};

/// A test that the page names.
struct Named<'a> {
    file: &'a str,
    function: &'a str,
}

fn read(name: &str) -> Option<String> {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).ok()
}

fn page() -> String {
    read("docs/seeds.md").expect("docs/seeds.md")
}

/// Every code span `file.rs::function` of a text.
fn named(text: &str) -> Vec<Named<'_>> {
    let spans = text.split('`').skip(1).step_by(2);
    spans.filter_map(|span| span.split_once(".rs::").map(|(file, function)| Named { file, function })).collect()
}

/// Why a named test is no evidence; `None` if it is.
fn missing(Named { file, function }: &Named<'_>) -> Option<String> {
    let Some(source) = read(&format!("{file}.rs")) else { return Some(format!("there is no {file}.rs")) };
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let Some(at) = lines.iter().position(|line| line.contains(&format!("fn {function}("))) else {
        return Some(format!("{file}.rs has no function {function}"));
    };
    let is_test = lines[..at].iter().rev().take_while(|line| line.starts_with('#')).any(|line| line.ends_with("test]"));
    // Suites run what their `mod.rs` lists.
    let list = read(&format!("{}/mod.rs", file.rsplit_once('/').map_or("", |(folder, _)| folder))).unwrap_or_default();
    let is_listed = list.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == *function);
    (!is_test && !is_listed).then(|| format!("{file}.rs has {function}, which no test runs"))
}

/// The cells of every row of the page's tables, without the heads.
fn rows(page: &str) -> Vec<Vec<&str>> {
    let is_row = |line: &&str| line.starts_with('|') && !line.starts_with("|--") && !line.starts_with("| The document says ");
    page.lines().filter(is_row).map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn every_test_that_the_page_names_is_there_and_is_run() {
    let page = page();
    let named = named(&page);
    assert!(named.len() > 100, "only {} tests were found on the page", named.len());
    let missing: Vec<String> = named.iter().filter_map(missing).collect();
    assert!(missing.is_empty(), "docs/seeds.md: {missing:#?}");
}

#[test]
fn every_sentence_has_a_test_or_a_reason() {
    let page = page();
    for row in rows(&page) {
        let [said, seen] = row.as_slice() else { panic!("two cells are expected: {row:?}") };
        assert!(!said.is_empty() && (!named(seen).is_empty() || seen.contains("Does not apply: ")), "{said}: neither a test nor a reason");
    }
}

#[test]
fn a_missing_test_is_noticed() {
    let named = |file, function| Named { file, function };
    for (test, said) in [
        (named("tests/it/seeds", "a_missing_test_is_noticed"), None),
        (named("tests/it/port/deletion", "the_shortest_window_is_kept"), None),
        (named("tests/it/nowhere", "a"), Some("there is no ")),
        (named("tests/it/seeds", "nothing"), Some("has no function")),
        (named("tests/it/seeds", "page"), Some("no test runs")),
    ] {
        let missing = missing(&test);
        assert_eq!(missing.is_some(), said.is_some(), "{missing:?}");
        assert!(missing.unwrap_or_default().contains(said.unwrap_or_default()));
    }
}

/// A source file, and the module that it is.
struct Source {
    module: Vec<String>,
    text: String,
}

/// Every file with that ending below a folder.
fn files(folder: &Path, ending: &str, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, ending, into);
        } else if path.extension().is_some_and(|found| found == ending) {
            into.push(path);
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Our modules, those of the library and those of the integration tests.
fn sources() -> Vec<Source> {
    let mut all = Vec::new();
    for folder in ["src", "tests/it"] {
        let mut found = Vec::new();
        files(&root().join(folder), "rs", &mut found);
        all.extend(found.into_iter().map(|path| {
            let within = path.strip_prefix(root().join(folder)).unwrap().with_extension("");
            let mut module: Vec<String> = within.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
            if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
                module.pop();
            }
            Source { module, text: std::fs::read_to_string(path).unwrap() }
        }));
    }
    all
}

/// Whether a path such as `reconcile::held::a_deletion` is a module of ours, or a function in one.
fn is_there(path: &str, sources: &[Source]) -> bool {
    let path: Vec<&str> = path.split("::").collect();
    sources.iter().any(|Source { module, text }| {
        let Some(rest) = path.strip_prefix(module.iter().map(String::as_str).collect::<Vec<_>>().as_slice()) else { return false };
        match rest.strip_prefix(&["tests"]).unwrap_or(rest) {
            [] => true,
            [function] => text.contains(&format!("fn {function}(")) || text.contains(&format!("        {function},\n")),
            _ => false,
        }
    })
}

/// Every path of a test that a page names.
fn paths(page: &str, sources: &[Source]) -> Vec<String> {
    let is_name = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let begins = |first: &str| sources.iter().any(|source| source.module.first().is_some_and(|module| module == first));
    let mut found = Vec::new();
    for line in page.lines() {
        // "`a`: `b`, `c`" is `a::b` and `a::c`, until the next semicolon.
        for part in line.split(';') {
            let mut spans = part.split('`');
            let mut within: Option<&str> = None;
            while let (Some(before), Some(span)) = (spans.next(), spans.next()) {
                if !matches!(before, ", " | ": ") {
                    within = None;
                }
                let listed = within.filter(|_| before == ", " || before == ": ");
                let full = listed.map_or_else(|| span.to_owned(), |within| format!("{within}::{span}"));
                let segments: Vec<&str> = full.split("::").collect();
                let is_path = segments.len() > 1 && segments.iter().all(|segment| is_name(segment)) && begins(segments[0]);
                if is_path {
                    found.push(full.clone());
                }
                if part[..].contains(&format!("`{span}`: `")) && span.split("::").all(is_name) && begins(span.split("::").next().unwrap()) {
                    within = Some(span);
                }
            }
        }
    }
    found
}

/// The pages outside `docs/`.
const PAGES: [&str; 7] = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "charts/keyward/README.md",
    "tests/kms-double/README.md",
];

#[test]
fn every_test_that_any_page_names_is_there() {
    let sources = sources();
    let mut pages = Vec::new();
    files(&root().join("docs"), "md", &mut pages);
    pages.extend(PAGES.map(|page| root().join(page)));
    let mut missing = Vec::new();
    let mut seen = 0;
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for path in paths(&text, &sources) {
            seen += 1;
            if !is_there(&path, &sources) {
                missing.push(format!("{}: {path}", page.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(seen > 80, "only {seen} were found");
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn a_path_that_a_page_names_is_read_in_each_form() {
    let sources = sources();
    let page = "| `seeds::is_there`; `domain::tests`: `plan`, `nothing` and more | `crash`: `a_b`, `c_d`; `Memory::open`, `kubectl get` |";
    let paths = paths(page, &sources);
    assert_eq!(paths, ["seeds::is_there", "domain::tests", "domain::tests::plan", "domain::tests::nothing", "crash::a_b", "crash::c_d"]);
    let there: Vec<bool> = paths.iter().map(|path| is_there(path, &sources)).collect();
    assert_eq!(there, [true, true, true, false, false, false]);
}
