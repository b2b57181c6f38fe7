//! Whether the provider lets its objects give the access that a policy gives.
//!
//! Only statements that allow something are asked. A statement that denies gives nobody access. What cannot be judged from the document
//! counts as access of somebody who is not listed.

use std::collections::BTreeSet;

use super::{
    Case, Document, Effect, PolicyCondition, Principal, PrincipalKind, Principals, Statement, Who, access::Caller, is_account, shown,
};
use crate::api::key_provider::{AllowPolicies, PoliciesFrom};

/// The condition keys that name the account of whoever calls. AWS sets both itself, in every request of a principal that has an account
/// (IAM User Guide, "AWS global condition context keys"; AWS KMS Developer Guide, "Condition keys for AWS KMS").
///
/// `aws:PrincipalOrgID` is not among them, because an organization may get accounts that are not listed. `aws:SourceAccount` is not either:
/// only a service sets it, and services are listed on their own.
const ACCOUNT_KEYS: [&str; 2] = ["kms:calleraccount", "aws:principalaccount"];

/// The calls with which a principal can make the data of a key unreadable past Keyward's guard, or give access to somebody who is not listed.
const RESERVED: [&str; 6] = [
    "kms:CreateGrant",
    "kms:DeleteImportedKeyMaterial",
    "kms:DisableKey",
    "kms:PutKeyPolicy",
    // The replica has the same material, and a policy of its own (AWS KMS API reference, `ReplicateKey`, `Policy`).
    "kms:ReplicateKey",
    "kms:ScheduleKeyDeletion",
];

/// What a provider allows.
#[derive(Clone, Copy, Debug)]
pub struct Allowed<'a> {
    /// The rule.
    pub rule: &'a AllowPolicies,
    /// The provider's own account, which needs no entry in the list.
    pub account: &'a str,
    /// As whom AWS sees Keyward, if that is known.
    pub caller: Option<Caller<'a>>,
}

impl Allowed<'_> {
    /// Why the policy is not allowed, as the part of a sentence that follows its name. `None`: it is allowed.
    #[must_use]
    pub fn refuses(self, document: &Document) -> Option<String> {
        match self.rule.from {
            PoliciesFrom::Any => None,
            PoliciesFrom::None => Some("sets a key policy".into()),
            PoliciesFrom::Accounts => document.statements.iter().find_map(|statement| {
                let why = self.refuses_statement(statement)?;
                Some(format!("has {}, which {why}", statement.name))
            }),
        }
    }

    fn refuses_statement(self, statement: &Statement) -> Option<String> {
        if statement.effect == Effect::Deny {
            return None;
        }
        let whom = match &statement.principals {
            Principals::AllBut(_) => Some("everybody but some principals".into()),
            Principals::These(principals) => principals.iter().find_map(|principal| self.refuses_principal(principal, statement)),
        };
        whom.map(|whom| format!("gives access to {whom}")).or_else(|| self.refuses_action(statement))
    }

    /// A reserved call that the statement lets somebody make. The root of the own account is nobody: the statement leaves it to IAM, as AWS's default policy does.
    fn refuses_action(self, statement: &Statement) -> Option<String> {
        let Principals::These(principals) = &statement.principals else { return None };
        let whom = principals.iter().find(|principal| !self.may_everything(principal))?;
        let covers = |action: &&str| statement.actions.as_ref().is_some_and(|actions| actions.covers(action, Case::Ignored));
        // Services of AWS make such grants when a resource is attached, for the user who attaches it.
        let is_for_services = statement.conditions.iter().any(is_for_services);
        let action = RESERVED.into_iter().filter(covers).find(|action| *action != "kms:CreateGrant" || !is_for_services)?;
        Some(format!("lets {} call {action}", shown(&whom.text)))
    }

    /// Whether a principal may have every call: it is the own account, whose IAM decides, Keyward itself, or a service that is listed by name.
    fn may_everything(self, principal: &Principal) -> bool {
        match principal.who() {
            Who::Account(account) => account == self.account || principal.account() == Some(self.account),
            Who::Named(_) => self.caller.is_some_and(|caller| caller.is_surely(principal)),
            Who::Anyone => false,
            Who::Other => principal.kind == PrincipalKind::Service,
        }
    }

    fn refuses_principal(self, principal: &Principal, statement: &Statement) -> Option<String> {
        let text = shown(&principal.text);
        match (principal.kind, principal.who()) {
            (PrincipalKind::Service, _) => {
                let is_listed = self.rule.services.contains(&principal.text);
                (!is_listed).then(|| format!("the service {text}"))
            }
            (PrincipalKind::Federated, _) => Some(format!("the federated principal {text}")),
            (PrincipalKind::CanonicalUser, _) => Some(format!("the canonical user {text}")),
            (PrincipalKind::Aws, Who::Anyone) => {
                let narrows = |condition: &PolicyCondition| self.narrows(condition);
                (!statement.conditions.iter().any(narrows)).then(|| "everybody".into())
            }
            (PrincipalKind::Aws, _) => match principal.account() {
                Some(account) => (!self.is_listed(account)).then(|| format!("account {account}")),
                None => Some(format!("{text}, whose account is not known")),
            },
        }
    }

    /// Whether a condition leaves only callers of listed accounts. All conditions of a statement must be true, so one is enough.
    fn narrows(self, condition: &PolicyCondition) -> bool {
        let PolicyCondition { operator, key, values } = condition;
        let values: BTreeSet<&str> = values.iter().map(String::as_str).collect();
        operator.eq_ignore_ascii_case("StringEquals")
            && ACCOUNT_KEYS.iter().any(|known| key.eq_ignore_ascii_case(known))
            && !values.is_empty()
            && values.iter().all(|value| is_account(value) && self.is_listed(value))
    }

    fn is_listed(self, account: &str) -> bool {
        account == self.account || self.rule.accounts.iter().any(|listed| listed == account)
    }
}

/// Whether a condition leaves only grants for resources of AWS's services (AWS KMS Developer Guide, "kms:GrantIsForAWSResource").
fn is_for_services(PolicyCondition { operator, key, values }: &PolicyCondition) -> bool {
    let is_true = values.len() == 1 && values.iter().all(|value| value.eq_ignore_ascii_case("true"));
    operator.eq_ignore_ascii_case("Bool") && key.eq_ignore_ascii_case("kms:GrantIsForAWSResource") && is_true
}
