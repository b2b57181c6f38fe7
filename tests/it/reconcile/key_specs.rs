//! Every key spec of AWS's model is created, with each usage that it takes, and one that nobody knows yet is passed on as it is.

use aws_sdk_kms::types::{KeySpec, KeyUsageType};
use futures::future::join_all;
use kms_double::Options;
use serde_json::{Value, json};

use crate::support::scene::{Scene, find, message};

/// The usages of a spec (AWS KMS API reference, `CreateKey`, `KeyUsage`).
fn usages(spec: &KeySpec) -> Vec<KeyUsageType> {
    use KeyUsageType::{EncapsulateDecapsulate, EncryptDecrypt, GenerateVerifyMac, KeyAgreement, SignVerify};
    let name = spec.as_str();
    let parts = [
        (name == "SYMMETRIC_DEFAULT" || name.starts_with("RSA_") || name == "SM2", EncryptDecrypt),
        (["RSA_", "ECC_", "ML_DSA_", "SM2"].iter().any(|prefix| name.starts_with(prefix)), SignVerify),
        (name.starts_with("HMAC_"), GenerateVerifyMac),
        (name.starts_with("ECC_NIST_P") || name == "SM2", KeyAgreement),
        (name.starts_with("ML_KEM_"), EncapsulateDecapsulate),
    ];
    parts.into_iter().filter_map(|(takes, usage)| takes.then_some(usage)).collect()
}

fn template(spec: &str, usage: &str) -> Value {
    json!({ "key": { "spec": spec, "usage": usage } })
}

/// Creates a key of each of these specs, for each usage.
async fn create_all(scene: &Scene, specs: &[KeySpec]) -> usize {
    let mut names = Vec::new();
    for spec in specs {
        let usages = usages(spec);
        assert!(!usages.is_empty(), "the SDK has a new spec: {spec}");
        for usage in usages {
            let name = format!("{}-{}", spec.as_str(), usage.as_str()).to_lowercase().replace('_', "-");
            scene.create(&name, template(spec.as_str(), usage.as_str())).await;
            names.push((name, spec.clone(), usage));
        }
    }
    join_all(names.iter().map(async |(name, spec, usage)| {
        let object = scene.until_ready(name, "True", "Available").await;
        let facts = object.status.unwrap().key.unwrap();
        assert_eq!((&*facts.spec, &*facts.usage), (spec.as_str(), usage.as_str()));
        let key = scene.key(name).await;
        assert_eq!((key.spec.as_str(), key.usage.as_str()), (spec.as_str(), usage.as_str()));
    }))
    .await;
    names.len()
}

#[tokio::test]
async fn every_key_spec_of_the_sdk_is_created_with_each_usage_that_it_takes() {
    let all: Vec<KeySpec> = KeySpec::values().iter().map(|name| KeySpec::from(*name)).collect();
    // AWS has this one only in China.
    let (china, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|spec| *spec == KeySpec::Sm2);
    let scene = Scene::new("specs").await;
    let created = create_all(&scene, &others).await;
    assert!(others.len() >= 19 && created >= 25, "{} specs, {created} keys", others.len());

    let scene = Scene::with("specs-china", Options::default(), json!({ "aws": { "region": "cn-north-1" } })).await;
    assert_eq!(create_all(&scene, &china).await, 3);
}

#[tokio::test]
async fn a_key_spec_that_nobody_knows_yet_is_passed_on_and_what_aws_says_is_told() {
    let scene = Scene::new("specs-new").await;
    scene.create("orders", template("ML_DSA_256", "SIGN_VERIFY_LATER")).await;
    let object = scene.until_ready("orders", "False", "InvalidSpec").await;
    assert!(message(&object).contains("CreateKey"), "{}", message(&object));
    assert!(find(&object, keyward::api::ConditionType::Stalled).is_some());
    let sent = scene.calls("CreateKey").pop().unwrap().params;
    assert_eq!((&sent["KeySpec"], &sent["KeyUsage"]), (&json!("ML_DSA_256"), &json!("SIGN_VERIFY_LATER")));
    assert!(scene.double.keys().is_empty());
}
