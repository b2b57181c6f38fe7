//! The operations of the KMS API that the double serves, and their request quotas.

/// Declares the operations with their properties.
macro_rules! operations {
    ($($name:ident $kind:ident $quota:literal,)*) => {
        /// An operation of the KMS API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum Operation { $($name,)* }

        impl Operation {
            /// Every operation.
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name on the wire.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The operation with this name.
            pub(crate) fn parse(name: &str) -> Option<Self> {
                match name { $(stringify!($name) => Some(Self::$name),)* _ => None }
            }

            /// Whether it reads, changes, or uses the key for cryptography.
            pub(crate) fn kind(self) -> Kind {
                match self { $(Self::$name => Kind::$kind,)* }
            }

            /// Default quota in calls per second, per account and Region (KMS Developer Guide, "Request quotas").
            pub(crate) fn quota(self) -> u32 {
                match self { $(Self::$name => $quota,)* }
            }
        }
    };
}

/// What an operation does to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It changes nothing.
    Read,
    /// It changes the key or its aliases, or creates a key.
    Mutation,
    /// It uses the key's material.
    Cryptographic,
}

operations! {
    CancelKeyDeletion Mutation 5,
    ConnectCustomKeyStore Mutation 5,
    CreateAlias Mutation 5,
    CreateGrant Mutation 50,
    CreateKey Mutation 5,
    Decapsulate Cryptographic 1_000,
    Decrypt Cryptographic 10_000,
    DeleteAlias Mutation 15,
    DeleteImportedKeyMaterial Mutation 15,
    DeriveSharedSecret Cryptographic 1_000,
    DescribeCustomKeyStores Read 5,
    DescribeKey Read 2_000,
    DisableKey Mutation 5,
    DisableKeyRotation Mutation 5,
    DisconnectCustomKeyStore Mutation 5,
    EnableKey Mutation 5,
    EnableKeyRotation Mutation 15,
    Encapsulate Cryptographic 1_000,
    Encrypt Cryptographic 10_000,
    GenerateDataKey Cryptographic 10_000,
    GenerateDataKeyPair Cryptographic 25,
    GenerateDataKeyPairWithoutPlaintext Cryptographic 25,
    GenerateDataKeyWithoutPlaintext Cryptographic 10_000,
    GenerateMac Cryptographic 10_000,
    GenerateRandom Cryptographic 10_000,
    GetKeyLastUsage Read 5,
    GetKeyPolicy Read 1_000,
    GetKeyRotationStatus Read 1_000,
    GetParametersForImport Read 1,
    GetPublicKey Read 2_000,
    ImportKeyMaterial Mutation 15,
    ListAliases Read 500,
    ListGrants Read 100,
    ListKeyPolicies Read 100,
    ListKeyRotations Read 100,
    ListKeys Read 500,
    ListResourceTags Read 2_000,
    ListRetirableGrants Read 100,
    PutKeyPolicy Mutation 15,
    ReEncrypt Cryptographic 10_000,
    ReplicateKey Mutation 5,
    RetireGrant Mutation 50,
    RevokeGrant Mutation 50,
    RotateKeyOnDemand Mutation 5,
    ScheduleKeyDeletion Mutation 15,
    Sign Cryptographic 1_000,
    TagResource Mutation 10,
    UntagResource Mutation 5,
    UpdateAlias Mutation 5,
    UpdateKeyDescription Mutation 5,
    UpdatePrimaryRegion Mutation 5,
    Verify Cryptographic 1_000,
    VerifyMac Cryptographic 10_000,
}

/// The operations of AWS KMS that the double does not have. They are denied for every caller, as AWS denies operations that no policy
/// allows. A name that is in neither list is wrong.
pub const NOT_SERVED: [&str; 3] = ["CreateCustomKeyStore", "DeleteCustomKeyStore", "UpdateCustomKeyStore"];

/// The names of the operations of AWS KMS that the double has.
#[must_use]
pub fn served() -> Vec<&'static str> {
    Operation::ALL.iter().map(|operation| operation.name()).collect()
}

impl Operation {
    /// The name under which calls are counted, and their quota. Cryptographic operations share a quota with those on keys of the same kind.
    /// Data key pairs have one for each kind of pair, so their `spec` is that of the pair. AWS's quotas below one a second are one here.
    pub(crate) fn bucket(self, spec: Option<&str>) -> (&'static str, u32) {
        let pairs = matches!(self, Self::GenerateDataKeyPair | Self::GenerateDataKeyPairWithoutPlaintext);
        let family = spec.and_then(|spec| spec.split('_').next()).unwrap_or_default();
        match (self.kind(), family) {
            (Kind::Read | Kind::Mutation, _) => (self.name(), self.quota()),
            (Kind::Cryptographic, "RSA") if pairs => ("RSA data key pairs", 1),
            (Kind::Cryptographic, _) if pairs => ("data key pairs", self.quota()),
            (Kind::Cryptographic, "RSA") => ("RSA cryptographic operations", 1_000),
            (Kind::Cryptographic, "ECC" | "SM2") => ("ECC cryptographic operations", 1_000),
            (Kind::Cryptographic, "ML") => ("ML-DSA and ML-KEM cryptographic operations", 1_000),
            (Kind::Cryptographic, _) => ("cryptographic operations", 10_000),
        }
    }

    /// The actions that an IAM policy must allow. `ReEncrypt` is the only operation with other names.
    pub(crate) fn actions(self) -> Vec<String> {
        match self {
            Self::ReEncrypt => vec!["kms:ReEncryptFrom".to_owned(), "kms:ReEncryptTo".to_owned()],
            _ => vec![format!("kms:{}", self.name())],
        }
    }

    /// The first of them, for a refusal.
    pub(crate) fn action(self) -> String {
        self.actions().swap_remove(0)
    }
}
