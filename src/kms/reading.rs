//! Reads of a key: which facets were asked for, and which of them could not be read.
//!
//! An adapter has a [`Source`]; [`read`] and [`complete`] make the port's reads of it. One facet that fails never hides what was read
//! before it.

use crate::domain::{
    failure::Failure,
    observed::{Facet, Facets, Key, KeyPolicy, Rotation},
    ownership::Tags,
};

/// A key as it was read.
#[derive(Debug)]
pub struct Reading {
    /// The key. A facet that could not be read is `None` in it.
    pub key: Key,
    /// The facets that could not be read, in the order in which they were tried, and why.
    pub failures: Vec<(Facet, Failure)>,
}

impl Reading {
    /// The key, if every facet that was asked for was read.
    ///
    /// # Errors
    /// The first failure.
    pub fn whole(self) -> Result<Key, Failure> {
        match self.failures.into_iter().next() {
            Some((_, failure)) => Err(failure),
            None => Ok(self.key),
        }
    }
}

/// What a request for a facet brought.
#[derive(Debug)]
pub(super) enum FacetValue {
    /// All tags.
    Tags(Tags),
    /// Rotation.
    Rotation(Rotation),
    /// All aliases.
    Aliases(Vec<String>),
    /// The key policy.
    Policy(KeyPolicy),
    /// Both, from one answer. Each replaces nothing that the key has already.
    TagsAndAliases(Tags, Vec<String>),
}

/// What an adapter can read.
pub(super) trait Source: Sync {
    /// The key that `reference` names, with the facets that the same answer tells.
    fn describe(&self, reference: &str) -> impl Future<Output = Result<Option<Key>, Failure>> + Send;
    /// One facet of a key that was described.
    fn facet(&self, key: &Key, facet: Facet) -> impl Future<Output = Result<FacetValue, Failure>> + Send;
}

/// Describes the key and reads those facets that the description does not tell.
pub(super) async fn read(source: &impl Source, reference: &str, facets: Facets) -> Result<Option<Reading>, Failure> {
    match source.describe(reference).await? {
        Some(key) => Ok(Some(complete(source, key, facets).await)),
        None => Ok(None),
    }
}

/// Reads those facets that the key does not have yet. Nothing is decided without tags, so nothing more is read if they cannot be.
pub(super) async fn complete(source: &impl Source, mut key: Key, facets: Facets) -> Reading {
    let mut failures = Vec::new();
    for facet in Facet::ALL {
        if !facets.has(facet) || key.knows(facet) {
            continue;
        }
        match source.facet(&key, facet).await {
            Ok(told) => told.put_into(&mut key),
            Err(failure) => {
                failures.push((facet, failure));
                if facet == Facet::Tags {
                    break;
                }
            }
        }
    }
    Reading { key, failures }
}

impl FacetValue {
    fn put_into(self, key: &mut Key) {
        match self {
            Self::Tags(tags) => key.tags = Some(tags),
            Self::Rotation(rotation) => key.rotation = Some(rotation),
            Self::Aliases(aliases) => key.aliases = Some(aliases),
            Self::Policy(policy) => key.policy = Some(policy),
            // What the key has already was read before, or is what was just set: a copy may not show it yet.
            Self::TagsAndAliases(tags, aliases) => {
                key.tags.get_or_insert(tags);
                key.aliases.get_or_insert(aliases);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::{
        api::managed_key::KeyTemplate,
        domain::{
            failure::{FailureKind, Outcome},
            observed::State,
        },
    };

    /// A KMS that tells `told` with the description and fails for `fails`. It notes what it was asked for.
    #[derive(Default)]
    struct Fake {
        told: Facets,
        fails: Facets,
        one_answer: bool,
        asked: Mutex<Vec<Option<Facet>>>,
    }

    impl Source for Fake {
        async fn describe(&self, _: &str) -> Result<Option<Key>, Failure> {
            self.asked.lock().unwrap().push(None);
            let told = |facet| self.told.has(facet).then(Vec::new);
            Ok(Some(Key {
                id: "1".into(),
                arn: "arn".into(),
                account: String::new(),
                region: String::new(),
                state: State::Enabled,
                deletion_date: None,
                kind: KeyTemplate::default(),
                customer_managed: true,
                multi_region: None,
                description: None,
                creation_time: None,
                age: None,
                name: None,
                rotation: self.told.has(Facet::Rotation).then(Rotation::default),
                rotations: None,
                tags: self.told.has(Facet::Tags).then(Tags::new),
                aliases: told(Facet::Aliases),
                policy: self.told.has(Facet::Policy).then_some(KeyPolicy::Untold),
                unread: Facets::NONE,
            }))
        }

        async fn facet(&self, _: &Key, facet: Facet) -> Result<FacetValue, Failure> {
            self.asked.lock().unwrap().push(Some(facet));
            if self.fails.has(facet) {
                let (kind, outcome) = (FailureKind::Denied, Outcome::Refused);
                return Err(Failure { kind, operation: "Read", message: format!("{facet:?}"), outcome, source: None });
            }
            Ok(match facet {
                Facet::Tags | Facet::Aliases if self.one_answer => FacetValue::TagsAndAliases(Tags::new(), Vec::new()),
                Facet::Tags => FacetValue::Tags(Tags::new()),
                Facet::Rotation => FacetValue::Rotation(Rotation::default()),
                Facet::Aliases => FacetValue::Aliases(Vec::new()),
                Facet::Policy => FacetValue::Policy(KeyPolicy::Untold),
            })
        }
    }

    fn all() -> Facets {
        Facet::ALL.into_iter().collect()
    }

    /// What was asked for, and the facets that failed.
    async fn asked(fake: Fake, facets: Facets) -> (Vec<Option<Facet>>, Vec<Facet>) {
        let reading = read(&fake, "1", facets).await.unwrap().unwrap();
        let failed: Vec<_> = reading.failures.iter().map(|(facet, _)| *facet).collect();
        for facet in Facet::ALL {
            assert!(!failed.contains(&facet) || !reading.key.knows(facet), "{facet:?}");
        }
        (fake.asked.into_inner().unwrap(), failed)
    }

    #[tokio::test]
    async fn only_missing_facets_that_are_wanted_are_read() {
        use Facet::{Aliases, Policy, Rotation, Tags};
        assert_eq!(asked(Fake::default(), Facets::NONE).await, (vec![None], vec![]));
        assert_eq!(asked(Fake::default(), all()).await.0, [None, Some(Tags), Some(Rotation), Some(Aliases), Some(Policy)]);
        assert_eq!(
            asked(Fake { told: Facets::TAGS, ..Fake::default() }, all()).await.0,
            [None, Some(Rotation), Some(Aliases), Some(Policy)]
        );
        assert_eq!(asked(Fake { one_answer: true, ..Fake::default() }, all()).await.0, [None, Some(Tags), Some(Rotation), Some(Policy)]);
    }

    #[tokio::test]
    async fn a_facet_that_fails_hides_no_other_but_without_tags_nothing_more_is_read() {
        use Facet::{Aliases, Policy, Rotation, Tags};
        let fails = |fails| Fake { fails, ..Fake::default() };
        assert_eq!(
            asked(fails(Facets::ROTATION), all()).await,
            (vec![None, Some(Tags), Some(Rotation), Some(Aliases), Some(Policy)], vec![Rotation])
        );
        assert_eq!(asked(fails(all()), all()).await, (vec![None, Some(Tags)], vec![Tags]));
        let failure = read(&fails(Facets::ALIASES), "1", all()).await.unwrap().unwrap().whole().unwrap_err();
        assert_eq!(failure.message, "Aliases");
    }
}
