//! Scheduling a deletion, cancelling it, and what happens when the date has passed.

use aws_sdk_kms::types::KeyState;

use super::{
    kms::{HOME, Kms, NO_ALIAS, tag},
    outcome::{Answer, Outcome, days_from_now, holds, same},
};

/// The key is as if nothing had been asked.
async fn a_window_is_refused(kms: &Kms, window: i32) -> Outcome {
    let key = kms.key().await?;
    let schedule = kms.client.schedule_key_deletion().key_id(&key.id).pending_window_in_days(window);
    schedule.send().await.refused("ValidationException")?;
    let described = kms.describe(&key).await?;
    same("KeyState", described.key_state(), Some(&KeyState::Enabled))?;
    same("DeletionDate", described.deletion_date(), None)
}

async fn a_window_is_accepted(kms: &Kms, window: i32) -> Outcome {
    let key = kms.key().await?;
    let schedule = kms.client.schedule_key_deletion().key_id(&key.id).pending_window_in_days(window);
    let scheduled = schedule.send().await.accepted()?;
    same("PendingWindowInDays", scheduled.pending_window_in_days(), Some(window))?;
    days_from_now("DeletionDate", scheduled.deletion_date(), window.into())
}

pub(super) async fn a_window_of_six_days_is_refused(kms: &Kms) -> Outcome {
    a_window_is_refused(kms, 6).await
}

pub(super) async fn a_window_of_thirty_one_days_is_refused(kms: &Kms) -> Outcome {
    a_window_is_refused(kms, 31).await
}

pub(super) async fn a_window_of_no_days_is_refused(kms: &Kms) -> Outcome {
    a_window_is_refused(kms, 0).await
}

pub(super) async fn a_negative_window_is_refused(kms: &Kms) -> Outcome {
    a_window_is_refused(kms, -1).await
}

pub(super) async fn a_window_of_seven_days_is_accepted(kms: &Kms) -> Outcome {
    a_window_is_accepted(kms, 7).await
}

pub(super) async fn a_window_of_thirty_days_is_accepted(kms: &Kms) -> Outcome {
    a_window_is_accepted(kms, 30).await
}

pub(super) async fn without_a_window_thirty_days_are_waited(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let scheduled = kms.client.schedule_key_deletion().key_id(&key.id).send().await.accepted()?;
    same("PendingWindowInDays", scheduled.pending_window_in_days(), Some(30))?;
    days_from_now("DeletionDate", scheduled.deletion_date(), 30)
}

pub(super) async fn scheduling_answers_the_new_state(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let scheduled = kms.client.schedule_key_deletion().key_id(&key.id).send().await.accepted()?;
    same("KeyState", scheduled.key_state(), Some(&KeyState::PendingDeletion))
}

pub(super) async fn scheduling_answers_the_key_arn(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let scheduled = kms.client.schedule_key_deletion().key_id(&key.id).send().await.accepted()?;
    holds("the answer names the key by its ARN", scheduled.key_id() == Some(key.arn.as_str()))
}

pub(super) async fn a_pending_key_says_when_it_will_be_deleted(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    same("DeletionDate of an enabled key", kms.describe(&key).await?.deletion_date(), None)?;
    let scheduled = kms.client.schedule_key_deletion().key_id(&key.id).send().await.accepted()?;
    let described = kms.describe(&key).await?;
    same("KeyState", described.key_state(), Some(&KeyState::PendingDeletion))?;
    same("Enabled", described.enabled(), false)?;
    same(
        "DeletionDate, in seconds",
        described.deletion_date().map(aws_sdk_kms::primitives::DateTime::secs),
        scheduled.deletion_date().map(aws_sdk_kms::primitives::DateTime::secs),
    )
}

pub(super) async fn a_key_can_be_scheduled_by_its_arn(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.client.schedule_key_deletion().key_id(&key.arn).send().await.accepted()?;
    same("KeyState", kms.describe(&key).await?.key_state(), Some(&KeyState::PendingDeletion))
}

pub(super) async fn a_key_cannot_be_scheduled_by_an_alias(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.client.create_alias().alias_name("alias/doomed").target_key_id(&key.id).send().await.accepted()?;
    let answer = kms.client.schedule_key_deletion().key_id("alias/doomed").send().await;
    answer.refused_with_one_of(NO_ALIAS)?;
    same("KeyState", kms.describe(&key).await?.key_state(), Some(&KeyState::Enabled))
}

pub(super) async fn a_key_cannot_be_scheduled_by_an_alias_arn(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.alias("alias/doomed", &key).await?;
    let arn = format!("arn:aws:kms:{HOME}:{}:alias/doomed", kms.account());
    kms.client.schedule_key_deletion().key_id(arn).send().await.refused_with_one_of(NO_ALIAS)?;
    same("KeyState", kms.state(&key).await?, KeyState::Enabled)
}

pub(super) async fn a_disabled_key_can_be_scheduled(kms: &Kms) -> Outcome {
    let key = kms.disabled_key().await?;
    kms.schedule(&key, 7).await?;
    same("KeyState", kms.describe(&key).await?.key_state(), Some(&KeyState::PendingDeletion))
}

