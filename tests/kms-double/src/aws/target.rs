//! Finds the key for the `KeyId` that a caller sends.
//!
//! - Every operation accepts a key id or key ARN. Only `DescribeKey` and cryptographic operations accept an alias name or alias ARN. For
//!   other operations an alias name is an unknown key (`NotFoundException`), and an alias ARN is not a key ARN (`InvalidArnException`).
//! - An ARN of another Region is `NotFoundException`, because KMS searches only in its own Region.
//! - An ARN of another account is `AccessDeniedException` for every operation, whether the key exists or not, because policies are
//!   evaluated first and no key policy here names another account. For management operations AWS says only that they fail across accounts.
//!   A bare id of another account's key is `NotFoundException`, as on AWS.

use super::failure::Failure;
use super::partition;
use crate::world::KeyRef;

/// What the text names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A key.
    Key(KeyRef),
    /// An alias, with its prefix.
    Alias(String),
}

/// Whether an operation takes aliases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aliases {
    Taken,
    Refused,
}

/// Why a text names nothing that the caller can access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Astray {
    /// Answer this.
    Failure(Failure),
    /// The ARN names another account.
    OtherAccount(String),
}

/// Reads `text` for a caller of `account` in `region`.
pub(crate) fn parse(text: &str, account: &str, region: &str, aliases: Aliases) -> Result<Target, Astray> {
    let astray = |failure| Err(Astray::Failure(failure));
    let local = if text.starts_with("arn:") {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let ["arn", arn_partition, "kms", arn_region, arn_account, resource] = parts.as_slice() else {
            return astray(Failure::invalid_arn(format!("{text} is not a valid KMS ARN")));
        };
        if *arn_partition != partition::of(arn_region) {
            return astray(Failure::invalid_arn(format!("Invalid arn {text}")));
        }
        let digits = arn_account.len() == 12 && arn_account.bytes().all(|byte| byte.is_ascii_digit());
        let key = resource.strip_prefix("key/").filter(|id| is_key_id(id));
        let alias = resource.strip_prefix("alias/").filter(|name| !name.is_empty()).map(|_| *resource);
        if !digits || arn_region.is_empty() || (key.is_none() && alias.is_none()) {
            return astray(Failure::invalid_arn(format!("Invalid arn {text}")));
        }
        if *arn_region != region {
            return astray(Failure::not_found(format!("Invalid arn {arn_region}")));
        }
        if alias.is_some() && aliases == Aliases::Refused {
            return astray(Failure::invalid_arn(format!("{text} is the ARN of an alias; give the key ID or key ARN")));
        }
        if *arn_account != account {
            return Err(Astray::OtherAccount(text.to_owned()));
        }
        key.or(alias).unwrap_or_default()
    } else {
        text
    };
    if local.starts_with("alias/") && aliases == Aliases::Taken {
        return Ok(Target::Alias(local.to_owned()));
    }
    if is_key_id(local) {
        let (account, region, id) = (account.to_owned(), region.to_owned(), local.to_owned());
        return Ok(Target::Key(KeyRef { account, region, id }));
    }
    astray(Failure::not_found(format!("Invalid keyId '{text}'")))
}

/// A UUID, or `mrk-` and 32 hex digits.
fn is_key_id(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix("mrk-") {
        return rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit());
    }
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

    fn read(text: &str, aliases: Aliases) -> Result<Target, String> {
        parse(text, "111122223333", "eu-west-1", aliases).map_err(|astray| match astray {
            Astray::Failure(failure) => failure.code,
            Astray::OtherAccount(_) => "other account".to_owned(),
        })
    }

    #[test]
    fn reads_ids_arns_and_aliases() {
        let at = KeyRef { account: "111122223333".into(), region: "eu-west-1".into(), id: ID.into() };
        assert_eq!(read(ID, Aliases::Refused), Ok(Target::Key(at.clone())));
        assert_eq!(read(&at.arn(), Aliases::Refused), Ok(Target::Key(at)));
        assert_eq!(read("alias/a", Aliases::Taken), Ok(Target::Alias("alias/a".into())));
        assert_eq!(read("arn:aws:kms:eu-west-1:111122223333:alias/a", Aliases::Taken), Ok(Target::Alias("alias/a".into())));
    }

    #[test]
    fn refuses_the_rest_as_aws_does() {
        let cases = [
            ("garbage", "NotFoundException"),
            ("alias/a", "NotFoundException"),
            ("mrk-1234", "NotFoundException"),
            ("arn:aws:kms:eu-west-1:111122223333:alias/a", "InvalidArnException"),
            ("arn:aws:kms", "InvalidArnException"),
            ("arn:aws:s3:eu-west-1:111122223333:key/x", "InvalidArnException"),
            ("arn:aws:kms:eu-west-1:111122223333:key/garbage", "InvalidArnException"),
            ("arn:aws:kms:eu-west-1:1111:key/1234abcd-12ab-34cd-56ef-1234567890ab", "InvalidArnException"),
            ("arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", "NotFoundException"),
            ("arn:aws-cn:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", "InvalidArnException"),
            ("arn:aws-cn:kms:cn-north-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", "NotFoundException"),
            ("arn:aws:kms:eu-west-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab", "other account"),
        ];
        for (text, code) in cases {
            assert_eq!(read(text, Aliases::Refused), Err(code.to_owned()), "{text}");
        }
    }
}
