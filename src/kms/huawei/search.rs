//! Finds keys by alias and by marks.
//!
//! No filter for aliases is documented to be exact and complete: the search by name may match a part of it, and it may leave out keys
//! without tags. So all keys and all aliases are listed and compared. A search is complete or it fails, because a key that is not found may
//! be taken for deleted.

use std::collections::BTreeSet;

use futures::{StreamExt, stream};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    HuaweiKms,
    convert::{self, Details, Loose, Tag, Unusable},
    failure,
    operation::Operation,
};
use crate::{
    api::mark,
    domain::{
        candidates::is_unmarked,
        failure::{Failure, FailureKind},
        limits,
        observed::Key,
        orphans::{MarkedKey, Pointer},
        ownership::{Owner, Tags, is_of},
    },
    kms::{Listing, rest::Call},
};

/// Entries per page of keys and of aliases, as Huawei's own clients request them.
const KEYS: usize = 100;
const ALIASES: usize = 50;
/// Entries per page of a search by tags, the most that Huawei allows.
const INSTANCES: usize = 1000;

/// How many keys' tags are read at once.
const SEARCHES: usize = 8;

/// Where the next page of a list begins.
type NextPage = Result<Option<String>, Failure>;

/// An alias that a key was given, with `alias/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alias {
    pub(super) alias: String,
    pub(super) key_id: String,
}

/// A page of `list-keys`.
#[derive(Debug, Deserialize)]
struct Keys {
    key_details: Option<Vec<Details>>,
    next_marker: Option<String>,
    truncated: Option<Loose>,
}

/// A page of aliases. The documents show an object and a list of such objects; the SDK has a list of aliases.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Aliases {
    Page(AliasPage),
    Pages(Vec<AliasPage>),
    Whole(Vec<Named>),
}

#[derive(Debug, Deserialize)]
struct AliasPage {
    aliases: Vec<Named>,
    page_info: Option<PageInfo>,
}

#[derive(Debug, Deserialize)]
struct PageInfo {
    next_marker: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Named {
    alias: String,
    key_id: String,
}

/// A page of `resource_instances/action`.
#[derive(Debug, Deserialize)]
struct Instances {
    resources: Option<Vec<Instance>>,
    total_count: Option<Loose>,
}

#[derive(Debug, Deserialize)]
struct Instance {
    resource_id: String,
    tags: Option<Vec<Tag>>,
}

impl HuaweiKms {
    /// The id of the key that has the alias of that name.
    pub(super) async fn holder(&self, reference: &str, name: &str) -> Result<Option<String>, Failure> {
        if let Some(id) = self.named(reference, name).await? {
            return Ok(Some(id));
        }
        let alias = format!("alias/{name}");
        let given = self.given_aliases(reference, None).await?.unwrap_or_default();
        Ok(given.into_iter().find(|given| given.alias == alias).map(|given| given.key_id))
    }

    /// The id of the key that was made with that name.
    async fn named(&self, reference: &str, name: &str) -> Result<Option<String>, Failure> {
        let unusable = |why: Unusable| self.unusable(Operation::ListKeys, reference, why);
        let mut marker = None;
        loop {
            let (details, next) = self.page_of_keys(reference, marker).await?;
            for details in details {
                if details.name().map_err(unusable)? == name {
                    return details.id().map(Some).map_err(unusable);
                }
            }
            marker = Some(match next? {
                Some(next) => next,
                None => return Ok(None),
            });
        }
    }

    /// Every key of the project.
    async fn all_keys(&self) -> Result<Vec<Details>, Failure> {
        let (mut all, mut marker) = (Vec::new(), None);
        loop {
            let (details, next) = self.page_of_keys("", marker).await?;
            all.extend(details);
            marker = Some(match next? {
                Some(next) => next,
                None => return Ok(all),
            });
        }
    }

    /// A page of keys, and where the next one begins; `None`: it is the last one. A caller that found its key needs no next page.
    async fn page_of_keys(&self, subject: &str, marker: Option<String>) -> Result<(Vec<Details>, NextPage), Failure> {
        let operation = Operation::ListKeys;
        let mut body = json!({ "limit": KEYS.to_string(), "key_spec": "ALL" });
        if let (Some(marker), Some(body)) = (&marker, body.as_object_mut()) {
            body.insert("marker".to_owned(), json!(marker));
        }
        let Keys { key_details, next_marker, truncated } = self.json(&self.post(operation, subject, body)).await?;
        let details = key_details.ok_or_else(|| self.unusable(operation, subject, "it has no key_details"))?;
        let next = next_marker.filter(|next| !next.is_empty());
        let next = match truncated.map(|truncated| truncated.to_string()).as_deref() {
            Some("false") => Ok(None),
            Some("true") if next.is_some() && next != marker => Ok(next),
            _ => Err(self.unusable(operation, subject, NO_WAY_ON)),
        };
        Ok((details, next))
    }

