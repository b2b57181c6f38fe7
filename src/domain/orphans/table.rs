//! A report as tables, for people.

use std::fmt::{self, Write};

use super::cluster_of;
use super::report::{LostKey, OpenCreation, Orphan, Report, StrayAlias, Totals, Unread, UnreadKind};
use crate::{
    domain::table::{NONE, counted, section, time},
    text::shown,
};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cluster, provider, type_, account, region, keys, objects, aliases, creations, unread, totals } = self;
        writeln!(f, "KeyProvider {provider}: {type_} account {account}, Region {region}; cluster {cluster}")?;
        let titles = ["KEY", "STATE", "CREATED", "DELETES-AT", "LAST-OWNER", "COST/MONTH", "WHY"];
        section(f, "Keys with this cluster's marks that no object has:", &titles, keys.iter().map(of_key))?;
        section(f, "Objects whose key is gone:", &["OBJECT", "KEY", "STATE", "MISSING-SINCE"], objects.iter().map(of_object))?;
        section(f, "Claim aliases that lead to no key of their cluster:", &["ALIAS", "KEY", "WHY"], aliases.iter().map(of_alias))?;
        let titles = ["OBJECT", "BEGUN", "KEYS-WITH-ITS-MARKS", "KEYS-WITHOUT-MARKS"];
        section(f, "Creations whose outcome is not known, and the keys that could be it:", &titles, creations.iter().map(of_creation))?;
        f.write_char('\n')?;
        for Unread { kind, count, message } in unread {
            let what = match kind {
                UnreadKind::Keys => counted(*count, "key"),
                UnreadKind::Objects => counted(*count, "object"),
            };
            writeln!(f, "{what} could not be read, and may be missing above: {}", shown(message))?;
        }
        writeln!(f, "{}", sum(*totals))
    }
}

fn sum(Totals { keys, objects, aliases, cost_per_month, cost_unknown }: Totals) -> String {
    let cost = match (keys, cost_unknown) {
        (0, _) => String::new(),
        (_, 0) => format!(" (${cost_per_month} a month)"),
        (_, unknown) if unknown == keys => " (cost unknown)".into(),
        (_, unknown) => format!(" (${cost_per_month} a month, and {unknown} of unknown cost)"),
    };
    format!(
        "{} without an object{cost}, {} whose key is gone, {} without a key of their cluster",
        counted(keys, "key"),
        counted(objects, "object"),
        match aliases {
            1 => "1 alias".to_owned(),
            other => format!("{other} aliases"),
        }
    )
}

fn of_key(key: &Orphan) -> [String; 7] {
    let Orphan { key, state, creation_time, deletion_date, last_owner, owner_mark, message, cost_per_month, .. } = key;
    let owner = last_owner.as_ref().map(ToString::to_string).or_else(|| owner_mark.clone());
    [
        key.clone(),
        state.as_str().to_owned(),
        time(*creation_time),
        time(*deletion_date),
        owner.unwrap_or_else(|| NONE.into()),
        cost_per_month.map_or_else(|| "unknown".into(), |cost| format!("${cost}")),
        message.clone(),
    ]
}

fn of_object(lost: &LostKey) -> [String; 4] {
    let LostKey { object, key, state, missing_since } = lost;
    [object.to_string(), key.clone(), state.map_or(NONE, |state| state.as_str()).to_owned(), time(*missing_since)]
}

fn of_alias(stray: &StrayAlias) -> [String; 3] {
    let StrayAlias { alias, key } = stray;
    let why = match (key, cluster_of(alias)) {
        (None, _) => "it points to no key".to_owned(),
        (Some(_), Some(cluster)) => format!("the key does not have the mark of cluster {cluster}"),
        (Some(_), None) => "the key does not have the mark of any cluster".to_owned(),
    };
    [alias.clone(), key.clone().unwrap_or_else(|| NONE.into()), why]
}

fn of_creation(creation: &OpenCreation) -> [String; 4] {
    let OpenCreation { object, begun, marked_keys, unmarked_keys } = creation;
    let list = |keys: &[String]| if keys.is_empty() { NONE.to_owned() } else { keys.join(",") };
    [object.to_string(), time(*begun), list(marked_keys), list(unmarked_keys)]
}
