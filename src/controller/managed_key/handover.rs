//! Aliases that move from one object to another: whether this object may take one, and whether it leaves one on its key for another object.
//!
//! The rule is in [`crate::domain::handover`], and what it needs is read here for each move. The object that has the alias leaves it on its key for a while, so
//! that the other object can move it. After that time the alias is removed.

use std::{sync::Arc, time::Duration};

use super::{object, round::Round};
use crate::controller::waits;
use crate::{
    api::{ManagedKey, mark},
    controller::{account::same_account, aliases::Move, error::Ending, watched::Watched},
    domain::{
        failure::{Failure, FailureKind},
        handover::{self, Taker},
        observed::Facets,
        ownership,
        requeue::SOON,
        settings,
        step::Step,
    },
    kms::{Kms, Reading},
};

impl<'a> Round<'a> {
    /// Other objects of the namespace that have the provider of this one, as the watch has them.
    fn neighbours(&self) -> Vec<Arc<Watched<ManagedKey>>> {
        let (owner, provider) = (&self.object.desired.owner, &self.provider.rules.name);
        let is_near = |object: &ManagedKey| {
            object.metadata.namespace.as_ref() == Some(&owner.namespace)
                && object.metadata.uid.as_ref() != Some(&owner.uid)
                && object.spec.provider_ref.name == *provider
        };
        self.context.keys().state().into_iter().filter(|object| object.decoded().is_ok_and(is_near)).collect()
    }

    /// Has this object looked at as soon as another object with a stake in the alias changes. Returns whether it did not wait for the alias before.
    fn awaits(&mut self, alias: &str) -> bool {
        let neighbours = self.neighbours();
        let others = neighbours.iter().filter_map(|object| object.decoded().ok());
        self.awaiting = true;
        self.context.aliases.wait(&self.object.metadata, &self.provider.rules.name, alias, others)
    }

    /// Whether an alias stays on the key for now although it is not declared any more, because another object may be about to take it.
    pub(super) fn stays(&mut self, step: &Step) -> bool {
        let Step::RemoveAlias { alias } = step else { return false };
        if !self.limits().moves_aliases {
            return false;
        }
        let context = self.context;
        let consistency = context.settings.consistency;
        let (uid, provider) = (self.object.uid().to_owned(), self.provider.rules.name.clone());
        if context.aliases.was_moved(&provider, alias, &uid) {
            self.tried.stays(alias, format!("{alias} was moved to another key, which the KMS does not show yet"));
            self.linger(consistency);
            return true;
        }
        let waited = context.leaving(&uid, self.object.desired.generation);
        let _known = self.awaits(alias);
        let neighbours = self.neighbours();
        let declares = |object: &&Arc<Watched<ManagedKey>>| object.decoded().is_ok_and(|object| handover::stake(object, alias).0);
        let left = match neighbours.iter().find(declares).and_then(|object| object.meta_name()) {
            Some(taker) => {
                self.hands_over = true;
                let why = handover::stays_for(alias, &taker);
                waits::ALIAS_STAYS.checked_sub(waited).map(|left| (left, why))
            }
            // If the key has no room for other aliases, the alias is removed at once.
            None if self.key().is_some_and(|key| settings::is_full(&self.provider.rules, key)) => None,
            None => consistency.checked_sub(waited).map(|left| (left, format!("{alias} is about to be taken away"))),
        };
        let Some((left, why)) = left.filter(|(left, _)| !left.is_zero()) else { return false };
        self.tried.stays(alias, why);
        self.linger(left.min(SOON));
        true
    }

    fn linger(&mut self, wait: Duration) {
        self.again = Some(self.again.map_or(wait, |before| before.min(wait)));
    }

