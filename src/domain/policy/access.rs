//! Whether a key policy leaves Keyward what it needs on the key.
//!
//! AWS itself checks only that the caller may change the policy again. Keyward also needs the calls that keep the key alive. The answer
//! follows from the document alone. Where other policies or the values of a request decide, the answer is [`Access::Unknown`], and it is
//! not guessed.

use std::{collections::BTreeSet, fmt};

use super::{Arn, Case, Document, Effect, PolicyCondition, Principal, Principals, Statement, Who};

/// The calls without which Keyward cannot keep a key alive, or mend the policy.
const NEEDED: [&str; 8] = [
    "kms:CancelKeyDeletion",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:EnableKey",
    "kms:GetKeyPolicy",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:TagResource",
];

/// What Keyward may do under a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// The policy allows everything that is needed.
    Keeps,
    /// The policy certainly does not allow these actions.
    Loses(BTreeSet<&'static str>),
    /// The document does not tell.
    Unknown(Why),
}

/// What decides instead of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The policy leaves it to the account, so the policies of IAM decide.
    Iam,
    /// A statement applies only under conditions, or to a pattern with variables.
    Statement(String),
    /// Who calls AWS is not known, because another program calls it for Keyward.
    Caller,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Iam => f.write_str("the policy leaves it to the IAM policies of the account what Keyward may do"),
            Self::Statement(name) => write!(f, "it depends on the conditions of {name} what Keyward may do"),
            Self::Caller => f.write_str("it is not known as which principal AWS sees Keyward"),
        }
    }
}

/// Who AWS sees as the caller: an ARN of a user, a role's session or a root user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller<'a> {
    arn: &'a str,
    account: &'a str,
    /// The name of the role of a session. Names of roles are unique in an account, whatever their path is.
    role: Option<&'a str>,
    is_root: bool,
}

impl<'a> Caller<'a> {
    /// The caller with the ARN that `GetCallerIdentity` tells. `None`: the text is no such ARN.
    #[must_use]
    pub fn of(arn: &'a str) -> Option<Self> {
        let Arn { account, name, .. } = Arn::read(arn).filter(|arn| matches!(arn.service, "iam" | "sts"))?;
        if !super::is_account(account) {
            return None;
        }
        let role = name.strip_prefix("assumed-role/").and_then(|rest| rest.split('/').next());
        Some(Self { arn, account, role, is_root: name == "root" })
    }

    /// Its name in messages. The name of a session may be another one after each restart, so it is left out.
    #[must_use]
    pub fn shown(self) -> String {
        self.role.map_or_else(|| self.arn.to_owned(), |role| format!("the role {role} of account {}", self.account))
    }

    /// Whether a principal that is named is this caller, and stays it.
    #[must_use]
    pub(super) fn is_surely(self, principal: &Principal) -> bool {
        self.is(principal) == Is::Caller
    }

    /// Whether a principal of a statement is this caller.
    fn is(self, principal: &Principal) -> Is {
        match principal.who() {
            Who::Anyone => Is::Caller,
            Who::Account(account) if account != self.account => Is::Another,
            Who::Account(_) => {
                if self.is_root {
                    Is::Caller
                } else {
                    Is::Account
                }
            }
            // The next session of the role may have another name.
            Who::Named(text) if text == self.arn && self.role.is_some() => Is::Session,
            Who::Named(text) if text == self.arn => Is::Caller,
            Who::Named(text) => match (Arn::read(text), self.role) {
                (Some(arn), Some(role)) if arn.service == "iam" && arn.account == self.account => {
                    let named = arn.name.strip_prefix("role/").and_then(|path| path.rsplit('/').next());
                    if named == Some(role) { Is::Caller } else { Is::Another }
                }
                // A unique id, such as that of a role. Whose it is, the text does not tell.
                (None, _) => Is::Session,
                _ => Is::Another,
            },
            Who::Other => Is::Another,
        }
    }
}

/// How a principal relates to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Is {
    Another,
    /// Perhaps the caller, and perhaps only until it starts again. An allow of it gives nothing that lasts.
    Session,
    /// The account of the caller.
    Account,
    Caller,
}

/// Whether a key cannot be kept alive without that call, whatever is declared.
#[must_use]
pub fn keeps_alive(action: &str) -> bool {
    NEEDED.contains(&action)
}

/// What an object needs besides `NEEDED`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is one thing that is declared")]
pub struct Also {
    /// Rotation is declared.
    pub rotation: Option<bool>,
    /// A rotation on demand is requested.
    pub on_demand: bool,
    /// A description is declared.
    pub description: bool,
    /// The object or its provider declares tags, so tags are also removed.
    pub tags: bool,
    /// The key needs the alias by which a later object finds it.
    pub claim: bool,
    /// Aliases are declared, so they are also moved and removed.
    pub aliases: bool,
    /// Grants that Keyward made can be found and revoked.
    ///
    /// It does not depend on what the provider allows now, because a policy is judged only when it is set. The provider may have allowed the grants that exist
    /// before that, or allow some later. Which objects declare grants of the key would need a read of other objects.
    pub revoking: bool,
    /// The provider allows grants, so `KeyGrant`s may declare some.
    pub grants: bool,
    /// The key is the primary key of its Regions, or is to be. It is replicated, and the primary key moves, with the principal of its provider. A
    /// replica needs neither call from its own provider.
    pub primary: bool,
    /// The key is scheduled for deletion, now or when its object is deleted.
    pub deletion: bool,
    /// It must be known when the key was last used, before it is scheduled for deletion or disabled with its object.
    pub last_use: bool,
}

