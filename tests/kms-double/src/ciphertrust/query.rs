//! Lists: filters, order and pages.
//!
//! If a filter is given more than once, one of its values must match. Different filters must all match. A parameter that CCKM does not
//! document is refused here, because a misspelt filter that is ignored would find every key.

use serde_json::{Value, json};

use super::failure::Failure;
use super::row::Row;

/// The default number of keys on a page.
const PAGE: usize = 10;

/// Parameters of every list.
const PAGING: [&str; 3] = ["skip", "limit", "sort"];

/// The filters of the list of keys.
pub(crate) const OF_KEYS: &[&str] = &[
    "id",
    "keyid",
    "arn",
    "alias",
    "kms",
    "kms_id",
    "region",
    "cloud_name",
    "keystate",
    "keyusage",
    "keymanager",
    "origin",
    "CustomerMasterKeySpec",
    "enabled",
    "blocked",
    "gone",
    "key_material_origin",
    "key_source",
    "custom_key_store_id",
    "custom_key_store_name",
    "multi_region",
    "multi_region_key_type",
    "rotation_job_enabled",
    "job_config_id",
    "cckm_policy_template_id",
    "tags",
];

/// Whether a key matches one value of a filter of [`OF_KEYS`].
pub(crate) fn meets(row: &Row, name: &str, value: &str) -> Result<bool, Failure> {
    let flag = |actual: bool| read_flag(name, value).map(|wanted| wanted == actual);
    let aws = |member: &str| Ok(row.word(member) == value);
    let config = |member: &str| row.aws.get("MultiRegionConfiguration").and_then(|config| config.get(member)).and_then(Value::as_str);
    match name {
        "id" => Ok(row.id == value),
        "keyid" => aws("KeyID"),
        "arn" => aws("Arn"),
        "alias" => Ok(strings(row.aws.get("Alias")).any(|alias| alias.strip_prefix("alias/") == Some(value))),
        "kms" => Ok(row.kms.name == value || row.kms.id == value),
        "kms_id" => Ok(row.kms.id == value),
        "region" => Ok(row.at.region == value),
        "cloud_name" => Ok(value == "aws"),
        "keystate" => aws("KeyState"),
        "keyusage" => aws("KeyUsage"),
        "keymanager" => aws("KeyManager"),
        "origin" => aws("Origin"),
        "CustomerMasterKeySpec" => aws("CustomerMasterKeySpec"),
        "key_material_origin" => Ok(row.material_origin() == value),
        "enabled" => flag(row.word("KeyState") == "Enabled"),
        "gone" => flag(row.gone),
        "multi_region" => flag(row.aws.get("MultiRegion") == Some(&json!(true))),
        "multi_region_key_type" => Ok(config("MultiRegionKeyType") == Some(value)),
        "tags" => meets_tags(row, value),
        "cckm_policy_template_id" => Ok(tag(row, "cckm_policy_template_id") == Some(value)),
        // No key of the double is blocked or has a rotation job.
        "blocked" | "rotation_job_enabled" => flag(false),
        // The other filters are about key stores and imported material, which no key of the double has.
        _ => Ok(false),
    }
}

/// The objects that match the filters, which must be in `known`. `meets` says whether an object matches one value of a filter.
pub(crate) fn filter<T>(
    items: impl Iterator<Item = T>,
    query: &[(String, String)],
    known: &[&str],
    meets: impl Fn(&T, &str, &str) -> Result<bool, Failure>,
) -> Result<Vec<T>, Failure> {
    let filters: Vec<&(String, String)> = query.iter().filter(|(name, _)| !PAGING.contains(&name.as_str())).collect();
    if let Some((name, _)) = filters.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        return Err(Failure::invalid(format!("there is no filter {name}")));
    }
    let mut passed = Vec::new();
    for item in items {
        let mut verdicts = std::collections::BTreeMap::new();
        for (name, value) in &filters {
            let verdict = meets(&item, name, value)?;
            *verdicts.entry(name.as_str()).or_insert(false) |= verdict;
        }
        if verdicts.values().all(|verdict| *verdict) {
            passed.push(item);
        }
    }
    Ok(passed)
}

/// One page of a list. Without `sort` the objects are in the order of their creation.
pub(crate) fn page(mut objects: Vec<Value>, query: &[(String, String)]) -> Result<Value, Failure> {
    if let Some(sort) = parameter(query, "sort") {
        let (name, down) = sort.strip_prefix('-').map_or((sort, false), |name| (name, true));
        objects.sort_by_key(|object| sort_key(object, name));
        if down {
            objects.reverse();
        }
    }
    let number = |name: &str, default: i64| match parameter(query, name) {
        None | Some("") => Ok(default),
        Some(text) => text.parse::<i64>().map_err(|_| Failure::invalid(format!("{name} is not an integer"))),
    };
    let total = objects.len();
    let skip = usize::try_from(number("skip", 0)?).map_err(|_| Failure::invalid("skip is negative"))?;
    let limit = match number("limit", 0)? {
        -1 => total,
        0 => PAGE,
        limit => usize::try_from(limit).map_err(|_| Failure::invalid("limit is negative"))?,
    };
    let resources: Vec<Value> = objects.into_iter().skip(skip).take(limit).collect();
    Ok(json!({ "skip": skip, "limit": limit, "total": total, "resources": resources }))
}

fn sort_key(object: &Value, name: &str) -> String {
    let value = object.get(name).or_else(|| object.get("aws_param").and_then(|aws| aws.get(name)));
    value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).unwrap_or_default()
}

fn parameter<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    query.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str())
}

/// `{"env":"prod"}`: every named tag must have this value.
fn meets_tags(row: &Row, value: &str) -> Result<bool, Failure> {
    let refuse = || Failure::invalid("tags is not a JSON object of strings");
    let wanted: std::collections::BTreeMap<String, String> = serde_json::from_str(value).map_err(|_| refuse())?;
    Ok(wanted.iter().all(|(name, value)| tag(row, name) == Some(value.as_str())))
}

fn tag<'a>(row: &'a Row, name: &str) -> Option<&'a str> {
    let tags = row.aws.get("Tags")?.as_array()?;
    let tag = tags.iter().find(|tag| tag.get("TagKey").and_then(Value::as_str) == Some(name))?;
    tag.get("TagValue")?.as_str()
}

fn strings(value: Option<&Value>) -> impl Iterator<Item = &str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn read_flag(name: &str, value: &str) -> Result<bool, Failure> {
    value.parse().map_err(|_| Failure::invalid(format!("{name} is neither true nor false")))
}