pub(super) async fn a_second_schedule_is_refused_while_pending(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.schedule(&key, 30).await?;
    let before = kms.describe(&key).await?;
    let again = kms.client.schedule_key_deletion().key_id(&key.id).pending_window_in_days(7);
    again.send().await.refused("KMSInvalidStateException")?;
    let after = kms.describe(&key).await?;
    same("DeletionDate after the refusal", after.deletion_date(), before.deletion_date())
}

pub(super) async fn cancelling_leaves_an_enabled_key_disabled(kms: &Kms) -> Outcome {
    let key = kms.pending_key().await?;
    kms.client.cancel_key_deletion().key_id(&key.id).send().await.accepted()?;
    let described = kms.describe(&key).await?;
    same("KeyState", described.key_state(), Some(&KeyState::Disabled))?;
    same("Enabled", described.enabled(), false)?;
    same("DeletionDate", described.deletion_date(), None)
}

pub(super) async fn cancelling_leaves_a_disabled_key_disabled(kms: &Kms) -> Outcome {
    let key = kms.disabled_key().await?;
    kms.schedule(&key, 7).await?;
    kms.client.cancel_key_deletion().key_id(&key.arn).send().await.accepted()?;
    same("KeyState", kms.describe(&key).await?.key_state(), Some(&KeyState::Disabled))
}

pub(super) async fn cancelling_answers_the_key_arn(kms: &Kms) -> Outcome {
    let key = kms.pending_key().await?;
    let cancelled = kms.client.cancel_key_deletion().key_id(&key.id).send().await.accepted()?;
    holds("the answer names the key by its ARN", cancelled.key_id() == Some(key.arn.as_str()))
}

pub(super) async fn cancelling_is_refused_for_an_enabled_key(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.client.cancel_key_deletion().key_id(&key.id).send().await.refused("KMSInvalidStateException")?;
    same("KeyState", kms.describe(&key).await?.key_state(), Some(&KeyState::Enabled))
}

pub(super) async fn cancelling_is_refused_for_a_disabled_key(kms: &Kms) -> Outcome {
    let key = kms.disabled_key().await?;
    kms.client.cancel_key_deletion().key_id(&key.id).send().await.refused("KMSInvalidStateException")
}

pub(super) async fn a_second_cancel_is_refused(kms: &Kms) -> Outcome {
    let key = kms.pending_key().await?;
    kms.client.cancel_key_deletion().key_id(&key.id).send().await.accepted()?;
    kms.client.cancel_key_deletion().key_id(&key.id).send().await.refused("KMSInvalidStateException")
}

pub(super) async fn a_deletion_cannot_be_cancelled_by_an_alias(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.client.create_alias().alias_name("alias/doomed").target_key_id(&key.id).send().await.accepted()?;
    kms.schedule(&key, 7).await?;
    let answer = kms.client.cancel_key_deletion().key_id("alias/doomed").send().await;
    answer.refused_with_one_of(NO_ALIAS)?;
    same("KeyState", kms.describe(&key).await?.key_state(), Some(&KeyState::PendingDeletion))
}

pub(super) async fn a_cancelled_key_can_be_enabled(kms: &Kms) -> Outcome {
    let key = kms.pending_key().await?;
    kms.client.cancel_key_deletion().key_id(&key.id).send().await.accepted()?;
    kms.client.enable_key().key_id(&key.id).send().await.accepted()?;
    let described = kms.describe(&key).await?;
    same("KeyState", described.key_state(), Some(&KeyState::Enabled))?;
    same("Enabled", described.enabled(), true)
}

pub(super) async fn a_cancelled_key_scheduled_again_starts_a_new_window(kms: &Kms) -> Outcome {
    let key = kms.pending_key().await?;
    kms.client.cancel_key_deletion().key_id(&key.id).send().await.accepted()?;
    let again = kms.client.schedule_key_deletion().key_id(&key.id).pending_window_in_days(20);
    days_from_now("DeletionDate", again.send().await.accepted()?.deletion_date(), 20)
}

pub(super) async fn the_policy_of_a_pending_key_can_be_read(kms: &Kms) -> Outcome {
    let key = kms.pending_key().await?;
    let policy = kms.client.get_key_policy().key_id(&key.id).policy_name("default").send().await.accepted()?;
    holds("a pending key keeps its policy", policy.policy().is_some_and(|policy| !policy.is_empty()))
}

pub(super) async fn a_pending_key_can_still_be_read(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.client.create_alias().alias_name("alias/doomed").target_key_id(&key.id).send().await.accepted()?;
    kms.client.tag_resource().key_id(&key.id).tags(tag("team", "blue")).send().await.accepted()?;
    kms.schedule(&key, 7).await?;
    let tags = kms.client.list_resource_tags().key_id(&key.id).send().await.accepted()?;
    holds("a pending key keeps its tags", tags.tags().len() == 1)?;
    let aliases = kms.client.list_aliases().key_id(&key.id).send().await.accepted()?;
    holds("a pending key keeps its aliases", aliases.aliases().len() == 1)?;
    let through_alias = kms.client.describe_key().key_id("alias/doomed").send().await.accepted()?;
    let state = through_alias.key_metadata().and_then(|metadata| metadata.key_state());
    same("KeyState through its alias", state, Some(&KeyState::PendingDeletion))
}
