//! In what the KMS differ, as far as the port lets it be seen, and what their doubles call things.

use keyward::{api::key_provider::ProviderType, domain::limits::Limits};

/// An error as it is on the wire: code and HTTP status.
pub type Wire = (&'static str, u16);

/// The ways of one KMS.
#[derive(Debug)]
pub struct Ways {
    pub provider: ProviderType,
    /// The operations as the ledger of the double has them.
    pub operations: Operations,
    /// Errors as the KMS gives them.
    pub errors: Errors,
    /// How many keys a page of the search holds, at least.
    pub page: usize,
    /// A key that is not there: id, and canonical reference.
    pub absent: [&'static str; 2],
}

/// What the KMS calls what the port does; the last request of it, if there are several.
#[derive(Debug)]
pub struct Operations {
    pub describe: &'static str,
    pub create: &'static str,
    pub disable: &'static str,
    pub schedule: &'static str,
    pub cancel: &'static str,
    /// The first of a search for marks.
    pub search: &'static str,
    /// The one that moves an alias, if there is one.
    pub move_alias: Option<&'static str>,
    /// The one that rotates a key now.
    pub rotate_now: &'static str,
    /// The one that sets a key policy, if the KMS has key policies.
    pub set_policy: Option<&'static str>,
    /// The one that makes a grant, if the KMS has grants.
    pub create_grant: Option<&'static str>,
    /// The ones that make a replica and move the primary key, if there are such.
    pub replicate: Option<&'static str>,
    pub move_primary: Option<&'static str>,
}

#[derive(Debug)]
pub struct Errors {
    pub denied: Wire,
    pub throttled: Wire,
    /// Of the server itself: whether anything took effect is not known.
    pub server: Wire,
    /// One that nobody has heard of.
    pub unheard: Wire,
}

impl Ways {
    pub const fn limits(&self) -> &'static Limits {
        Limits::of(self.provider)
    }
}

pub const AWS: Ways = Ways {
    provider: ProviderType::Aws,
    operations: Operations {
        describe: "DescribeKey",
        create: "CreateKey",
        disable: "DisableKey",
        schedule: "ScheduleKeyDeletion",
        cancel: "CancelKeyDeletion",
        search: "ListKeys",
        move_alias: Some("UpdateAlias"),
        rotate_now: "RotateKeyOnDemand",
        set_policy: Some("PutKeyPolicy"),
        create_grant: Some("CreateGrant"),
        replicate: Some("ReplicateKey"),
        move_primary: Some("UpdatePrimaryRegion"),
    },
    errors: Errors {
        denied: ("AccessDeniedException", 400),
        throttled: ("ThrottlingException", 400),
        server: ("KMSInternalException", 500),
        unheard: ("NeverHeardOfException", 400),
    },
    page: 1000,
    absent: ["11111111-2222-3333-4444-555555555555", "arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555"],
};

pub const CIPHER_TRUST: Ways = Ways {
    provider: ProviderType::CipherTrust,
    operations: Operations {
        describe: "get-key",
        create: "create-key",
        disable: "disable",
        schedule: "schedule-deletion",
        cancel: "cancel-deletion",
        search: "list-keys",
        move_alias: None,
        rotate_now: "rotate-material",
        set_policy: Some("policy"),
        create_grant: None,
        replicate: Some("replicate-key"),
        move_primary: Some("update-primary-region"),
    },
    errors: Errors {
        denied: ("NCERRForbidden", 403),
        throttled: ("NCERRTooManyRequests", 429),
        server: ("NCERRInternalServerError", 500),
        unheard: ("NCERRNeverHeardOf", 400),
    },
    page: 100,
    absent: ["0123456789abcdef0123456789abcdef", "arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555"],
};

pub const HUAWEI: Ways = Ways {
    provider: ProviderType::Huawei,
    operations: Operations {
        describe: "describe-key",
        create: "create-key",
        disable: "disable-key",
        schedule: "schedule-key-deletion",
        cancel: "cancel-key-deletion",
        search: "filter-resources",
        move_alias: Some("associate-alias"),
        rotate_now: "rotate-on-demand",
        set_policy: None,
        create_grant: Some("create-grant"),
        replicate: None,
        move_primary: None,
    },
    errors: Errors { denied: ("KMS.0307", 403), throttled: ("APIGW.0308", 429), server: ("KMS.0100", 500), unheard: ("KMS.9999", 400) },
    page: 1000,
    absent: [
        "11111111-2222-3333-4444-555555555555",
        "kms:eu-west-101:d0a1b2c3d4e5f60718293a4b5c6d7e8f:KeyId:11111111-2222-3333-4444-555555555555",
    ],
};
