//! Every partition of AWS: its ARNs, its Regions, its principals. The hosts are tested where they are chosen.

use super::{creation, keys, settings, tags};

use crate::support::fixtures::{Destroy as _, ReadKey as _};
use keyward::{
    api::managed_key::KeyTemplate,
    domain::failure::FailureKind,
    kms::{Kms, aws::AwsKms},
};
use kms_double::{ACCESS_KEY, ACCOUNT, Double, Options, Role, SECRET_KEY};

#[tokio::test]
async fn a_key_lives_in_every_partition() {
    let double = Double::start(Options::default()).await.unwrap();
    for (region, partition) in [
        ("eu-west-1", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("eusc-de-east-1", "aws-eusc"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
        ("eu-isoe-west-1", "aws-iso-e"),
        ("us-isof-south-1", "aws-iso-f"),
    ] {
        let role = format!("arn:{partition}:iam::{ACCOUNT}:role/keyward");
        double.add_role(Role::new(&role));
        let mut settings = settings(&double.endpoint());
        settings.region = region.into();
        settings.credentials = keys(ACCESS_KEY, SECRET_KEY, None);
        settings.role_arn = Some(role);
        let kms = AwsKms::new(settings).unwrap();
        let identity = kms.identity().await.unwrap();
        assert_eq!(identity.principal, format!("arn:{partition}:sts::{ACCOUNT}:assumed-role/keyward/keyward"));
        let key = kms.create(&creation(KeyTemplate::default())).await.unwrap();
        assert_eq!(key.arn, format!("arn:{partition}:kms:{region}:{ACCOUNT}:key/{}", key.id));
        assert_eq!(key.region, region);
        kms.tag(&key.arn, &tags(&[("team", "shop")])).await.unwrap();
        kms.add_alias(&key.arn, "alias/orders").await.unwrap();
        for reference in
            [key.arn.clone(), key.id.clone(), "alias/orders".into(), format!("arn:{partition}:kms:{region}:{ACCOUNT}:alias/orders")]
        {
            assert_eq!(kms.describe(&reference).await.unwrap().unwrap().arn, key.arn, "{reference}");
        }
        kms.schedule(&key.arn, 7).await.unwrap();
        kms.cancel_deletion(&key.arn).await.unwrap();
        // An ARN of another partition is never taken for a key that is absent.
        let elsewhere = if partition == "aws" { "aws-cn" } else { "aws" };
        let abroad = kms.describe(&format!("arn:{elsewhere}:kms:{region}:{ACCOUNT}:key/{}", key.id)).await.unwrap_err();
        assert_eq!(abroad.kind, FailureKind::Invalid, "{abroad}");
    }
}
