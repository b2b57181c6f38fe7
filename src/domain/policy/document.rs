//! The document, its parts, and what they mean by themselves.

use std::{collections::BTreeSet, fmt};

use crate::domain::{
    failure::{Failure, FailureKind},
    observed::KeyPolicy,
};

/// The maximum size of a document in bytes (AWS KMS API reference, `PutKeyPolicy`).
pub const LONGEST: usize = 32_768;

/// A key policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The version of the policy language. Absent means `2008-10-17` (IAM User Guide, "IAM JSON policy elements: Version").
    pub(super) version: String,
    pub(super) id: Option<String>,
    pub(super) statements: Vec<Statement>,
}

/// One statement of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) name: Name,
    pub(super) effect: Effect,
    pub(super) principals: Principals,
    /// Absent: AWS accepts the statement, and it has no effect (AWS KMS API reference, `PutKeyPolicy`).
    pub(super) actions: Option<Texts>,
    /// Absent: as for `actions`.
    pub(super) resources: Option<Texts>,
    /// All of them must be true. AWS reads the same key under two spellings as two conditions.
    pub(super) conditions: BTreeSet<PolicyCondition>,
}

/// How a message names a statement: by its `Sid`, else by its place in the document, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) sid: Option<String>,
    pub(super) number: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// The principals of a statement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Principals {
    /// `Principal`.
    These(BTreeSet<Principal>),
    /// `NotPrincipal`.
    AllBut(BTreeSet<Principal>),
}

/// A principal as the document has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Principal {
    pub(super) kind: PrincipalKind,
    pub(super) text: String,
}

