//! Automatic rotation: which keys, which periods, in which states.

use aws_sdk_kms::{
    operation::get_key_rotation_status::GetKeyRotationStatusOutput,
    primitives::DateTime,
    types::{KeySpec, KeyUsageType, OriginType, RotationType, RotationsListEntry},
};

use super::{
    kms::{Key, Kms, NO_ALIAS, created},
    outcome::{Answer, Outcome, days_from_now, holds, same},
};

async fn rotate(kms: &Kms, key: &Key, period: i32) -> Outcome {
    kms.client.enable_key_rotation().key_id(&key.id).rotation_period_in_days(period).send().await.accepted()?;
    Ok(())
}

async fn status(kms: &Kms, key: &Key) -> Outcome<GetKeyRotationStatusOutput> {
    kms.client.get_key_rotation_status().key_id(&key.id).send().await.accepted()
}

async fn rotating_key(kms: &Kms, period: i32) -> Outcome<Key> {
    let key = kms.key().await?;
    rotate(kms, &key, period).await?;
    Ok(key)
}

async fn rsa_key(kms: &Kms) -> Outcome<Key> {
    created(kms.client.create_key().key_spec(KeySpec::Rsa2048).key_usage(KeyUsageType::SignVerify)).await
}

async fn hmac_key(kms: &Kms) -> Outcome<Key> {
    created(kms.client.create_key().key_spec(KeySpec::Hmac256).key_usage(KeyUsageType::GenerateVerifyMac)).await
}

async fn external_key(kms: &Kms) -> Outcome<Key> {
    created(kms.client.create_key().origin(OriginType::External)).await
}

async fn rotation_is_unsupported(kms: &Kms, key: &Key) -> Outcome {
    kms.client.enable_key_rotation().key_id(&key.id).send().await.refused("UnsupportedOperationException")
}

async fn status_is_unsupported(kms: &Kms, key: &Key) -> Outcome {
    kms.client.get_key_rotation_status().key_id(&key.id).send().await.refused("UnsupportedOperationException")
}

async fn a_period_is_accepted(kms: &Kms, period: i32) -> Outcome {
    let key = rotating_key(kms, period).await?;
    let status = status(kms, &key).await?;
    same("KeyRotationEnabled", status.key_rotation_enabled(), true)?;
    same("RotationPeriodInDays", status.rotation_period_in_days(), Some(period))?;
    days_from_now("NextRotationDate", status.next_rotation_date(), period.into())
}

async fn a_period_is_refused(kms: &Kms, period: i32) -> Outcome {
    let key = kms.key().await?;
    let enable = kms.client.enable_key_rotation().key_id(&key.id).rotation_period_in_days(period);
    enable.send().await.refused("ValidationException")?;
    same("KeyRotationEnabled", status(kms, &key).await?.key_rotation_enabled(), false)
}

pub(super) async fn a_new_key_does_not_rotate(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    same("KeyRotationEnabled", status(kms, &key).await?.key_rotation_enabled(), false)
}

pub(super) async fn without_a_period_a_key_rotates_every_365_days(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.client.enable_key_rotation().key_id(&key.arn).send().await.accepted()?;
    let status = status(kms, &key).await?;
    same("KeyRotationEnabled", status.key_rotation_enabled(), true)?;
    same("RotationPeriodInDays", status.rotation_period_in_days(), Some(365))?;
    days_from_now("NextRotationDate", status.next_rotation_date(), 365)
}

pub(super) async fn a_period_of_90_days_is_accepted(kms: &Kms) -> Outcome {
    a_period_is_accepted(kms, 90).await
}

pub(super) async fn a_period_of_2560_days_is_accepted(kms: &Kms) -> Outcome {
    a_period_is_accepted(kms, 2560).await
}

pub(super) async fn a_period_of_89_days_is_refused(kms: &Kms) -> Outcome {
    a_period_is_refused(kms, 89).await
}

pub(super) async fn a_period_of_2561_days_is_refused(kms: &Kms) -> Outcome {
    a_period_is_refused(kms, 2561).await
}

pub(super) async fn enabling_rotation_again_changes_the_period(kms: &Kms) -> Outcome {
    let key = rotating_key(kms, 365).await?;
    rotate(kms, &key, 180).await?;
    same("RotationPeriodInDays", status(kms, &key).await?.rotation_period_in_days(), Some(180))
}

pub(super) async fn rotation_can_be_disabled(kms: &Kms) -> Outcome {
    let key = rotating_key(kms, 365).await?;
    kms.client.disable_key_rotation().key_id(&key.id).send().await.accepted()?;
    same("KeyRotationEnabled", status(kms, &key).await?.key_rotation_enabled(), false)
}

