//! References to a key: names that are not found, texts that are not names, and keys of somebody else.

use aws_sdk_kms::types::KeyState;

use super::{
    kms::{ABROAD, HOME, Key, Kms, NO_ALIAS, describe},
    outcome::{Answer, Outcome, same},
};

/// A well-formed ID that no server has given out.
const UNKNOWN: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
/// What an operation that does not cross accounts may answer to a key of another account.
///
/// "Cross-account use: No" names no error: the key is out of sight, or policies, which are evaluated first, do not allow it.
const NOT_YOURS: &[&str] = &["NotFoundException", "AccessDeniedException"];

pub(super) async fn a_key_is_described_by_id_and_by_arn(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let by_arn = describe(&kms.client, &Key { id: key.arn.clone(), arn: key.arn.clone() }).await?;
    same("KeyId by ARN", by_arn.key_id(), key.id.as_str())?;
    same("Arn by ID", kms.describe(&key).await?.arn(), Some(key.arn.as_str()))
}

pub(super) async fn an_unknown_id_is_not_found_by_any_operation(kms: &Kms) -> Outcome {
    let kms = &kms.client;
    kms.describe_key().key_id(UNKNOWN).send().await.refused("NotFoundException")?;
    kms.enable_key().key_id(UNKNOWN).send().await.refused("NotFoundException")?;
    kms.disable_key().key_id(UNKNOWN).send().await.refused("NotFoundException")?;
    kms.schedule_key_deletion().key_id(UNKNOWN).send().await.refused("NotFoundException")?;
    kms.cancel_key_deletion().key_id(UNKNOWN).send().await.refused("NotFoundException")?;
    kms.get_key_rotation_status().key_id(UNKNOWN).send().await.refused("NotFoundException")?;
    kms.enable_key_rotation().key_id(UNKNOWN).send().await.refused("NotFoundException")?;
    kms.list_resource_tags().key_id(UNKNOWN).send().await.refused("NotFoundException")?;
    kms.update_key_description().key_id(UNKNOWN).description("").send().await.refused("NotFoundException")
}

pub(super) async fn an_unknown_arn_is_not_found(kms: &Kms) -> Outcome {
    let arn = format!("arn:aws:kms:{HOME}:{}:key/{UNKNOWN}", kms.account());
    kms.client.describe_key().key_id(arn).send().await.refused("NotFoundException")
}

pub(super) async fn an_unknown_alias_is_not_found(kms: &Kms) -> Outcome {
    kms.client.describe_key().key_id("alias/nobody").send().await.refused("NotFoundException")
}

pub(super) async fn a_name_that_is_no_id_is_not_found(kms: &Kms) -> Outcome {
    kms.client.describe_key().key_id("my-key").send().await.refused("NotFoundException")
}

pub(super) async fn an_empty_key_id_is_refused(kms: &Kms) -> Outcome {
    kms.client.describe_key().key_id("").send().await.refused("ValidationException")
}

pub(super) async fn an_arn_of_something_else_is_no_key_arn(kms: &Kms) -> Outcome {
    let arn = format!("arn:aws:kms:{HOME}:{}:{UNKNOWN}", kms.account());
    kms.client.describe_key().key_id(arn).send().await.refused("InvalidArnException")
}

pub(super) async fn a_key_is_not_found_in_another_region(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.in_region(ABROAD).describe_key().key_id(&key.id).send().await.refused("NotFoundException")
}

pub(super) async fn an_arn_of_another_region_is_not_found(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let abroad = kms.in_region(ABROAD);
    abroad.describe_key().key_id(&key.arn).send().await.refused("NotFoundException")?;
    abroad.schedule_key_deletion().key_id(&key.arn).send().await.refused("NotFoundException")
}

pub(super) async fn an_id_of_another_account_is_not_found(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let stranger = kms.stranger();
    stranger.describe_key().key_id(&key.id).send().await.refused("NotFoundException")?;
    stranger.schedule_key_deletion().key_id(&key.id).send().await.refused("NotFoundException")
}

pub(super) async fn a_key_of_another_account_cannot_be_described(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.stranger().describe_key().key_id(&key.arn).send().await.refused_with_one_of(NOT_YOURS)
}

pub(super) async fn a_key_of_another_account_cannot_be_changed(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let stranger = kms.stranger();
    stranger.schedule_key_deletion().key_id(&key.arn).send().await.refused_with_one_of(NOT_YOURS)?;
    stranger.disable_key().key_id(&key.arn).send().await.refused_with_one_of(NOT_YOURS)?;
    same("KeyState", kms.state(&key).await?, KeyState::Enabled)
}

pub(super) async fn the_tags_of_a_key_are_not_listed_by_an_alias(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.alias("alias/named", &key).await?;
    kms.client.list_resource_tags().key_id("alias/named").send().await.refused_with_one_of(NO_ALIAS)
}
