//! `filter-resources`: the keys of a project by tags and name.

use serde_json::{Value, json};

use super::describe::{details, own_name};
use super::page::read_limit;
use super::tag::shown;
use crate::huawei::call::{Answer, Call, Result};
use crate::huawei::failure::{Code, Failure};
use crate::huawei::members::Members;
use crate::huawei::states::number;
use crate::world::{Key, Manager};

/// The conditions for a key.
#[derive(Debug)]
struct Wanted {
    /// Each of these tags, with one of these values, or with any value if there are none.
    tags: Vec<(String, Vec<String>)>,
    /// Parts of the key's own name.
    names: Vec<String>,
}

/// A part of a name matches, as in a search field, so a client must check the results.
pub(super) fn filter(call: &mut Call<'_>) -> Result {
    let members = call.members;
    let action = members.required("action")?;
    let wanted = Wanted::read(members)?;
    let limit = members.string("limit")?.map_or(Ok(10), |limit| read_limit(limit, 1000))?;
    let offset = members.string("offset")?.map_or(Ok(0), |offset| offset.parse().map_err(|_| Failure::of(Code::Offset)))?;
    let project = &call.caller.project;
    let keys = call.world.seen_keys(&project.id, &project.region, call.seen);
    let keys: Vec<&Key> = keys.filter(|key| key.manager == Manager::Customer && wanted.fits(key)).collect();
    match action {
        "count" => Ok(Answer::json(json!({ "total_count": keys.len() }))),
        "filter" => {
            let resources = keys.iter().skip(offset).take(limit).map(|key| {
                json!({
                    "resource_id": key.at.id,
                    "resource_name": own_name(key),
                    "resource_detail": numeric(details(key, project), key),
                    "tags": shown(key),
                })
            });
            Ok(Answer::json(json!({ "resources": resources.collect::<Vec<Value>>(), "total_count": keys.len() })))
        }
        other => Err(Failure::because(Code::Action, other)),
    }
}

impl Wanted {
    fn read(members: &Members) -> Result<Self> {
        let mut wanted = Self { tags: Vec::new(), names: Vec::new() };
        for tag in members.list("tags")?.unwrap_or_default() {
            let tag = Members::of(tag)?;
            let values = tag.list("values")?.unwrap_or_default();
            let values: Option<Vec<String>> = values.iter().map(|value| value.as_str().map(str::to_owned)).collect();
            let values = values.ok_or_else(|| Failure::because(Code::Json, "values is no list of strings"))?;
            wanted.tags.push((tag.required("key")?.to_owned(), values));
        }
        for field in members.list("matches")?.unwrap_or_default() {
            let field = Members::of(field)?;
            if field.required("key")? != "resource_name" {
                return Err(Failure::of(Code::MatchKey));
            }
            let value = field.required("value")?;
            if !(1..=255).contains(&value.chars().count()) {
                return Err(Failure::of(Code::MatchValue));
            }
            wanted.names.push(value.to_owned());
        }
        Ok(wanted)
    }

    fn fits(&self, key: &Key) -> bool {
        let tagged =
            |(name, values): &(String, Vec<String>)| key.tags.get(name).is_some_and(|value| values.is_empty() || values.contains(value));
        self.tags.iter().all(tagged) && self.names.iter().all(|part| own_name(key).contains(part))
    }
}

/// In this one reply the value is a number. Everywhere else it is text.
fn numeric(mut details: Value, key: &Key) -> Value {
    if let Some(members) = details.as_object_mut() {
        members.insert("key_state".to_owned(), json!(number(key.state)));
        members.insert("default_key_flag".to_owned(), json!(u8::from(key.manager == Manager::Aws)));
        members.insert("key_type".to_owned(), json!(1));
        members.insert("creation_date".to_owned(), json!(key.created.as_millisecond()));
        if let Some(date) = key.deletion.as_ref().and_then(|deletion| deletion.date) {
            members.insert("scheduled_deletion_date".to_owned(), json!(date.as_millisecond()));
        }
    }
    details
}
