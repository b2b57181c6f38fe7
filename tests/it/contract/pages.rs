//! Lists that come in pages, and which entries each list has.

use std::collections::BTreeSet;

use super::{
    kms::{ABROAD, Kms, created, tag},
    outcome::{Answer, Outcome, holds, same},
};

/// What a list answers: the entries by name, whether there are more, and the marker that leads to them.
type Page = (Vec<String>, bool, Option<String>);

/// Pages of two entries at most hold each of the five entries that there are once, and end.
async fn pages_hold(made: BTreeSet<String>, list: impl AsyncFn(Option<String>) -> Outcome<Page>) -> Outcome {
    let (mut seen, mut marker) = (Vec::new(), None);
    loop {
        let (entries, truncated, next) = list(marker).await?;
        holds("a page has at most as many entries as asked for", entries.len() <= 2)?;
        same("Truncated, against NextMarker", truncated, next.is_some())?;
        seen.extend(entries);
        holds("the pages end", seen.len() <= made.len())?;
        marker = next;
        if marker.is_none() {
            break;
        }
    }
    same("the number of entries on all pages", seen.len(), made.len())?;
    same("the entries on all pages", seen.into_iter().collect(), made)
}

pub(super) async fn keys_are_listed_page_by_page(kms: &Kms) -> Outcome {
    let mut made = BTreeSet::new();
    for _ in 0..5 {
        made.insert(kms.key().await?.arn);
    }
    pages_hold(made, async |marker| {
        let page = kms.client.list_keys().limit(2).set_marker(marker).send().await.accepted()?;
        let arns = page.keys().iter().filter_map(|key| key.key_arn()).map(str::to_owned).collect();
        Ok((arns, page.truncated, page.next_marker))
    })
    .await
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
    pages_hold(names, async |marker| {
        let page = kms.client.list_aliases().key_id(&key.id).limit(2).set_marker(marker).send().await.accepted()?;
        let names = page.aliases().iter().filter_map(|alias| alias.alias_name()).map(str::to_owned).collect();
        Ok((names, page.truncated, page.next_marker))
    })
    .await
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
    pages_hold(names, async |marker| {
        let page = kms.client.list_resource_tags().key_id(&key.id).limit(2).set_marker(marker).send().await.accepted()?;
        let names = page.tags().iter().map(|tag| tag.tag_key().to_owned()).collect();
        Ok((names, page.truncated, page.next_marker))
    })
    .await
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
