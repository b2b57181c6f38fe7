//! Lists that come in pages, and what is in whose list.

use std::collections::BTreeSet;

use super::{
    kms::{ABROAD, Kms, created, tag},
    outcome::{Answer, Outcome, holds, same},
};

pub(super) async fn keys_are_listed_page_by_page(kms: &Kms) -> Outcome {
    let mut made = BTreeSet::new();
    for _ in 0..5 {
        made.insert(kms.key().await?.arn);
    }
    let (mut seen, mut marker) = (Vec::new(), None);
    loop {
        let page = kms.client.list_keys().limit(2).set_marker(marker.take()).send().await.accepted()?;
        holds("a page has at most as many keys as asked for", page.keys().len() <= 2)?;
        same("Truncated, against NextMarker", page.truncated(), page.next_marker().is_some())?;
        seen.extend(page.keys().iter().filter_map(|key| key.key_arn()).map(str::to_owned));
        holds("the pages end", seen.len() <= made.len())?;
        marker = page.next_marker;
        if marker.is_none() {
            break;
        }
    }
    same("the number of keys on all pages", seen.len(), made.len())?;
    same("the keys on all pages", seen.into_iter().collect(), made)
}

pub(super) async fn a_page_of_keys_has_a_hundred_at_most_by_default(kms: &Kms) -> Outcome {
    for _ in 0..101 {
        kms.key().await?;
    }
    let page = kms.client.list_keys().send().await.accepted()?;
    holds("a page has at most 100 keys", page.keys().len() <= 100)?;
    same("Truncated", page.truncated(), true)
}

pub(super) async fn more_than_a_thousand_keys_a_page_are_refused(kms: &Kms) -> Outcome {
    kms.client.list_keys().limit(1000).send().await.accepted()?;
    kms.client.list_keys().limit(1001).send().await.refused("ValidationException")
}

pub(super) async fn a_page_of_no_keys_is_refused(kms: &Kms) -> Outcome {
    kms.client.list_keys().limit(0).send().await.refused("ValidationException")
}

pub(super) async fn a_marker_that_nobody_gave_is_refused(kms: &Kms) -> Outcome {
    kms.key().await?;
    kms.client.list_keys().marker("not-a-marker").send().await.refused("InvalidMarkerException")
}

pub(super) async fn aliases_are_listed_page_by_page(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let names: BTreeSet<_> = (0..5).map(|number| format!("alias/{number}")).collect();
    for name in &names {
        kms.alias(name, &key).await?;
    }
    let (mut seen, mut marker) = (Vec::new(), None);
    loop {
        let page = kms.client.list_aliases().key_id(&key.id).limit(2).set_marker(marker.take()).send().await.accepted()?;
        holds("a page has at most as many aliases as asked for", page.aliases().len() <= 2)?;
        seen.extend(page.aliases().iter().filter_map(|alias| alias.alias_name()).map(str::to_owned));
        holds("the pages end", seen.len() <= names.len())?;
        marker = page.next_marker;
        if marker.is_none() {
            break;
        }
    }
    same("the number of aliases on all pages", seen.len(), names.len())?;
    same("the aliases on all pages", seen.into_iter().collect(), names)
}

pub(super) async fn a_page_of_aliases_has_fifty_at_most_by_default(kms: &Kms) -> Outcome {
    let (first, second) = (kms.key().await?, kms.key().await?);
    for number in 0..26 {
        kms.alias(&format!("alias/first-{number}"), &first).await?;
        kms.alias(&format!("alias/second-{number}"), &second).await?;
    }
    let page = kms.client.list_aliases().send().await.accepted()?;
    holds("a page has at most 50 aliases", page.aliases().len() <= 50)?;
    same("Truncated", page.truncated(), true)
}

pub(super) async fn tags_are_listed_page_by_page(kms: &Kms) -> Outcome {
    let names: BTreeSet<_> = (0..5).map(|number| format!("tag-{number}")).collect();
    let tags = names.iter().map(|name| tag(name, "x")).collect();
    let key = created(kms.client.create_key().set_tags(Some(tags))).await?;
    let (mut seen, mut marker) = (Vec::new(), None);
    loop {
        let page = kms.client.list_resource_tags().key_id(&key.id).limit(2).set_marker(marker.take()).send().await.accepted()?;
        holds("a page has at most as many tags as asked for", page.tags().len() <= 2)?;
        seen.extend(page.tags().iter().map(|tag| tag.tag_key().to_owned()));
        holds("the pages end", seen.len() <= names.len())?;
        marker = page.next_marker;
        if marker.is_none() {
            break;
        }
    }
    same("the number of tags on all pages", seen.len(), names.len())?;
    same("the tags on all pages", seen.into_iter().collect(), names)
}

pub(super) async fn pending_and_disabled_keys_are_listed_too(kms: &Kms) -> Outcome {
    let (pending, disabled) = (kms.pending_key().await?, kms.disabled_key().await?);
    let listed = kms.client.list_keys().send().await.accepted()?;
    let ids: BTreeSet<_> = listed.keys().iter().filter_map(|key| key.key_id()).collect();
    same("the keys", ids, BTreeSet::from([pending.id.as_str(), disabled.id.as_str()]))
}

pub(super) async fn keys_are_listed_in_their_account_and_region_only(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.alias("alias/a", &key).await?;
    for elsewhere in [kms.in_region(ABROAD), kms.stranger()] {
        same("the number of keys elsewhere", elsewhere.list_keys().send().await.accepted()?.keys().len(), 0)?;
        let aliases = elsewhere.list_aliases().send().await.accepted()?;
        let found = aliases.aliases().iter().any(|alias| alias.alias_name() == Some("alias/a"));
        holds("an alias is listed in its account and Region only", !found)?;
    }
    Ok(())
}
