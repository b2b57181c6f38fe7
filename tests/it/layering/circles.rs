//! No two files of `src/` import each other, and no longer circle of imports goes through them.
//!
//! A `mod.rs` is called the face of its folder here: it re-exports names. An import of such a name counts as an import of the file that
//! defines it. What a face defines itself belongs to every file of the folder, so an import of that does not count.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    files, module_of, root,
    source::{self, Named},
};

/// A module path, such as `controller::lane`.
type Module = source::Path;

/// Every file, and the files that it imports.
fn imports(sources: &BTreeMap<Module, (bool, Named)>) -> BTreeMap<&Module, BTreeSet<&Module>> {
    let file_of = |path: &Module| -> Option<&Module> {
        let mut path = path.clone();
        // Faces re-export a name a few times at most. The limit ends a circle of re-exports.
        for _ in 0..8 {
            let (module, rest) = (0..=path.len()).rev().find_map(|end| {
                let (module, rest) = path.split_at(end);
                sources.get_key_value(module).map(|(module, _)| (module, rest.to_vec()))
            })?;
            let (is_face, uses) = &sources[module];
            match rest.first().and_then(|name| uses.handed_on.get(name)).filter(|_| *is_face) {
                Some(handed_on) => path = handed_on.iter().chain(&rest[1..]).cloned().collect(),
                None if *is_face => return None,
                None => return Some(module),
            }
        }
        None
    };
    let of = |(module, (is_face, uses)): (&'_ Module, &(bool, Named))| {
        let found = uses.imports.iter().filter_map(file_of).filter(|other| *other != module && !is_face).collect();
        (sources.get_key_value(module).unwrap().0, found)
    };
    sources.iter().map(of).collect()
}

/// The files that can reach themselves.
fn circles<'a>(imports: &BTreeMap<&'a Module, BTreeSet<&'a Module>>) -> Vec<String> {
    let reached = |from: &'a Module| {
        let mut seen = BTreeSet::new();
        let mut next: Vec<&Module> = imports[from].iter().copied().collect();
        while let Some(module) = next.pop() {
            if seen.insert(module) {
                next.extend(imports.get(module).into_iter().flatten());
            }
        }
        seen
    };
    imports.keys().filter(|module| reached(module).contains(*module)).map(|module| module.join("::")).collect()
}

fn read(source: &Path) -> (Module, (bool, Named)) {
    let module = module_of(source.strip_prefix(root().join("src")).unwrap());
    let text = std::fs::read_to_string(source).unwrap();
    // A file beside a folder of the same name is also the face of that folder.
    let is_face = source.ends_with("mod.rs") || source.with_extension("").is_dir() || source.ends_with("lib.rs");
    let found = source::read(&module, &text);
    (module, (is_face, found))
}

#[test]
fn no_two_files_import_each_other() {
    let source = root().join("src");
    // The checkout itself may stand in a folder of that name.
    let is_test = |path: &&PathBuf| path.strip_prefix(&source).unwrap().components().any(|part| part.as_os_str() == "tests");
    let sources: BTreeMap<_, _> = files(&source)
        .iter()
        .filter(|path| !path.ends_with("main.rs") && !is_test(path))
        .filter(|path| !path.ends_with("tests.rs"))
        .map(|path| read(path))
        .collect();
    let imports = imports(&sources);
    assert!(imports.values().map(BTreeSet::len).sum::<usize>() > 200, "imports are read: {imports:?}");
    let circles = circles(&imports);
    assert!(circles.is_empty(), "these files import each other, or in a circle: {circles:#?}");
}

#[test]
fn a_circle_through_a_parent_is_found() {
    let source = |module: &[&str], is_face, text: &str| {
        let module: Module = module.iter().map(ToString::to_string).collect();
        let found = source::read(&module, text);
        (module, (is_face, found))
    };
    let tree = |two: &str| {
        BTreeMap::from([
            source(&["a"], true, "pub use self::one::One; pub use two::Two;"),
            source(&["a", "one"], false, "use super::Two; use std::fmt;"),
            source(&["a", "two"], false, two),
            source(&["b"], false, "use crate::a::{One, two::Two};"),
        ])
    };
    let harmless = tree("use super::Both;");
    assert_eq!(circles(&imports(&harmless)), Vec::<String>::new());
    let tied = tree("use crate::a::One as Other;");
    assert_eq!(circles(&imports(&tied)), ["a::one", "a::two"]);
}
