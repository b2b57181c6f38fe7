//! Aliases: unique names, which an operator uses to claim a key.

use aws_sdk_kms::types::{KeySpec, KeyUsageType};

use super::{
    kms::{ABROAD, HOME, Key, Kms, created},
    outcome::{Answer, Outcome, holds, same},
};

/// What a name that breaks the rules for names is refused with; the documents have an error of its own and constraints on the parameter.
const BAD_NAME: &[&str] = &["InvalidAliasNameException", "ValidationException"];

/// The id of the key that a name stands for.
async fn target(kms: &Kms, name: &str) -> Outcome<Option<String>> {
    let described = kms.client.describe_key().key_id(name).send().await.accepted()?;
    Ok(described.key_metadata.map(|metadata| metadata.key_id))
}

async fn names_of(kms: &Kms, key: &Key) -> Outcome<Vec<String>> {
    let listed = kms.client.list_aliases().key_id(&key.id).send().await.accepted()?;
    let mut names: Vec<_> = listed.aliases.unwrap_or_default().into_iter().filter_map(|alias| alias.alias_name).collect();
    names.sort();
    Ok(names)
}

async fn a_name_is_refused(kms: &Kms, name: &str, codes: &[&str]) -> Outcome {
    let key = kms.key().await?;
    kms.client.create_alias().alias_name(name).target_key_id(&key.id).send().await.refused_with_one_of(codes)
}

pub(super) async fn an_alias_stands_for_its_key(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.alias("alias/team/app", &key).await?;
    let arn = format!("arn:aws:kms:{}:{}:alias/team/app", HOME, kms.account());
    same("the key by alias name", target(kms, "alias/team/app").await?, Some(key.id.clone()))?;
    same("the key by alias ARN", target(kms, &arn).await?, Some(key.id))
}

pub(super) async fn the_aliases_of_a_key_are_listed(kms: &Kms) -> Outcome {
    let (key, other) = (kms.key().await?, kms.key().await?);
    kms.alias("alias/a", &key).await?;
    kms.alias("alias/b", &key).await?;
    kms.alias("alias/other", &other).await?;
    same("the names", names_of(kms, &key).await?, vec!["alias/a".to_owned(), "alias/b".to_owned()])
}

pub(super) async fn a_listed_alias_names_its_arn_and_its_key(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.alias("alias/a", &key).await?;
    let listed = kms.client.list_aliases().key_id(&key.arn).send().await.accepted()?;
    let alias = listed.aliases().first();
    let arn = format!("arn:aws:kms:{}:{}:alias/a", HOME, kms.account());
    same("AliasArn", alias.and_then(|alias| alias.alias_arn()), Some(arn.as_str()))?;
    same("TargetKeyId", alias.and_then(|alias| alias.target_key_id()), Some(key.id.as_str()))?;
    holds("an alias has a creation date", alias.is_some_and(|alias| alias.creation_date().is_some()))
}

pub(super) async fn a_listed_alias_says_when_it_was_last_moved(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.alias("alias/a", &key).await?;
    let listed = kms.client.list_aliases().key_id(&key.id).send().await.accepted()?;
    holds("an alias has a date of last update", listed.aliases().iter().all(|alias| alias.last_updated_date().is_some()))
}

pub(super) async fn an_alias_is_unique_in_its_region(kms: &Kms) -> Outcome {
    let (first, second) = (kms.key().await?, kms.key().await?);
    kms.alias("alias/claim", &first).await?;
    let again = kms.client.create_alias().alias_name("alias/claim").target_key_id(&second.id);
    again.send().await.refused("AlreadyExistsException")?;
    same("the key by alias name", target(kms, "alias/claim").await?, Some(first.id))
}

pub(super) async fn creating_an_alias_that_the_key_has_is_refused_too(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.alias("alias/claim", &key).await?;
    kms.client.create_alias().alias_name("alias/claim").target_key_id(&key.id).send().await.refused("AlreadyExistsException")
}

pub(super) async fn an_alias_of_another_region_does_not_count(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.alias("alias/claim", &key).await?;
    let abroad = kms.in_region(ABROAD);
    let other = created(abroad.create_key()).await?;
    abroad.create_alias().alias_name("alias/claim").target_key_id(&other.id).send().await.accepted()?;
    same("the key by alias name", target(kms, "alias/claim").await?, Some(key.id))
}

pub(super) async fn aliases_of_aws_cannot_be_created(kms: &Kms) -> Outcome {
    a_name_is_refused(kms, "alias/aws/mine", &["InvalidAliasNameException", "NotAuthorizedException", "ValidationException"]).await
}

pub(super) async fn an_alias_needs_its_prefix(kms: &Kms) -> Outcome {
    a_name_is_refused(kms, "claim", BAD_NAME).await
}

