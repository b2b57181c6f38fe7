//! Key specs and the usages of their keys. The set differs by region; this is the union.

use super::failure::Code;

/// A key spec.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    /// The first is the default.
    pub(crate) usages: &'static [&'static str],
    /// Why keys of this spec do not rotate. None if they do.
    pub(crate) no_rotation: Option<Code>,
}

/// The default spec of a new key, and the only spec that `list-keys` shows by default.
pub(crate) const AES_256: &str = "AES_256";

const CIPHER: &[&str] = &["ENCRYPT_DECRYPT"];
const SIGNER: &[&str] = &["SIGN_VERIFY"];
const EITHER: &[&str] = &["SIGN_VERIFY", "ENCRYPT_DECRYPT"];
const MAC: &[&str] = &["GENERATE_VERIFY_MAC"];

const SPECS: &[Spec] = &[
    Spec { name: AES_256, usages: CIPHER, no_rotation: None },
    Spec { name: "SM4", usages: CIPHER, no_rotation: None },
    Spec { name: "RSA_2048", usages: EITHER, no_rotation: Some(Code::RsaKey) },
    Spec { name: "RSA_3072", usages: EITHER, no_rotation: Some(Code::RsaKey) },
    Spec { name: "RSA_4096", usages: EITHER, no_rotation: Some(Code::RsaKey) },
    Spec { name: "EC_P256", usages: SIGNER, no_rotation: Some(Code::AsymmetricKey) },
    Spec { name: "EC_P384", usages: SIGNER, no_rotation: Some(Code::AsymmetricKey) },
    Spec { name: "SECP256K1", usages: SIGNER, no_rotation: Some(Code::AsymmetricKey) },
    Spec { name: "SM2", usages: EITHER, no_rotation: Some(Code::AsymmetricKey) },
    Spec { name: "ED25519", usages: SIGNER, no_rotation: Some(Code::AsymmetricKey) },
    Spec { name: "HMAC_256", usages: MAC, no_rotation: Some(Code::HmacKey) },
    Spec { name: "HMAC_384", usages: MAC, no_rotation: Some(Code::HmacKey) },
    Spec { name: "HMAC_512", usages: MAC, no_rotation: Some(Code::HmacKey) },
    Spec { name: "HMAC_SM3", usages: MAC, no_rotation: Some(Code::HmacKey) },
];

/// The spec with this name.
pub(crate) fn find(name: &str) -> Option<&'static Spec> {
    SPECS.iter().find(|spec| spec.name == name)
}
