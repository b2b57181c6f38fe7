//! No two files of `src/` use each other, and no longer circle goes through them. A `mod.rs` is a file like any other.
//!
//! A name that a file imports and hands on counts as a use of the file that defines it. Tests may use everything.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    files, is_of_tests, module_of, root,
    source::{self, Named, Path},
    without_tests,
};

/// The adapters whose methods are too many for one file. The other files of the folder add methods to the type that its `mod.rs` defines; such a file may
/// import this one name. See ADR 0047.
const ONE_TYPE: [&str; 2] = ["kms::ciphertrust::CipherTrustKms", "kms::huawei::HuaweiKms"];

/// Every file, and the files that it uses.
fn uses(sources: &BTreeMap<Path, Named>) -> BTreeMap<&Path, BTreeSet<&Path>> {
    let file_of = |path: &Path| -> Option<&Path> {
        let mut path = path.clone();
        // A name is handed on a few times at most. The limit ends a circle of imports.
        for _ in 0..8 {
            let (module, rest) =
                (1..=path.len()).rev().find_map(|end| Some((sources.get_key_value(&path[..end])?.0, path[end..].to_vec())))?;
            match rest.first().and_then(|name| sources[module].imports.get(name)) {
                Some(handed_on) => path = [handed_on, &rest[1..]].concat(),
                None => return Some(module),
            }
        }
        None
    };
    let of = |(module, named): (&'_ Path, &Named)| {
        let children =
            named.theirs.iter().map(|path| [module, &path[..]].concat()).filter(|path| sources.contains_key(&path[..=module.len()]));
        let excepted = |path: &Path| ONE_TYPE.contains(&&*path.join("::"));
        let all = named.ours.iter().cloned().chain(children).filter(|path| !excepted(path));
        let found = all.filter_map(|path| file_of(&path)).filter(|other| *other != module).collect();
        (sources.get_key_value(module).unwrap().0, found)
    };
    sources.iter().map(of).collect()
}

/// The files that lead to themselves.
fn circles<'a>(uses: &BTreeMap<&'a Path, BTreeSet<&'a Path>>) -> BTreeSet<&'a Path> {
    let reached = |from: &'a Path| {
        let mut seen = BTreeSet::new();
        let mut next: Vec<&Path> = uses[from].iter().copied().collect();
        while let Some(module) = next.pop() {
            if seen.insert(module) {
                next.extend(uses.get(module).into_iter().flatten());
            }
        }
        seen
    };
    uses.keys().copied().filter(|module| reached(module).contains(module)).collect()
}

#[test]
fn no_two_files_import_each_other() {
    let folder = root().join("src");
    let sources: BTreeMap<_, _> = files(&folder)
        .iter()
        .map(|path| (module_of(path.strip_prefix(&folder).unwrap()), super::read(path)))
        .filter(|(module, _)| !is_of_tests(module) && !["main", "lib"].contains(&&*module.join("::")))
        .map(|(module, text)| (module.clone(), source::read(&module, &source::words(without_tests(&text)))))
        .collect();
    let uses = uses(&sources);
    assert!(uses.values().map(BTreeSet::len).sum::<usize>() > 500, "uses are seen: {uses:?}");
    let circles = circles(&uses);
    let each = uses.iter().filter(|(file, _)| circles.contains(*file)).map(|(file, uses)| (file.join("::"), uses.intersection(&circles)));
    let each: Vec<_> = each.map(|(file, uses)| format!("{file} uses {:?}", uses.map(|path| path.join("::")).collect::<Vec<_>>())).collect();
    assert!(circles.is_empty(), "these files use each other, or in a circle:\n{}", each.join("\n"));
}

#[test]
fn a_circle_through_a_parent_is_found() {
    let source = |module: &str, text: &str| {
        let module: Path = module.split("::").map(str::to_owned).collect();
        let named = source::read(&module, &source::words(text));
        (module, named)
    };
    let tree = |parent: &str, two: &str| {
        let parent = format!("pub use self::one::One; use two::Two; {parent}");
        BTreeMap::from([
            source("a", &parent),
            source("a::one", "use super::Two;"),
            source("a::two", two),
            source("b", "use crate::a::One;"),
        ])
    };
    let found = |parent: &str, two: &str| circles(&uses(&tree(parent, two))).iter().map(|path| path.join("::")).collect::<Vec<_>>();
    assert_eq!(found("fn f() {}", "use std::fmt; pub(super) fn f() {}"), [""; 0]);
    assert_eq!(found("", "fn f() { crate::a::One::new() }"), ["a::one", "a::two"]);
    assert_eq!(found("", "use super::Mine as Other;"), ["a", "a::one", "a::two"]);
    assert_eq!(found("", "use super::{fmt, f}; pub(in crate::a) fn g() {}"), ["a", "a::one", "a::two"]);
}
