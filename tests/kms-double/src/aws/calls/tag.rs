//! `TagResource`, `UntagResource`, `ListResourceTags`, and the rules for tags.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::page::{Paging, page};
use crate::aws::call::{Answer, Call, nothing};
use crate::aws::failure::Failure;
use crate::aws::members::{Members, check_length, missing, wrong_type};
use crate::aws::target::Aliases;

/// The maximum number of tags of a key.
const TAGS_MAX: usize = 50;
const KEY_MAX: usize = 128;
const VALUE_MAX: usize = 256;

pub(super) fn tag(call: &mut Call<'_>) -> Answer {
    if call.members.list("Tags")?.is_none() {
        return Err(missing("Tags"));
    }
    let tags = read_tags(call.members)?;
    let key = call.open()?;
    let mut all = key.tags.clone();
    all.extend(tags);
    if all.len() > TAGS_MAX {
        return Err(Failure::tag("Too many tags"));
    }
    call.world.change(&key.at, |key| key.tags = all);
    Ok(nothing())
}

pub(super) fn untag(call: &mut Call<'_>) -> Answer {
    let names = call.members.strings("TagKeys")?.ok_or_else(|| missing("TagKeys"))?;
    names.iter().zip(1..).try_for_each(|(name, number)| check_key(name, &format!("tagKeys.{number}.member")))?;
    let key = call.open()?;
    call.world.change(&key.at, |key| {
        key.tags.retain(|name, _| !names.contains(&name.as_str()));
    });
    Ok(nothing())
}

pub(super) fn list(call: &mut Call<'_>) -> Answer {
    let key = call.read(Aliases::Refused)?;
    let paging = Paging { list: "Tags", default: 50, max: 50 };
    let show = |(name, value): (&String, &String)| json!({ "TagKey": name, "TagValue": value });
    page(call.members, call.operation, paging, key.tags.iter(), |(name, _)| (*name).clone(), show)
}

/// The `Tags` of a request. Lengths are constraints of the model (`ValidationException`), the other rules are `TagException`.
pub(super) fn read_tags(members: &Members) -> Result<Vec<(String, String)>, Failure> {
    let list = members.list("Tags")?.unwrap_or_default();
    let tags: Vec<(String, String)> = list.iter().zip(1..).map(|(tag, number)| read_tag(tag, number)).collect::<Result<_, _>>()?;
    let names: BTreeSet<&str> = tags.iter().map(|(name, _)| name.as_str()).collect();
    if names.len() < tags.len() {
        return Err(Failure::tag("Duplicate tag keys"));
    }
    if tags.len() > TAGS_MAX {
        return Err(Failure::tag("Too many tags"));
    }
    Ok(tags)
}

/// The tag with this number. The first is 1.
fn read_tag(tag: &Value, number: usize) -> Result<(String, String), Failure> {
    let (key_at, value_at) = (format!("tags.{number}.member.tagKey"), format!("tags.{number}.member.tagValue"));
    let members = Members(tag.as_object().ok_or_else(|| wrong_type(tag, "a Tag"))?.clone());
    let name = members.string("TagKey")?.ok_or_else(|| missing(&key_at))?;
    let value = members.string("TagValue")?.ok_or_else(|| missing(&value_at))?;
    check_key(name, &key_at)?;
    check_length(value, &value_at, 0, VALUE_MAX)?;
    if !value.chars().all(is_allowed) {
        return Err(Failure::tag(format!("The value of tag '{name}' contains characters that tags cannot have")));
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn check_key(name: &str, member: &str) -> Result<(), Failure> {
    check_length(name, member, 1, KEY_MAX)?;
    if name.to_lowercase().starts_with("aws:") {
        return Err(Failure::tag("Tags beginning with aws: are reserved"));
    }
    if !name.chars().all(is_allowed) {
        return Err(Failure::tag(format!("Tag key '{name}' contains characters that tags cannot have")));
    }
    Ok(())
}

/// Letters, digits, spaces and `+ - = . _ : / @`.
fn is_allowed(c: char) -> bool {
    c.is_alphanumeric() || c.is_whitespace() || "+-=._:/@".contains(c)
}
