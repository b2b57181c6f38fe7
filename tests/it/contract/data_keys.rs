//! Data keys and random bytes, and data that is encrypted again under another key.

use aws_sdk_kms::{
    primitives::Blob,
    types::{DataKeyPairSpec, DataKeySpec},
};

use super::{
    kms::{Key, Kms},
    outcome::{Answer, Mismatch, Outcome, holds, same},
};

fn present(what: &str, blob: Option<Blob>) -> Outcome<Blob> {
    blob.ok_or_else(|| Mismatch::new(format_args!("the answer has no {what}")))
}

async fn opened(kms: &Kms, key: &Key, ciphertext: Option<Blob>) -> Outcome<Option<Blob>> {
    let ciphertext = present("ciphertext", ciphertext)?;
    Ok(kms.client.decrypt().key_id(&key.id).ciphertext_blob(ciphertext).send().await.accepted()?.plaintext)
}

pub(super) async fn a_data_key_can_be_decrypted(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let made = kms.client.generate_data_key().key_id(&key.id).key_spec(DataKeySpec::Aes256).send().await.accepted()?;
    same("KeyId", made.key_id(), Some(key.arn.as_str()))?;
    let plaintext = present("Plaintext", made.plaintext)?;
    same("the length of the key", plaintext.as_ref().len(), 32)?;
    same("Plaintext", opened(kms, &key, made.ciphertext_blob).await?, Some(plaintext))
}

pub(super) async fn a_data_key_has_the_length_that_was_asked_for(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let made = kms.client.generate_data_key().key_id(&key.id).number_of_bytes(64).send().await.accepted()?;
    same("the length of the key", present("Plaintext", made.plaintext)?.as_ref().len(), 64)
}

pub(super) async fn a_data_key_without_its_plaintext_can_be_decrypted(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let request = kms.client.generate_data_key_without_plaintext().key_id(&key.id).key_spec(DataKeySpec::Aes256);
    let made = request.send().await.accepted()?;
    let plaintext = present("Plaintext", opened(kms, &key, made.ciphertext_blob).await?)?;
    same("the length of the key", plaintext.as_ref().len(), 32)
}

pub(super) async fn a_data_key_needs_a_length(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.client.generate_data_key().key_id(&key.id).send().await.refused("ValidationException")
}

pub(super) async fn a_data_key_is_bound_to_its_encryption_context(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let request = kms.client.generate_data_key().key_id(&key.id).key_spec(DataKeySpec::Aes256).encryption_context("file", "a");
    let ciphertext = request.send().await.accepted()?.ciphertext_blob;
    kms.client.decrypt().set_ciphertext_blob(ciphertext).send().await.refused("InvalidCiphertextException")
}

pub(super) async fn a_disabled_key_makes_no_data_keys(kms: &Kms) -> Outcome {
    let key = kms.disabled_key().await?;
    kms.client.generate_data_key().key_id(&key.id).key_spec(DataKeySpec::Aes256).send().await.refused("DisabledException")
}

pub(super) async fn the_private_key_of_a_pair_can_be_decrypted(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let request = kms.client.generate_data_key_pair().key_id(&key.id).key_pair_spec(DataKeyPairSpec::EccNistP256);
    let made = request.send().await.accepted()?;
    present("PublicKey", made.public_key)?;
    same("Plaintext", opened(kms, &key, made.private_key_ciphertext_blob).await?, made.private_key_plaintext)
}

pub(super) async fn a_pair_that_is_only_tried_is_not_made(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let request = kms.client.generate_data_key_pair().key_id(&key.id).key_pair_spec(DataKeyPairSpec::EccNistP256).dry_run(true);
    request.send().await.refused("DryRunOperationException")
}

pub(super) async fn what_is_encrypted_again_is_decrypted_by_the_other_key(kms: &Kms) -> Outcome {
    let (from, to) = (kms.key().await?, kms.key().await?);
    let sealed = kms.client.encrypt().key_id(&from.id).plaintext(Blob::new("x")).send().await.accepted()?.ciphertext_blob;
    let again =
        kms.client.re_encrypt().source_key_id(&from.id).set_ciphertext_blob(sealed).destination_key_id(&to.id).send().await.accepted()?;
    same("KeyId", again.key_id(), Some(to.arn.as_str()))?;
    same("Plaintext", opened(kms, &to, again.ciphertext_blob).await?, Some(Blob::new("x")))
}

pub(super) async fn nothing_is_encrypted_again_under_a_disabled_key(kms: &Kms) -> Outcome {
    let (from, to) = (kms.key().await?, kms.disabled_key().await?);
    let sealed = kms.client.encrypt().key_id(&from.id).plaintext(Blob::new("x")).send().await.accepted()?.ciphertext_blob;
    kms.client
        .re_encrypt()
        .source_key_id(&from.id)
        .set_ciphertext_blob(sealed)
        .destination_key_id(&to.id)
        .send()
        .await
        .refused("DisabledException")
}

pub(super) async fn random_bytes_have_the_length_that_was_asked_for(kms: &Kms) -> Outcome {
    let first = kms.client.generate_random().number_of_bytes(24).send().await.accepted()?.plaintext;
    let second = kms.client.generate_random().number_of_bytes(24).send().await.accepted()?.plaintext;
    same("the number of bytes", present("Plaintext", first.clone())?.as_ref().len(), 24)?;
    holds("the bytes are random", first != second)
}

pub(super) async fn random_bytes_need_a_length(kms: &Kms) -> Outcome {
    kms.client.generate_random().send().await.refused("ValidationException")
}
