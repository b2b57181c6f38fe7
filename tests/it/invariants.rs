//! The page of invariants and of the tests that show them, made from what the tests say of themselves: `/// Shows S8.`
//!
//! A module says it of all its tests: `//! Shows S8.`

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use syn::{Attribute, Expr, ExprLit, Item, Lit, Meta};

use crate::layering::{files, module_of, read, root};

/// An invariant, as ARCHITECTURE.md has it.
#[derive(Debug)]
struct Invariant {
    id: String,
    text: String,
    /// The one test that the table names.
    proof: String,
}

/// The rows of the table in ARCHITECTURE.md.
fn invariants(page: &str) -> Vec<Invariant> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| **")?.split_once("** | "));
    rows.filter(|(id, _)| is_id(id))
        .map(|(id, rest)| {
            let cells: Vec<&str> = rest.trim_end_matches(" |").split(" | ").collect();
            let [text, _, proof] = cells.as_slice() else { panic!("{id}: three cells are expected after the id: {cells:?}") };
            let proof = proof.strip_prefix('`').and_then(|proof| proof.strip_suffix('`')).filter(|proof| !proof.contains('`'));
            Invariant {
                id: id.to_owned(),
                text: (*text).to_owned(),
                proof: proof.unwrap_or_else(|| panic!("{id}: one proof is expected")).to_owned(),
            }
        })
        .collect()
}

/// A test, or a module of tests, that says what it shows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shown {
    path: String,
    file: String,
    is_module: bool,
}

/// What a file says that its tests show: each test, and its invariants. Only tests count.
fn shown(file: &str, module: &[String], source: &str, is_listed: &dyn Fn(&str) -> bool) -> Vec<(Shown, Vec<String>)> {
    let parsed = syn::parse_file(source).unwrap_or_else(|error| panic!("{file}: {error}"));
    let mut found = Vec::new();
    let whole = ids(&parsed.attrs);
    if !whole.is_empty() {
        let examples = docs(&parsed.attrs).iter().any(|line| line.trim_start().starts_with("```"));
        assert!(examples || has_tests(&parsed.items, is_listed), "{file} says that it shows {whole:?}, and has no test and no example");
        found.push((Shown { path: module.join("::"), file: file.to_owned(), is_module: true }, whole));
    }
    for item in &parsed.items {
        within(file, module, item, is_listed, &mut found);
    }
    found
}

fn within(file: &str, module: &[String], item: &Item, is_listed: &dyn Fn(&str) -> bool, found: &mut Vec<(Shown, Vec<String>)>) {
    match item {
        Item::Fn(function) => {
            let (ids, name) = (ids(&function.attrs), function.sig.ident.to_string());
            if !ids.is_empty() {
                assert!(is_run(item, is_listed), "{file}: {name} says that it shows {ids:?}, and no test runs it");
                let path = [module, &[name]].concat().join("::");
                found.push((Shown { path, file: file.to_owned(), is_module: false }, ids));
            }
        }
        Item::Mod(inline) => {
            let Some((_, items)) = &inline.content else { return };
            let ids = ids(&inline.attrs);
            if !ids.is_empty() {
                assert!(has_tests(items, is_listed), "{file}: a module says that it shows {ids:?}, and has no test");
                found.push((Shown { path: module.join("::"), file: file.to_owned(), is_module: true }, ids));
            }
            for item in items {
                within(file, module, item, is_listed, found);
            }
        }
        _ => {}
    }
}

fn has_tests(items: &[Item], is_listed: &dyn Fn(&str) -> bool) -> bool {
    items.iter().any(|item| is_run(item, is_listed) || matches!(item, Item::Mod(inline) if inline.content.is_some()))
}

/// Whether it is a test, or a case that the list of a suite names.
fn is_run(item: &Item, is_listed: &dyn Fn(&str) -> bool) -> bool {
    let Item::Fn(function) = item else { return false };
    let is_test = |attribute: &Attribute| attribute.path().segments.last().is_some_and(|last| last.ident == "test");
    function.attrs.iter().any(is_test) || is_listed(&function.sig.ident.to_string())
}

/// The lines of a doc comment.
fn docs(attributes: &[Attribute]) -> Vec<String> {
    let line = |attribute: &Attribute| match &attribute.meta {
        Meta::NameValue(doc) if doc.path.is_ident("doc") => match &doc.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    };
    attributes.iter().filter_map(line).collect()
}

/// The invariants that a doc comment names: `Shows S2, S8 and L1.`
fn ids(attributes: &[Attribute]) -> Vec<String> {
    let lines = docs(attributes);
    let said = lines.iter().filter_map(|line| line.trim().strip_prefix("Shows ")?.split('.').next());
    let ids = said.flat_map(|said| said.replace(" and ", ", ").split(", ").map(str::to_owned).collect::<Vec<_>>());
    ids.filter(|id| is_id(id)).collect()
}

/// `S8` or `L1`.
fn is_id(text: &str) -> bool {
    text.strip_prefix(['S', 'L']).is_some_and(|number| number.parse::<u32>().is_ok())
}

