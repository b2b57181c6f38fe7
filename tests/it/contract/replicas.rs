//! Multi-Region keys: one material, a key with a life of its own in each Region.

use std::{collections::BTreeSet, time::Duration};

use aws_sdk_kms::{
    Client,
    primitives::Blob,
    types::{KeyState, MultiRegionKeyType},
};
use tokio::time::Instant;

use super::{
    kms::{ABROAD, HOME, Key, Kms, created, describe, state, tag},
    outcome::{Answer, Mismatch, Outcome, days_from_now, holds, same},
};

/// A primary key in [`HOME`], its replica in [`ABROAD`], and a client there.
pub(super) async fn pair(kms: &Kms) -> Outcome<(Key, Key, Client)> {
    let primary = created(kms.client.create_key().multi_region(true)).await?;
    kms.client.replicate_key().key_id(&primary.id).replica_region(ABROAD).send().await.accepted()?;
    let abroad = kms.in_region(ABROAD);
    let replica = Key { id: primary.id.clone(), arn: primary.arn.replace(HOME, ABROAD) };
    // A replica is Creating for some seconds.
    let deadline = Instant::now() + Duration::from_mins(1);
    while state(&abroad, &replica).await? == KeyState::Creating {
        if Instant::now() > deadline {
            return Err(Mismatch::new("the replica is still Creating after a minute; documented: a few seconds"));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok((primary, replica, abroad))
}

pub(super) async fn a_replica_has_the_id_of_its_primary(kms: &Kms) -> Outcome {
    let (primary, replica, abroad) = pair(kms).await?;
    let described = describe(&abroad, &replica).await?;
    same("KeyId", described.key_id(), primary.id.as_str())?;
    same("Arn", described.arn(), Some(replica.arn.as_str()))?;
    same("KeyState", described.key_state(), Some(&KeyState::Enabled))?;
    let kind = described.multi_region_configuration().and_then(|related| related.multi_region_key_type());
    same("MultiRegionKeyType", kind, Some(&MultiRegionKeyType::Replica))
}

pub(super) async fn a_primary_lists_its_replicas(kms: &Kms) -> Outcome {
    let (primary, replica, _) = pair(kms).await?;
    let described = kms.describe(&primary).await?;
    let related = described.multi_region_configuration();
    same("MultiRegionKeyType", related.and_then(|related| related.multi_region_key_type()), Some(&MultiRegionKeyType::Primary))?;
    let replicas: BTreeSet<_> = related
        .map(aws_sdk_kms::types::MultiRegionConfiguration::replica_keys)
        .unwrap_or_default()
        .iter()
        .filter_map(|key| key.arn())
        .collect();
    same("ReplicaKeys", replicas, BTreeSet::from([replica.arn.as_str()]))
}

pub(super) async fn a_region_takes_one_replica(kms: &Kms) -> Outcome {
    let (primary, ..) = pair(kms).await?;
    let again = kms.client.replicate_key().key_id(&primary.id).replica_region(ABROAD);
    again.send().await.refused("AlreadyExistsException")
}

pub(super) async fn a_pending_replica_still_takes_its_region(kms: &Kms) -> Outcome {
    let (primary, replica, abroad) = pair(kms).await?;
    abroad.schedule_key_deletion().key_id(&replica.id).pending_window_in_days(7).send().await.accepted()?;
    let again = kms.client.replicate_key().key_id(&primary.id).replica_region(ABROAD);
    again.send().await.refused("AlreadyExistsException")
}

pub(super) async fn a_single_region_key_cannot_be_replicated(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let replicate = kms.client.replicate_key().key_id(&key.id).replica_region(ABROAD);
    replicate.send().await.refused("UnsupportedOperationException")
}

pub(super) async fn a_replica_cannot_be_replicated(kms: &Kms) -> Outcome {
    let (_, replica, abroad) = pair(kms).await?;
    let replicate = abroad.replicate_key().key_id(&replica.id).replica_region("ap-south-1");
    replicate.send().await.refused("UnsupportedOperationException")
}

pub(super) async fn a_disabled_primary_cannot_be_replicated(kms: &Kms) -> Outcome {
    let primary = created(kms.client.create_key().multi_region(true)).await?;
    kms.client.disable_key().key_id(&primary.id).send().await.accepted()?;
    kms.client.replicate_key().key_id(&primary.id).replica_region(ABROAD).send().await.refused("DisabledException")
}

pub(super) async fn a_pending_primary_cannot_be_replicated(kms: &Kms) -> Outcome {
    let primary = created(kms.client.create_key().multi_region(true)).await?;
    kms.schedule(&primary, 7).await?;
    let replicate = kms.client.replicate_key().key_id(&primary.id).replica_region(ABROAD);
    replicate.send().await.refused_with_one_of(&["KMSInvalidStateException", "DisabledException"])
}

pub(super) async fn a_replica_is_enabled_and_disabled_by_itself(kms: &Kms) -> Outcome {
    let (primary, replica, abroad) = pair(kms).await?;
    kms.client.disable_key().key_id(&primary.id).send().await.accepted()?;
    same("KeyState of the replica", state(&abroad, &replica).await?, KeyState::Enabled)?;
    abroad.disable_key().key_id(&replica.id).send().await.accepted()?;
    kms.client.enable_key().key_id(&primary.id).send().await.accepted()?;
    same("KeyState of the replica", state(&abroad, &replica).await?, KeyState::Disabled)
}

pub(super) async fn a_replica_has_tags_and_aliases_of_its_own(kms: &Kms) -> Outcome {
    let (primary, replica, abroad) = pair(kms).await?;
    kms.client.tag_resource().key_id(&primary.id).tags(tag("owner", "a")).send().await.accepted()?;
    kms.alias("alias/a", &primary).await?;
    let tags = abroad.list_resource_tags().key_id(&replica.id).send().await.accepted()?;
    same("the number of the replica's tags", tags.tags().len(), 0)?;
    let aliases = abroad.list_aliases().key_id(&replica.id).send().await.accepted()?;
    same("the number of the replica's aliases", aliases.aliases().len(), 0)
}

pub(super) async fn a_replica_can_be_scheduled_by_itself(kms: &Kms) -> Outcome {
    let (primary, replica, abroad) = pair(kms).await?;
    abroad.schedule_key_deletion().key_id(&replica.id).pending_window_in_days(7).send().await.accepted()?;
    let described = describe(&abroad, &replica).await?;
    same("KeyState of the replica", described.key_state(), Some(&KeyState::PendingDeletion))?;
    days_from_now("DeletionDate of the replica", described.deletion_date(), 7)?;
    same("KeyState of the primary", kms.state(&primary).await?, KeyState::Enabled)
}

pub(super) async fn a_primary_with_a_replica_waits_for_it_to_be_deleted(kms: &Kms) -> Outcome {
    let (primary, ..) = pair(kms).await?;
    let schedule = kms.client.schedule_key_deletion().key_id(&primary.id).pending_window_in_days(7);
    let scheduled = schedule.send().await.accepted()?;
    same("KeyState", scheduled.key_state(), Some(&KeyState::PendingReplicaDeletion))?;
    same("DeletionDate", scheduled.deletion_date(), None)?;
    let described = kms.describe(&primary).await?;
    same("KeyState", described.key_state(), Some(&KeyState::PendingReplicaDeletion))?;
    same("DeletionDate", described.deletion_date(), None)?;
    same("PendingDeletionWindowInDays", described.pending_deletion_window_in_days(), Some(7))
}

pub(super) async fn scheduling_the_replica_does_not_start_the_window_of_the_primary(kms: &Kms) -> Outcome {
    let (primary, replica, abroad) = pair(kms).await?;
    kms.schedule(&primary, 7).await?;
    abroad.schedule_key_deletion().key_id(&replica.id).pending_window_in_days(7).send().await.accepted()?;
    same("KeyState of the primary", kms.state(&primary).await?, KeyState::PendingReplicaDeletion)
}

pub(super) async fn a_waiting_primary_cannot_be_scheduled_again(kms: &Kms) -> Outcome {
    let (primary, ..) = pair(kms).await?;
    kms.schedule(&primary, 7).await?;
    kms.client.schedule_key_deletion().key_id(&primary.id).send().await.refused("KMSInvalidStateException")
}

pub(super) async fn a_waiting_primary_takes_no_changes(kms: &Kms) -> Outcome {
    let (primary, ..) = pair(kms).await?;
    kms.schedule(&primary, 7).await?;
    let (kms, id) = (&kms.client, primary.id);
    kms.enable_key().key_id(&id).send().await.refused("KMSInvalidStateException")?;
    kms.disable_key().key_id(&id).send().await.refused("KMSInvalidStateException")?;
    kms.enable_key_rotation().key_id(&id).send().await.refused("KMSInvalidStateException")?;
    kms.tag_resource().key_id(&id).tags(tag("owner", "a")).send().await.refused("KMSInvalidStateException")?;
    kms.update_key_description().key_id(&id).description("new").send().await.refused("KMSInvalidStateException")?;
    kms.create_alias().alias_name("alias/a").target_key_id(&id).send().await.refused("KMSInvalidStateException")
}

pub(super) async fn a_waiting_primary_does_not_encrypt(kms: &Kms) -> Outcome {
    let (primary, ..) = pair(kms).await?;
    kms.schedule(&primary, 7).await?;
    let encrypt = kms.client.encrypt().key_id(&primary.id).plaintext(Blob::new("x"));
    encrypt.send().await.refused_with_one_of(&["KMSInvalidStateException", "DisabledException"])
}

pub(super) async fn a_replica_of_a_waiting_primary_still_works(kms: &Kms) -> Outcome {
    let (primary, replica, abroad) = pair(kms).await?;
    kms.schedule(&primary, 7).await?;
    same("KeyState of the replica", state(&abroad, &replica).await?, KeyState::Enabled)?;
    abroad.encrypt().key_id(&replica.id).plaintext(Blob::new("x")).send().await.accepted()?;
    Ok(())
}

pub(super) async fn what_a_primary_encrypts_its_replica_decrypts(kms: &Kms) -> Outcome {
    let (primary, _, abroad) = pair(kms).await?;
    let encrypted = kms.client.encrypt().key_id(&primary.id).plaintext(Blob::new("x")).send().await.accepted()?;
    let decrypted = abroad.decrypt().set_ciphertext_blob(encrypted.ciphertext_blob).send().await.accepted()?;
    same("Plaintext", decrypted.plaintext().map(AsRef::as_ref), Some(b"x".as_slice()))
}

pub(super) async fn the_deletion_of_a_waiting_primary_can_be_cancelled(kms: &Kms) -> Outcome {
    let (primary, ..) = pair(kms).await?;
    kms.schedule(&primary, 7).await?;
    kms.client.cancel_key_deletion().key_id(&primary.id).send().await.accepted()?;
    let described = kms.describe(&primary).await?;
    same("KeyState", described.key_state(), Some(&KeyState::Disabled))?;
    same("PendingDeletionWindowInDays", described.pending_deletion_window_in_days(), None)
}

pub(super) async fn a_replica_rotates_as_its_primary_does(kms: &Kms) -> Outcome {
    let (primary, replica, abroad) = pair(kms).await?;
    kms.client.enable_key_rotation().key_id(&primary.id).rotation_period_in_days(180).send().await.accepted()?;
    let status = abroad.get_key_rotation_status().key_id(&replica.id).send().await.accepted()?;
    same("KeyRotationEnabled of the replica", status.key_rotation_enabled(), true)?;
    same("RotationPeriodInDays of the replica", status.rotation_period_in_days(), Some(180))
}

pub(super) async fn rotation_cannot_be_set_on_a_replica(kms: &Kms) -> Outcome {
    let (_, replica, abroad) = pair(kms).await?;
    abroad.enable_key_rotation().key_id(&replica.id).send().await.refused("UnsupportedOperationException")
}

pub(super) async fn a_multi_region_key_without_replicas_is_scheduled_as_any_other(kms: &Kms) -> Outcome {
    let primary = created(kms.client.create_key().multi_region(true)).await?;
    kms.schedule(&primary, 7).await?;
    let described = kms.describe(&primary).await?;
    same("KeyState", described.key_state(), Some(&KeyState::PendingDeletion))?;
    holds("a date is known", described.deletion_date().is_some())
}

/// Waits until both keys have left Updating. Then the second one is the primary.
async fn moved(kms: &Kms) -> Outcome<(Key, Key, Client)> {
    let (primary, replica, abroad) = pair(kms).await?;
    kms.client.update_primary_region().key_id(&primary.id).primary_region(ABROAD).send().await.accepted()?;
    let deadline = Instant::now() + Duration::from_mins(1);
    while kms.state(&primary).await? == KeyState::Updating || state(&abroad, &replica).await? == KeyState::Updating {
        if Instant::now() > deadline {
            return Err(Mismatch::new("the keys are still Updating after a minute; documented: a few seconds"));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok((primary, replica, abroad))
}

pub(super) async fn the_primary_moves_to_the_region_of_its_replica(kms: &Kms) -> Outcome {
    let (old, new, abroad) = moved(kms).await?;
    let kind = |described: &aws_sdk_kms::types::KeyMetadata| {
        described.multi_region_configuration().and_then(|related| related.multi_region_key_type()).cloned()
    };
    same("MultiRegionKeyType of the new primary", kind(&describe(&abroad, &new).await?), Some(MultiRegionKeyType::Primary))?;
    same("MultiRegionKeyType of the old primary", kind(&kms.describe(&old).await?), Some(MultiRegionKeyType::Replica))
}

pub(super) async fn an_old_primary_is_scheduled_as_any_replica(kms: &Kms) -> Outcome {
    let (old, ..) = moved(kms).await?;
    kms.schedule(&old, 7).await?;
    same("KeyState", kms.state(&old).await?, KeyState::PendingDeletion)
}

pub(super) async fn a_disabled_primary_does_not_move(kms: &Kms) -> Outcome {
    let (primary, ..) = pair(kms).await?;
    kms.client.disable_key().key_id(&primary.id).send().await.accepted()?;
    kms.client.update_primary_region().key_id(&primary.id).primary_region(ABROAD).send().await.refused("DisabledException")
}

pub(super) async fn a_primary_does_not_move_from_a_replica(kms: &Kms) -> Outcome {
    let (_, replica, abroad) = pair(kms).await?;
    abroad.update_primary_region().key_id(&replica.id).primary_region(ABROAD).send().await.refused("UnsupportedOperationException")
}

pub(super) async fn a_primary_does_not_move_to_a_region_without_a_replica(kms: &Kms) -> Outcome {
    let (primary, ..) = pair(kms).await?;
    let update = kms.client.update_primary_region().key_id(&primary.id).primary_region("ap-south-1");
    update.send().await.refused_with_one_of(&["NotFoundException", "UnsupportedOperationException"])
}