    /// An alias was refused because another key has it. Returns `None` if it may be moved from there, which the plan knows from here on.
    pub(super) async fn after_taken(&mut self, step: &Step, ending: Ending) -> Result<Option<Ending>, Ending> {
        let Step::AddAlias { alias } = step else { return Ok(Some(ending)) };
        let failure = match ending {
            Ending::Failed(failure) => failure,
            ending => return Ok(Some(ending)),
        };
        if failure.kind != FailureKind::AliasTaken || !self.object.desired.aliases.contains(alias) {
            return Ok(Some(Ending::Failed(failure)));
        }
        let is_new = self.awaits(alias);
        if !self.limits().moves_aliases {
            // The other object may have let it go after the refusal and before this one was known to wait. So it is tried once more.
            return Ok((!is_new).then_some(Ending::Failed(failure)));
        }
        match self.from(alias).await {
            Ok(Verdict::Comes(from, moves)) => {
                self.tried.comes(alias, &from);
                self.moves.push(moves);
                Ok(None)
            }
            Ok(Verdict::Stays(message)) => Ok(Some(Ending::Failed(Failure { message, ..failure }))),
            Ok(Verdict::Gone) if is_new => Ok(None),
            Ok(Verdict::Gone | Verdict::Unclear) => Ok(Some(Ending::Failed(failure))),
            Err(Ending::Failed(why)) if !why.kind.ends_round() => {
                tracing::warn!(
                    alias,
                    error = &why as &dyn std::error::Error,
                    "the alias is not moved, because it could not be found out whether it may be"
                );
                Ok(Some(Ending::Failed(failure)))
            }
            Err(ending) => Err(ending),
        }
    }

    /// Whether an alias may be moved: by the key that has it, the marks of that key, and a live read of the object that these name.
    async fn from(&self, alias: &str) -> Result<Verdict<'a>, Ending> {
        let Some(Reading { key: holder, .. }) = self.kms().read(alias, Facets::NONE).await? else { return Ok(Verdict::Gone) };
        if self.key().is_none_or(|key| key.arn == holder.arn) || !holder.customer_managed {
            return Ok(Verdict::Unclear);
        }
        let holder = self.kms().complete(holder, Facets::TAGS).await.whole()?;
        let owner = &self.object.desired.owner;
        let found = holder.tags.iter().find_map(|tags| tags.get(mark::OWNER));
        let Some(name) = found.and_then(|found| self.named(found)) else { return Ok(Verdict::Unclear) };
        let read = object::read_live(self.context, &owner.namespace, &name).await.map_err(Ending::Error)?;
        let Some(Ok(other)) = read.as_ref().map(Watched::decoded) else { return Ok(Verdict::Unclear) };
        let taker = Taker { owner, rules: &self.provider.rules };
        if let Some(why) = handover::barred(alias, taker, &holder, other) {
            return Ok(Verdict::Stays(why));
        }
        let consistency = self.context.settings.consistency;
        let moves = self.context.aliases.begin_move(&self.provider.rules.name, alias, &owner.uid, consistency);
        let moves = moves.map_err(Ending::until)?;
        // The wish may have been withdrawn meanwhile, and an answer from another account proves nothing.
        same_account(self.kms(), &self.provider.rules.account).await?;
        if !self.object.is_unchanged().await? {
            return Err(Ending::Changed);
        }
        Ok(Verdict::Comes(holder.arn, moves))
    }

    /// The name of the object in this namespace that an owner mark names.
    fn named(&self, found: &str) -> Option<String> {
        let namespace = &self.object.desired.owner.namespace;
        if let Some((its_namespace, name)) = found.split_once('.') {
            return (its_namespace == namespace && ownership::can_be_named(namespace, name)).then(|| name.to_owned());
        }
        let neighbours = self.neighbours();
        let mut names = neighbours.iter().filter_map(|object| object.meta_name());
        names.find(|name| ownership::names(found, namespace, name))
    }
}

/// Whether an alias that another key has may be moved.
enum Verdict<'a> {
    /// It may be moved from the key with this ARN, and is reserved.
    Comes(String, Move<'a>),
    /// It stays there. The text says why.
    Stays(String),
    /// No key has it any more.
    Gone,
    /// Nothing is known beyond the refusal of the KMS.
    Unclear,
}
