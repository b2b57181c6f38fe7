//! The three KMS as scenes know them: how a provider and its secret are written, and what each calls things. All that differs is here, as data, so that a
//! story is told once for all.

use keyward::api::key_provider::ProviderType;
use kms_double::{
    ACCESS_KEY, ACCOUNT, CIPHERTRUST_KMS, CIPHERTRUST_PASSWORD, CIPHERTRUST_USER, Double, HUAWEI_ACCESS_KEY, HUAWEI_PROJECT, HUAWEI_REGION,
    HUAWEI_SECRET_KEY, Options, SECRET_KEY,
};
use serde_json::{Value, json};

/// A KMS, as scenes know it.
#[derive(Debug)]
pub struct Vendor {
    pub provider: ProviderType,
    /// Where its keys are.
    pub account: &'static str,
    pub region: &'static str,
    /// What messages say of the days that it takes, and a number that it does not take.
    pub window: &'static str,
    pub too_long: i32,
    /// The period of rotation that stories use, other than what the KMS takes by itself, and one that is stored and that it does not take.
    pub period: u32,
    pub no_period: u32,
    pub operations: Operations,
    /// Code and HTTP status of a denial, of a call that came too soon after others, and of a fault inside the KMS.
    pub denied: (&'static str, u16),
    pub throttled: (&'static str, u16),
    pub broken: (&'static str, u16),
}

/// Its words for what Keyward does, as the ledger has them.
#[derive(Clone, Copy, Debug)]
pub struct Operations {
    /// The first look for an object without a key, by its claim.
    pub first: &'static str,
    /// The look at a key that is known.
    pub look: &'static str,
    pub create: &'static str,
    /// The claim, where it is a request of its own.
    pub claim: Option<&'static str>,
    pub alias: &'static str,
    /// What takes an alias away, and what moves one, if there is such a request.
    pub remove_alias: &'static str,
    pub move_alias: Option<&'static str>,
    pub tag: &'static str,
    /// What takes a tag away, where it is not the request that sets one.
    pub untag: Option<&'static str>,
    pub rotate: &'static str,
    /// Rotates a key now.
    pub rotate_now: &'static str,
    /// What tells the rotations that were.
    pub rotations: &'static str,
    pub enable: &'static str,
    pub disable: &'static str,
    pub schedule: &'static str,
    pub cancel: &'static str,
    pub describe: &'static str,
    /// The reads of rotation and aliases, where they are requests of their own.
    pub facets: &'static [&'static str],
}

pub const AWS: Vendor = Vendor {
    provider: ProviderType::Aws,
    account: ACCOUNT,
    region: "eu-west-1",
    window: "AWS accepts 7 to 30 days",
    too_long: 31,
    period: 100,
    no_period: 45,
    operations: Operations {
        first: "DescribeKey",
        look: "DescribeKey",
        create: "CreateKey",
        claim: Some("CreateAlias"),
        alias: "CreateAlias",
        remove_alias: "DeleteAlias",
        move_alias: Some("UpdateAlias"),
        tag: "TagResource",
        untag: Some("UntagResource"),
        rotate: "EnableKeyRotation",
        rotate_now: "RotateKeyOnDemand",
        rotations: "ListKeyRotations",
        enable: "EnableKey",
        disable: "DisableKey",
        schedule: "ScheduleKeyDeletion",
        cancel: "CancelKeyDeletion",
        describe: "UpdateKeyDescription",
        facets: &["GetKeyRotationStatus", "ListAliases"],
    },
    denied: ("AccessDeniedException", 400),
    throttled: ("ThrottlingException", 400),
    broken: ("KMSInternalException", 500),
};

pub const CIPHER_TRUST: Vendor = Vendor {
    provider: ProviderType::CipherTrust,
    account: ACCOUNT,
    region: "eu-west-1",
    window: "CipherTrust accepts 7 to 30 days",
    too_long: 31,
    period: 100,
    no_period: 45,
    operations: Operations {
        first: "list-keys",
        look: "get-key",
        create: "create-key",
        claim: None,
        alias: "add-alias",
        remove_alias: "delete-alias",
        move_alias: None,
        tag: "add-tags",
        untag: Some("remove-tags"),
        rotate: "enable-auto-rotation",
        rotate_now: "rotate-material",
        rotations: "list-rotations",
        enable: "enable",
        disable: "disable",
        schedule: "schedule-deletion",
        cancel: "cancel-deletion",
        describe: "update-description",
        // One answer has all of a key.
        facets: &[],
    },
    denied: ("NCERRForbidden", 403),
    throttled: ("NCERRTooManyRequests", 429),
    broken: ("NCERRInternalServerError", 500),
};

pub const HUAWEI: Vendor = Vendor {
    provider: ProviderType::Huawei,
    account: HUAWEI_PROJECT,
    region: HUAWEI_REGION,
    window: "Huawei accepts 7 to 1096 days",
    too_long: 1097,
    period: 100,
    no_period: 400,
    operations: Operations {
        first: "list-keys",
        look: "describe-key",
        create: "create-key",
        claim: None,
        alias: "create-alias",
        remove_alias: "delete-alias",
        move_alias: Some("associate-alias"),
        tag: "batch-tags",
        untag: None,
        rotate: "enable-key-rotation",
        rotate_now: "rotate-on-demand",
        rotations: "get-key-rotation-status",
        enable: "enable-key",
        disable: "disable-key",
        schedule: "schedule-key-deletion",
        cancel: "cancel-key-deletion",
        describe: "update-key-description",
        facets: &["get-key-rotation-status", "list-aliases"],
    },
    denied: ("KMS.0307", 403),
    throttled: ("APIGW.0308", 429),
    broken: ("KMS.0101", 500),
};

impl Vendor {
    /// What a double of it needs.
    pub fn options(&self, options: Options) -> Options {
        Options { ciphertrust: options.ciphertrust || self.provider == ProviderType::CipherTrust, ..options }
    }

    /// The values of a secret that it accepts.
    pub fn secret(&self, double: &Double) -> Value {
        match self.provider {
            ProviderType::Aws => json!({ "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY }),
            ProviderType::CipherTrust => {
                json!({ "username": CIPHERTRUST_USER, "password": CIPHERTRUST_PASSWORD, "ca.crt": double.ca_pem() })
            }
            ProviderType::Huawei => json!({ "accessKey": HUAWEI_ACCESS_KEY, "secretKey": HUAWEI_SECRET_KEY }),
        }
    }

    /// The part of a provider's spec that is its own.
    pub fn spec(&self, double: &Double, secret: &str) -> Value {
        match self.provider {
            ProviderType::Aws => json!({
                "type": "AWS",
                "aws": {
                    "region": self.region, "endpoint": double.endpoint(), "stsEndpoint": double.endpoint(),
                    "credentialsSecretRef": { "name": secret },
                },
            }),
            ProviderType::CipherTrust => json!({
                "type": "CipherTrust",
                "cipherTrust": {
                    "url": double.ciphertrust_endpoint(), "kms": CIPHERTRUST_KMS, "region": self.region,
                    "caSecretRef": { "name": secret }, "credentialsSecretRef": { "name": secret },
                },
            }),
            ProviderType::Huawei => json!({
                "type": "Huawei",
                "huawei": {
                    "region": self.region, "projectId": self.account, "endpoint": double.endpoint(), "iamEndpoint": double.endpoint(),
                    "credentialsSecretRef": { "name": secret },
                },
            }),
        }
    }
}
