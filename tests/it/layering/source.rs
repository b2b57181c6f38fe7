//! What a source file names: its words, and every path in it, wherever it stands, and in a macro too. `syn` takes the text apart.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The segments of a path.
pub(super) type Path = Vec<String>;

/// The words and signs of a source text, one after the other, without comments. Of literals only numbers are kept, because `.0` is a field.
pub(super) fn words(source: &str) -> Vec<String> {
    let mut words = Vec::new();
    flatten(syn::parse_str(source).unwrap_or_else(|error| panic!("{error}: {source}")), &mut words);
    words
}

fn flatten(tokens: TokenStream, words: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => words.push(ident.to_string().trim_start_matches("r#").to_owned()),
            TokenTree::Punct(sign) => words.push(sign.to_string()),
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                words.push(if text.starts_with(|first: char| first.is_ascii_digit()) { text } else { String::new() });
            }
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                words.push(open.to_owned());
                flatten(group.stream(), words);
                words.push(close.to_owned());
            }
        }
    }
}

/// The paths in a file.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// Those of our crate, from its root.
    pub(super) ours: BTreeSet<Path>,
    /// Others: those of other crates, and of children of the module.
    pub(super) theirs: BTreeSet<Path>,
    /// What the file itself imports, by the name that it has there. A path of a child begins with the module.
    pub(super) imports: BTreeMap<String, Path>,
}

/// Reads the paths of the file of that module.
pub(super) fn read(module: &[String], words: &[String]) -> Named {
    // The root of the crate is a file as well.
    let here = if matches!(module, [root] if root == "lib" || root == "main") { Vec::new() } else { module.to_vec() };
    let mut reader = Reader { words, here, named: Named::default() };
    let (mut at, mut depth, mut ends) = (0, 0, Vec::new());
    while at < words.len() {
        match reader.word(at) {
            "mod" if reader.word(at + 2) == "{" => {
                reader.here.push(words[at + 1].clone());
                ends.push(depth);
                at += 2;
            }
            // `pub(in path)` names no dependency.
            "pub" if reader.word(at + 2) == "in" => at += words[at..].iter().position(|word| word == ")").unwrap_or(1),
            "use" if is_name(reader.word(at + 1)) => at = reader.tree(at + 1, &[], Some(depth)),
            "{" => (at, depth) = (at + 1, depth + 1),
            "}" => {
                (at, depth) = (at + 1, depth - 1);
                if ends.pop_if(|end| *end == depth).is_some() {
                    reader.here.pop();
                }
            }
            word if is_name(word) => at = reader.tree(at, &[], None),
            _ => at += 1,
        }
    }
    reader.named
}

fn is_name(word: &str) -> bool {
    word.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

struct Reader<'a> {
    words: &'a [String],
    /// The module that is read, inline ones too.
    here: Path,
    named: Named,
}

impl Reader<'_> {
    fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", String::as_str)
    }

    /// Reads the path, or the tree of paths, that begins there after `before`, and returns where it ends. `import`: it is imported, in so many braces.
    fn tree(&mut self, mut at: usize, before: &[String], import: Option<u32>) -> usize {
        let mut path = before.to_vec();
        loop {
            if self.word(at) == "{" {
                at += 1;
                while !["}", ""].contains(&self.word(at)) {
                    at = if is_name(self.word(at)) { self.tree(at, &path, import) } else { at + 1 };
                }
                return at + 1;
            }
            path.push(self.word(at).to_owned());
            at += 1;
            // What follows may also be `*`, or types in `<>`.
            let next = self.word(at + 2);
            if (self.word(at), self.word(at + 1)) != (":", ":") || !(is_name(next) || next == "{") {
                break;
            }
            at += 2;
        }
        // `a::{self}` is `a`.
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let mut name = path.last().cloned().unwrap_or_default();
        if import.is_some() && self.word(at) == "as" {
            self.word(at + 1).clone_into(&mut name);
            at += 2;
        }
        self.found(path, name, import);
        at
    }

    fn found(&mut self, path: Path, name: String, import: Option<u32>) {
        let ups = path.iter().take_while(|segment| *segment == "super").count();
        let ours = match path[0].as_str() {
            "crate" | "keyward" => Some(path[1..].to_vec()),
            "self" => Some([&self.here, &path[1..]].concat()),
            "super" => Some([&self.here[..self.here.len().saturating_sub(ups)], &path[ups..]].concat()),
            _ => None,
        };
        if import == Some(0) {
            self.named.imports.insert(name, ours.clone().unwrap_or_else(|| [&self.here[..], &path].concat()));
        }
        match ours {
            // `pub(super)`, `pub(crate)` and the receiver `self` name no dependency.
            Some(_) if path.len() == ups.max(1) => {}
            Some(ours) => _ = self.named.ours.insert(ours),
            None if path.len() > 1 || import.is_some() => _ = self.named.theirs.insert(path),
            None => {}
        }
    }
}
