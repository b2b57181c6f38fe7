//! Reads the Region out of an ARN, before a request is sent to the wrong one.

/// The parts of a KMS ARN that matter here: `arn:<partition>:kms:<region>:<account>:<resource>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arn<'a> {
    /// The Region.
    pub(super) region: &'a str,
    /// The account.
    pub(super) account: &'a str,
    /// `key/…` or `alias/…`.
    pub(super) resource: &'a str,
}

impl<'a> Arn<'a> {
    /// The parts; `None` if this is no ARN of KMS.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let (arn, _partition, service) = (parts.next()?, parts.next()?, parts.next()?);
        let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
        (arn == "arn" && service == "kms" && !region.is_empty() && !resource.is_empty()).then_some(Self { region, account, resource })
    }
}

/// The alias that a reference names, with `alias/`, whether it is an alias or the ARN of one.
pub(super) fn alias(reference: &str) -> Option<&str> {
    let resource = Arn::parse(reference).map_or(reference, |arn| arn.resource);
    resource.starts_with("alias/").then_some(resource)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // A test says what it expects by panicking.
mod tests {
    use super::*;

    #[test]
    fn only_arns_of_kms_are_taken_apart() {
        let arn = Arn::parse("arn:aws-cn:kms:cn-north-1:111122223333:key/1234").unwrap();
        assert_eq!((arn.region, arn.resource), ("cn-north-1", "key/1234"));
        for other in
            ["", "1234abcd", "alias/a:b", "arn:aws:iam::111122223333:role/x", "arn:aws:kms:eu-west-1:111122223333", "arn:aws:kms::1:key/1"]
        {
            assert_eq!(Arn::parse(other), None, "{other}");
        }
    }

    #[test]
    fn an_alias_is_found_in_either_spelling() {
        assert_eq!(alias("alias/aws/s3"), Some("alias/aws/s3"));
        assert_eq!(alias("arn:aws:kms:eu-west-1:111122223333:alias/x"), Some("alias/x"));
        assert_eq!(alias("arn:aws:kms:eu-west-1:111122223333:key/x"), None);
        assert_eq!(alias("1234abcd"), None);
    }
}
