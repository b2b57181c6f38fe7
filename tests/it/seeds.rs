//! `docs/seeds.md` names tests as evidence, so each has to be there and has to be run: a page that names what is gone proves nothing.

use std::path::Path;

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
fn what_is_not_there_is_noticed() {
    let named = |file, function| Named { file, function };
    for (test, said) in [
        (named("tests/it/seeds", "what_is_not_there_is_noticed"), None),
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
