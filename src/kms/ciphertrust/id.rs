//! The three names of a key, kept apart by type: CCKM's own id, AWS's key id, and the ARN.
//!
//! A path takes only CCKM's id. With another name in its place, CCKM would answer that the key is absent.

use std::fmt;

/// CCKM's id of a key. It is opaque, and can be part of a path as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct CckmId(String);

/// AWS's id of a key: a UUID, or `mrk-` and 32 hex digits for a multi-Region key, which has the same id in every Region.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct AwsKeyId(String);

/// The ARN of a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Arn {
    text: String,
    /// The Region.
    pub(super) region: String,
    /// The account.
    pub(super) account: String,
}

/// A reference to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    /// Its ARN.
    Arn(Arn),
    /// CCKM's id.
    Cckm(CckmId),
    /// AWS's id of a multi-Region key.
    Aws(AwsKeyId),
    /// A UUID: an id of AWS, or of an older CCKM.
    Either(AwsKeyId, CckmId),
    /// An alias, with `alias/`.
    Alias(String),
}

impl CckmId {
    /// `None` if it has a character with a meaning in a path.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        (!text.is_empty() && text.len() <= 128 && text.chars().all(plain)).then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl AwsKeyId {
    fn parse(text: &str) -> Option<Self> {
        let hex = |text: &str, length: usize| text.len() == length && text.chars().all(|c| c.is_ascii_hexdigit());
        let parts: Vec<&str> = text.split('-').collect();
        let uuid = parts.len() == 5 && parts.iter().zip([8, 4, 4, 4, 12]).all(|(part, length)| hex(part, length));
        let multi_region = text.strip_prefix("mrk-").is_some_and(|rest| hex(rest, 32));
        (uuid || multi_region).then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Arn {
    /// `arn:<partition>:kms:<region>:<account>:key/<id>`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (region, account, resource) = parts(text)?;
        resource.strip_prefix("key/").filter(|id| !id.is_empty())?;
        Some(Self { text: text.to_owned(), region: region.to_owned(), account: account.to_owned() })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Reference {
    /// `None` if it cannot name a key.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.starts_with("arn:") {
            return Arn::parse(text).map(Self::Arn);
        }
        if let Some(alias) = text.strip_prefix("alias/") {
            return (!alias.is_empty()).then(|| Self::Alias(text.to_owned()));
        }
        match (AwsKeyId::parse(text), CckmId::parse(text)?) {
            (Some(aws), _) if text.starts_with("mrk-") => Some(Self::Aws(aws)),
            (Some(aws), cckm) => Some(Self::Either(aws, cckm)),
            (None, cckm) => Some(Self::Cckm(cckm)),
        }
    }
}

/// Region, account and resource of an ARN of KMS.
fn parts(text: &str) -> Option<(&str, &str, &str)> {
    let mut parts = text.splitn(6, ':');
    let (arn, _partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    (arn == "arn" && service == "kms" && !region.is_empty() && !account.is_empty()).then_some((region, account, resource))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "623321f4-a7d4-4d52-89bf-a9f26a29360e";
    const MRK: &str = "mrk-0123456789abcdef0123456789abcdef";

    #[test]
    fn a_reference_is_read_by_its_form() {
        let arn = format!("arn:aws-cn:kms:cn-north-1:123456789012:key/{UUID}");
        let Some(Reference::Arn(parsed)) = Reference::parse(&arn) else { panic!("{arn}") };
        assert_eq!((parsed.region.as_str(), parsed.account.as_str(), parsed.as_str()), ("cn-north-1", "123456789012", arn.as_str()));
        assert_eq!(Reference::parse("alias/a b"), Some(Reference::Alias("alias/a b".into())));
        assert_eq!(Reference::parse(MRK), Some(Reference::Aws(AwsKeyId(MRK.into()))));
        assert_eq!(Reference::parse(UUID), Some(Reference::Either(AwsKeyId(UUID.into()), CckmId(UUID.into()))));
        let plain = "0123456789abcdef0123456789abcdef";
        assert_eq!(Reference::parse(plain), Some(Reference::Cckm(CckmId(plain.into()))));
    }

    #[test]
    fn a_name_that_could_change_the_path_is_no_reference() {
        for other in [
            "",
            ".",
            "..",
            "a/b",
            "a%2fb",
            "a?b",
            "a b",
            "alias/",
            "arn:aws:kms:eu-west-1:1:alias/x",
            "arn:aws:kms:eu-west-1:1:key/",
            "arn:aws:iam::1:role/x",
        ] {
            assert_eq!(Reference::parse(other), None, "{other}");
        }
        assert_eq!(CckmId::parse(&"a".repeat(129)), None);
    }
}
