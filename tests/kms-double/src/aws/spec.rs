//! Key specs: which usages each allows and which algorithms it names. From the pages of `CreateKey` and `KeyMetadata`.

/// The properties of a key spec.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) usages: &'static [&'static str],
    pub(crate) encryption: &'static [&'static str],
    pub(crate) signing: &'static [&'static str],
    pub(crate) mac: &'static [&'static str],
}

/// Every usage, in the order of the model.
pub(crate) const USAGES: &[&str] = &[ENCRYPT, SIGN, MAC, AGREE, ENCAPSULATE];

const ENCRYPT: &str = "ENCRYPT_DECRYPT";
const SIGN: &str = "SIGN_VERIFY";
const MAC: &str = "GENERATE_VERIFY_MAC";
const AGREE: &str = "KEY_AGREEMENT";
const ENCAPSULATE: &str = "ENCAPSULATE_DECAPSULATE";
const OAEP: &[&str] = &["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"];
const RSA_SIGNING: &[&str] = &[
    "RSASSA_PKCS1_V1_5_SHA_256",
    "RSASSA_PKCS1_V1_5_SHA_384",
    "RSASSA_PKCS1_V1_5_SHA_512",
    "RSASSA_PSS_SHA_256",
    "RSASSA_PSS_SHA_384",
    "RSASSA_PSS_SHA_512",
];

const fn spec(
    name: &'static str,
    usages: &'static [&'static str],
    encryption: &'static [&'static str],
    signing: &'static [&'static str],
    mac: &'static [&'static str],
) -> Spec {
    Spec { name, usages, encryption, signing, mac }
}

const SPECS: &[Spec] = &[
    spec("SYMMETRIC_DEFAULT", &[ENCRYPT], &["SYMMETRIC_DEFAULT"], &[], &[]),
    spec("RSA_2048", &[ENCRYPT, SIGN], OAEP, RSA_SIGNING, &[]),
    spec("RSA_3072", &[ENCRYPT, SIGN], OAEP, RSA_SIGNING, &[]),
    spec("RSA_4096", &[ENCRYPT, SIGN], OAEP, RSA_SIGNING, &[]),
    spec("ECC_NIST_P256", &[SIGN, AGREE], &[], &["ECDSA_SHA_256"], &[]),
    spec("ECC_NIST_P384", &[SIGN, AGREE], &[], &["ECDSA_SHA_384"], &[]),
    spec("ECC_NIST_P521", &[SIGN, AGREE], &[], &["ECDSA_SHA_512"], &[]),
    spec("ECC_SECG_P256K1", &[SIGN], &[], &["ECDSA_SHA_256"], &[]),
    spec("ECC_NIST_EDWARDS25519", &[SIGN], &[], &["ED25519_SHA_512", "ED25519_PH_SHA_512"], &[]),
    spec("HMAC_224", &[MAC], &[], &[], &["HMAC_SHA_224"]),
    spec("HMAC_256", &[MAC], &[], &[], &["HMAC_SHA_256"]),
    spec("HMAC_384", &[MAC], &[], &[], &["HMAC_SHA_384"]),
    spec("HMAC_512", &[MAC], &[], &[], &["HMAC_SHA_512"]),
    spec("SM2", &[ENCRYPT, SIGN, AGREE], &["SM2PKE"], &["SM2DSA"], &[]),
    spec("ML_DSA_44", &[SIGN], &[], &["ML_DSA_SHAKE_256"], &[]),
    spec("ML_DSA_65", &[SIGN], &[], &["ML_DSA_SHAKE_256"], &[]),
    spec("ML_DSA_87", &[SIGN], &[], &["ML_DSA_SHAKE_256"], &[]),
    spec("ML_KEM_512", &[ENCAPSULATE], &[], &[], &[]),
    spec("ML_KEM_768", &[ENCAPSULATE], &[], &[], &[]),
    spec("ML_KEM_1024", &[ENCAPSULATE], &[], &[], &[]),
];

/// The spec of encryption keys, which rotate.
pub(crate) const SYMMETRIC: &str = "SYMMETRIC_DEFAULT";

/// The names of the specs that the older member `CustomerMasterKeySpec` has. It is deprecated, and newer specs are not in its enum.
pub(crate) fn old_names() -> Vec<&'static str> {
    SPECS.iter().map(|spec| spec.name).filter(|name| !name.starts_with("ML_") && *name != "ECC_NIST_EDWARDS25519").collect()
}

/// The names of all specs.
pub(crate) fn names() -> Vec<&'static str> {
    SPECS.iter().map(|spec| spec.name).collect()
}

/// The spec with this name.
pub(crate) fn find(name: &str) -> Option<&'static Spec> {
    SPECS.iter().find(|spec| spec.name == name)
}
