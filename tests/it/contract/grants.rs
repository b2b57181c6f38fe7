//! Grants: which can be made, how they are listed, and how they end.

use aws_sdk_kms::{
    error::ProvideErrorMetadata,
    operation::create_grant::{CreateGrantOutput, builders::CreateGrantFluentBuilder},
    primitives::Blob,
    types::{GrantConstraints, GrantListEntry, GrantOperation, KeySpec, KeyUsageType},
};

use super::{
    kms::{Key, Kms, created},
    outcome::{Answer, Mismatch, Outcome, holds, same},
};

/// What KMS answers to the id of a grant that is gone: the documents have both errors, and do not say which.
const GONE: &[&str] = &["NotFoundException", "InvalidGrantIdException"];

fn reader(kms: &Kms) -> String {
    format!("arn:aws:iam::{}:root", kms.account())
}

/// A `CreateGrant` that permits the caller's account to decrypt.
fn grant(kms: &Kms, key: &Key) -> CreateGrantFluentBuilder {
    kms.client.create_grant().key_id(&key.id).grantee_principal(reader(kms)).operations(GrantOperation::Decrypt)
}

async fn id(grant: CreateGrantFluentBuilder) -> Outcome<String> {
    id_of(grant.send().await.accepted()?)
}

fn id_of(made: CreateGrantOutput) -> Outcome<String> {
    made.grant_id.ok_or_else(|| Mismatch::new("CreateGrant answered no GrantId"))
}

async fn listed(kms: &Kms, key: &Key) -> Outcome<Vec<GrantListEntry>> {
    Ok(kms.client.list_grants().key_id(&key.id).send().await.accepted()?.grants.unwrap_or_default())
}

pub(super) async fn a_grant_is_listed_with_what_it_permits(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let id = id(grant(kms, &key).operations(GrantOperation::DescribeKey).retiring_principal(reader(kms)).name("reader")).await?;
    let listed = listed(kms, &key).await?;
    same("the number of grants", listed.len(), 1)?;
    let Some(grant) = listed.first() else { return Ok(()) };
    same("GrantId", grant.grant_id(), Some(id.as_str()))?;
    same("Name", grant.name(), Some("reader"))?;
    same("GranteePrincipal", grant.grantee_principal(), Some(reader(kms).as_str()))?;
    same("RetiringPrincipal", grant.retiring_principal(), Some(reader(kms).as_str()))?;
    same("Operations", grant.operations(), [GrantOperation::Decrypt, GrantOperation::DescribeKey].as_slice())
}

pub(super) async fn a_name_makes_the_same_request_one_grant(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let first = id(grant(kms, &key).name("uid:1")).await?;
    same("GrantId of the second request", id(grant(kms, &key).name("uid:1")).await?, first)?;
    same("the number of grants", listed(kms, &key).await?.len(), 1)
}

pub(super) async fn each_request_has_a_grant_token_of_its_own(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let first = grant(kms, &key).name("uid:1").send().await.accepted()?;
    let second = grant(kms, &key).name("uid:1").send().await.accepted()?;
    holds("the tokens differ", first.grant_token() != second.grant_token())
}

pub(super) async fn the_same_name_with_other_operations_is_another_grant(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let first = id(grant(kms, &key).name("uid:1")).await?;
    let second = id(grant(kms, &key).operations(GrantOperation::Encrypt).name("uid:1")).await?;
    holds("another request makes another grant", first != second)
}

pub(super) async fn without_a_name_the_same_request_makes_two_grants(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let first = id(grant(kms, &key)).await?;
    let second = id(grant(kms, &key)).await?;
    holds("each request makes a grant", first != second)?;
    same("the number of grants", listed(kms, &key).await?.len(), 2)
}

pub(super) async fn a_grant_cannot_permit_what_its_key_cannot_do(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    grant(kms, &key).operations(GrantOperation::Sign).send().await.refused("ValidationException")
}

pub(super) async fn a_grant_needs_a_grantee(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let grant = kms.client.create_grant().key_id(&key.id).operations(GrantOperation::Decrypt);
    grant.send().await.refused("ValidationException")
}

