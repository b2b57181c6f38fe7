//! Reads Region and account from an ARN, so that no request goes to the wrong Region.

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
    /// The parts; `None` if the text is not an ARN of KMS.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let (arn, _partition, service) = (parts.next()?, parts.next()?, parts.next()?);
        let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
        (arn == "arn" && service == "kms" && !region.is_empty() && !resource.is_empty()).then_some(Self { region, account, resource })
    }
}

/// The partition of a Region, by the start of its name (AWS General Reference, "AWS service endpoints").
fn partition(region: &str) -> &'static str {
    const OTHERS: [(&str, &str); 8] = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("eusc-", "aws-eusc"),
        ("us-isob-", "aws-iso-b"),
        ("us-isof-", "aws-iso-f"),
        ("eu-isoe-", "aws-iso-e"),
        ("us-iso-", "aws-iso"),
        ("eu-iso-", "aws-iso"),
    ];
    OTHERS.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("aws", |(_, partition)| partition)
}

/// The ARN of a key, for an answer about `reference` that has only the key's id. If `reference` is the ARN of that key, it is the result.
/// If it is the ARN of an alias, the key is in the same Region and account. Otherwise the key is in `region` and `account`, where AWS looks
/// up every id and alias. `None`: the account is not known.
pub(super) fn of_key(id: &str, reference: &str, region: &str, account: Option<&str>) -> Option<String> {
    let named = Arn::parse(reference);
    match named {
        Some(named) if named.resource.strip_prefix("key/") == Some(id) && !named.account.is_empty() => return Some(reference.to_owned()),
        // An answer about another key is no answer.
        Some(named) if named.resource.starts_with("key/") => return None,
        _ => {}
    }
    let (region, account) = named.map_or((region, account), |named| (named.region, Some(named.account)));
    let account = account.filter(|account| !account.is_empty())?;
    Some(format!("arn:{}:kms:{region}:{account}:key/{id}", partition(region)))
}

/// The alias, with `alias/`, that a reference names; the reference is an alias or the ARN of one.
pub(super) fn alias(reference: &str) -> Option<&str> {
    let resource = Arn::parse(reference).map_or(reference, |arn| arn.resource);
    resource.starts_with("alias/").then_some(resource)
}

#[cfg(test)]
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
    fn the_arn_of_a_key_is_made_where_it_was_asked_for() {
        let own = |id, reference| of_key(id, reference, "eu-west-1", Some("111122223333"));
        let here = Some("arn:aws:kms:eu-west-1:111122223333:key/1234".to_owned());
        assert_eq!((own("1234", "1234"), own("1234", "alias/x")), (here.clone(), here.clone()));
        assert_eq!(own("1234", "arn:aws:kms:eu-west-1:111122223333:key/1234"), here);
        let other = "arn:aws:kms:eu-west-1:444455556666:key/1234";
        assert_eq!(own("1234", other).as_deref(), Some(other), "another account's key is not taken for one of ours");
        assert_eq!(own("1234", "arn:aws:kms:eu-west-1:444455556666:alias/x").as_deref(), Some(other));
        assert_eq!(own("5678", other), None, "another key than was asked about");
        assert_eq!(of_key("1234", "alias/x", "eu-west-1", None), None);
        assert_eq!(own("1234", "arn:aws:kms:eu-west-1::key/1234"), None, "a reference without an account is nobody's ARN");
        for (region, partition) in [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eusc-de-east-1", "aws-eusc")] {
            assert_eq!(of_key("1", "1", region, Some("2")), Some(format!("arn:{partition}:kms:{region}:2:key/1")));
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
