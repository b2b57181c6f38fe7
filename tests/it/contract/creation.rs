//! Creating keys.

use aws_sdk_kms::types::{KeyManagerType, KeySpec, KeyState, KeyUsageType, OriginType};

use super::{
    kms::{HOME, Kms, created, metadata_of, tag},
    outcome::{Answer, Outcome, holds, same},
};

async fn no_key_was_made(kms: &Kms) -> Outcome {
    let listed = kms.client.list_keys().send().await.accepted()?;
    same("the number of keys", listed.keys().len(), 0)
}

pub(super) async fn a_new_key_is_enabled_and_symmetric(kms: &Kms) -> Outcome {
    let key = metadata_of(kms.client.create_key().send().await.accepted()?)?;
    same("KeyState", key.key_state(), Some(&KeyState::Enabled))?;
    same("Enabled", key.enabled(), true)?;
    same("KeySpec", key.key_spec(), Some(&KeySpec::SymmetricDefault))?;
    same("KeyUsage", key.key_usage(), Some(&KeyUsageType::EncryptDecrypt))?;
    same("Origin", key.origin(), Some(&OriginType::AwsKms))?;
    same("KeyManager", key.key_manager(), Some(&KeyManagerType::Customer))?;
    same("MultiRegion", key.multi_region(), Some(false))?;
    same("Description", key.description(), Some(""))
}

pub(super) async fn an_arn_names_region_account_and_key(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    same("Arn", key.arn, format!("arn:aws:kms:{HOME}:{}:key/{}", kms.account(), key.id))
}

pub(super) async fn a_key_id_is_a_uuid(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    holds("a key ID is a UUID", key.id.len() == 36 && uuid::Uuid::parse_str(&key.id).is_ok())
}

pub(super) async fn the_id_of_a_multi_region_key_says_so(kms: &Kms) -> Outcome {
    let key = created(kms.client.create_key().multi_region(true)).await?;
    let digits = key.id.strip_prefix("mrk-").unwrap_or_default();
    let hex = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    holds("its ID is mrk- and 32 hexadecimal digits", hex)
}

pub(super) async fn the_same_request_twice_makes_two_keys(kms: &Kms) -> Outcome {
    let first = created(kms.client.create_key().description("same")).await?;
    let second = created(kms.client.create_key().description("same")).await?;
    holds("each CreateKey makes a key", first.id != second.id)
}

pub(super) async fn an_rsa_key_needs_a_usage(kms: &Kms) -> Outcome {
    kms.client.create_key().key_spec(KeySpec::Rsa2048).send().await.refused("ValidationException")?;
    no_key_was_made(kms).await
}

pub(super) async fn an_hmac_key_needs_a_usage(kms: &Kms) -> Outcome {
    kms.client.create_key().key_spec(KeySpec::Hmac256).send().await.refused("ValidationException")?;
    no_key_was_made(kms).await
}

pub(super) async fn an_hmac_key_cannot_encrypt(kms: &Kms) -> Outcome {
    let create = kms.client.create_key().key_spec(KeySpec::Hmac256).key_usage(KeyUsageType::EncryptDecrypt);
    create.send().await.refused("ValidationException")
}

pub(super) async fn an_unknown_key_spec_is_refused(kms: &Kms) -> Outcome {
    // A value outside the enumeration is invalid, and not supported: CreateKey has an error for the second, every operation for the first.
    let codes = &["ValidationException", "UnsupportedOperationException"];
    kms.client.create_key().key_spec(KeySpec::from("ROT_13")).send().await.refused_with_one_of(codes)?;
    no_key_was_made(kms).await
}

pub(super) async fn a_key_with_a_refused_tag_is_not_made(kms: &Kms) -> Outcome {
    kms.client.create_key().tags(tag("aws:owner", "a")).send().await.refused("TagException")?;
    no_key_was_made(kms).await
}

pub(super) async fn a_policy_that_is_no_json_is_refused(kms: &Kms) -> Outcome {
    kms.client.create_key().policy("allow everything").send().await.refused("MalformedPolicyDocumentException")?;
    no_key_was_made(kms).await
}

pub(super) async fn a_new_key_is_governed_by_its_account(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let policy = kms.client.get_key_policy().key_id(&key.id).policy_name("default").send().await.accepted()?;
    let root = format!("arn:aws:iam::{}:root", kms.account());
    holds("the default key policy names the account's root", policy.policy().is_some_and(|policy| policy.contains(&root)))
}