pub(super) async fn a_grantee_that_is_no_principal_is_refused(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let grant = kms.client.create_grant().key_id(&key.id).grantee_principal("reader").operations(GrantOperation::Decrypt);
    grant.send().await.refused("InvalidArnException")
}

fn equals(value: &str) -> GrantConstraints {
    GrantConstraints::builder().encryption_context_equals("tenant", value).build()
}

fn subset(value: &str) -> GrantConstraints {
    GrantConstraints::builder().encryption_context_subset("tenant", value).build()
}

pub(super) async fn a_grant_is_listed_with_its_encryption_context(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    for constraints in [equals("a"), subset("a")] {
        let id = id(grant(kms, &key).constraints(constraints.clone())).await?;
        let listed = listed(kms, &key).await?;
        let found = listed.iter().find(|grant| grant.grant_id() == Some(id.as_str()));
        same("Constraints", found.and_then(|grant| grant.constraints()), Some(&constraints))?;
    }
    Ok(())
}

pub(super) async fn the_same_name_and_encryption_context_is_one_grant(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let named = |constraints| id(grant(kms, &key).name("uid:1").constraints(constraints));
    let first = named(subset("a")).await?;
    same("GrantId of the second request", named(subset("a")).await?, first)
}

pub(super) async fn the_same_name_with_another_encryption_context_is_another_grant(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let named = |constraints| id(grant(kms, &key).name("uid:1").constraints(constraints));
    let first = named(subset("a")).await?;
    for other in [subset("b"), equals("a")] {
        let other = named(other).await?;
        holds("another request makes another grant", first != other)?;
    }
    Ok(())
}

/// The other account has no access but by the grant.
async fn decrypts_in(kms: &Kms, constraints: GrantConstraints, context: &[(&str, &str)]) -> Outcome<Result<(), String>> {
    let key = kms.key().await?;
    let grantee = format!("arn:aws:iam::{}:root", kms.stranger_account());
    let mut encrypt = kms.client.encrypt().key_id(&key.id).plaintext(Blob::new("data"));
    let grant = kms.client.create_grant().key_id(&key.id).grantee_principal(grantee).operations(GrantOperation::Decrypt);
    let made = grant.constraints(constraints).send().await.accepted()?;
    for (name, value) in context {
        encrypt = encrypt.encryption_context(*name, *value);
    }
    let sealed = encrypt.send().await.accepted()?;
    // The token makes the grant count at once.
    let mut decrypt = kms
        .stranger()
        .decrypt()
        .key_id(&key.arn)
        .set_ciphertext_blob(sealed.ciphertext_blob)
        .set_grant_tokens(made.grant_token.map(|token| vec![token]));
    for (name, value) in context {
        decrypt = decrypt.encryption_context(*name, *value);
    }
    Ok(decrypt.send().await.map(drop).map_err(|error| error.code().unwrap_or("no error code").to_owned()))
}

pub(super) async fn a_grant_counts_for_its_encryption_context(kms: &Kms) -> Outcome {
    for (constraints, context) in [(equals("a"), &[("tenant", "a")][..]), (subset("a"), &[("tenant", "a"), ("order", "1")])] {
        same("Decrypt", decrypts_in(kms, constraints, context).await?, Ok(()))?;
    }
    Ok(())
}

pub(super) async fn a_grant_does_not_count_for_another_encryption_context(kms: &Kms) -> Outcome {
    let (more, other, none) = (&[("tenant", "a"), ("order", "1")][..], &[("tenant", "b")][..], &[][..]);
    for (constraints, context) in
        [(equals("a"), more), (equals("a"), other), (equals("a"), none), (subset("a"), other), (subset("a"), none)]
    {
        same("Decrypt", decrypts_in(kms, constraints, context).await?, Err("AccessDeniedException".to_owned()))?;
    }
    Ok(())
}

pub(super) async fn an_hmac_key_takes_no_encryption_context_constraint(kms: &Kms) -> Outcome {
    let hmac = kms.client.create_key().key_spec(KeySpec::Hmac256).key_usage(KeyUsageType::GenerateVerifyMac);
    let key = created(hmac).await?;
    let grant = kms.client.create_grant().key_id(&key.id).grantee_principal(reader(kms)).operations(GrantOperation::GenerateMac);
    grant.constraints(subset("a")).send().await.refused("ValidationException")
}