pub(super) async fn an_alias_with_a_blank_is_refused(kms: &Kms) -> Outcome {
    a_name_is_refused(kms, "alias/my claim", BAD_NAME).await
}

pub(super) async fn an_alias_of_257_characters_is_refused(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.alias(&format!("alias/{}", "a".repeat(250)), &key).await?;
    a_name_is_refused(kms, &format!("alias/{}", "a".repeat(251)), BAD_NAME).await
}

pub(super) async fn a_disabled_key_can_get_an_alias(kms: &Kms) -> Outcome {
    let key = kms.disabled_key().await?;
    kms.alias("alias/a", &key).await
}

pub(super) async fn a_pending_key_cannot_get_an_alias(kms: &Kms) -> Outcome {
    let key = kms.pending_key().await?;
    kms.client.create_alias().alias_name("alias/a").target_key_id(&key.id).send().await.refused("KMSInvalidStateException")?;
    same("the names", names_of(kms, &key).await?, vec![])
}

pub(super) async fn an_alias_needs_a_key_that_exists(kms: &Kms) -> Outcome {
    let create = kms.client.create_alias().alias_name("alias/a").target_key_id("1234abcd-12ab-34cd-56ef-1234567890ab");
    create.send().await.refused("NotFoundException")
}

pub(super) async fn a_key_takes_fifty_aliases(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    for number in 0..50 {
        kms.alias(&format!("alias/{number}"), &key).await?;
    }
    kms.client.create_alias().alias_name("alias/50").target_key_id(&key.id).send().await.refused("LimitExceededException")
}

pub(super) async fn an_alias_can_be_moved(kms: &Kms) -> Outcome {
    let (old, new) = (kms.key().await?, kms.key().await?);
    kms.alias("alias/a", &old).await?;
    kms.client.update_alias().alias_name("alias/a").target_key_id(&new.id).send().await.accepted()?;
    same("the key by alias name", target(kms, "alias/a").await?, Some(new.id))
}

pub(super) async fn an_alias_that_does_not_exist_cannot_be_moved(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.client.update_alias().alias_name("alias/absent").target_key_id(&key.id).send().await.refused("NotFoundException")
}

pub(super) async fn an_alias_cannot_be_moved_to_a_pending_key(kms: &Kms) -> Outcome {
    let (old, new) = (kms.key().await?, kms.pending_key().await?);
    kms.alias("alias/a", &old).await?;
    kms.client.update_alias().alias_name("alias/a").target_key_id(&new.id).send().await.refused("KMSInvalidStateException")?;
    same("the key by alias name", target(kms, "alias/a").await?, Some(old.id))
}

pub(super) async fn an_alias_can_be_moved_from_a_pending_key(kms: &Kms) -> Outcome {
    let (old, new) = (kms.key().await?, kms.key().await?);
    kms.alias("alias/a", &old).await?;
    kms.schedule(&old, 7).await?;
    kms.client.update_alias().alias_name("alias/a").target_key_id(&new.id).send().await.accepted()?;
    same("the key by alias name", target(kms, "alias/a").await?, Some(new.id))
}

pub(super) async fn an_alias_cannot_be_moved_to_a_key_of_another_kind(kms: &Kms) -> Outcome {
    let symmetric = kms.key().await?;
    let rsa = created(kms.client.create_key().key_spec(KeySpec::Rsa2048).key_usage(KeyUsageType::SignVerify)).await?;
    kms.alias("alias/a", &symmetric).await?;
    // The documents state the rule and no error for it; of those that UpdateAlias has, this one is left, and a constraint on parameters.
    let codes = &["KMSInvalidStateException", "ValidationException", "UnsupportedOperationException"];
    kms.client.update_alias().alias_name("alias/a").target_key_id(&rsa.id).send().await.refused_with_one_of(codes)?;
    same("the key by alias name", target(kms, "alias/a").await?, Some(symmetric.id))
}

pub(super) async fn a_deleted_alias_stands_for_nothing(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.alias("alias/a", &key).await?;
    kms.client.delete_alias().alias_name("alias/a").send().await.accepted()?;
    kms.client.describe_key().key_id("alias/a").send().await.refused("NotFoundException")?;
    kms.describe(&key).await.map(drop)
}

pub(super) async fn an_alias_cannot_be_deleted_twice(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.alias("alias/a", &key).await?;
    kms.client.delete_alias().alias_name("alias/a").send().await.accepted()?;
    kms.client.delete_alias().alias_name("alias/a").send().await.refused("NotFoundException")
}

pub(super) async fn an_alias_of_a_pending_key_can_be_deleted(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.alias("alias/a", &key).await?;
    kms.schedule(&key, 7).await?;
    kms.client.delete_alias().alias_name("alias/a").send().await.accepted()?;
    same("the names", names_of(kms, &key).await?, vec![])
}
