//! No two files of `src/` import each other, and no longer circle of imports goes through them.
//!
//! A `mod.rs` is the face of its folder: it puts the files of the folder together and hands names on, so what is taken from it is taken from the file that it
//! hands on, and what it defines itself belongs to every file of the folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use syn::{Item, UseTree};

use super::{files, module_of, root};

/// A module path, such as `controller::lane`.
type Module = Vec<String>;

/// What the `use` items of a file name, each as a whole path from the root of the crate, and those that the file hands on, by their new name.
#[derive(Default)]
struct Uses {
    paths: BTreeSet<Module>,
    handed_on: BTreeMap<String, Module>,
}

fn uses(module: &[String], source: &str) -> Uses {
    let mut uses = Uses::default();
    let items = syn::parse_file(source).expect("a file of ours").items;
    for item in items {
        // Tests may look at everything.
        if let Item::Use(item) = item {
            let is_public = !matches!(item.vis, syn::Visibility::Inherited);
            walk(module, &item.tree, &mut Vec::new(), is_public, &mut uses);
        }
    }
    uses
}

fn walk(module: &[String], tree: &UseTree, before: &mut Vec<String>, is_public: bool, uses: &mut Uses) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            walk(module, &path.tree, before, is_public, uses);
            before.pop();
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| walk(module, tree, before, is_public, uses)),
        UseTree::Name(name) => found(module, before, &name.ident.to_string(), None, is_public, uses),
        UseTree::Rename(rename) => found(module, before, &rename.ident.to_string(), Some(rename.rename.to_string()), is_public, uses),
        UseTree::Glob(_) => found(module, before, "self", None, is_public, uses),
    }
}

fn found(module: &[String], before: &[String], name: &str, renamed: Option<String>, is_public: bool, uses: &mut Uses) {
    let mut path = before.to_vec();
    if name != "self" {
        path.push(name.to_owned());
    }
    let Some(whole) = from_the_root(module, &path) else { return };
    if is_public {
        let name = renamed.or_else(|| whole.last().cloned()).unwrap_or_default();
        uses.handed_on.insert(name, whole.clone());
    }
    uses.paths.insert(whole);
}

/// The path from the root of the crate; `None`: it is of another crate.
fn from_the_root(module: &[String], path: &[String]) -> Option<Module> {
    let mut here = module.to_vec();
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" => {
            here.clear();
            rest = &path[1..];
        }
        "self" => rest = &path[1..],
        "super" => {
            while let ["super", ..] = rest.first().map(String::as_str).as_slice() {
                here.pop();
                rest = &rest[1..];
            }
        }
        // A child, or another crate.
        _ => {}
    }
    here.extend(rest.iter().cloned());
    Some(here)
}

/// Every file, and the files that it imports.
fn imports(sources: &BTreeMap<Module, (bool, Uses)>) -> BTreeMap<&Module, BTreeSet<&Module>> {
    let file_of = |path: &Module| -> Option<&Module> {
        let mut path = path.clone();
        // A face hands a name on: at most a few times, or it would be a circle of its own.
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
    let of = |(module, (is_face, uses)): (&'_ Module, &(bool, Uses))| {
        let found = uses.paths.iter().filter_map(file_of).filter(|other| *other != module && !is_face).collect();
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

fn read(source: &Path) -> (Module, (bool, Uses)) {
    let module = module_of(source.strip_prefix(root().join("src")).unwrap());
    let text = std::fs::read_to_string(source).unwrap();
    // A file beside a folder of its name is its face as well.
    let is_face = source.ends_with("mod.rs") || source.with_extension("").is_dir() || source.ends_with("lib.rs");
    let found = uses(&module, &text);
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
fn a_circle_is_seen_through_a_face() {
    let source = |module: &[&str], is_face, text: &str| {
        let module: Module = module.iter().map(ToString::to_string).collect();
        let found = uses(&module, text);
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
