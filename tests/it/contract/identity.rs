//! Who calls: the account behind credentials, roles, and credentials that are not good.

use aws_sdk_kms::config::Credentials;

use super::{
    kms::{Kms, created},
    outcome::{Answer, Mismatch, Outcome, holds, same},
};

/// What the session of an assumed role signs with.
async fn assume(kms: &Kms) -> Outcome<Credentials> {
    let assume = kms.sts(kms.credentials()).assume_role().role_arn(kms.role_of_stranger()).role_session_name("suite");
    let session = assume.send().await.accepted()?.credentials.ok_or_else(|| Mismatch::new("AssumeRole answered no credentials"))?;
    Ok(Credentials::new(session.access_key_id, session.secret_access_key, Some(session.session_token), None, "contract suite"))
}

pub(super) async fn a_caller_learns_its_account(kms: &Kms) -> Outcome {
    let identity = kms.sts(kms.credentials()).get_caller_identity().send().await.accepted()?;
    same("Account", identity.account(), Some(kms.account()))?;
    let prefix = format!("arn:aws:iam::{}:", kms.account());
    holds("Arn names the account", identity.arn().is_some_and(|arn| arn.starts_with(&prefix)))?;
    holds("UserId is there", identity.user_id().is_some_and(|id| !id.is_empty()))
}

pub(super) async fn a_role_session_belongs_to_the_account_of_the_role(kms: &Kms) -> Outcome {
    let session = assume(kms).await?;
    let identity = kms.sts(session).get_caller_identity().send().await.accepted()?;
    same("Account", identity.account(), Some(kms.stranger_account()))?;
    let prefix = format!("arn:aws:sts::{}:assumed-role/", kms.stranger_account());
    holds("Arn names role and session", identity.arn().is_some_and(|arn| arn.starts_with(&prefix) && arn.ends_with("/suite")))
}

pub(super) async fn a_role_session_works_on_the_keys_of_the_account_of_the_role(kms: &Kms) -> Outcome {
    let theirs = created(kms.stranger().create_key()).await?;
    kms.client.describe_key().key_id(&theirs.id).send().await.refused("NotFoundException")?;
    let session = kms.with_credentials(assume(kms).await?);
    session.describe_key().key_id(&theirs.id).send().await.accepted()?;
    Ok(())
}

pub(super) async fn a_role_session_shorter_than_fifteen_minutes_is_refused(kms: &Kms) -> Outcome {
    let assume = kms.sts(kms.credentials()).assume_role().role_arn(kms.role_of_stranger()).role_session_name("suite");
    assume.duration_seconds(899).send().await.refused("ValidationError")
}

pub(super) async fn an_unknown_access_key_is_refused(kms: &Kms) -> Outcome {
    let nobody = Credentials::new("AKIA0000000000000000", "wrong", None, None, "contract suite");
    let answer = kms.with_credentials(nobody).list_keys().send().await;
    answer.refused_with_one_of(&["UnrecognizedClientException", "InvalidClientTokenId"])
}

pub(super) async fn a_wrong_secret_is_refused(kms: &Kms) -> Outcome {
    let good = kms.credentials();
    let forged = Credentials::new(good.access_key_id(), "wrong", None, None, "contract suite");
    kms.with_credentials(forged).list_keys().send().await.refused_with_one_of(&["InvalidSignatureException"])
}

pub(super) async fn a_session_without_its_token_is_refused(kms: &Kms) -> Outcome {
    let session = assume(kms).await?;
    let bare = Credentials::new(session.access_key_id(), session.secret_access_key(), None, None, "contract suite");
    let answer = kms.with_credentials(bare).list_keys().send().await;
    answer.refused_with_one_of(&["UnrecognizedClientException", "InvalidClientTokenId"])
}
