//! The policy of a key.

use serde_json::{Value, json};

use super::{
    kms::{Key, Kms, NO_ALIAS},
    outcome::{Answer, Outcome, holds},
};

/// A policy that lets the account do everything, and that principal as well.
fn policy(kms: &Kms, principal: &str) -> String {
    let allow = |principal: &str| json!({ "Effect": "Allow", "Principal": { "AWS": principal }, "Action": "kms:*", "Resource": "*" });
    let root = format!("arn:aws:iam::{}:root", kms.account());
    json!({ "Version": "2012-10-17", "Statement": [allow(&root), allow(principal)] }).to_string()
}

async fn put(kms: &Kms, key: &Key, policy: &str) -> Outcome {
    kms.client.put_key_policy().key_id(&key.id).policy_name("default").policy(policy).send().await.accepted().map(drop)
}

/// The key has that policy, in whatever spelling the server keeps it.
async fn has(kms: &Kms, key: &Key, policy: &str) -> Outcome {
    let answer = kms.client.get_key_policy().key_id(&key.id).policy_name("default").send().await.accepted()?;
    let found = answer.policy().and_then(|text| serde_json::from_str::<Value>(text).ok());
    holds("the key has the policy that was put", found == serde_json::from_str(policy).ok())
}

pub(super) async fn a_policy_is_put_and_read_back(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let policy = policy(kms, "*");
    put(kms, &key, &policy).await?;
    has(kms, &key, &policy).await
}

pub(super) async fn a_policy_can_be_put_without_its_name(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let policy = policy(kms, "*");
    kms.client.put_key_policy().key_id(&key.id).policy(&policy).send().await.accepted()?;
    has(kms, &key, &policy).await
}

pub(super) async fn a_policy_of_another_name_is_not_found(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.client.get_key_policy().key_id(&key.id).policy_name("other").send().await.refused("NotFoundException")
}

async fn refused(kms: &Kms, policy: &str, code: &str) -> Outcome {
    let key = kms.key().await?;
    kms.client.put_key_policy().key_id(&key.id).policy_name("default").policy(policy).send().await.refused(code)
}

pub(super) async fn a_new_policy_that_is_no_json_is_refused(kms: &Kms) -> Outcome {
    refused(kms, "allow everything", "MalformedPolicyDocumentException").await
}

pub(super) async fn a_policy_that_locks_out_its_caller_is_refused(kms: &Kms) -> Outcome {
    let statement = json!({ "Effect": "Allow", "Principal": { "AWS": "*" }, "Action": "kms:Decrypt", "Resource": "*" });
    let policy = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
    refused(kms, &policy, "MalformedPolicyDocumentException").await
}

pub(super) async fn a_policy_of_a_deleted_principal_is_refused(kms: &Kms) -> Outcome {
    refused(kms, &policy(kms, "AROAEXAMPLEIDEXAMPLEX"), "MalformedPolicyDocumentException").await
}

pub(super) async fn a_policy_of_32769_bytes_is_refused(kms: &Kms) -> Outcome {
    let policy = policy(kms, "*");
    let longer = format!("{policy}{}", " ".repeat(32_769 - policy.len()));
    refused(kms, &longer, "LimitExceededException").await
}

pub(super) async fn a_disabled_key_takes_a_policy(kms: &Kms) -> Outcome {
    let key = kms.disabled_key().await?;
    let policy = policy(kms, "*");
    put(kms, &key, &policy).await?;
    has(kms, &key, &policy).await
}

pub(super) async fn a_pending_key_takes_a_policy(kms: &Kms) -> Outcome {
    let key = kms.pending_key().await?;
    let policy = policy(kms, "*");
    put(kms, &key, &policy).await?;
    has(kms, &key, &policy).await
}

pub(super) async fn a_policy_cannot_be_put_by_an_alias(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.alias("alias/named", &key).await?;
    let put = kms.client.put_key_policy().key_id("alias/named").policy_name("default").policy(policy(kms, "*"));
    put.send().await.refused_with_one_of(NO_ALIAS)
}