pub(super) async fn disabling_rotation_that_is_off_changes_nothing(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.client.disable_key_rotation().key_id(&key.id).send().await.accepted()?;
    same("KeyRotationEnabled", status(kms, &key).await?.key_rotation_enabled(), false)
}

pub(super) async fn rotation_of_a_disabled_key_cannot_be_enabled(kms: &Kms) -> Outcome {
    let key = kms.disabled_key().await?;
    kms.client.enable_key_rotation().key_id(&key.id).send().await.refused("DisabledException")?;
    same("KeyRotationEnabled", status(kms, &key).await?.key_rotation_enabled(), false)
}

pub(super) async fn rotation_of_a_disabled_key_cannot_be_disabled(kms: &Kms) -> Outcome {
    let key = rotating_key(kms, 365).await?;
    kms.client.disable_key().key_id(&key.id).send().await.accepted()?;
    kms.client.disable_key_rotation().key_id(&key.id).send().await.refused("DisabledException")
}

pub(super) async fn disabling_a_key_keeps_its_rotation_status(kms: &Kms) -> Outcome {
    let key = rotating_key(kms, 120).await?;
    kms.client.disable_key().key_id(&key.id).send().await.accepted()?;
    let status = status(kms, &key).await?;
    same("KeyRotationEnabled", status.key_rotation_enabled(), true)?;
    same("RotationPeriodInDays", status.rotation_period_in_days(), Some(120))
}

pub(super) async fn rotation_of_a_pending_key_cannot_be_enabled(kms: &Kms) -> Outcome {
    let key = kms.pending_key().await?;
    kms.client.enable_key_rotation().key_id(&key.id).send().await.refused("KMSInvalidStateException")
}

pub(super) async fn rotation_of_a_pending_key_cannot_be_disabled(kms: &Kms) -> Outcome {
    let key = rotating_key(kms, 365).await?;
    kms.schedule(&key, 7).await?;
    kms.client.disable_key_rotation().key_id(&key.id).send().await.refused("KMSInvalidStateException")
}

pub(super) async fn a_pending_key_does_not_rotate(kms: &Kms) -> Outcome {
    let key = rotating_key(kms, 365).await?;
    kms.schedule(&key, 7).await?;
    same("KeyRotationEnabled", status(kms, &key).await?.key_rotation_enabled(), false)
}

pub(super) async fn cancelling_brings_rotation_back(kms: &Kms) -> Outcome {
    let key = rotating_key(kms, 200).await?;
    kms.schedule(&key, 7).await?;
    kms.client.cancel_key_deletion().key_id(&key.id).send().await.accepted()?;
    let status = status(kms, &key).await?;
    same("KeyRotationEnabled", status.key_rotation_enabled(), true)?;
    same("RotationPeriodInDays", status.rotation_period_in_days(), Some(200))
}

async fn rotations(kms: &Kms, key: &Key) -> Outcome<Vec<RotationsListEntry>> {
    Ok(kms.client.list_key_rotations().key_id(&key.id).send().await.accepted()?.rotations.unwrap_or_default())
}

pub(super) async fn a_new_key_has_no_rotations(kms: &Kms) -> Outcome {
    let key = rotating_key(kms, 90).await?;
    same("Rotations", rotations(kms, &key).await?.len(), 0)
}

pub(super) async fn a_rotation_is_listed_with_its_date(kms: &Kms) -> Outcome {
    let key = rotating_key(kms, 90).await?;
    let due = status(kms, &key).await?.next_rotation_date().map(DateTime::secs);
    kms.pass_days(91).await?;
    let listed = rotations(kms, &key).await?;
    same("Rotations", listed.len(), 1)?;
    let Some(rotation) = listed.first() else { return Ok(()) };
    same("RotationType", rotation.rotation_type(), Some(&RotationType::Automatic))?;
    // It takes place on its date, or soon after.
    let late = rotation.rotation_date().map(DateTime::secs).zip(due).map(|(date, due)| date - due);
    holds("RotationDate is the date that was told", late.is_some_and(|late| (0..24 * 60 * 60).contains(&late)))
}

pub(super) async fn switching_rotation_off_and_on_is_no_rotation(kms: &Kms) -> Outcome {
    let key = rotating_key(kms, 90).await?;
    kms.client.disable_key_rotation().key_id(&key.id).send().await.accepted()?;
    rotate(kms, &key, 90).await?;
    same("Rotations", rotations(kms, &key).await?.len(), 0)
}

pub(super) async fn an_rsa_key_cannot_rotate(kms: &Kms) -> Outcome {
    rotation_is_unsupported(kms, &rsa_key(kms).await?).await
}

