//! The description of a key.

use super::{
    kms::{Kms, NO_ALIAS, created},
    outcome::{Answer, Outcome, same},
};

pub(super) async fn a_description_can_be_changed(kms: &Kms) -> Outcome {
    let key = created(kms.client.create_key().description("first")).await?;
    same("Description", kms.describe(&key).await?.description(), Some("first"))?;
    kms.client.update_key_description().key_id(&key.id).description("second").send().await.accepted()?;
    same("Description", kms.describe(&key).await?.description(), Some("second"))
}

pub(super) async fn a_description_of_8192_characters_is_accepted(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let longest = "d".repeat(8192);
    kms.client.update_key_description().key_id(&key.id).description(&longest).send().await.accepted()?;
    same("Description", kms.describe(&key).await?.description(), Some(longest.as_str()))
}

pub(super) async fn a_description_of_8193_characters_is_refused(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let update = kms.client.update_key_description().key_id(&key.id).description("d".repeat(8193));
    update.send().await.refused("ValidationException")
}

pub(super) async fn a_new_key_cannot_have_a_description_of_8193_characters(kms: &Kms) -> Outcome {
    kms.client.create_key().description("d".repeat(8193)).send().await.refused("ValidationException")
}

pub(super) async fn a_disabled_key_can_be_described_anew(kms: &Kms) -> Outcome {
    let key = kms.disabled_key().await?;
    kms.client.update_key_description().key_id(&key.id).description("out of use").send().await.accepted()?;
    same("Description", kms.describe(&key).await?.description(), Some("out of use"))
}

pub(super) async fn the_description_of_a_pending_key_cannot_be_changed(kms: &Kms) -> Outcome {
    let key = kms.pending_key().await?;
    let update = kms.client.update_key_description().key_id(&key.id).description("doomed");
    update.send().await.refused("KMSInvalidStateException")?;
    same("Description", kms.describe(&key).await?.description(), Some(""))
}

pub(super) async fn a_description_cannot_be_changed_by_an_alias(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.alias("alias/named", &key).await?;
    let update = kms.client.update_key_description().key_id("alias/named").description("new");
    update.send().await.refused_with_one_of(NO_ALIAS)
}
