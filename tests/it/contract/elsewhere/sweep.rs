//! What a run made, and how it goes: its aliases are removed, and its keys are scheduled with the shortest window.
//!
//! A key is found by its tag, in the account itself and not in the memory of the run. So the next run finds what a run left that was killed.

use aws_sdk_kms::{
    Client,
    error::{DisplayErrorContext, ProvideErrorMetadata},
    types::KeyState,
};

use super::fence::TAG;

/// The shortest window that AWS accepts.
const DAYS: i32 = 7;

/// The keys and aliases of a Region.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Keys with the tag of the suite.
    pub(super) ours: Vec<String>,
    /// All other keys, and the aliases of these keys. Those of AWS itself are left out, because nobody can change them.
    pub(super) theirs: Vec<String>,
    /// Aliases of our keys.
    aliases: Vec<String>,
}

/// Reads which keys of a Region have the tag. A key whose tags cannot be read is somebody else's.
pub(super) async fn look(kms: &Client) -> Result<Found, String> {
    let mut found = Found::default();
    let mut keys = kms.list_keys().into_paginator().items().send();
    while let Some(key) = keys.next().await {
        let key = key.map_err(|error| told("ListKeys", &error))?;
        let id = key.key_id.unwrap_or_default();
        if is_ours(kms, &id).await? { found.ours.push(id) } else { found.theirs.push(id) }
    }
    let mut aliases = kms.list_aliases().into_paginator().items().send();
    while let Some(alias) = aliases.next().await {
        let alias = alias.map_err(|error| told("ListAliases", &error))?;
        let name = alias.alias_name.unwrap_or_default();
        let is_ours = alias.target_key_id.as_ref().is_some_and(|target| found.ours.contains(target));
        match name.as_str() {
            _ if is_ours => found.aliases.push(name),
            aws if aws.starts_with("alias/aws/") => {}
            _ => found.theirs.push(name),
        }
    }
    Ok(found)
}

async fn is_ours(kms: &Client, id: &str) -> Result<bool, String> {
    let mut tags = kms.list_resource_tags().key_id(id).into_paginator().items().send();
    while let Some(tag) = tags.next().await {
        match tag {
            Ok(tag) if tag.tag_key() == TAG => return Ok(true),
            Ok(_) => {}
            // A managed key of AWS, or one whose policy does not let us read.
            Err(error) if matches!(error.code(), Some("AccessDeniedException" | "NotFoundException")) => return Ok(false),
            Err(error) => return Err(told("ListResourceTags", &error)),
        }
    }
    Ok(false)
}

/// Removes the aliases of the suite's keys in a Region, and schedules the keys. Gives how many are pending now, and what could not be done.
pub(super) async fn sweep(kms: &Client, found: &Found) -> (usize, Vec<String>) {
    let mut left = Vec::new();
    for alias in &found.aliases {
        if let Err(error) = kms.delete_alias().alias_name(alias).send().await {
            left.push(format!("{alias} is still there: {}", told("DeleteAlias", &error)));
        }
    }
    let mut pending = 0;
    for id in &found.ours {
        match schedule(kms, id).await {
            Ok(()) => pending += 1,
            Err(why) => left.push(format!(
                "key {id} is not scheduled: {why}; run: aws kms schedule-key-deletion --pending-window-in-days {DAYS} --key-id {id}"
            )),
        }
    }
    (pending, left)
}

async fn schedule(kms: &Client, id: &str) -> Result<(), String> {
    let state = async || {
        let described = kms.describe_key().key_id(id).send().await.map_err(|error| told("DescribeKey", &error))?;
        Ok::<_, String>(described.key_metadata.and_then(|key| key.key_state))
    };
    if matches!(state().await?, Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion)) {
        return Ok(());
    }
    let scheduled = kms.schedule_key_deletion().key_id(id).pending_window_in_days(DAYS).send().await;
    scheduled.map(drop).map_err(|error| told("ScheduleKeyDeletion", &error))
}

fn told<E: std::error::Error + ProvideErrorMetadata + 'static, R: std::fmt::Debug>(
    operation: &str,
    error: &aws_sdk_kms::error::SdkError<E, R>,
) -> String {
    format!("{operation}: {}", error.code().map_or_else(|| DisplayErrorContext(error).to_string(), str::to_owned))
}
