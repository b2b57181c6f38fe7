//! One call of the KMS API while it is carried out: who calls, on what, when.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::failure::Failure;
use super::members::Members;
use super::operation::Operation;
use super::partition;
use super::states;
use super::target::{self, Aliases, Astray, Target};
use crate::form::Form;
use crate::world::{Key, KeyRef, Manager, World};

/// Who calls, and where.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) access_key: String,
    pub(crate) account: String,
    pub(crate) principal: String,
    pub(crate) user_id: String,
    pub(crate) region: String,
}

/// A call under way.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) operation: Operation,
    pub(crate) world: &'a mut World,
    /// The double's time.
    pub(crate) now: Timestamp,
    /// Real time, by which reads lag.
    pub(crate) seen: Instant,
    /// How long passing states last.
    pub(crate) settling: SignedDuration,
    pub(crate) caller: &'a Caller,
    pub(crate) members: &'a Members,
    pub(crate) request_id: &'a str,
    /// Forms of answers other than the double's own.
    pub(crate) forms: &'a [Form],
    /// The key that the call made or turned out to concern.
    pub(crate) touched: Option<KeyRef>,
}

/// What a call answers.
pub(crate) type Answer = Result<Value, Failure>;

/// The answer of operations that have nothing to say.
pub(crate) fn nothing() -> Value {
    json!({})
}

/// Longest `KeyId`.
const KEY_ID_MAX: usize = 2048;

impl Call<'_> {
    /// The key that `KeyId` names, as a reader sees it.
    pub(crate) fn read(&mut self, aliases: Aliases) -> Result<Key, Failure> {
        let text = self.members.required("KeyId", 1, KEY_ID_MAX)?;
        let at = match self.target(text, aliases)? {
            Target::Key(at) => at,
            Target::Alias(name) => {
                let Caller { account, region, .. } = self.caller;
                let alias = self.world.seen_alias(account, region, &name, self.seen);
                let alias = alias.ok_or_else(|| self.no_alias(&name))?;
                KeyRef { account: account.clone(), region: region.clone(), id: alias.target.clone() }
            }
        };
        let key = self.world.seen_key(&at, self.seen).cloned().ok_or_else(|| Failure::no_key(&at))?;
        self.touched = Some(at);
        self.permit(&key)?;
        Ok(key)
    }

    /// The key that `member` names, for a change: as it is now, before its state is looked at.
    pub(crate) fn find(&mut self, member: &str) -> Result<Key, Failure> {
        let text = self.members.required(member, 1, KEY_ID_MAX)?;
        let Target::Key(at) = self.target(text, Aliases::Refused)? else {
            return Err(Failure::not_found(format!("Invalid keyId '{text}'")));
        };
        let key = self.world.key(&at).cloned().ok_or_else(|| Failure::no_key(&at))?;
        self.touched = Some(at);
        if key.manager == Manager::Aws {
            return Err(self.denied(&key.at.arn()));
        }
        Ok(key)
    }

    /// The key that `KeyId` names, if its state allows this call.
    pub(crate) fn open(&mut self) -> Result<Key, Failure> {
        let key = self.find("KeyId")?;
        self.permit(&key)?;
        Ok(key)
    }

    /// Refuses the call if the key's state forbids it.
    pub(crate) fn permit(&self, key: &Key) -> Result<(), Failure> {
        let verdict = states::verdict(self.operation, key.state);
        Failure::of_state(verdict, &key.at, key.state).map_or(Ok(()), Err)
    }

    /// An alias of the caller's account and Region that is not there.
    pub(crate) fn no_alias(&self, name: &str) -> Failure {
        Failure::not_found(format!("Alias {} is not found.", self.alias_arn(name)))
    }

    /// The ARN of an alias of the caller's account and Region.
    pub(crate) fn alias_arn(&self, name: &str) -> String {
        format!("arn:{}:kms:{}:{}:{name}", partition::of(&self.caller.region), self.caller.region, self.caller.account)
    }

    /// No key policy lets the caller do this.
    pub(crate) fn denied(&self, resource: &str) -> Failure {
        Failure::access_denied(&self.caller.principal, &self.operation.action(), resource, "resource")
    }

    /// What a text names for this caller.
    pub(crate) fn target(&self, text: &str, aliases: Aliases) -> Result<Target, Failure> {
        target::parse(text, &self.caller.account, &self.caller.region, aliases).map_err(|astray| match astray {
            Astray::Failure(failure) => failure,
            Astray::OtherAccount(arn) => self.denied(&arn),
        })
    }
}

/// The key that a request concerns as far as can be told before it is carried out, for faults and the ledger.
pub(crate) fn locate(world: &World, caller: &Caller, members: &Members) -> Option<KeyRef> {
    let text = ["KeyId", "TargetKeyId", "AliasName"].into_iter().find_map(|name| members.string(name).ok().flatten())?;
    match target::parse(text, &caller.account, &caller.region, Aliases::Taken).ok()? {
        Target::Key(at) => Some(at),
        Target::Alias(name) => {
            let alias = world.alias(&caller.account, &caller.region, &name)?;
            Some(KeyRef { account: caller.account.clone(), region: caller.region.clone(), id: alias.target.clone() })
        }
    }
}
