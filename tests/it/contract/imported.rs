//! Keys whose material is to be imported: until it is, they wait in a state of their own.

use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_sdk_kms::{
    operation::import_key_material::builders::ImportKeyMaterialFluentBuilder,
    primitives::Blob,
    types::{AlgorithmSpec, ExpirationModelType, KeyState, OriginType, WrappingKeySpec},
};

use super::{
    kms::{Key, Kms, created, tag},
    outcome::{Answer, Mismatch, Outcome, days_from_now, same},
};

async fn waiting_key(kms: &Kms) -> Outcome<Key> {
    created(kms.client.create_key().origin(OriginType::External)).await
}

pub(super) async fn a_key_without_material_waits_for_it(kms: &Kms) -> Outcome {
    let key = waiting_key(kms).await?;
    let described = kms.describe(&key).await?;
    same("KeyState", described.key_state(), Some(&KeyState::PendingImport))?;
    same("Enabled", described.enabled(), false)?;
    same("Origin", described.origin(), Some(&OriginType::External))
}

pub(super) async fn a_key_without_material_cannot_be_enabled(kms: &Kms) -> Outcome {
    let key = waiting_key(kms).await?;
    kms.client.enable_key().key_id(&key.id).send().await.refused("KMSInvalidStateException")?;
    same("KeyState", kms.state(&key).await?, KeyState::PendingImport)
}

pub(super) async fn a_key_without_material_cannot_be_disabled(kms: &Kms) -> Outcome {
    let key = waiting_key(kms).await?;
    kms.client.disable_key().key_id(&key.id).send().await.refused("KMSInvalidStateException")?;
    same("KeyState", kms.state(&key).await?, KeyState::PendingImport)
}

pub(super) async fn a_key_without_material_cannot_encrypt(kms: &Kms) -> Outcome {
    let key = waiting_key(kms).await?;
    kms.client.encrypt().key_id(&key.id).plaintext(Blob::new("x")).send().await.refused("KMSInvalidStateException")
}

pub(super) async fn a_key_without_material_can_be_named_and_tagged(kms: &Kms) -> Outcome {
    let key = waiting_key(kms).await?;
    kms.alias("alias/a", &key).await?;
    kms.client.tag_resource().key_id(&key.id).tags(tag("owner", "a")).send().await.accepted()?;
    kms.client.update_key_description().key_id(&key.id).description("to come").send().await.accepted()?;
    same("Description", kms.describe(&key).await?.description(), Some("to come"))
}

pub(super) async fn a_key_without_material_can_be_scheduled(kms: &Kms) -> Outcome {
    let key = waiting_key(kms).await?;
    kms.schedule(&key, 7).await?;
    same("KeyState", kms.state(&key).await?, KeyState::PendingDeletion)
}

pub(super) async fn cancelling_is_refused_for_a_key_without_material(kms: &Kms) -> Outcome {
    let key = waiting_key(kms).await?;
    kms.client.cancel_key_deletion().key_id(&key.id).send().await.refused("KMSInvalidStateException")?;
    same("KeyState", kms.state(&key).await?, KeyState::PendingImport)
}

/// An import of this material, which does not expire, wrapped as a client has to.
async fn import(kms: &Kms, key: &Key, material: &[u8]) -> Outcome<ImportKeyMaterialFluentBuilder> {
    let algorithm = AlgorithmSpec::RsaesOaepSha256;
    let ask = kms.client.get_parameters_for_import().key_id(&key.id).wrapping_key_spec(WrappingKeySpec::Rsa2048);
    let parameters = ask.wrapping_algorithm(algorithm).send().await.accepted()?;
    let public = parameters.public_key().map(AsRef::as_ref).unwrap_or_default();
    let wrapped = wrap(public, material).ok_or_else(|| Mismatch::new("GetParametersForImport answered no RSA key"))?;
    let import = kms.client.import_key_material().key_id(&key.id).set_import_token(parameters.import_token);
    Ok(import.encrypted_key_material(Blob::new(wrapped)).expiration_model(ExpirationModelType::KeyMaterialDoesNotExpire))
}

