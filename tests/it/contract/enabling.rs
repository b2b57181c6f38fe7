//! Enabling and disabling.

use aws_sdk_kms::types::KeyState;

use super::{
    kms::{Kms, NO_ALIAS},
    outcome::{Answer, Outcome, same},
};

pub(super) async fn a_disabled_key_says_so(kms: &Kms) -> Outcome {
    let key = kms.disabled_key().await?;
    let described = kms.describe(&key).await?;
    same("KeyState", described.key_state(), Some(&KeyState::Disabled))?;
    same("Enabled", described.enabled(), false)
}

pub(super) async fn a_disabled_key_can_be_enabled_by_its_arn(kms: &Kms) -> Outcome {
    let key = kms.disabled_key().await?;
    kms.client.enable_key().key_id(&key.arn).send().await.accepted()?;
    let described = kms.describe(&key).await?;
    same("KeyState", described.key_state(), Some(&KeyState::Enabled))?;
    same("Enabled", described.enabled(), true)
}

pub(super) async fn disabling_a_disabled_key_changes_nothing(kms: &Kms) -> Outcome {
    let key = kms.disabled_key().await?;
    kms.client.disable_key().key_id(&key.id).send().await.accepted()?;
    same("KeyState", kms.state(&key).await?, KeyState::Disabled)
}

pub(super) async fn enabling_an_enabled_key_changes_nothing(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.client.enable_key().key_id(&key.id).send().await.accepted()?;
    same("KeyState", kms.state(&key).await?, KeyState::Enabled)
}

pub(super) async fn a_pending_key_cannot_be_enabled(kms: &Kms) -> Outcome {
    let key = kms.pending_key().await?;
    kms.client.enable_key().key_id(&key.id).send().await.refused("KMSInvalidStateException")?;
    same("KeyState", kms.state(&key).await?, KeyState::PendingDeletion)
}

pub(super) async fn a_pending_key_cannot_be_disabled(kms: &Kms) -> Outcome {
    let key = kms.pending_key().await?;
    kms.client.disable_key().key_id(&key.id).send().await.refused("KMSInvalidStateException")?;
    same("KeyState", kms.state(&key).await?, KeyState::PendingDeletion)
}

pub(super) async fn a_key_cannot_be_enabled_by_an_alias(kms: &Kms) -> Outcome {
    let key = kms.disabled_key().await?;
    kms.alias("alias/named", &key).await?;
    kms.client.enable_key().key_id("alias/named").send().await.refused_with_one_of(NO_ALIAS)?;
    same("KeyState", kms.state(&key).await?, KeyState::Disabled)
}

pub(super) async fn a_key_cannot_be_disabled_by_an_alias(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.alias("alias/named", &key).await?;
    kms.client.disable_key().key_id("alias/named").send().await.refused_with_one_of(NO_ALIAS)?;
    same("KeyState", kms.state(&key).await?, KeyState::Enabled)
}
