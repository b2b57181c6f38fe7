//! Whether a key works: the reason for which people care about its state.

use aws_sdk_kms::{Client, operation::encrypt::builders::EncryptFluentBuilder, primitives::Blob};

use super::{
    kms::{Key, Kms},
    outcome::{Answer, Mismatch, Outcome, same},
};

const SECRET: &str = "the quick brown fox";

/// What a pending key answers to cryptographic operations: the page on key states leaves the choice.
const PENDING: &[&str] = &["KMSInvalidStateException", "DisabledException"];

async fn sealed(encrypt: EncryptFluentBuilder) -> Outcome<Blob> {
    let encrypted = encrypt.plaintext(Blob::new(SECRET)).send().await.accepted()?;
    encrypted.ciphertext_blob.ok_or_else(|| Mismatch::new("Encrypt answered no CiphertextBlob"))
}

async fn seal(kms: &Kms, key: &Key) -> Outcome<Blob> {
    sealed(kms.client.encrypt().key_id(&key.id)).await
}

async fn opens(client: &Client, ciphertext: Blob) -> Outcome {
    let decrypted = client.decrypt().ciphertext_blob(ciphertext).send().await.accepted()?;
    same("Plaintext", decrypted.plaintext().map(AsRef::as_ref), Some(SECRET.as_bytes()))
}

pub(super) async fn what_a_key_encrypts_it_decrypts(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let ciphertext = seal(kms, &key).await?;
    let decrypted = kms.client.decrypt().ciphertext_blob(ciphertext).send().await.accepted()?;
    same("Plaintext", decrypted.plaintext().map(AsRef::as_ref), Some(SECRET.as_bytes()))?;
    same("KeyId", decrypted.key_id(), Some(key.arn.as_str()))
}

pub(super) async fn an_alias_can_encrypt(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.alias("alias/a", &key).await?;
    opens(&kms.client, sealed(kms.client.encrypt().key_id("alias/a")).await?).await
}

pub(super) async fn another_encryption_context_does_not_decrypt(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let ciphertext = sealed(kms.client.encrypt().key_id(&key.id).encryption_context("file", "a")).await?;
    let decrypt = kms.client.decrypt().ciphertext_blob(ciphertext).encryption_context("file", "b");
    decrypt.send().await.refused("InvalidCiphertextException")
}

pub(super) async fn a_disabled_key_does_not_encrypt(kms: &Kms) -> Outcome {
    let key = kms.disabled_key().await?;
    kms.client.encrypt().key_id(&key.id).plaintext(Blob::new(SECRET)).send().await.refused("DisabledException")
}

pub(super) async fn a_disabled_key_does_not_decrypt(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let ciphertext = seal(kms, &key).await?;
    kms.client.disable_key().key_id(&key.id).send().await.accepted()?;
    let decrypt = kms.client.decrypt().key_id(&key.id).ciphertext_blob(ciphertext);
    decrypt.send().await.refused("DisabledException")
}

pub(super) async fn a_pending_key_does_not_encrypt(kms: &Kms) -> Outcome {
    let key = kms.pending_key().await?;
    kms.client.encrypt().key_id(&key.id).plaintext(Blob::new(SECRET)).send().await.refused_with_one_of(PENDING)
}

pub(super) async fn a_pending_key_does_not_decrypt(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let ciphertext = seal(kms, &key).await?;
    kms.schedule(&key, 7).await?;
    let decrypt = kms.client.decrypt().key_id(&key.id).ciphertext_blob(ciphertext);
    decrypt.send().await.refused_with_one_of(PENDING)
}

pub(super) async fn a_rescued_key_decrypts_what_it_encrypted(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let ciphertext = seal(kms, &key).await?;
    kms.schedule(&key, 7).await?;
    kms.client.cancel_key_deletion().key_id(&key.id).send().await.accepted()?;
    kms.client.enable_key().key_id(&key.id).send().await.accepted()?;
    opens(&kms.client, ciphertext).await
}

pub(super) async fn a_key_never_used_has_no_last_use(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let usage = kms.client.get_key_last_usage().key_id(&key.id).send().await.accepted()?;
    let used = usage.key_last_usage().and_then(|usage| usage.timestamp());
    same("Timestamp of the last use", used, None)
}
