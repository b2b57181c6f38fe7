//! What each KMS accepts, as data: the one place where providers differ in their numbers.
//!
//! A value outside is refused with the range in the message. It is never rounded, and nothing is used in its place.

use crate::api::key_provider::ProviderType;

/// The numbers of one KMS.
#[derive(Debug, PartialEq, Eq)]
pub struct Limits {
    /// How messages call it.
    pub name: &'static str,
    /// Days that a deletion can be scheduled ahead, both ends included.
    pub window: (i32, i32),
    /// Days between automatic rotations, both ends included.
    pub rotation: (i32, i32),
    /// The period when rotation is switched on and none is declared, in days.
    pub default_rotation: i32,
    /// Key spec and origin of the keys that the KMS rotates by itself.
    pub rotatable: (&'static str, &'static str),
}

/// AWS KMS: `ScheduleKeyDeletion`, `PendingWindowInDays`; `EnableKeyRotation`, `RotationPeriodInDays` (API reference).
pub const AWS: Limits =
    Limits { name: "AWS", window: (7, 30), rotation: (90, 2560), default_rotation: 365, rotatable: ("SYMMETRIC_DEFAULT", "AWS_KMS") };

/// `CipherTrust` Cloud Key Manager, for AWS keys: the bounds are those of AWS.
pub const CIPHER_TRUST: Limits = Limits { name: "CipherTrust", ..AWS };

/// Huawei Cloud KMS: `pending_days` of `schedule-key-deletion`, `interval` of `update-key-rotation-interval`.
pub const HUAWEI: Limits =
    Limits { name: "Huawei", window: (7, 1096), rotation: (30, 365), default_rotation: 365, rotatable: ("AES_256", "kms") };

impl Limits {
    /// The numbers of that KMS.
    #[must_use]
    pub const fn of(provider: ProviderType) -> &'static Self {
        match provider {
            ProviderType::Aws => &AWS,
            ProviderType::CipherTrust => &CIPHER_TRUST,
            ProviderType::Huawei => &HUAWEI,
        }
    }

    /// Whether the KMS rotates keys of that spec and origin by itself.
    #[must_use]
    pub fn rotates(&self, spec: &str, origin: &str) -> bool {
        self.rotatable == (spec, origin)
    }
}
