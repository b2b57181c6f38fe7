//! What a source file names: every path in it, wherever it stands, and in a macro too. `syn` takes the text apart.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::Delimiter;
use syn::{
    buffer::{Cursor, TokenBuffer},
    ext::IdentExt,
};

/// The segments of a path.
pub(super) type Path = Vec<String>;

/// What a file names.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// Paths of our crate, from its root.
    pub(super) ours: BTreeSet<Path>,
    /// Other paths, of other crates and of children of the module.
    pub(super) theirs: BTreeSet<Path>,
    /// The imports of the file itself, from the root of the crate. Those of its inline modules are left out: tests may look at everything.
    pub(super) imports: BTreeSet<Path>,
    /// What `pub use` re-exports, by its new name.
    pub(super) handed_on: BTreeMap<String, Path>,
    /// The names of its macros.
    pub(super) macros: BTreeSet<String>,
    /// Whether `async` or `await` is in it.
    pub(super) is_async: bool,
}

/// Reads the file of that module.
pub(super) fn read(module: &[String], source: &str) -> Named {
    let tokens = TokenBuffer::new2(syn::parse_str(source).unwrap_or_else(|error| panic!("{}: {error}", module.join("::"))));
    // The root of the crate is a file as well.
    let here = if matches!(module, [root] if root == "lib" || root == "main") { Vec::new() } else { module.to_vec() };
    let mut reader = Reader { here, within: 0, import: None, named: Named::default() };
    reader.tokens(tokens.begin(), &[]);
    reader.named
}

struct Reader {
    /// The module that is read, inline ones too.
    here: Path,
    /// In how many brackets.
    within: usize,
    /// In a `use` of the file itself: whether it is public.
    import: Option<bool>,
    named: Named,
}

impl Reader {
    /// Reads tokens. What stands in the braces of `before::{…}` goes on from there.
    fn tokens(&mut self, mut at: Cursor<'_>, before: &[String]) {
        let (mut path, mut word, mut last_word) = (before.to_vec(), String::new(), String::new());
        while !at.eof() {
            if let Some((ident, rest)) = at.ident() {
                last_word = std::mem::replace(&mut word, ident.unraw().to_string());
                at = rest;
                self.named.is_async |= word == "async" || word == "await";
                if word == "use" && self.within == 0 && at.ident().is_some() {
                    self.import = Some(last_word == "pub");
                }
                path.push(word.clone());
                if let Some(rest) = colons(at) {
                    at = rest;
                    // A group follows, or the last segment is `*` or a type in `<>`.
                    if at.ident().is_some() || at.any_group().is_some() {
                        continue;
                    }
                }
                let renamed = at.ident().filter(|(ident, _)| ident == "as" && (self.import.is_some() || !before.is_empty()));
                let renamed = renamed.and_then(|(_, rest)| rest.ident());
                at = renamed.as_ref().map_or(at, |(_, rest)| *rest);
                let is_import = last_word == "use" || !before.is_empty();
                self.path(std::mem::replace(&mut path, before.to_vec()), renamed.map(|(name, _)| name.to_string()), is_import);
            } else if let Some((inside, _, _, rest)) = at.any_group() {
                at = rest;
                self.within += 1;
                if last_word == "mod" {
                    self.here.push(word.clone());
                    self.tokens(inside, &[]);
                    self.here.pop();
                } else {
                    self.tokens(inside, &path);
                }
                self.within -= 1;
                path = before.to_vec();
                // `pub(crate)` is `pub`.
                if word != "pub" {
                    word.clear();
                }
            } else if let Some((sign, rest)) = at.punct() {
                at = rest;
                match sign.as_char() {
                    '!' if at.any_group().is_some() => _ = self.named.macros.insert(word.clone()),
                    ';' => {
                        self.import = None;
                        word.clear();
                    }
                    _ => {}
                }
            } else {
                at = at.token_tree().map_or(at, |(_, rest)| rest);
            }
        }
    }

    fn path(&mut self, mut path: Path, renamed: Option<String>, is_import: bool) {
        // `a::{self}` is `a`.
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let ups = path.iter().take_while(|segment| *segment == "super").count();
        let whole = match path[0].as_str() {
            "crate" | "keyward" => Some(path[1..].to_vec()),
            "self" => Some([&self.here, &path[1..]].concat()),
            "super" => Some([&self.here[..self.here.len().saturating_sub(ups)], &path[ups..]].concat()),
            _ => None,
        };
        if let (Some(is_public), true) = (self.import, path[0] != "use") {
            let whole = whole.clone().unwrap_or_else(|| [&self.here[..], &path].concat());
            if is_public {
                self.named.handed_on.insert(renamed.or_else(|| whole.last().cloned()).unwrap_or_default(), whole.clone());
            }
            self.named.imports.insert(whole);
        }
        match whole {
            Some(whole) => _ = self.named.ours.insert(whole),
            None if path.len() > 1 || is_import => _ = self.named.theirs.insert(path),
            None => {}
        }
    }
}

/// What follows `::`.
fn colons(at: Cursor<'_>) -> Option<Cursor<'_>> {
    let (first, rest) = at.punct()?;
    let (second, rest) = rest.punct()?;
    (first.as_char() == ':' && second.as_char() == ':').then_some(rest)
}

/// The words and signs of a source text, one after the other, without comments. Of literals only numbers are kept, because `.0` is a field.
pub(super) fn words(source: &str) -> Vec<String> {
    let mut words = Vec::new();
    flatten(TokenBuffer::new2(syn::parse_str(source).expect("Rust")).begin(), &mut words);
    words
}

fn flatten(mut at: Cursor<'_>, words: &mut Vec<String>) {
    while !at.eof() {
        at = if let Some((ident, rest)) = at.ident() {
            words.push(ident.unraw().to_string());
            rest
        } else if let Some((inside, delimiter, _, rest)) = at.any_group() {
            let (open, close) = match delimiter {
                Delimiter::Parenthesis => ("(", ")"),
                Delimiter::Brace => ("{", "}"),
                Delimiter::Bracket => ("[", "]"),
                Delimiter::None => ("", ""),
            };
            words.push(open.to_owned());
            flatten(inside, words);
            words.push(close.to_owned());
            rest
        } else if let Some((sign, rest)) = at.punct() {
            words.push(sign.as_char().to_string());
            rest
        } else if let Some((literal, rest)) = at.literal() {
            let text = literal.to_string();
            words.push(if text.starts_with(|first: char| first.is_ascii_digit()) { text } else { String::new() });
            rest
        } else {
            at.token_tree().map_or(at, |(_, rest)| rest)
        };
    }
}