/// The type of a principal. `"Principal": "*"` is the same as `"Principal": {"AWS": "*"}` (IAM User Guide, "AWS JSON policy elements:
/// Principal").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PrincipalKind {
    Aws,
    Service,
    Federated,
    CanonicalUser,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`: patterns with `*` and `?`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Texts {
    These(BTreeSet<String>),
    AllBut(BTreeSet<String>),
}

/// One key of a `Condition`. Numbers and booleans are their text: quotation marks around them are optional (IAM User Guide, "Grammar of
/// the IAM JSON policy language").
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PolicyCondition {
    pub(super) operator: String,
    pub(super) key: String,
    pub(super) values: BTreeSet<String>,
}

/// A text that is not a valid key policy. The message says why, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoPolicy(pub(super) String);

impl Document {
    /// The principals that AWS has to know before it accepts the document: users, roles and their sessions. The account itself, a service
    /// and everybody always exist.
    #[must_use]
    pub fn named_principals(&self) -> BTreeSet<&str> {
        let principals = self.statements.iter().flat_map(|statement| match &statement.principals {
            Principals::These(principals) | Principals::AllBut(principals) => principals,
        });
        let named = principals.filter(|principal| matches!(principal.who(), Who::Named(_)));
        named.map(|principal| principal.text.as_str()).collect()
    }
}

impl Document {
    /// The named principals that the policy of the key does not have, for a message; if it has all of them, all of them. `None`: no
    /// principal is named.
    #[must_use]
    pub fn new_principals(&self, found: Option<&KeyPolicy>) -> Option<String> {
        const MOST: usize = 3;
        let found = found.and_then(|found| match found {
            KeyPolicy::Text(text) => Self::read(text).ok(),
            KeyPolicy::Untold => None,
        });
        let known = found.as_ref().map(Self::named_principals).unwrap_or_default();
        let all = self.named_principals();
        let new: Vec<&str> = all.difference(&known).copied().collect();
        let named = if new.is_empty() { all.into_iter().collect() } else { new };
        let more = if named.len() > MOST { format!(" and {} more", named.len() - MOST) } else { String::new() };
        let first: Vec<String> = named.iter().take(MOST).map(|text| shown(text)).collect();
        (!named.is_empty()).then(|| format!("{}{more}", first.join(", ")))
    }
}

/// Who a principal of the type `AWS` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who<'a> {
    /// `*`: everybody, in every account.
    Anyone,
    /// An account: its number, or the ARN of its root. Both give access to the account, whose IAM policies decide the rest.
    Account(&'a str),
    /// A user, a role or a session, by its ARN or by its unique id.
    Named(&'a str),
    /// A principal of another type than `AWS`.
    Other,
}

/// What is told of a policy that the KMS does not accept. `named`: principals in it that the KMS may not know. `again`: it is tried again, because they may be
/// new.
#[must_use]
pub fn not_accepted(failure: Failure, named: Option<&str>, again: bool) -> Failure {
    let (kind, way_out) = match named {
        None => (failure.kind, "correct spec.policy".to_owned()),
        Some(named) if again => {
            (FailureKind::NewPrincipal, format!("the key policy names {named}, which may be new, so it is tried again for ten minutes"))
        }
        Some(named) => (failure.kind, format!("the key policy names {named}; correct what was deleted or is misspelt")),
    };
    Failure { kind, message: format!("{}; {way_out}", failure.message), ..failure }
}

impl Principal {
    pub(super) fn who(&self) -> Who<'_> {
        if self.kind != PrincipalKind::Aws {
            return Who::Other;
        }
        match &*self.text {
            "*" => Who::Anyone,
            text if is_account(text) => Who::Account(text),
            text => match Arn::read(text) {
                Some(Arn { service: "iam", account, name: "root" }) if is_account(account) => Who::Account(account),
                _ => Who::Named(text),
            },
        }
    }

    /// The account of a principal. `None`: the text does not tell it, as with the unique id that AWS shows for a deleted principal.
    pub(super) fn account(&self) -> Option<&str> {
        match self.who() {
            Who::Account(account) => Some(account),
            Who::Named(text) => Arn::read(text).map(|arn| arn.account).filter(|account| is_account(account)),
            Who::Anyone | Who::Other => None,
        }
    }
}

/// The parts of an ARN of IAM or STS: `arn:<partition>:<service>::<account>:<name>`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arn<'a> {
    pub(super) service: &'a str,
    pub(super) account: &'a str,
    pub(super) name: &'a str,
}

impl<'a> Arn<'a> {
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let [arn, partition, service, region, account, name] = [(); 6].map(|()| parts.next().unwrap_or_default());
        (arn == "arn" && region.is_empty() && !partition.is_empty()).then_some(Self { service, account, name })
    }
}

pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether `text` matches a pattern in which `*` is any number of characters and `?` is one. The time is at most the product of the two
/// lengths, whatever the pattern is.
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut seen) = (0, 0);
    // Where the last star was, and how much of the text it stands for.
    let mut star: Option<(usize, usize)> = None;
    while let Some(found) = text.get(seen) {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || wanted == found => (at, seen) = (at + 1, seen + 1),
            _ => match star {
                Some((of, until)) => {
                    star = Some((of, until + 1));
                    (at, seen) = (of + 1, until + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|rest| *rest == '*')
}

impl Texts {
    /// Whether the patterns cover the text. IAM does not distinguish the case of actions (IAM User Guide, "IAM JSON policy elements:
    /// Action").
    pub(super) fn covers(&self, text: &str, case: Case) -> bool {
        let fold = |text: &str| if case == Case::Ignored { text.to_ascii_lowercase() } else { text.to_owned() };
        let any = |patterns: &BTreeSet<String>| patterns.iter().any(|pattern| glob(&fold(pattern), &fold(text)));
        match self {
            Self::These(patterns) => any(patterns),
            Self::AllBut(patterns) => !any(patterns),
        }
    }

    pub(super) fn patterns(&self) -> &BTreeSet<String> {
        let (Self::These(patterns) | Self::AllBut(patterns)) = self;
        patterns
    }
}

/// Whether upper and lower case are different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Ignored,
    Kept,
}

impl fmt::Display for Name {
    /// A `Sid` is what somebody wrote at AWS or in a spec, so it is shortened, and quoted unless it is plain.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sid {
            None => write!(f, "statement {}", self.number),
            Some(sid) => {
                let short: String = sid.chars().take(LONGEST_NAME).collect();
                let plain = !short.is_empty() && short.len() == sid.len() && short.bytes().all(|byte| byte.is_ascii_alphanumeric());
                if plain { write!(f, "statement {sid}") } else { write!(f, "statement {short:?}") }
            }
        }
    }
}

/// The maximum length of a `Sid` in a message, in characters.
const LONGEST_NAME: usize = 60;
/// The maximum length of another text of a document in a message, in characters. Most ARNs are shorter.
const LONGEST_TEXT: usize = 128;

/// A text of a document, for a message.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).filter(|c| !c.is_control()).collect()
}
