//! What each KMS accepts, and which names it uses, as data. This is the one place where providers differ.
//!
//! A value outside a range is refused, and the message has the range. The value is never rounded, and no default replaces it.

use super::ownership::OwnerMark;
use crate::api::{key_provider::ProviderType, managed_key::KeyTemplate};

/// The limits and names of one KMS.
#[derive(Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact about a KMS by itself")]
pub struct Limits {
    /// The name of the KMS in messages.
    pub name: &'static str,
    /// The waiting period of a deletion in days, both ends included.
    pub window: (i32, i32),
    /// Days between automatic rotations, both ends included.
    pub rotation: (i32, i32),
    /// The rotation period in days if rotation is switched on and no period is declared.
    pub default_rotation: i32,
    /// Key specs, and the origin, of the keys that the KMS can rotate automatically.
    pub rotatable: (&'static [&'static str], &'static str),
    /// Key specs, and origins, of the keys for which Keyward requests a rotation on demand. AWS also rotates keys with imported material, but only
    /// if new material waits for it. Huawei documents rotation on demand for such keys (API reference, `RotateOnDemand`), and not for which
    /// others, so Huawei is asked for all of them.
    pub rotatable_on_demand: (&'static [&'static str], &'static [&'static str]),
    /// How many times in its life a key can be rotated on demand. `None`: no number is documented.
    pub rotations_on_demand: Option<usize>,
    /// Whether its list of rotations is a copy that may be old. Then the list can show that a rotation took place, and never that none did.
    pub lists_rotations_late: bool,
    /// The format of the owner mark.
    pub owner_mark: OwnerMark,
    /// Whether the KMS creates a key together with its tags, so that the key has its marks from the start.
    pub creates_with_tags: bool,
    /// The KMS's own names for the default values of a key template. The default values are AWS's names.
    pub words: &'static [(&'static str, &'static str)],
    /// Whether Keyward can create multi-Region keys there.
    pub multi_region: bool,
    /// The origins of keys in custom key stores, for which Keyward can create keys. The second one needs the id of an external key.
    pub key_stores: Option<(&'static str, &'static str)>,
    /// What it accepts as tags.
    pub tags: TagLimits,
    /// How many aliases a key may have, including the claim. `None`: no number is documented.
    pub aliases: Option<usize>,
    /// Whether one request can move an alias from one key to another.
    pub moves_aliases: bool,
    /// Whether keys have policies of their own.
    pub key_policies: bool,
    /// Whether Keyward makes grants there.
    pub grants: bool,
    /// The maximum length of a description, in characters.
    pub description: usize,
    /// The name of a customer's key must not end in this text.
    pub reserved_ending: Option<&'static str>,
    /// Why a key is unavailable, and what a person can do.
    pub unavailable: &'static str,
    /// The calls by which a person cancels a deletion, and sets a tag, with the KMS's own tools.
    pub calls: Calls,
    /// What the KMS bills for a key. `None`: not known here.
    pub price: Option<Price>,
}

/// The KMS's own names of the calls that messages tell a person to make.
#[derive(Debug, PartialEq, Eq)]
pub struct Calls {
    /// Cancels a deletion.
    pub cancel: &'static str,
    /// Sets tags.
    pub tag: &'static str,
}

/// What a KMS bills for each key, in US dollars a month. It bills nothing while the deletion of the key is pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// For the key.
    pub key: u32,
    /// In addition, for each of its first rotations.
    pub rotation: u32,
    /// How many rotations are billed at most.
    pub billed_rotations: u32,
}

impl Price {
    /// What a key costs that was rotated so often.
    #[must_use]
    pub fn of_rotated(self, rotations: usize) -> u32 {
        let billed = u32::try_from(rotations).unwrap_or(u32::MAX).min(self.billed_rotations);
        self.key.saturating_add(self.rotation.saturating_mul(billed))
    }
}

/// What a KMS accepts as tags.
#[derive(Debug, PartialEq, Eq)]
pub struct TagLimits {
    /// The maximum length of a key, in characters.
    pub key: usize,
    /// The maximum length of a value, in characters.
    pub value: usize,
    /// How many tags a key may have, including the marks.
    pub count: usize,
    /// Characters that are not allowed in keys and values, in addition to control characters.
    pub forbidden: &'static str,
}

/// AWS KMS: `ScheduleKeyDeletion`, `PendingWindowInDays`; `EnableKeyRotation`, `RotationPeriodInDays`; `RotateKeyOnDemand`; `TagResource` (API
/// reference).
pub const AWS: Limits = Limits {
    name: "AWS",
    window: (7, 30),
    rotation: (90, 2560),
    default_rotation: 365,
    rotatable: (&["SYMMETRIC_DEFAULT"], "AWS_KMS"),
    rotatable_on_demand: (&["SYMMETRIC_DEFAULT"], &["AWS_KMS"]),
    rotations_on_demand: Some(25),
    lists_rotations_late: false,
    owner_mark: OwnerMark::Name,
    creates_with_tags: true,
    words: &[],
    multi_region: true,
    key_stores: Some(("AWS_CLOUDHSM", "EXTERNAL_KEY_STORE")),
    tags: TagLimits { key: 128, value: 256, count: 50, forbidden: "" },
    aliases: Some(50),
    moves_aliases: true,
    key_policies: true,
    grants: true,
    description: 8192,
    reserved_ending: None,
    unavailable: "its key store is disconnected; connect it again",
    calls: Calls { cancel: "CancelKeyDeletion", tag: "TagResource" },
    // "AWS KMS pricing": 1 USD a month for each customer key, disabled or not, and 1 more for each of its first two rotations. A key that is
    // pending deletion is not billed.
    price: Some(Price { key: 1, rotation: 1, billed_rotations: 2 }),
};

