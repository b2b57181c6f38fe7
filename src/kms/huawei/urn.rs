//! Reads references, so that no request is about something else.
//!
//! Huawei writes the URN of a key as `kms:<region>:<account>:KeyId:<id>` and that of an alias as `kms:<region>:<account>:alias:<name>`, in
//! identity policies and in answers about aliases. Ids are in lower case: an id in upper case would look absent, so it is refused.

/// What a reference names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reference<'a> {
    /// A key.
    Key {
        /// Its id.
        id: &'a str,
        /// Where it is, if the reference is a URN.
        location: Option<Location<'a>>,
    },
    /// An alias.
    Alias {
        /// Its name, without `alias/`.
        name: &'a str,
        /// Where it is, if the reference is a URN.
        location: Option<Location<'a>>,
    },
}

/// Where a URN says that its key or alias is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Location<'a> {
    /// The Region.
    pub(super) region: &'a str,
    /// The account, by the id that Huawei calls `domain_id`.
    pub(super) account: &'a str,
}

impl<'a> Reference<'a> {
    /// What `text` names. The error says why it names nothing, and what to write.
    pub(super) fn parse(text: &'a str) -> Result<Self, &'static str> {
        if let Some(name) = text.strip_prefix("alias/") {
            return alias(name, None);
        }
        let Some(rest) = text.strip_prefix("kms:") else {
            return key(text, None);
        };
        let mut parts = rest.splitn(4, ':');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(region), Some(account), Some(kind), Some(name)) if !region.is_empty() && !account.is_empty() => match kind {
                "KeyId" => key(name, Some(Location { region, account })),
                "alias" => alias(name, Some(Location { region, account })),
                _ => Err(UNREADABLE),
            },
            _ => Err(UNREADABLE),
        }
    }

    /// Where it is, if the reference is a URN.
    pub(super) const fn location(self) -> Option<Location<'a>> {
        match self {
            Self::Key { location, .. } | Self::Alias { location, .. } => location,
        }
    }
}

const UNREADABLE: &str = "it is no id, URN or alias of a key; write the id, kms:<region>:<account>:KeyId:<id>, or alias/<name>";
const ALIAS: &str = "an alias has 1 to 255 letters, digits, and :/_-; correct it";
const UPPER_CASE: &str = "ids of Huawei are in lower case; write it so";

/// The canonical reference of a key.
pub(super) fn urn(region: &str, account: &str, id: &str) -> String {
    format!("kms:{region}:{account}:KeyId:{id}")
}

fn key<'a>(id: &'a str, location: Option<Location<'a>>) -> Result<Reference<'a>, &'static str> {
    if is_id(id) {
        return Ok(Reference::Key { id, location });
    }
    Err(if is_id(&id.to_ascii_lowercase()) { UPPER_CASE } else { UNREADABLE })
}

fn alias<'a>(name: &'a str, location: Option<Location<'a>>) -> Result<Reference<'a>, &'static str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '/' | '_' | '-');
    let valid = (1..=255).contains(&name.len()) && name.chars().all(fits);
    if valid { Ok(Reference::Alias { name, location }) } else { Err(ALIAS) }
}

/// Whether it is an id as the KMS makes them: `^[0-9a-z]{8}-[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{12}$`.
pub(super) fn is_id(text: &str) -> bool {
    let groups = text.split('-').map(|group| group.bytes().all(|c| c.is_ascii_digit() || c.is_ascii_lowercase()).then_some(group.len()));
    groups.eq([8, 4, 4, 4, 12].map(Some))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0d0466b0-e727-4d9c-b35d-f84bb474a37f";

    #[test]
    fn a_key_is_named_by_its_id_or_its_urn() {
        assert_eq!(Reference::parse(ID), Ok(Reference::Key { id: ID, location: None }));
        let location = Location { region: "cn-north-7", account: "3bab8e245e854f68af5967c00dd43127" };
        let urn = urn(location.region, location.account, ID);
        assert_eq!(Reference::parse(&urn), Ok(Reference::Key { id: ID, location: Some(location) }));
    }

    #[test]
    fn an_alias_is_named_in_either_spelling() {
        assert_eq!(Reference::parse("alias/keyward/a:b"), Ok(Reference::Alias { name: "keyward/a:b", location: None }));
        assert_eq!(
            Reference::parse("kms:r:d:alias:a:b"),
            Ok(Reference::Alias { name: "a:b", location: Some(Location { region: "r", account: "d" }) })
        );
    }

    #[test]
    fn a_malformed_reference_is_refused_and_never_looked_up() {
        for text in [
            "",
            "orders",
            "kms:r:d:KeyId",
            "kms::d:KeyId:0d0466b0-e727-4d9c-b35d-f84bb474a37f",
            "kms:r:d:key:0d0466b0-e727-4d9c-b35d-f84bb474a37f",
            "arn:aws:kms:eu-west-1:111122223333:key/1234",
            "0d0466b0-e727-4d9c-b35d-f84bb474a37",
            "0d0466b0-e727-4d9c-b35d-f84bb474a37f-",
            "0d0466b0-e727-4d9c-b35d-f84bb474a3 f",
        ] {
            assert_eq!(Reference::parse(text), Err(UNREADABLE), "{text}");
        }
        assert_eq!(Reference::parse("0D0466b0-e727-4d9c-b35d-f84bb474a37f"), Err(UPPER_CASE));
        assert_eq!(Reference::parse("kms:r:d:KeyId:0D0466b0-e727-4d9c-b35d-f84bb474a37f"), Err(UPPER_CASE));
        for text in ["alias/", "alias/a b", "alias/ü", "kms:r:d:alias:"] {
            assert_eq!(Reference::parse(text), Err(ALIAS), "{text}");
        }
    }
}