fn wrap(public: &[u8], material: &[u8]) -> Option<Vec<u8>> {
    let key = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(public).ok()?).ok()?;
    let mut room = vec![0; key.ciphertext_size()];
    Some(key.encrypt(&OAEP_SHA256_MGF1SHA256, material, &mut room, None).ok()?.to_vec())
}

async fn imported_key(kms: &Kms, material: &[u8]) -> Outcome<Key> {
    let key = waiting_key(kms).await?;
    import(kms, &key, material).await?.send().await.accepted()?;
    Ok(key)
}

pub(super) async fn imported_material_enables_its_key(kms: &Kms) -> Outcome {
    let key = imported_key(kms, &[1; 32]).await?;
    let described = kms.describe(&key).await?;
    same("KeyState", described.key_state(), Some(&KeyState::Enabled))?;
    same("ExpirationModel", described.expiration_model(), Some(&ExpirationModelType::KeyMaterialDoesNotExpire))
}

pub(super) async fn a_key_whose_material_was_deleted_waits_for_it(kms: &Kms) -> Outcome {
    let key = imported_key(kms, &[1; 32]).await?;
    kms.client.delete_imported_key_material().key_id(&key.id).send().await.accepted()?;
    same("KeyState", kms.state(&key).await?, KeyState::PendingImport)
}

pub(super) async fn what_imported_material_encrypted_it_decrypts_after_another_import(kms: &Kms) -> Outcome {
    let key = imported_key(kms, &[1; 32]).await?;
    let sealed = kms.client.encrypt().key_id(&key.id).plaintext(Blob::new("x")).send().await.accepted()?.ciphertext_blob;
    kms.client.delete_imported_key_material().key_id(&key.id).send().await.accepted()?;
    import(kms, &key, &[1; 32]).await?.send().await.accepted()?;
    let opened = kms.client.decrypt().key_id(&key.id).set_ciphertext_blob(sealed).send().await.accepted()?;
    same("Plaintext", opened.plaintext, Some(Blob::new("x")))
}

pub(super) async fn other_material_cannot_replace_what_was_deleted(kms: &Kms) -> Outcome {
    let key = imported_key(kms, &[1; 32]).await?;
    kms.client.delete_imported_key_material().key_id(&key.id).send().await.accepted()?;
    import(kms, &key, &[2; 32]).await?.send().await.refused("IncorrectKeyMaterialException")
}

pub(super) async fn material_that_expires_needs_a_date(kms: &Kms) -> Outcome {
    let key = waiting_key(kms).await?;
    let import = import(kms, &key, &[1; 32]).await?.expiration_model(ExpirationModelType::KeyMaterialExpires);
    import.send().await.refused("ValidationException")
}

pub(super) async fn an_import_token_that_nobody_gave_is_refused(kms: &Kms) -> Outcome {
    let key = waiting_key(kms).await?;
    let import = import(kms, &key, &[1; 32]).await?.import_token(Blob::new("none"));
    import.send().await.refused("InvalidImportTokenException")
}

pub(super) async fn the_parameters_of_an_import_are_valid_for_a_day(kms: &Kms) -> Outcome {
    let key = waiting_key(kms).await?;
    let ask = kms.client.get_parameters_for_import().key_id(&key.id).wrapping_key_spec(WrappingKeySpec::Rsa2048);
    let parameters = ask.wrapping_algorithm(AlgorithmSpec::RsaesOaepSha256).send().await.accepted()?;
    same("KeyId", parameters.key_id(), Some(key.arn.as_str()))?;
    days_from_now("ParametersValidTo", parameters.parameters_valid_to(), 1)
}

pub(super) async fn a_key_with_material_of_kms_takes_no_other(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let ask = kms.client.get_parameters_for_import().key_id(&key.id).wrapping_key_spec(WrappingKeySpec::Rsa2048);
    ask.wrapping_algorithm(AlgorithmSpec::RsaesOaepSha256).send().await.refused("UnsupportedOperationException")
}
