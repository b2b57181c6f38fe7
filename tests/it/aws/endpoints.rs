//! Where calls go, and whose certificates are trusted there.

use super::{Bench, settings};
use crate::support::program::alone;

use crate::support::fixtures::ReadKey as _;
use keyward::{
    domain::failure::FailureKind,
    kms::{
        Kms,
        aws::{AwsEndpoints, AwsKms},
    },
};
use kms_double::{ACCOUNT, Double, Options};

/// A VPC endpoint of KMS does not answer for STS.
#[tokio::test]
async fn each_service_is_asked_at_its_own_endpoint() {
    let sts = Double::start(Options::default()).await.unwrap();
    let bench = Bench::with(|settings| {
        settings.endpoints.sts = Some(sts.endpoint());
        settings.role_arn = Some(format!("arn:aws:iam::{ACCOUNT}:role/keyward"));
    })
    .await;
    assert_eq!(bench.kms.identity().await.unwrap().account, ACCOUNT);
    let asked = |double: &Double| double.ledger().into_iter().map(|entry| entry.operation).collect::<Vec<_>>();
    assert_eq!((asked(&sts), asked(&bench.double)), (vec!["AssumeRole".into(), "GetCallerIdentity".into()], Vec::<String>::new()));
    // KMS's double does not know the session that the other one gave; that it was asked is what counts.
    bench.kms.describe("alias/orders").await.unwrap_err();
    assert_eq!(asked(&bench.double), ["DescribeKey"]);
    assert!(asked(&sts).iter().all(|operation| ["AssumeRole", "GetCallerIdentity"].contains(&operation.as_str())), "{:?}", asked(&sts));
}

/// A double that is reached over TLS, with a certificate of an authority that no system knows.
async fn behind_tls() -> Double {
    Double::start(Options { ciphertrust: true, ..Options::default() }).await.unwrap()
}

#[tokio::test]
async fn a_certificate_is_trusted_by_its_own_authority() {
    let double = behind_tls().await;
    let mut settings = settings(&double.ciphertrust_endpoint());
    let stranger = AwsKms::new(settings.clone()).unwrap().identity().await.unwrap_err();
    assert_eq!(stranger.kind, FailureKind::Unavailable);
    assert!(stranger.message.contains("its certificate"), "{stranger}");
    settings.ca_pem = Some(double.ca_pem().into());
    assert_eq!(AwsKms::new(settings.clone()).unwrap().identity().await.unwrap().account, ACCOUNT);
    settings.ca_pem = Some(b"hello".to_vec());
    let refused = AwsKms::new(settings).unwrap_err();
    assert_eq!(refused.kind, FailureKind::Invalid);
    assert!(refused.message.contains("spec.aws.caSecretRef"), "{refused}");
}

#[tokio::test]
async fn a_certificate_is_trusted_by_the_bundle_of_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.crt");
    let bundle = file.to_str().unwrap();
    if !alone("aws::endpoints::a_certificate_is_trusted_by_the_bundle_of_the_environment", &[("AWS_CA_BUNDLE", bundle)]) {
        return;
    }
    let file = std::path::PathBuf::from(std::env::var_os("AWS_CA_BUNDLE").unwrap());
    let double = behind_tls().await;
    let settings = settings(&double.ciphertrust_endpoint());
    let absent = AwsKms::new(settings.clone()).unwrap_err();
    assert_eq!(absent.kind, FailureKind::Invalid);
    assert!(absent.message.starts_with("AWS_CA_BUNDLE names ") && absent.message.contains("mount the file"), "{absent}");
    std::fs::write(&file, double.ca_pem()).unwrap();
    assert_eq!(AwsKms::new(settings.clone()).unwrap().identity().await.unwrap().account, ACCOUNT);
    std::fs::write(&file, "hello").unwrap();
    let refused = AwsKms::new(settings).unwrap_err();
    assert!(refused.message.contains("has no certificate in PEM"), "{refused}");
}

/// A `kms` host of the Region, in the forms that `fips` and `dualStack` ask for. Nothing leaves this machine: a Region that is no Region has no host.
#[tokio::test]
async fn the_endpoints_of_the_region_are_those_that_were_chosen() {
    for (fips, dual_stack, host) in [
        (false, false, "kms.xx-nowhere-1.amazonaws.com"),
        (true, false, "kms-fips.xx-nowhere-1.amazonaws.com"),
        (false, true, "kms.xx-nowhere-1.api.aws"),
    ] {
        let mut settings = settings("");
        settings.region = "xx-nowhere-1".into();
        settings.endpoints = AwsEndpoints { sts: Some("http://127.0.0.1:1".into()), fips, dual_stack, ..AwsEndpoints::default() };
        let kms = AwsKms::new(settings).unwrap();
        let failure = kms.describe("alias/a").await.unwrap_err();
        assert!(failure.message.contains(&format!("reach {host},")), "{failure}");
        let failure = kms.identity().await.unwrap_err();
        assert!(failure.message.contains("127.0.0.1:1"), "{failure}");
    }
}
