//! Keys whose material is to be imported: until it is, they wait in a state of their own.

use aws_sdk_kms::{
    primitives::Blob,
    types::{KeyState, OriginType},
};

use super::{
    kms::{Key, Kms, created, tag},
    outcome::{Answer, Outcome, same},
};

async fn waiting_key(kms: &Kms) -> Outcome<Key> {
    created(kms.client.create_key().origin(OriginType::External)).await
}

pub(super) async fn a_key_without_material_waits_for_it(kms: &Kms) -> Outcome {
    let key = waiting_key(kms).await?;
    let described = kms.describe(&key).await?;
    same("KeyState", described.key_state(), Some(&KeyState::PendingImport))?;
    same("Enabled", described.enabled(), false)?;
    same("Origin", described.origin(), Some(&OriginType::External))
}

pub(super) async fn a_key_without_material_cannot_be_enabled(kms: &Kms) -> Outcome {
    let key = waiting_key(kms).await?;
    kms.client.enable_key().key_id(&key.id).send().await.refused("KMSInvalidStateException")?;
    same("KeyState", kms.state(&key).await?, KeyState::PendingImport)
}

pub(super) async fn a_key_without_material_cannot_be_disabled(kms: &Kms) -> Outcome {
    let key = waiting_key(kms).await?;
    kms.client.disable_key().key_id(&key.id).send().await.refused("KMSInvalidStateException")?;
    same("KeyState", kms.state(&key).await?, KeyState::PendingImport)
}

pub(super) async fn a_key_without_material_cannot_encrypt(kms: &Kms) -> Outcome {
    let key = waiting_key(kms).await?;
    kms.client.encrypt().key_id(&key.id).plaintext(Blob::new("x")).send().await.refused("KMSInvalidStateException")
}

pub(super) async fn a_key_without_material_can_be_named_and_tagged(kms: &Kms) -> Outcome {
    let key = waiting_key(kms).await?;
    kms.alias("alias/a", &key).await?;
    kms.client.tag_resource().key_id(&key.id).tags(tag("owner", "a")).send().await.accepted()?;
    kms.client.update_key_description().key_id(&key.id).description("to come").send().await.accepted()?;
    same("Description", kms.describe(&key).await?.description(), Some("to come"))
}

pub(super) async fn a_key_without_material_can_be_scheduled(kms: &Kms) -> Outcome {
    let key = waiting_key(kms).await?;
    kms.schedule(&key, 7).await?;
    same("KeyState", kms.state(&key).await?, KeyState::PendingDeletion)
}

pub(super) async fn cancelling_is_refused_for_a_key_without_material(kms: &Kms) -> Outcome {
    let key = waiting_key(kms).await?;
    kms.client.cancel_key_deletion().key_id(&key.id).send().await.refused("KMSInvalidStateException")?;
    same("KeyState", kms.state(&key).await?, KeyState::PendingImport)
}
