//! Tags of a key and of a project: `list-tags`, `create-tag`, `batch-tags`, `delete-tag`, `list-project-tags`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::huawei::call::{Answer, Call, Result};
use crate::huawei::failure::{Code, Failure};
use crate::huawei::members::{Members, missing};
use crate::world::{Key, Manager};

/// The maximum number of tags of a key: ten in one cloud of this code line, and twenty elsewhere.
const TAGS_MAX: usize = 20;
const KEY_MAX: usize = 36;
const VALUE_MAX: usize = 43;
const FORBIDDEN: &str = "*<>\\=";

pub(super) fn list(call: &mut Call<'_>) -> Result {
    let key = call.read()?;
    Ok(Answer::json(json!({ "tags": shown(&key), "existTagsNum": key.tags.len() })))
}

/// An existing tag gets the new value.
pub(super) fn create(call: &mut Call<'_>) -> Result {
    let tag = call.members.object("tag")?.ok_or_else(|| missing("tag"))?;
    let tag = read_tag(&tag)?;
    let key = call.open()?;
    add(call, &key, vec![tag])?;
    Ok(Answer::no_content())
}

/// Deleting ignores values and missing tags.
pub(super) fn batch(call: &mut Call<'_>) -> Result {
    let action = call.members.required("action")?;
    let list = call.members.list("tags")?.ok_or_else(|| missing("tags"))?;
    if list.is_empty() {
        return Err(Failure::of(Code::TagsEmpty));
    }
    let tags: Vec<(String, String)> = list.iter().map(|tag| read_tag(&Members::of(tag)?)).collect::<Result<_>>()?;
    let names: BTreeSet<&str> = tags.iter().map(|(name, _)| name.as_str()).collect();
    if names.len() < tags.len() {
        return Err(Failure::because(Code::TagTwice, "a key is there twice"));
    }
    match action {
        "create" => {
            let key = call.open()?;
            add(call, &key, tags)?;
        }
        "delete" => {
            let key = call.open()?;
            call.world.change(&key.at, |key| key.tags.retain(|name, _| !names.contains(name.as_str())));
        }
        other => return Err(Failure::because(Code::Action, other)),
    }
    Ok(Answer::no_content())
}

pub(super) fn delete(call: &mut Call<'_>) -> Result {
    let name = call.request.route.tag.clone().unwrap_or_default();
    check_key(&name)?;
    let key = call.open()?;
    if !key.tags.contains_key(&name) {
        return Err(Failure::of(Code::TagGone));
    }
    call.world.change(&key.at, |key| {
        key.tags.remove(&name);
    });
    Ok(Answer::no_content())
}

/// Every tag key of the project's keys, with all of its values.
pub(super) fn of_project(call: &Call<'_>) -> Answer {
    let project = &call.caller.project;
    let mut tags: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let keys = call.world.seen_keys(&project.id, &project.region, call.seen);
    for (name, value) in keys.filter(|key| key.manager == Manager::Customer).flat_map(|key| &key.tags) {
        tags.entry(name).or_default().insert(value);
    }
    let tags: Vec<Value> = tags.iter().map(|(name, values)| json!({ "key": name, "values": values })).collect();
    Answer::json(json!({ "tags": tags }))
}

/// The tags of a key, in the form of lists.
pub(super) fn shown(key: &Key) -> Vec<Value> {
    key.tags.iter().map(|(name, value)| json!({ "key": name, "value": value })).collect()
}

/// The list of tags for a new key.
pub(super) fn read_tags(members: &Members) -> Result<BTreeMap<String, String>> {
    let tags = members.list("tags")?.unwrap_or_default();
    let tags: BTreeMap<String, String> = tags.iter().map(|tag| read_tag(&Members::of(tag)?)).collect::<Result<_>>()?;
    if tags.len() > TAGS_MAX { Err(Failure::of(Code::TagsFull)) } else { Ok(tags) }
}

fn add(call: &mut Call<'_>, key: &Key, tags: Vec<(String, String)>) -> Result<()> {
    let mut all = key.tags.clone();
    all.extend(tags);
    if all.len() > TAGS_MAX {
        return Err(Failure::because(Code::TagsFull, format!("at most {TAGS_MAX}")));
    }
    call.world.change(&key.at, |key| key.tags = all);
    Ok(())
}

/// The value may be absent or empty.
fn read_tag(tag: &Members) -> Result<(String, String)> {
    let name = tag.required("key")?;
    let value = tag.string("value")?.unwrap_or_default();
    check_key(name)?;
    if value.chars().count() > VALUE_MAX {
        return Err(Failure::because(Code::TagValueLength, format!("at most {VALUE_MAX} characters")));
    }
    if !value.chars().all(is_allowed) {
        return Err(Failure::of(Code::TagValue));
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn check_key(name: &str) -> Result<()> {
    if !(1..=KEY_MAX).contains(&name.chars().count()) {
        return Err(Failure::because(Code::TagKeyLength, format!("expected 1 to {KEY_MAX} characters")));
    }
    if name.chars().all(is_allowed) { Ok(()) } else { Err(Failure::of(Code::TagKey)) }
}

fn is_allowed(c: char) -> bool {
    c >= ' ' && !FORBIDDEN.contains(c)
}
