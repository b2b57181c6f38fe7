//! Signatures, message authentication codes and shared secrets.

use aws_sdk_kms::{
    operation::sign::builders::SignFluentBuilder,
    primitives::Blob,
    types::{KeyAgreementAlgorithmSpec, KeySpec, KeyUsageType, MacAlgorithmSpec, MessageType, SigningAlgorithmSpec},
};

use super::{
    kms::{Key, Kms, created},
    outcome::{Answer, Mismatch, Outcome, holds, same},
};

const ALGORITHM: SigningAlgorithmSpec = SigningAlgorithmSpec::EcdsaSha256;

async fn signing_key(kms: &Kms) -> Outcome<Key> {
    created(kms.client.create_key().key_spec(KeySpec::EccNistP256).key_usage(KeyUsageType::SignVerify)).await
}

async fn mac_key(kms: &Kms) -> Outcome<Key> {
    created(kms.client.create_key().key_spec(KeySpec::Hmac256).key_usage(KeyUsageType::GenerateVerifyMac)).await
}

fn sign(kms: &Kms, key: &Key, message: &str) -> SignFluentBuilder {
    kms.client.sign().key_id(&key.id).signing_algorithm(ALGORITHM).message(Blob::new(message))
}

async fn signature(sign: SignFluentBuilder) -> Outcome<Blob> {
    sign.send().await.accepted()?.signature.ok_or_else(|| Mismatch::new("Sign answered no Signature"))
}

pub(super) async fn what_a_key_signs_it_verifies(kms: &Kms) -> Outcome {
    let key = signing_key(kms).await?;
    let signature = signature(sign(kms, &key, "x")).await?;
    let verify = kms.client.verify().key_id(&key.id).signing_algorithm(ALGORITHM).message(Blob::new("x")).signature(signature);
    let verified = verify.send().await.accepted()?;
    same("SignatureValid", verified.signature_valid(), true)?;
    same("KeyId", verified.key_id(), Some(key.arn.as_str()))
}

pub(super) async fn the_signature_of_another_message_is_refused(kms: &Kms) -> Outcome {
    let key = signing_key(kms).await?;
    let signature = signature(sign(kms, &key, "x")).await?;
    let verify = kms.client.verify().key_id(&key.id).signing_algorithm(ALGORITHM).message(Blob::new("y")).signature(signature);
    verify.send().await.refused("KMSInvalidSignatureException")
}

pub(super) async fn a_digest_of_a_wrong_length_is_not_signed(kms: &Kms) -> Outcome {
    let key = signing_key(kms).await?;
    sign(kms, &key, "too short").message_type(MessageType::Digest).send().await.refused("ValidationException")
}

pub(super) async fn an_encryption_key_does_not_sign(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    sign(kms, &key, "x").send().await.refused("InvalidKeyUsageException")
}

pub(super) async fn a_key_does_not_sign_with_the_algorithm_of_another_kind(kms: &Kms) -> Outcome {
    let key = signing_key(kms).await?;
    let sign = kms.client.sign().key_id(&key.id).signing_algorithm(SigningAlgorithmSpec::EcdsaSha384).message(Blob::new("x"));
    sign.send().await.refused("InvalidKeyUsageException")
}

pub(super) async fn a_disabled_key_does_not_sign(kms: &Kms) -> Outcome {
    let key = signing_key(kms).await?;
    kms.client.disable_key().key_id(&key.id).send().await.accepted()?;
    sign(kms, &key, "x").send().await.refused("DisabledException")
}

pub(super) async fn a_signing_key_tells_its_public_key(kms: &Kms) -> Outcome {
    let key = signing_key(kms).await?;
    let told = kms.client.get_public_key().key_id(&key.id).send().await.accepted()?;
    holds("the answer has a public key", told.public_key().is_some())?;
    same("KeyUsage", told.key_usage(), Some(&KeyUsageType::SignVerify))?;
    same("SigningAlgorithms", told.signing_algorithms(), [ALGORITHM].as_slice())
}

pub(super) async fn a_disabled_key_does_not_tell_its_public_key(kms: &Kms) -> Outcome {
    let key = signing_key(kms).await?;
    kms.client.disable_key().key_id(&key.id).send().await.accepted()?;
    kms.client.get_public_key().key_id(&key.id).send().await.refused("DisabledException")
}

pub(super) async fn a_symmetric_key_has_no_public_key(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    let tell = kms.client.get_public_key().key_id(&key.id);
    tell.send().await.refused_with_one_of(&["UnsupportedOperationException", "InvalidKeyUsageException"])
}

pub(super) async fn a_code_shows_its_message(kms: &Kms) -> Outcome {
    let key = mac_key(kms).await?;
    let algorithm = MacAlgorithmSpec::HmacSha256;
    let make = kms.client.generate_mac().key_id(&key.id).mac_algorithm(algorithm.clone()).message(Blob::new("x"));
    let code = make.send().await.accepted()?.mac;
    let verify = kms.client.verify_mac().key_id(&key.id).mac_algorithm(algorithm).set_mac(code);
    same("MacValid", verify.clone().message(Blob::new("x")).send().await.accepted()?.mac_valid(), true)?;
    verify.message(Blob::new("y")).send().await.refused("KMSInvalidMacException")
}

pub(super) async fn two_keys_derive_the_same_secret(kms: &Kms) -> Outcome {
    let agreeing = || kms.client.create_key().key_spec(KeySpec::EccNistP256).key_usage(KeyUsageType::KeyAgreement);
    let (one, other) = (created(agreeing()).await?, created(agreeing()).await?);
    let mut secrets = Vec::new();
    for (own, theirs) in [(&one, &other), (&other, &one)] {
        let public = kms.client.get_public_key().key_id(&theirs.id).send().await.accepted()?.public_key;
        let derive = kms.client.derive_shared_secret().key_id(&own.id).key_agreement_algorithm(KeyAgreementAlgorithmSpec::Ecdh);
        secrets.push(derive.set_public_key(public).send().await.accepted()?.shared_secret);
    }
    holds("both have a secret", secrets.iter().all(Option::is_some))?;
    same("the secret of the other key", secrets.first(), secrets.last())
}

pub(super) async fn the_last_use_of_a_key_is_told(kms: &Kms) -> Outcome {
    let key = mac_key(kms).await?;
    let make = kms.client.generate_mac().key_id(&key.id).mac_algorithm(MacAlgorithmSpec::HmacSha256).message(Blob::new("x"));
    make.send().await.accepted()?;
    let usage = kms.client.get_key_last_usage().key_id(&key.id).send().await.accepted()?;
    let operation = usage.key_last_usage().and_then(|usage| usage.operation()).map(|operation| operation.as_str().to_owned());
    same("Operation of the last use", operation.as_deref(), Some("GenerateMac"))
}
