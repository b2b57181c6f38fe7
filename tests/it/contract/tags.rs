//! Tags: an operator's marks of ownership are tags, so what is refused and what is kept matters.

use std::collections::BTreeMap;

use aws_sdk_kms::types::Tag;

use super::{
    kms::{Key, Kms, NO_ALIAS, created, tag},
    outcome::{Answer, Outcome, same},
};

/// What 51 tags are refused with: a quota is exceeded, and the tags are not valid; `TagResource` documents both errors.
const TOO_MANY: &[&str] = &["LimitExceededException", "TagException"];

async fn tags_of(kms: &Kms, key: &Key) -> Outcome<BTreeMap<String, String>> {
    let listed = kms.client.list_resource_tags().key_id(&key.id).send().await.accepted()?;
    Ok(listed.tags.unwrap_or_default().into_iter().map(|tag| (tag.tag_key, tag.tag_value)).collect())
}

fn these<const N: usize>(tags: [(&str, &str); N]) -> BTreeMap<String, String> {
    tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

fn numbered(count: usize) -> Vec<Tag> {
    (0..count).map(|number| tag(format!("tag-{number}"), "x")).collect()
}

pub(super) async fn tags_given_at_creation_are_there_at_once(kms: &Kms) -> Outcome {
    let key = created(kms.client.create_key().tags(tag("owner", "a")).tags(tag("attempt", "1"))).await?;
    same("the tags", tags_of(kms, &key).await?, these([("owner", "a"), ("attempt", "1")]))
}

pub(super) async fn tagging_adds_and_replaces(kms: &Kms) -> Outcome {
    let key = created(kms.client.create_key().tags(tag("owner", "a")).tags(tag("team", "red"))).await?;
    kms.client.tag_resource().key_id(&key.arn).tags(tag("team", "blue")).tags(tag("stage", "test")).send().await.accepted()?;
    same("the tags", tags_of(kms, &key).await?, these([("owner", "a"), ("team", "blue"), ("stage", "test")]))
}

pub(super) async fn tag_keys_are_case_sensitive(kms: &Kms) -> Outcome {
    let key = created(kms.client.create_key().tags(tag("team", "red"))).await?;
    kms.client.tag_resource().key_id(&key.id).tags(tag("Team", "blue")).send().await.accepted()?;
    same("the tags", tags_of(kms, &key).await?, these([("team", "red"), ("Team", "blue")]))
}

pub(super) async fn a_tag_value_may_be_empty(kms: &Kms) -> Outcome {
    let key = created(kms.client.create_key().tags(tag("retired", ""))).await?;
    same("the tags", tags_of(kms, &key).await?, these([("retired", "")]))
}

pub(super) async fn untagging_removes_what_is_there_and_ignores_what_is_not(kms: &Kms) -> Outcome {
    let key = created(kms.client.create_key().tags(tag("owner", "a")).tags(tag("team", "red"))).await?;
    kms.client.untag_resource().key_id(&key.id).tag_keys("team").tag_keys("absent").send().await.accepted()?;
    same("the tags", tags_of(kms, &key).await?, these([("owner", "a")]))
}

pub(super) async fn tag_keys_of_aws_are_refused(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.client.tag_resource().key_id(&key.id).tags(tag("aws:owner", "a")).send().await.refused("TagException")?;
    same("the tags", tags_of(kms, &key).await?, these([]))
}

pub(super) async fn a_tag_key_twice_in_one_request_is_refused(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let twice = kms.client.tag_resource().key_id(&key.id).tags(tag("team", "red")).tags(tag("team", "blue"));
    twice.send().await.refused("TagException")?;
    same("the tags", tags_of(kms, &key).await?, these([]))
}

pub(super) async fn a_key_takes_fifty_tags(kms: &Kms) -> Outcome {
    let key = created(kms.client.create_key().set_tags(Some(numbered(50)))).await?;
    same("the number of tags", tags_of(kms, &key).await?.len(), 50)
}

pub(super) async fn fifty_one_tags_at_once_are_refused(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.client.tag_resource().key_id(&key.id).set_tags(Some(numbered(51))).send().await.refused_with_one_of(TOO_MANY)?;
    same("the tags", tags_of(kms, &key).await?, these([]))
}

pub(super) async fn a_fifty_first_tag_is_refused(kms: &Kms) -> Outcome {
    let key = created(kms.client.create_key().set_tags(Some(numbered(50)))).await?;
    kms.client.tag_resource().key_id(&key.id).tags(tag("one-more", "x")).send().await.refused_with_one_of(TOO_MANY)
}

pub(super) async fn a_tag_key_of_129_characters_is_refused(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.client.tag_resource().key_id(&key.id).tags(tag("k".repeat(128), "x")).send().await.accepted()?;
    kms.client.tag_resource().key_id(&key.id).tags(tag("k".repeat(129), "x")).send().await.refused("ValidationException")
}

pub(super) async fn a_tag_value_of_257_characters_is_refused(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.client.tag_resource().key_id(&key.id).tags(tag("k", "v".repeat(256))).send().await.accepted()?;
    kms.client.tag_resource().key_id(&key.id).tags(tag("k", "v".repeat(257))).send().await.refused("ValidationException")
}

pub(super) async fn a_disabled_key_can_be_tagged(kms: &Kms) -> Outcome {
    let key = kms.disabled_key().await?;
    kms.client.tag_resource().key_id(&key.id).tags(tag("owner", "a")).send().await.accepted()?;
    same("the tags", tags_of(kms, &key).await?, these([("owner", "a")]))
}

pub(super) async fn a_pending_key_cannot_be_tagged(kms: &Kms) -> Outcome {
    let key = kms.pending_key().await?;
    kms.client.tag_resource().key_id(&key.id).tags(tag("owner", "a")).send().await.refused("KMSInvalidStateException")?;
    same("the tags", tags_of(kms, &key).await?, these([]))
}

pub(super) async fn a_pending_key_cannot_be_untagged(kms: &Kms) -> Outcome {
    let key = created(kms.client.create_key().tags(tag("owner", "a"))).await?;
    kms.schedule(&key, 7).await?;
    kms.client.untag_resource().key_id(&key.id).tag_keys("owner").send().await.refused("KMSInvalidStateException")?;
    same("the tags", tags_of(kms, &key).await?, these([("owner", "a")]))
}

pub(super) async fn a_key_cannot_be_tagged_by_an_alias(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.alias("alias/named", &key).await?;
    kms.client.tag_resource().key_id("alias/named").tags(tag("owner", "a")).send().await.refused_with_one_of(NO_ALIAS)?;
    same("the tags", tags_of(kms, &key).await?, these([]))
}