pub(super) async fn a_disabled_key_takes_no_grant(kms: &Kms) -> Outcome {
    let key = kms.disabled_key().await?;
    grant(kms, &key).send().await.refused("DisabledException")
}

pub(super) async fn a_pending_key_takes_no_grant(kms: &Kms) -> Outcome {
    let key = kms.pending_key().await?;
    grant(kms, &key).send().await.refused_with_one_of(&["KMSInvalidStateException", "DisabledException"])
}

pub(super) async fn a_grant_that_is_only_tried_is_not_made(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    grant(kms, &key).dry_run(true).send().await.refused("DryRunOperationException")?;
    same("the number of grants", listed(kms, &key).await?.len(), 0)
}

pub(super) async fn a_revoked_grant_is_gone(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let id = id(grant(kms, &key)).await?;
    kms.client.revoke_grant().key_id(&key.id).grant_id(&id).send().await.accepted()?;
    same("the number of grants", listed(kms, &key).await?.len(), 0)?;
    kms.client.revoke_grant().key_id(&key.id).grant_id(&id).send().await.refused_with_one_of(GONE)
}

pub(super) async fn a_grant_of_a_pending_key_is_listed_and_revoked(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let id = id(grant(kms, &key)).await?;
    kms.schedule(&key, 7).await?;
    same("the number of grants", listed(kms, &key).await?.len(), 1)?;
    kms.client.revoke_grant().key_id(&key.id).grant_id(&id).send().await.accepted()?;
    Ok(())
}

pub(super) async fn a_grant_is_retired_by_its_token(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let made = grant(kms, &key).send().await.accepted()?;
    kms.client.retire_grant().set_grant_token(made.grant_token).send().await.accepted()?;
    same("the number of grants", listed(kms, &key).await?.len(), 0)
}

pub(super) async fn a_grant_is_retired_by_its_key_and_its_id(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let id = id(grant(kms, &key)).await?;
    kms.client.retire_grant().key_id(&key.arn).grant_id(&id).send().await.accepted()?;
    same("the number of grants", listed(kms, &key).await?.len(), 0)
}

pub(super) async fn grants_are_listed_by_who_may_retire_them(kms: &Kms) -> Outcome {
    let (key, other) = (kms.key().await?, kms.key().await?);
    let mut made =
        [id(grant(kms, &key).retiring_principal(reader(kms))).await?, id(grant(kms, &other).retiring_principal(reader(kms))).await?];
    id(grant(kms, &other)).await?;
    let retirable = kms.client.list_retirable_grants().retiring_principal(reader(kms)).send().await.accepted()?;
    let mut listed: Vec<String> = retirable.grants.unwrap_or_default().into_iter().filter_map(|grant| grant.grant_id).collect();
    listed.sort();
    made.sort();
    same("the grants", listed, made.to_vec())
}

pub(super) async fn grants_are_listed_page_by_page(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    for _ in 0..3 {
        id(grant(kms, &key)).await?;
    }
    let first = kms.client.list_grants().key_id(&key.id).limit(2).send().await.accepted()?;
    same("the number of grants on the first page", first.grants().len(), 2)?;
    same("Truncated", first.truncated(), true)?;
    let rest = kms.client.list_grants().key_id(&key.id).limit(2).set_marker(first.next_marker).send().await.accepted()?;
    same("the number of grants on the second page", rest.grants().len(), 1)?;
    same("Truncated", rest.truncated(), false)
}

pub(super) async fn more_than_a_hundred_grants_a_page_are_refused(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.client.list_grants().key_id(&key.id).limit(101).send().await.refused("ValidationException")
}

pub(super) async fn a_key_has_the_default_policy(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let policies = kms.client.list_key_policies().key_id(&key.id).send().await.accepted()?;
    same("PolicyNames", policies.policy_names(), ["default".to_owned()].as_slice())
}
