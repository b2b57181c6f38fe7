//! Each answer of the double is one that the vendors' own clients know.
//!
//! The double makes the check, of every answer in every test that cargo runs. This file tests that the check runs and finds errors.

use aws_sdk_sts::config::{BehaviorVersion, Credentials, Region};
use kms_double::{ACCESS_KEY, ACCOUNT, Credential, Models, NOT_SERVED, SECRET_KEY};

use crate::support::double;

async fn models() -> &'static Models {
    let double = double::start().await;
    double.models().expect(
        "KMS_DOUBLE_MODELS is not set: the tests are run by cargo, which sets it in .cargo/config.toml, and it is not to be emptied",
    )
}

#[tokio::test]
async fn an_answer_that_differs_from_the_model_is_reported() {
    let models = models().await;
    let kms = |operation: &str, status: u16, body: &str| models.check_kms(operation, status, body).expect_err("it is wrong");
    let sts = |status: u16, body: &str| models.check_sts("GetCallerIdentity", status, body).expect_err("it is wrong");
    let huawei = |line: &str, status: u16, body: &str| models.check_huawei(line, status, body, false).expect_err("it is wrong");
    let describe = "POST /v1.0/p/kms/describe-key";
    let document = |members: &str| {
        let namespace = "https://sts.amazonaws.com/doc/2011-06-15/";
        format!(
            "<GetCallerIdentityResponse xmlns=\"{namespace}\"><GetCallerIdentityResult>{members}</GetCallerIdentityResult>\
             <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
        )
    };
    models.check_sts("GetCallerIdentity", 200, &document("<Account>111122223333</Account>")).expect("it is right");
    let wrong = [
        (kms("DescribeKeys", 200, "{}"), "there is no such operation"),
        (kms("DescribeKey", 200, "[]"), "the answer is [], and has to be an object"),
        (kms("DescribeKey", 200, r#"{"KeyMetadata":{}}"#), "KeyMetadata of the answer has no KeyId, which KeyMetadata requires"),
        (kms("DescribeKey", 200, r#"{"KeyMetadata":{"KeyId":"k","Colour":"red"}}"#), "has Colour, which KeyMetadata does not have"),
        (
            kms("DescribeKey", 200, r#"{"KeyMetadata":{"KeyId":"k","KeyState":"Deleted"}}"#),
            "KeyState of KeyMetadata of the answer is \"Deleted\"",
        ),
        (kms("DescribeKey", 200, r#"{"KeyMetadata":{"KeyId":"k","CreationDate":"today"}}"#), "has to be a time"),
        (kms("DescribeKey", 200, r#"{"KeyMetadata":{"KeyId":"k","Enabled":"true"}}"#), "has to be true or false"),
        (kms("ListKeys", 200, r#"{"Keys":[{"KeyId":7}]}"#), "KeyId of an element of Keys of the answer is 7, and has to be text"),
        (kms("ListKeys", 200, r#"{"Keys":null}"#), "Keys of the answer is null, and has to be a list"),
        (kms("EnableKey", 200, "{}"), "the operation has no output"),
        (kms("DescribeKey", 400, r#"{"__type":"DisabledException"}"#), "DisabledException is none of its errors"),
        (kms("DescribeKey", 500, r#"{"__type":"NotFoundException"}"#), "NotFoundException has the status 400"),
        (kms("DescribeKey", 400, r#"{"__type":"NotFoundException","Text":""}"#), "has Text"),
        (sts(200, &document("<Acount>1</Acount>")), "has Acount"),
        (sts(200, "<Other/>"), "it has no GetCallerIdentityResult"),
        (sts(400, "<ErrorResponse/>"), "it has no Error"),
        (huawei("GET /v1.0/p/kms/describe-key", 200, "{}"), "there is no such operation"),
        (huawei(describe, 200, ""), "it has a body"),
        (huawei(describe, 200, r#"{"key_info":{"key_state":2}}"#), "key_state of key_info of the answer is 2, and has to be text"),
        (huawei(describe, 200, r#"{"key":{}}"#), "has key, which ListKeyDetailResponse does not have"),
        (huawei(describe, 404, r#"{"error":{"code":"KMS.0207"}}"#), "it has no text error_code"),
    ];
    for (told, expected) in wrong {
        assert!(told.contains(expected), "{told} does not say: {expected}");
    }
}

#[tokio::test]
#[should_panic(expected = "the KMS double gave 1 wrong answers: GetCallerIdentity answered 200")]
async fn a_wrong_answer_fails_the_test_that_saw_it() {
    let double = double::start().await;
    // No ARN is so short, so none can be told.
    double.add_credential(Credential { arn: Some("none".to_owned()), ..Credential::new("AKIAWITHOUTARN000000", SECRET_KEY, ACCOUNT) });
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(double.endpoint())
        .credentials_provider(Credentials::new("AKIAWITHOUTARN000000", SECRET_KEY, None, None, "tests"))
        .build();
    aws_sdk_sts::Client::from_conf(config).get_caller_identity().send().await.unwrap();
}

#[tokio::test]
async fn an_operation_of_aws_is_served_or_denied() {
    let double = double::start().await;
    let models = models().await;
    let served = |name: &&str| !NOT_SERVED.contains(name);
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(double.endpoint())
        .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "tests"))
        .build();
    let create = aws_sdk_kms::Client::from_conf(config).create_custom_key_store().custom_key_store_name("store");
    let denied = create.send().await.unwrap_err();
    assert!(format!("{denied:?}").contains("is not authorized to perform: kms:CreateCustomKeyStore"), "{denied:?}");
    let served: Vec<&str> = models.kms_operations().filter(served).collect();
    assert_eq!(served, kms_double::served());
}
