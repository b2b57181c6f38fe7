//! One call of the KMS API in progress: the caller, the key, the time.

use std::sync::Arc;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::failure::Failure;
use super::granted;
use super::members::Members;
use super::operation::Operation;
use super::partition;
use super::states;
use super::target::{self, Aliases, Astray, Target};
use crate::crypto;
use crate::form::Form;
use crate::identity::Credential;
use crate::world::{Key, KeyRef, Manager, World};

/// The caller, and the Region.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) access_key: String,
    pub(crate) account: String,
    pub(crate) principal: String,
    pub(crate) user_id: String,
    pub(crate) region: String,
}

/// What the caller's own account allows it. Grants can allow more.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rights<'a> {
    /// Everything.
    All,
    /// What the credential allows.
    Of(&'a Credential),
}

impl Rights<'_> {
    /// Whether this action is allowed.
    pub(crate) fn may(self, action: &str) -> bool {
        match self {
            Self::All => true,
            Self::Of(credential) => credential.may(action),
        }
    }
}

/// A call in progress.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) operation: Operation,
    pub(crate) world: &'a mut World,
    /// The double's time.
    pub(crate) now: Timestamp,
    /// Real time, for the read lag.
    pub(crate) seen: Instant,
    /// How long transitional states last.
    pub(crate) settling: SignedDuration,
    pub(crate) caller: &'a Caller,
    pub(crate) members: &'a Members,
    pub(crate) rights: Rights<'a>,
    pub(crate) request_id: &'a str,
    /// The other forms of answers that are used.
    pub(crate) forms: &'a [Form],
    /// The key that the call created or used.
    pub(crate) touched: Option<KeyRef>,
}

/// The answer of a call.
pub(crate) type Answer = Result<Value, Failure>;

/// The answer of operations without output.
pub(crate) fn nothing() -> Value {
    json!({})
}

/// The maximum length of `KeyId`.
const KEY_ID_MAX: usize = 2048;

impl Call<'_> {
    /// The key that `KeyId` names, as a reader sees it.
    pub(crate) fn read(&mut self, aliases: Aliases) -> Result<Key, Failure> {
        self.read_named("KeyId", aliases)
    }

    /// The key that `member` names, as a reader sees it.
    pub(crate) fn read_named(&mut self, member: &str, aliases: Aliases) -> Result<Key, Failure> {
        let text = self.members.required(member, 1, KEY_ID_MAX)?;
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

    /// The key that `member` names, for a change: its current value, before its state is checked.
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

    /// Refuses the call if the state of the key forbids it.
    pub(crate) fn permit(&self, key: &Key) -> Result<(), Failure> {
        let verdict = states::verdict(self.operation, key.state);
        Failure::of_state(verdict, &key.at, key.state).map_or(Ok(()), Err)
    }

    /// A caller may ask whether a call would succeed. The answer is an error in every case. So each call that takes `DryRun` asks this
    /// after its other checks, before its effect.
    pub(crate) fn check_dry_run(&self) -> Result<(), Failure> {
        if self.members.flag("DryRun")? {
            return Err(Failure::new("DryRunOperationException", "The request would have succeeded, but the DryRun option is set."));
        }
        Ok(())
    }

    /// The error for an alias that does not exist in the caller's account and Region.
    pub(crate) fn no_alias(&self, name: &str) -> Failure {
        Failure::not_found(format!("Alias {} is not found.", self.alias_arn(name)))
    }

    /// The ARN of an alias of the caller's account and Region.
    pub(crate) fn alias_arn(&self, name: &str) -> String {
        format!("arn:{}:kms:{}:{}:{name}", partition::of(&self.caller.region), self.caller.region, self.caller.account)
    }

    /// The error if no key policy allows the call.
    pub(crate) fn denied(&self, resource: &str) -> Failure {
        Failure::access_denied(&self.caller.principal, &self.operation.action(), resource, "resource")
    }

    /// The secret of one of the key's materials.
    pub(crate) fn secret(&mut self, key: &Key, material: &str) -> Result<Arc<[u8]>, Failure> {
        let secret = self.world.secret(material, || crypto::generate(&key.spec));
        secret.map_err(|_| Failure::internal(format!("the double has no cryptography for {}", key.spec)))
    }

    /// Refuses the call if the caller may not do another action that belongs to it.
    pub(crate) fn need(&self, action: &str, resource: &str) -> Result<(), Failure> {
        if self.rights.may(action) {
            return Ok(());
        }
        Err(Failure::access_denied(&self.caller.principal, action, resource, "identity"))
    }

    /// The key or alias that a text names for this caller.
    pub(crate) fn target(&self, text: &str, aliases: Aliases) -> Result<Target, Failure> {
        match target::parse(text, &self.caller.account, &self.caller.region, aliases) {
            Ok(target) => Ok(target),
            Err(Astray::Failure(failure)) => Err(failure),
            Err(Astray::OtherAccount(arn)) => {
                let at = KeyRef::of_arn(&arn).filter(|at| granted::permits(self.world, self.caller, self.operation, self.members, at));
                at.map(Target::Key).ok_or_else(|| self.denied(&arn))
            }
        }
    }
}

/// The key of a request, as far as it is known before the request is done. It is for faults and the ledger.
pub(crate) fn locate(world: &World, caller: &Caller, members: &Members) -> Option<KeyRef> {
    let text =
        ["KeyId", "TargetKeyId", "AliasName", "DestinationKeyId"].into_iter().find_map(|name| members.string(name).ok().flatten())?;
    match target::parse(text, &caller.account, &caller.region, Aliases::Taken).ok()? {
        Target::Key(at) => Some(at),
        Target::Alias(name) => {
            let alias = world.alias(&caller.account, &caller.region, &name)?;
            Some(KeyRef { account: caller.account.clone(), region: caller.region.clone(), id: alias.target.clone() })
        }
    }
}