pub(super) async fn an_hmac_key_cannot_rotate(kms: &Kms) -> Outcome {
    rotation_is_unsupported(kms, &hmac_key(kms).await?).await
}

pub(super) async fn an_imported_key_cannot_rotate(kms: &Kms) -> Outcome {
    rotation_is_unsupported(kms, &external_key(kms).await?).await
}

pub(super) async fn an_rsa_key_has_no_rotation_status(kms: &Kms) -> Outcome {
    status_is_unsupported(kms, &rsa_key(kms).await?).await
}

pub(super) async fn an_imported_key_has_no_rotation_status(kms: &Kms) -> Outcome {
    status_is_unsupported(kms, &external_key(kms).await?).await
}

pub(super) async fn rotation_cannot_be_enabled_by_an_alias(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.alias("alias/named", &key).await?;
    kms.client.enable_key_rotation().key_id("alias/named").send().await.refused_with_one_of(NO_ALIAS)?;
    same("KeyRotationEnabled", status(kms, &key).await?.key_rotation_enabled(), false)
}

async fn rotate_now(kms: &Kms, key: &Key) -> Outcome {
    kms.client.rotate_key_on_demand().key_id(&key.id).send().await.accepted()?;
    Ok(())
}

pub(super) async fn a_rotation_on_demand_leaves_the_schedule_as_it_is(kms: &Kms) -> Outcome {
    let key = rotating_key(kms, 90).await?;
    let due = status(kms, &key).await?.next_rotation_date;
    rotate_now(kms, &key).await?;
    let status = status(kms, &key).await?;
    same("RotationPeriodInDays", status.rotation_period_in_days(), Some(90))?;
    same("NextRotationDate", status.next_rotation_date, due)
}

pub(super) async fn a_rotation_on_demand_is_listed_as_such(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    rotate_now(kms, &key).await?;
    kms.pass_days(1).await?;
    let listed = rotations(kms, &key).await?;
    let kinds: Vec<_> = listed.iter().filter_map(RotationsListEntry::rotation_type).collect();
    same("RotationType", kinds, vec![&RotationType::OnDemand])
}

pub(super) async fn a_key_rotates_on_demand_twenty_five_times(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    for _ in 0..25 {
        rotate_now(kms, &key).await?;
        kms.pass_days(1).await?;
    }
    kms.client.rotate_key_on_demand().key_id(&key.id).send().await.refused("LimitExceededException")
}

pub(super) async fn a_disabled_key_does_not_rotate_on_demand(kms: &Kms) -> Outcome {
    let key = kms.disabled_key().await?;
    kms.client.rotate_key_on_demand().key_id(&key.id).send().await.refused("DisabledException")
}

pub(super) async fn a_pending_key_does_not_rotate_on_demand(kms: &Kms) -> Outcome {
    let key = kms.pending_key().await?;
    kms.client.rotate_key_on_demand().key_id(&key.id).send().await.refused("KMSInvalidStateException")
}

pub(super) async fn an_hmac_key_does_not_rotate_on_demand(kms: &Kms) -> Outcome {
    let key = hmac_key(kms).await?;
    kms.client.rotate_key_on_demand().key_id(&key.id).send().await.refused("UnsupportedOperationException")
}

pub(super) async fn an_rsa_key_does_not_rotate_on_demand(kms: &Kms) -> Outcome {
    let key = rsa_key(kms).await?;
    kms.client.rotate_key_on_demand().key_id(&key.id).send().await.refused("UnsupportedOperationException")
}

pub(super) async fn an_imported_key_without_material_does_not_rotate_on_demand(kms: &Kms) -> Outcome {
    let key = external_key(kms).await?;
    kms.client.rotate_key_on_demand().key_id(&key.id).send().await.refused("KMSInvalidStateException")
}

/// It is listed when it is complete.
pub(super) async fn a_rotation_on_demand_is_told_while_it_runs(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    same("OnDemandRotationStartDate", status(kms, &key).await?.on_demand_rotation_start_date, None)?;
    rotate_now(kms, &key).await?;
    days_from_now("OnDemandRotationStartDate", status(kms, &key).await?.on_demand_rotation_start_date(), 0)
}

pub(super) async fn a_second_rotation_on_demand_waits_for_the_first(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    rotate_now(kms, &key).await?;
    kms.client.rotate_key_on_demand().key_id(&key.id).send().await.refused("ConflictException")
}

pub(super) async fn a_key_does_not_rotate_on_demand_by_an_alias(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.alias("alias/turned", &key).await?;
    kms.client.rotate_key_on_demand().key_id("alias/turned").send().await.refused_with_one_of(NO_ALIAS)
}
