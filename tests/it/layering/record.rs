//! The record of a deletion has one editor: no file of `src/` but those of `domain/deletion` changes its fields in a status.
//!
//! The fields are public, because they are a part of the API. So this test reads the source: no assignment to such a field, no call that changes it, no `&mut`
//! of it, and no new `Deletion`. A test may put anything into a status.

use super::{files, read, root, source::words, without_tests};

/// The fields of `status` that are the record, and those of its `deletion`.
const FIELDS: &[&str] = &[
    "intent_seq",
    "intent_word",
    "intent_reason",
    "key_state",
    "deletion_date",
    "deletion",
    "schedule_days",
    "requested_time",
    "origin",
    "call",
    "last_used_time",
    "last_use",
    "waits_for",
    "earliest_deletion_date",
];

/// What changes an `Option` in its place.
const CHANGES: &[&str] =
    &["as_deref_mut", "as_mut", "get_or_insert", "get_or_insert_default", "get_or_insert_with", "insert", "replace", "take"];

/// What a source text changes of the record, in a few words each.
fn changes(source: &str) -> Vec<String> {
    let words = words(without_tests(source));
    let word = |index: usize| words.get(index).map_or("", String::as_str);
    let is_assigned = |index: usize| word(index) == "=" && word(index + 1) != "=";
    let mut found = Vec::new();
    for index in 1..words.len() {
        // The status has a `Deletion`; a `PendingDeletion` is another word.
        if word(index) == "Deletion" && word(index + 1) == "{" && word(index - 1) != "struct" {
            found.push("Deletion {".to_owned());
        }
        if word(index - 1) != "." || !FIELDS.contains(&word(index)) {
            continue;
        }
        let begin = start(&words, index);
        // A key that was read has a date of its own, and its kind has an origin.
        let of_a_key = word(index) == "deletion_date" && ["key", "self"].contains(&word(begin)) && begin + 2 == index;
        if of_a_key || word(index) == "origin" && word(index - 2) == "kind" {
            continue;
        }
        let is_borrowed = begin >= 2 && word(begin - 1) == "mut" && word(begin - 2) == "&";
        let is_changed = word(index + 1) == "." && CHANGES.contains(&word(index + 2));
        let in_group = group_end(&words, index).is_some_and(|end| is_assigned(end + 1));
        if is_assigned(index + 1) || is_borrowed || is_changed || in_group {
            found.push(words[begin..=index].concat());
        }
    }
    found
}

/// Where the path of fields begins that ends there: `a` of `a.b.c`.
fn start(words: &[String], end: usize) -> usize {
    let mut start = end;
    while start >= 2 && words[start - 1] == "." && words[start - 2].chars().all(|c| c.is_alphanumeric() || c == '_') {
        start -= 2;
    }
    start
}

/// The bracket that closes the group around a word: `(a, b) = …` assigns all of the group.
fn group_end(words: &[String], index: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, word) in words.iter().enumerate().skip(index + 1) {
        match word.as_str() {
            "(" => depth += 1,
            ")" if depth == 0 => return Some(at),
            ")" => depth -= 1,
            ";" | "{" | "}" => return None,
            _ => {}
        }
    }
    None
}

#[test]
fn only_the_record_edits_its_fields() {
    let source = root().join("src");
    let is_editor =
        |path: &std::path::Path| path.starts_with("domain/deletion") || path.starts_with("domain/tests") || path.starts_with("api");
    let mut edits = Vec::new();
    let mut of_the_record = 0;
    for path in files(&source) {
        let name = path.strip_prefix(&source).unwrap();
        let found = changes(&read(&path));
        if is_editor(name) {
            of_the_record += found.len();
        } else {
            edits.extend(found.iter().map(|change| format!("{}: {change}", name.display())));
        }
    }
    assert!(of_the_record > 20, "the edits of the record are seen: {of_the_record}");
    assert!(edits.is_empty(), "these edits belong into src/domain/deletion/record.rs, as a transition:\n{}", edits.join("\n"));
}

#[test]
fn an_edit_of_the_record_is_seen() {
    for (source, seen) in [
        ("self.memory.status.deletion = None", "self.memory.status.deletion"),
        ("(status.intent_seq, status.applied) = (None, None)", "status.intent_seq"),
        ("(status.applied, status.deletion_date) = (None, None)", "status.deletion_date"),
        ("if let Some(known) = &mut status.deletion {}", "status.deletion"),
        ("status.deletion.as_mut()", "status.deletion"),
        ("let new = Deletion { call: None }", "Deletion {"),
        ("known.origin = DeletionOrigin::Keyward", "known.origin"),
        ("seen.key.deletion_date = None", "seen.key.deletion_date"),
        ("status.key_state == None", ""),
        ("let a = (status.key_state, status.deletion_date)", ""),
        ("known(status.key_state, &mut other.field)", ""),
        ("key.deletion_date = None", ""),
        ("key.kind.origin = None", ""),
        ("let entry = PendingDeletion { date: None }", ""),
    ] {
        let found = changes(&format!("fn f() {{ {source}; }}\nmod tests {{ fn f() {{ status.key_state = None; }} }}"));
        assert_eq!(found.first().map_or("", String::as_str), seen, "{source}");
    }
}