impl Also {
    fn actions(self) -> impl Iterator<Item = &'static str> {
        let rotation = self.rotation.map(|on| if on { "kms:EnableKeyRotation" } else { "kms:DisableKeyRotation" });
        let others = [
            (self.rotation.is_some(), "kms:GetKeyRotationStatus"),
            (self.on_demand, "kms:ListKeyRotations"),
            (self.on_demand, "kms:RotateKeyOnDemand"),
            (self.description, "kms:UpdateKeyDescription"),
            (self.tags, "kms:UntagResource"),
            (self.claim || self.aliases, "kms:CreateAlias"),
            (self.aliases, "kms:DeleteAlias"),
            (self.aliases, "kms:UpdateAlias"),
            (self.revoking, "kms:ListGrants"),
            (self.revoking, "kms:RevokeGrant"),
            (self.grants, "kms:CreateGrant"),
            (self.primary, "kms:ReplicateKey"),
            (self.primary, "kms:UpdatePrimaryRegion"),
            (self.deletion, "kms:ScheduleKeyDeletion"),
            (self.last_use, "kms:GetKeyLastUsage"),
        ];
        NEEDED.into_iter().chain(rotation).chain(others.into_iter().filter_map(|(needs, action)| needs.then_some(action)))
    }
}

/// Whether the caller keeps what it needs on the key with that ARN.
#[must_use]
pub fn access(document: &Document, caller: Option<Caller<'_>>, key: &str, also: Also) -> Access {
    let Some(caller) = caller else { return Access::Unknown(Why::Caller) };
    let (mut loses, mut unknown) = (BTreeSet::new(), None);
    for action in also.actions() {
        match answer(document, caller, key, action) {
            Answer::Allowed => {}
            Answer::Denied => _ = loses.insert(action),
            // A condition is worth more attention than IAM, which decides under every default policy.
            Answer::Unknown(Why::Iam) => _ = unknown.get_or_insert(Why::Iam),
            Answer::Unknown(why) => unknown = Some(why),
        }
    }
    match unknown {
        _ if !loses.is_empty() => Access::Loses(loses),
        Some(why) => Access::Unknown(why),
        None => Access::Keeps,
    }
}

enum Answer {
    Allowed,
    Denied,
    Unknown(Why),
}

/// A deny wins over every allow. A statement about the account lets IAM decide, if it allows; if it denies, it denies everybody in it (IAM
/// User Guide, "Policy evaluation logic", and AWS KMS Developer Guide, "Default key policy").
fn answer(document: &Document, caller: Caller<'_>, key: &str, action: &str) -> Answer {
    let mut allowed = None;
    let mut delegated = None;
    for statement in &document.statements {
        let Some((applies, is)) = applies(statement, caller, key, action) else { continue };
        let unsure = || Answer::Unknown(Why::Statement(statement.name.to_string()));
        match (statement.effect, applies, is) {
            (Effect::Deny, _, _) if is_about_plain_http(statement) => {}
            // What a condition or a list of exceptions means for Keyward is not known before it is too late to correct the policy.
            (Effect::Deny, _, _) => return Answer::Denied,
            (Effect::Allow, _, Is::Session) => {}
            (Effect::Allow, Applies::Always, Is::Caller) => allowed = Some(Answer::Allowed),
            (Effect::Allow, Applies::Always, _) => delegated = Some(Answer::Unknown(Why::Iam)),
            (Effect::Allow, Applies::Perhaps, _) => _ = delegated.get_or_insert_with(unsure),
        }
    }
    allowed.or(delegated).unwrap_or(Answer::Denied)
}

/// Whether the one condition of a statement is that the request came without TLS. Keyward reaches AWS only by https, so such a statement never applies to it. AWS
/// sets `aws:SecureTransport` in every request (IAM User Guide, "AWS global condition context keys"). `BoolIfExists` would be another condition.
fn is_about_plain_http(statement: &Statement) -> bool {
    let mut conditions = statement.conditions.iter();
    let (Some(PolicyCondition { operator, key, values }), None) = (conditions.next(), conditions.next()) else { return false };
    let is_false = values.len() == 1 && values.iter().all(|value| value.eq_ignore_ascii_case("false"));
    operator.eq_ignore_ascii_case("Bool") && key.eq_ignore_ascii_case("aws:SecureTransport") && is_false
}

/// Whether a statement applies to a request of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Applies {
    Always,
    /// That depends on the values of the request.
    Perhaps,
}

fn applies(statement: &Statement, caller: Caller<'_>, key: &str, action: &str) -> Option<(Applies, Is)> {
    let (actions, resources) = (statement.actions.as_ref()?, statement.resources.as_ref()?);
    if !actions.covers(action, Case::Ignored) {
        return None;
    }
    let varies = resources.patterns().iter().any(|pattern| pattern.contains("${"));
    if !varies && !resources.covers(key, Case::Kept) {
        return None;
    }
    let nearest = |principals: &BTreeSet<Principal>| principals.iter().map(|principal| caller.is(principal)).max().unwrap_or(Is::Another);
    let (named, is) = match &statement.principals {
        Principals::These(principals) => match nearest(principals) {
            Is::Another => return None,
            is => (true, is),
        },
        // A session counts as named only if the account and the role are named too, so a name in the list decides nothing alone.
        Principals::AllBut(principals) => match nearest(principals) {
            Is::Another if statement.effect == Effect::Deny => (true, Is::Caller),
            is => (false, is),
        },
    };
    let applies = if named && !varies && statement.conditions.is_empty() { Applies::Always } else { Applies::Perhaps };
    Some((applies, is))
}
