//! What happens when the date of a deletion has passed.

use aws_sdk_kms::{primitives::Blob, types::KeyState};

use super::{
    kms::Kms,
    outcome::{Answer, Outcome, days_from_now, holds, same},
    replicas::pair,
};

/// Past the end of the shortest window, and past the 24 hours by which AWS may be late.
const PAST_SEVEN: i64 = 9;

pub(super) async fn a_key_is_there_until_its_date(kms: &Kms) -> Outcome {
    let key = kms.pending_key().await?;
    kms.pass_days(6).await?;
    same("KeyState", kms.state(&key).await?, KeyState::PendingDeletion)?;
    kms.client.cancel_key_deletion().key_id(&key.id).send().await.accepted()?;
    same("KeyState", kms.state(&key).await?, KeyState::Disabled)
}

pub(super) async fn a_key_is_gone_after_its_date(kms: &Kms) -> Outcome {
    let (doomed, other) = (kms.pending_key().await?, kms.key().await?);
    kms.pass_days(PAST_SEVEN).await?;
    kms.client.describe_key().key_id(&doomed.id).send().await.refused("NotFoundException")?;
    kms.client.describe_key().key_id(&doomed.arn).send().await.refused("NotFoundException")?;
    kms.client.cancel_key_deletion().key_id(&doomed.id).send().await.refused("NotFoundException")?;
    kms.client.enable_key().key_id(&doomed.id).send().await.refused("NotFoundException")?;
    kms.client.list_resource_tags().key_id(&doomed.id).send().await.refused("NotFoundException")?;
    let listed = kms.client.list_keys().send().await.accepted()?;
    let ids: Vec<_> = listed.keys().iter().filter_map(|key| key.key_id()).collect();
    same("the keys that are left", ids, vec![other.id.as_str()])
}

pub(super) async fn a_longer_window_keeps_a_key_longer(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.schedule(&key, 30).await?;
    kms.pass_days(29).await?;
    same("KeyState", kms.state(&key).await?, KeyState::PendingDeletion)?;
    kms.pass_days(3).await?;
    kms.client.describe_key().key_id(&key.id).send().await.refused("NotFoundException")
}

pub(super) async fn a_cancelled_key_outlives_its_date(kms: &Kms) -> Outcome {
    let key = kms.pending_key().await?;
    kms.client.cancel_key_deletion().key_id(&key.id).send().await.accepted()?;
    kms.pass_days(PAST_SEVEN).await?;
    same("KeyState", kms.state(&key).await?, KeyState::Disabled)
}

pub(super) async fn the_aliases_of_a_key_go_with_it(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.alias("alias/doomed", &key).await?;
    kms.schedule(&key, 7).await?;
    kms.pass_days(PAST_SEVEN).await?;
    kms.client.describe_key().key_id("alias/doomed").send().await.refused("NotFoundException")?;
    let listed = kms.client.list_aliases().send().await.accepted()?;
    let left = listed.aliases().iter().any(|alias| alias.alias_name() == Some("alias/doomed"));
    holds("the alias is not listed any more", !left)
}

pub(super) async fn the_alias_of_a_deleted_key_is_free_again(kms: &Kms) -> Outcome {
    let (doomed, heir) = (kms.key().await?, kms.key().await?);
    kms.alias("alias/claim", &doomed).await?;
    kms.schedule(&doomed, 7).await?;
    kms.pass_days(PAST_SEVEN).await?;
    kms.alias("alias/claim", &heir).await
}

pub(super) async fn what_a_deleted_key_encrypted_cannot_be_decrypted(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let encrypted = kms.client.encrypt().key_id(&key.id).plaintext(Blob::new("lost")).send().await.accepted()?;
    kms.schedule(&key, 7).await?;
    kms.pass_days(PAST_SEVEN).await?;
    let decrypt = kms.client.decrypt().key_id(&key.id).set_ciphertext_blob(encrypted.ciphertext_blob);
    // A caller who may not know that a key is gone is told that it has no access.
    decrypt.send().await.refused_with_one_of(&["NotFoundException", "AccessDeniedException"])
}

pub(super) async fn a_primary_starts_to_wait_when_its_last_replica_is_gone(kms: &Kms) -> Outcome {
    let (primary, replica, abroad) = pair(kms).await?;
    kms.schedule(&primary, 7).await?;
    same("KeyState while there is a replica", kms.state(&primary).await?, KeyState::PendingReplicaDeletion)?;
    kms.pass_days(PAST_SEVEN).await?;
    same("KeyState after its own window", kms.state(&primary).await?, KeyState::PendingReplicaDeletion)?;
    abroad.schedule_key_deletion().key_id(&replica.id).pending_window_in_days(7).send().await.accepted()?;
    kms.pass_days(PAST_SEVEN).await?;
    abroad.describe_key().key_id(&replica.id).send().await.refused("NotFoundException")?;
    let described = kms.describe(&primary).await?;
    same("KeyState", described.key_state(), Some(&KeyState::PendingDeletion))?;
    same("PendingDeletionWindowInDays", described.pending_deletion_window_in_days(), None)?;
    // Days until the replica could be scheduled, its window, and then the primary's own.
    days_from_now("DeletionDate", described.deletion_date(), PAST_SEVEN + 7 + 7)?;
    kms.pass_days(PAST_SEVEN).await?;
    kms.client.describe_key().key_id(&primary.id).send().await.refused("NotFoundException")
}