/// `CipherTrust` Cloud Key Manager, for AWS keys: the bounds, and the price of a key, are those of AWS.
pub const CIPHER_TRUST: Limits = Limits {
    name: "CipherTrust",
    key_stores: None,
    lists_rotations_late: true,
    grants: false,
    moves_aliases: false,
    calls: Calls { cancel: "cancel-deletion", tag: "add-tags" },
    ..AWS
};

/// Huawei Cloud KMS: `pending_days` of `schedule-key-deletion`, `rotation_interval` of `update-key-rotation-interval`; tags of its tag calls;
/// `key_description` of `update-key-description`.
pub const HUAWEI: Limits = Limits {
    name: "Huawei",
    window: (7, 1096),
    rotation: (30, 365),
    default_rotation: 365,
    rotatable: (&["AES_256", "SM4"], "kms"),
    rotatable_on_demand: (&["AES_256", "SM4"], &["kms", "external"]),
    rotations_on_demand: None,
    lists_rotations_late: false,
    owner_mark: OwnerMark::Digest,
    creates_with_tags: false,
    words: &[("SYMMETRIC_DEFAULT", "AES_256"), ("AWS_KMS", "kms"), ("EXTERNAL", "external")],
    multi_region: false,
    key_stores: None,
    tags: TagLimits { key: 36, value: 43, count: 20, forbidden: "*<>\\=" },
    aliases: None,
    moves_aliases: true,
    key_policies: false,
    grants: true,
    description: 255,
    reserved_ending: Some("/default"),
    unavailable: "it is frozen; pay the overdue bill at Huawei Cloud",
    calls: Calls { cancel: "CancelKeyDeletion", tag: "BatchCreateKmsTags" },
    // Huawei's price depends on the Region and the kind of key, and no page that this project rests on has it.
    price: None,
};

impl Limits {
    /// The limits of this KMS.
    #[must_use]
    pub const fn of(provider: ProviderType) -> &'static Self {
        match provider {
            ProviderType::Aws => &AWS,
            ProviderType::CipherTrust => &CIPHER_TRUST,
            ProviderType::Huawei => &HUAWEI,
        }
    }

    /// Whether the KMS can rotate keys of this spec and origin automatically. An empty text means that the KMS did not report it, and
    /// matches everything.
    #[must_use]
    pub fn rotates(&self, spec: &str, origin: &str) -> bool {
        (spec.is_empty() || self.rotatable.0.contains(&spec)) && (origin.is_empty() || self.rotatable.1 == origin)
    }

    /// What becomes of the material of a key in a custom key store when AWS deletes the key, as a clause for messages. Empty for other keys.
    /// From the API reference of `ScheduleKeyDeletion`, and "Delete KMS keys from an external key store".
    #[must_use]
    pub fn left_behind(origin: &str) -> &'static str {
        match origin {
            "AWS_CLOUDHSM" => {
                "; AWS then tries to delete the key material in the CloudHSM cluster; what is left there or in backups of the cluster stays for you \
                 to delete"
            }
            "EXTERNAL_KEY_STORE" => "; the key in the external key manager stays, but cannot decrypt without the KMS key",
            _ => "",
        }
    }

    /// Whether Keyward requests rotations on demand for keys of this spec and origin. An empty text matches everything.
    #[must_use]
    pub fn rotates_on_demand(&self, spec: &str, origin: &str) -> bool {
        let (specs, origins) = self.rotatable_on_demand;
        (spec.is_empty() || specs.contains(&spec)) && (origin.is_empty() || origins.contains(&origin))
    }

    /// A template in the KMS's own names.
    #[must_use]
    pub fn kind(&self, template: &KeyTemplate) -> KeyTemplate {
        let own = |word: &str| self.words.iter().find(|(known, _)| *known == word).map_or(word, |(_, own)| own).to_owned();
        KeyTemplate { spec: own(&template.spec), usage: own(&template.usage), origin: own(&template.origin), ..template.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_read_in_the_words_of_the_kms() {
        let template = KeyTemplate::default();
        assert_eq!(AWS.kind(&template), template);
        let kind = HUAWEI.kind(&template);
        assert_eq!((&*kind.spec, &*kind.usage, &*kind.origin), ("AES_256", "ENCRYPT_DECRYPT", "kms"));
        assert!(HUAWEI.rotates(&kind.spec, &kind.origin) && !HUAWEI.rotates("RSA_2048", "kms"));
    }

    #[test]
    fn the_first_two_rotations_of_a_key_of_aws_are_billed() {
        let costs = |limits: &Limits| limits.price.map(|price| [0, 1, 2, 3, usize::MAX].map(|rotations| price.of_rotated(rotations)));
        assert_eq!(costs(&AWS), Some([1, 2, 3, 3, 3]));
        assert_eq!(costs(&CIPHER_TRUST), costs(&AWS), "AWS bills these keys");
        assert_eq!(costs(&HUAWEI), None);
    }
}