    /// The aliases that a key, or any key, was given in addition to its own name. `None`: the Region has no such aliases.
    pub(super) async fn given_aliases(&self, reference: &str, key: Option<&str>) -> Result<Option<Vec<Alias>>, Failure> {
        let operation = Operation::ListAliases;
        let (mut all, mut marker) = (Vec::new(), None::<String>);
        loop {
            let mut query = vec![("limit", ALIASES.to_string())];
            query.extend(key.map(|key| ("key_id", key.to_owned())));
            query.extend(marker.clone().map(|marker| ("marker", marker)));
            let (aliases, next) = match self.json(&Call::new(operation, reference, Method::GET, self.path("aliases")).query(query)).await {
                Ok(Aliases::Page(page)) => (page.aliases, page.page_info),
                Ok(Aliases::Pages(pages)) => {
                    let mut info = None;
                    let aliases = pages.into_iter().flat_map(|page| {
                        info = page.page_info;
                        page.aliases
                    });
                    (aliases.collect(), info)
                }
                Ok(Aliases::Whole(aliases)) => (aliases, None),
                Err(failure) if failure::says(&failure, failure::NO_SUCH_PATH) => return Ok(None),
                Err(failure) => return Err(failure),
            };
            if next.is_none() && aliases.len() >= ALIASES {
                return Err(self.unusable(operation, reference, NO_WAY_ON));
            }
            all.extend(aliases.into_iter().map(|Named { alias, key_id }| Alias { alias: with_prefix(alias), key_id }));
            match next.and_then(|next| next.next_marker).filter(|next| !next.is_empty()) {
                None => return Ok(Some(all)),
                next if next == marker => return Err(self.unusable(operation, reference, NO_WAY_ON)),
                next => marker = next,
            }
        }
    }

