//! Key specs: each is created with the usages that it takes, and with no other.

use kms_double::{ACCOUNT, Plant};
use serde_json::json;

use crate::client::start;

const USAGES: [&str; 5] = ["ENCRYPT_DECRYPT", "SIGN_VERIFY", "GENERATE_VERIFY_MAC", "KEY_AGREEMENT", "ENCAPSULATE_DECAPSULATE"];

/// From AWS's pages of `CreateKey` and of key specs: the spec, its usages as indexes into [`USAGES`], and whether the deprecated member
/// `CustomerMasterKeySpec` has it.
const SPECS: [(&str, &[usize], bool); 20] = [
    ("SYMMETRIC_DEFAULT", &[0], true),
    ("RSA_2048", &[0, 1], true),
    ("RSA_3072", &[0, 1], true),
    ("RSA_4096", &[0, 1], true),
    ("ECC_NIST_P256", &[1, 3], true),
    ("ECC_NIST_P384", &[1, 3], true),
    ("ECC_NIST_P521", &[1, 3], true),
    ("ECC_SECG_P256K1", &[1], true),
    ("ECC_NIST_EDWARDS25519", &[1], false),
    ("HMAC_224", &[2], true),
    ("HMAC_256", &[2], true),
    ("HMAC_384", &[2], true),
    ("HMAC_512", &[2], true),
    ("SM2", &[0, 1, 3], true),
    ("ML_DSA_44", &[1], false),
    ("ML_DSA_65", &[1], false),
    ("ML_DSA_87", &[1], false),
    ("ML_KEM_512", &[4], false),
    ("ML_KEM_768", &[4], false),
    ("ML_KEM_1024", &[4], false),
];

#[tokio::test]
async fn each_spec_is_created_with_the_usages_that_it_takes() {
    let (double, client) = start().await;
    let china = client.in_region("cn-north-1");
    for (spec, takes, old) in SPECS {
        let client = if spec == "SM2" { &china } else { &client };
        for (index, usage) in USAGES.into_iter().enumerate() {
            let members = json!({ "KeySpec": spec, "KeyUsage": usage });
            if !takes.contains(&index) {
                assert_eq!(client.refused("CreateKey", members).await, "ValidationException", "{spec} {usage}");
                continue;
            }
            let made = client.ok("CreateKey", members).await["KeyMetadata"].clone();
            assert_eq!((&made["KeySpec"], &made["KeyUsage"]), (&json!(spec), &json!(usage)));
            assert_eq!(made.get("CustomerMasterKeySpec").is_some(), old, "{made}");
        }
        if old && spec != "SYMMETRIC_DEFAULT" {
            client.create(json!({ "CustomerMasterKeySpec": spec, "KeyUsage": USAGES[takes[0]] })).await;
        } else if !old {
            let members = json!({ "CustomerMasterKeySpec": spec, "KeyUsage": USAGES[takes[0]] });
            assert_eq!(client.refused("CreateKey", members).await, "ValidationException", "{spec}");
        }
    }
    let elsewhere = json!({ "KeySpec": "SM2", "KeyUsage": "SIGN_VERIFY" });
    assert_eq!(client.refused("CreateKey", elsewhere).await, "UnsupportedOperationException");
    for spec in ["ML_DSA_128", "RSA_8192", "ecc_nist_p256", ""] {
        let members = json!({ "KeySpec": spec, "KeyUsage": "SIGN_VERIFY" });
        assert_eq!(client.refused("CreateKey", members).await, "ValidationException", "{spec}");
    }
    assert!(double.plant(&Plant { spec: "ML_DSA_128".to_owned(), ..Plant::new(ACCOUNT, "eu-west-1") }).is_err());
}