/// All that our tests say.
fn all() -> Vec<(Shown, Vec<String>)> {
    let mut all = Vec::new();
    for folder in ["src", "tests/it"] {
        for path in files(&root().join(folder)) {
            let mut module = module_of(path.strip_prefix(root().join(folder)).unwrap());
            if module.last().is_some_and(|last| last == "tests") && folder == "src" && module.len() > 2 && module[0] != "domain" {
                module.pop();
            }
            // Suites run what their `mod.rs` lists.
            let list = std::fs::read_to_string(path.with_file_name("mod.rs")).unwrap_or_default();
            let words: BTreeSet<&str> = list.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
            let file = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            let source = read(&path);
            // A case that a test of its own file calls is named there a second time.
            let is_called = |name: &str| source.matches(&format!("{name}(")).count() > 1;
            all.extend(shown(&file, &module, &source, &|name| folder == "tests/it" && (words.contains(name) || is_called(name))));
        }
    }
    all
}

/// The page, or what is wrong: an invariant without a test, a test for none, or a proof that does not say so.
fn page_of(invariants: &[Invariant], all: &[(Shown, Vec<String>)]) -> Result<String, Vec<String>> {
    let mut by_id: BTreeMap<&str, BTreeSet<&Shown>> = invariants.iter().map(|invariant| (invariant.id.as_str(), BTreeSet::new())).collect();
    let mut wrong = Vec::new();
    for (shown, ids) in all {
        for id in ids {
            match by_id.get_mut(id.as_str()) {
                Some(tests) => _ = tests.insert(shown),
                None => wrong.push(format!("{} says that it shows {id}, which ARCHITECTURE.md does not know", shown.path)),
            }
        }
    }
    let mut page = "# Invariants and the tests that show them\n\n\
        [ARCHITECTURE.md](../../ARCHITECTURE.md#invariants) says what enforces each invariant, and names its strongest test.\n\
        These are all. A test says in its doc comment what it shows (`/// Shows S8.`), a module says it of all its tests.\n\
        `domain::`, `kms::` and `controller::` are in the library (`cargo test --lib`), the others in `tests/it`.\n"
        .to_owned();
    for Invariant { id, text, proof } in invariants {
        let tests = &by_id[id.as_str()];
        if tests.is_empty() {
            wrong.push(format!("{id} has no test; write `/// Shows {id}.` above one that fails when it is broken"));
        } else if !tests.iter().any(|shown| shown.path == *proof) {
            wrong.push(format!("ARCHITECTURE.md names {proof} for {id}, which does not say `Shows {id}`"));
        }
        _ = write!(page, "\n## {id}\n\n{text}.\n\n");
        for Shown { path, file, is_module } in tests {
            let all = if *is_module { "all of " } else { "" };
            _ = writeln!(page, "- {all}[`{path}`](../../{file})");
        }
    }
    if wrong.is_empty() { Ok(page) } else { Err(wrong) }
}

/// The page as it should be.
pub fn page() -> String {
    let invariants = invariants(&read(&root().join("ARCHITECTURE.md")));
    assert!(invariants.len() > 10, "{invariants:?}");
    page_of(&invariants, &all()).unwrap_or_else(|wrong| panic!("{}", wrong.join("\n")))
}

#[test]
fn what_a_test_shows_is_read_and_compared_with_the_table() {
    let source = "//! Shows S1.\n/// Tells.\n///\n/// Shows S2, S3 and L1.\n#[tokio::test]\nasync fn a() {}\n/// Shows S4.\nfn b() {}\n/// Shows the way.\nfn c() {}";
    let found = shown("a.rs", &["m".to_owned()], source, &|name| name == "b");
    let found: Vec<_> = found.iter().map(|(shown, ids)| (shown.path.as_str(), shown.is_module, ids.join(" "))).collect();
    assert_eq!(found, [("m", true, "S1".to_owned()), ("m::a", false, "S2 S3 L1".to_owned()), ("m::b", false, "S4".to_owned())]);

    let table = "| **S1** | keys stay | `src/` | `m::a` |\n| **S2** | marks stay | `src/` | `m::b` |";
    let invariants = invariants(table);
    let said = |path: &str, id: &str| (Shown { path: path.to_owned(), file: "a.rs".to_owned(), is_module: false }, vec![id.to_owned()]);
    let page = page_of(&invariants, &[said("m::a", "S1"), said("m::b", "S2")]).unwrap();
    assert!(page.ends_with("## S2\n\nmarks stay.\n\n- [`m::b`](../../a.rs)\n"), "{page}");
    for (all, wrong) in [
        (vec![said("m::a", "S1")], "S2 has no test"),
        (
            vec![said("m::a", "S1"), said("m::b", "S2"), said("m::c", "S9")],
            "m::c says that it shows S9, which ARCHITECTURE.md does not know",
        ),
        (vec![said("m::a", "S1"), said("m::c", "S2")], "ARCHITECTURE.md names m::b for S2, which does not say"),
    ] {
        let found = page_of(&invariants, &all).unwrap_err();
        assert!(found.len() == 1 && found[0].starts_with(wrong), "{found:?}");
    }
}

#[test]
#[should_panic(expected = "says that it shows")]
fn what_is_no_test_shows_nothing() {
    let _found = shown("a.rs", &[], "/// Shows S1.\nfn a() {}", &|_| false);
}