    /// Canonical references of the keys that bear the marks of that owner.
    pub(super) async fn search(&self, owner: &Owner) -> Result<Vec<String>, Failure> {
        let mut found = Vec::new();
        for id in self.marked(owner).await? {
            // The search does not tell the account, and its tags may be old. A key that was deleted meanwhile has no tags.
            let Some(key) = self.read_by_id(&id, &id).await?.map(|found| found.key) else { continue };
            match self.tags(&id).await {
                Ok(tags) if owner.is_named_by(&tags) => found.push(key.arn),
                Ok(_) => {}
                Err(failure) if failure.kind == FailureKind::NotFound => {}
                Err(failure) => return Err(failure),
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// The keys that the search finds by the mark of that cluster.
    pub(super) async fn search_cluster(&self, cluster: &str) -> Result<Listing<MarkedKey>, Failure> {
        let found = self.filter(&json!([{ "key": mark::CLUSTER, "values": [cluster] }])).await?;
        let tagged = |(id, tags): (String, Option<Tags>)| async move {
            let tags = match tags {
                Some(tags) => Some(tags),
                None => self.tags_if_there(&id).await?,
            };
            Ok(tags.filter(|tags| is_of(cluster, tags)).map(|tags| MarkedKey { reference: id, tags }))
        };
        Listing::of(stream::iter(found).map(tagged).buffer_unordered(SEARCHES)).await
    }

    /// The customer keys without an owner's mark. The search finds no key by a tag that it lacks, so the tags of every key are read.
    pub(super) async fn search_unmarked(&self) -> Result<Listing<Key>, Failure> {
        let (operation, mut keys) = (Operation::ListKeys, Vec::new());
        for details in self.all_keys().await? {
            let key = details.key(&self.region, &self.caller.dialect.project).map_err(|why| self.unusable(operation, "", why))?;
            keys.extend(Some(key).filter(|key| key.customer_managed));
        }
        let unmarked = |key: Key| async move {
            let tags = self.tags_if_there(&key.id).await?.filter(is_unmarked);
            Ok(tags.map(|tags| Key { tags: Some(tags), ..key }))
        };
        Listing::of(stream::iter(keys).map(unmarked).buffer_unordered(SEARCHES)).await
    }

    /// The names and aliases that begin with that text. The list of aliases lacks the own names of keys.
    pub(super) async fn pointers(&self, prefix: &str) -> Result<Vec<Pointer>, Failure> {
        let mut found = Vec::new();
        for details in self.all_keys().await? {
            let named = || Ok((format!("alias/{}", details.name()?), details.id()?));
            let (alias, key) = named().map_err(|why: Unusable| self.unusable(Operation::ListKeys, "", why))?;
            found.push(Pointer { alias, key: Some(key) });
        }
        let given = self.given_aliases("", None).await?.unwrap_or_default();
        found.extend(given.into_iter().map(|Alias { alias, key_id }| Pointer { alias, key: Some(key_id) }));
        found.retain(|pointer| pointer.alias.starts_with(prefix));
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// The tags of a key; `None`: the key was deleted meanwhile.
    async fn tags_if_there(&self, id: &str) -> Result<Option<Tags>, Failure> {
        match self.tags(id).await {
            Ok(tags) => Ok(Some(tags)),
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Ids of the keys that the search finds by those marks.
    async fn marked(&self, owner: &Owner) -> Result<BTreeSet<String>, Failure> {
        let marks = json!([
            { "key": mark::CLUSTER, "values": [owner.cluster] },
            { "key": mark::OWNER, "values": [owner.mark_as(limits::HUAWEI.owner_mark)] },
        ]);
        // A key whose tags name another owner need not be read.
        let is_other = |tags: &Tags| tags.get(mark::OWNER).is_some_and(|found| !owner.is_marked(found));
        let found = self.filter(&marks).await?.into_iter();
        Ok(found.filter(|(_, tags)| !tags.as_ref().is_some_and(is_other)).map(|(id, _)| id).collect())
    }

    /// The ids of the keys that have those tags, and their tags if the answer tells them.
    async fn filter(&self, marks: &Value) -> Result<Vec<(String, Option<Tags>)>, Failure> {
        let operation = Operation::FilterResources;
        let path = self.path("resource_instances/action");
        let (mut found, mut offset) = (Vec::new(), 0);
        loop {
            let body = json!({ "action": "filter", "limit": INSTANCES.to_string(), "offset": offset.to_string(), "tags": marks });
            let page: Instances = self.json(&Call::new(operation, "", Method::POST, path.clone()).with(body)).await?;
            let total = page.total_count.map(|total| total.to_string().parse::<usize>());
            let (Some(resources), Some(Ok(total))) = (page.resources, total) else {
                return Err(self.unusable(operation, "", "it has no resources, or not their number"));
            };
            let came = resources.len();
            for Instance { resource_id, tags } in resources {
                let tags = tags.map(|tags| convert::tags(Some(tags))).transpose().map_err(|why| self.unusable(operation, "", why))?;
                found.push((resource_id, tags));
            }
            offset += came;
            if offset >= total {
                return Ok(found);
            }
            if came == 0 {
                return Err(self.unusable(operation, "", NO_WAY_ON));
            }
        }
    }
}

pub(super) const NO_WAY_ON: &str = "it has more pages, but does not say where";

/// Some examples of Huawei write an alias with `alias/`, others without.
fn with_prefix(alias: String) -> String {
    if alias.starts_with("alias/") { alias } else { format!("alias/{alias}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_are_read_in_every_documented_form() {
        let alias = json!({ "domain_id": "d", "key_id": "k", "alias": "orders", "alias_urn": "kms:r:d:alias:orders" });
        let page = json!({ "aliases": [alias], "page_info": { "next_marker": "m", "current_count": 1 } });
        assert!(matches!(serde_json::from_value(page.clone()).unwrap(), Aliases::Page(AliasPage { page_info: Some(_), .. })));
        assert!(matches!(serde_json::from_value(json!([page])).unwrap(), Aliases::Pages(_)));
        assert!(matches!(serde_json::from_value(json!([alias])).unwrap(), Aliases::Whole(aliases) if aliases.len() == 1));
        assert!(serde_json::from_value::<Aliases>(json!({})).is_err(), "no list is not an empty one");
        assert_eq!((with_prefix("orders".into()), with_prefix("alias/orders".into())), ("alias/orders".into(), "alias/orders".into()));
    }
}
