//! The owners' names in the marks of all keys of a provider, read once for all objects without a key. One such survey replaces a search per object, and each
//! search reads the tags of every key.
//!
//! No key is created before it is known that no key has the object's name in its marks: an earlier object of that name may have made one whose claim alias is
//! gone. A survey does not show what this process marked after it, so these names are remembered beside it. A survey can only rule a key out. Whether a key
//! really has a name is asked of the KMS, for that name.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{account::same_account, key_provider::Connected};
use crate::controller::waits;
use crate::{
    api::managed_key::CreateAttempt,
    domain::{
        failure::Failure,
        ownership::{Owner, OwnerMark},
    },
    kms::Kms,
};

/// How many names are remembered beside the surveys. If there are more, the surveys are made again.
const NAMES: usize = 100_000;

/// What is known of a name without asking for it.
#[derive(Debug, PartialEq)]
pub enum Lookup {
    /// No key has the name in its marks, by a survey that was begun at this time.
    Nobody(Instant),
    /// A key may have it. With the creation that this process began for an earlier object of the name, if its outcome is not known.
    Perhaps(Option<CreateAttempt>),
    /// A key was marked a moment ago, and the KMS may not show it for this time.
    NotYet(Duration),
    /// The survey is not finished.
    Underway,
}

/// The surveys of all providers.
#[derive(Debug)]
pub struct Surveys {
    /// When this process started. At first the KMS may not show what an earlier process marked last.
    started: Instant,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By the UID of their provider.
    surveys: HashMap<String, Survey>,
    /// By `namespace.name` of the object.
    named: HashMap<String, Named>,
}

/// The hashes of all names in the marks of one provider's keys. If two names have the same hash, that costs one search.
#[derive(Clone, Debug)]
struct Survey {
    covers: Coverage,
    begun: Instant,
    /// When it was over. Until then it is not replaced, however long it takes.
    over: Arc<OnceLock<Instant>>,
    names: Names,
}

/// Whether a survey shows the key of a creation that was over some time ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// It was begun after that.
    Yes,
    /// It was begun before that. A new one begins with the next look.
    Next,
    /// The same, but it was begun so lately that the next one has to wait.
    Later,
}

/// The result of a survey, once it is finished.
type Names = watch::Receiver<Option<Result<HashSet<u64>, Failure>>>;

/// What a survey covers: the generation of the provider, its account and its Region.
type Coverage = (i64, String, String);

/// A name that this process put, or may have put, into the marks of a key.
#[derive(Clone, Debug)]
pub struct Named {
    at: Instant,
    open: Option<CreateAttempt>,
}

impl Inner {
    /// If there are too many names, drops all surveys, and the names that new surveys will show.
    fn shed(&mut self, most: usize, shown: Duration) {
        if self.named.len() >= most {
            self.surveys.clear();
            self.named.retain(|_, named| named.at.elapsed() < shown);
        }
    }
}

impl Default for Surveys {
    fn default() -> Self {
        Self { started: Instant::now(), inner: Mutex::default() }
    }
}

impl Surveys {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name is about to be put into the marks of a key, by `creation` if there is one. Returns what was known of the name before.
    pub fn begin(&self, name: String, creation: Option<CreateAttempt>) -> Option<Named> {
        let mut inner = self.inner();
        inner.shed(NAMES, waits::NAME_SHOWN);
        inner.named.insert(name, Named { at: Instant::now(), open: creation })
    }

    /// The KMS refused it for certain, so nothing was marked.
    pub fn withdraw(&self, name: &str, before: Option<Named>) {
        let mut inner = self.inner();
        match before {
            Some(before) => drop(inner.named.insert(name.to_owned(), before)),
            None => drop(inner.named.remove(name)),
        }
    }

    /// It is done, and the object's record names the key.
    pub fn end(&self, name: &str) {
        if let Some(named) = self.inner().named.get_mut(name) {
            *named = Named { at: Instant::now(), open: None };
        }
    }

    /// What this process knows of a name because it used it itself.
    fn remembered(&self, name: &str, consistency: Duration) -> Option<Lookup> {
        let Named { at, open } = self.inner().named.get(name).cloned()?;
        Some(match left(at, consistency) {
            Some(left) if open.is_none() => Lookup::NotYet(left),
            _ => Lookup::Perhaps(open),
        })
    }

    /// What is known of the name of an object that has no key and began no creation.
    pub async fn look_up(&self, connected: &Arc<Connected>, owner: &Owner, consistency: Duration) -> Result<Lookup, Failure> {
        if let Some(known) = self.remembered(&owner.mark(), consistency) {
            return Ok(known);
        }
        if let Some(left) = left(self.started, consistency) {
            return Ok(Lookup::NotYet(left));
        }
        let (mut names, begun) = self.survey(connected, &owner.cluster);
        // A survey that ended without a result, such as when the process ends, counts as none.
        let waited = tokio::time::timeout(waits::SURVEY, names.wait_for(Option::is_some)).await.map(|answer| answer.is_ok());
        if waited == Ok(false) {
            self.withdraw_survey(&names);
        }
        let answer = match &*names.borrow() {
            None => return Ok(Lookup::Underway),
            Some(Ok(names)) => {
                let bears = [OwnerMark::Name, OwnerMark::Digest].iter().any(|form| names.contains(&hash(&owner.mark_as(*form))));
                return Ok(if bears { Lookup::Perhaps(None) } else { Lookup::Nobody(begun) });
            }
            Some(Err(failure)) => again(failure),
        };
        // The next object that asks starts a new survey.
        self.withdraw_survey(&names);
        Err(answer)
    }

    /// Whether the survey that was begun at that time shows the key of a creation that was over `ago`. Somebody who writes many records of creations must not
    /// have the marks of all keys read for each, so a survey that is too old for one is replaced only once in a while.
    pub fn shows(&self, connected: &Connected, begun: Instant, ago: Duration) -> Shows {
        self.shows_of(connected.made_for.spec().0, begun, ago)
    }

    fn shows_of(&self, uid: &str, begun: Instant, ago: Duration) -> Shows {
        if begun.elapsed() <= ago {
            return Shows::Yes;
        }
        let mut inner = self.inner();
        // Another one may have begun since.
        match inner.surveys.get(uid).filter(|survey| survey.begun == begun) {
            Some(survey) if survey.over.get().is_some_and(|over| over.elapsed() >= waits::SURVEY_KEPT) => {
                inner.surveys.remove(uid);
                Shows::Next
            }
            Some(_) => Shows::Later,
            None => Shows::Next,
        }
    }

    fn withdraw_survey(&self, names: &Names) {
        self.inner().surveys.retain(|_, survey| !survey.names.same_channel(names));
    }

    /// The survey of a provider as it is now. If there is none, one is started.
    fn survey(&self, connected: &Arc<Connected>, cluster: &str) -> (Names, Instant) {
        let (uid, generation) = connected.made_for.spec();
        let covers = (generation, connected.identity.account.clone(), connected.identity.region.clone());
        let mut inner = self.inner();
        if let Some(survey) = inner.surveys.get(uid).filter(|survey| survey.covers == covers) {
            return (survey.names.clone(), survey.begun);
        }
        let ((done, names), begun, over) = (watch::channel(None), Instant::now(), Arc::default());
        inner.surveys.insert(uid.to_owned(), Survey { covers, begun, over: Arc::clone(&over), names: names.clone() });
        drop(inner);
        let (connected, cluster) = (Arc::clone(connected), cluster.to_owned());
        tokio::spawn(async move {
            let found = make(&connected, &cluster).await;
            let _first = over.set(Instant::now());
            done.send_replace(Some(found));
        });
        (names, begun)
    }

    /// Forgets the surveys of providers that are gone.
    pub fn forget(&self, is_there: impl Fn(&str) -> bool) {
        self.inner().surveys.retain(|uid, _| is_there(uid));
    }
}

/// Reads the names. In another account no key has any of them, so the account is checked before and after.
async fn make(connected: &Connected, cluster: &str) -> Result<HashSet<u64>, Failure> {
    let account = &connected.identity.account;
    same_account(&connected.kms, account).await?;
    let owners = connected.kms.owners(cluster).await?;
    same_account(&connected.kms, account).await?;
    tracing::info!(account, keys = owners.len(), "the marks of all keys of the account were read, before the first key is created");
    Ok(owners.iter().map(|owner| hash(owner)).collect())
}

/// A copy of a failure for each object that waited for it. The source is in the log of the first.
fn again(failure: &Failure) -> Failure {
    let Failure { kind, operation, message, outcome, source: _ } = failure;
    Failure { kind: *kind, operation, message: message.clone(), outcome: *outcome, source: None }
}

fn left(since: Instant, wait: Duration) -> Option<Duration> {
    wait.checked_sub(since.elapsed()).filter(|left| !left.is_zero())
}

fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt() -> CreateAttempt {
        let time = crate::api::condition::seconds(jiff::Timestamp::UNIX_EPOCH);
        CreateAttempt { id: "a".into(), account: "111122223333".into(), region: "eu-west-1".into(), endpoint: None, time }
    }

    #[test]
    fn names_that_this_process_marked_are_searched_once_the_kms_shows_them() {
        let surveys = Surveys::default();
        let known = |name, consistency| surveys.remembered(name, consistency);
        let (never, long) = (Duration::ZERO, Duration::from_hours(1));
        assert_eq!(known("shop.orders", never), None);
        // Refused for certain: as before.
        let before = surveys.begin("shop.orders".into(), Some(attempt()));
        surveys.withdraw("shop.orders", before);
        assert_eq!(known("shop.orders", never), None);
        // Open: at once, and with what it waits for.
        surveys.begin("shop.orders".into(), Some(attempt()));
        assert_eq!(known("shop.orders", long), Some(Lookup::Perhaps(Some(attempt()))));
        let before = surveys.begin("shop.orders".into(), Some(attempt()));
        surveys.withdraw("shop.orders", before);
        assert_eq!(known("shop.orders", long), Some(Lookup::Perhaps(Some(attempt()))), "the first is still open");
        surveys.end("shop.orders");
        assert!(matches!(known("shop.orders", long), Some(Lookup::NotYet(left)) if left <= long), "the KMS may not show it yet");
        assert_eq!(known("shop.orders", never), Some(Lookup::Perhaps(None)));
        assert_eq!(known("shop.invoices", never), None);
    }

    #[test]
    fn the_survey_that_answered_is_judged_and_it_is_kept_for_a_while_after_its_end() {
        let surveys = Surveys::default();
        let minutes = |minutes| Instant::now().checked_sub(Duration::from_mins(minutes)).unwrap();
        let put = |begun, over: Option<Instant>| {
            let (covers, (_, names)) = ((1, "111122223333".into(), "eu-west-1".into()), watch::channel(None));
            let over = Arc::new(over.map_or_else(OnceLock::new, OnceLock::from));
            surveys.inner().surveys.insert("u1".into(), Survey { covers, begun, over, names });
        };
        let (old, half_an_hour) = (minutes(60), Duration::from_mins(30));
        put(minutes(1), None);
        assert_eq!(surveys.shows_of("u1", old, half_an_hour), Shows::Next, "another one has begun, and did not answer yet");
        assert_eq!(surveys.shows_of("u1", minutes(1), half_an_hour), Shows::Yes);
        for (over, shows) in [(None, Shows::Later), (Some(minutes(9)), Shows::Later), (Some(minutes(11)), Shows::Next)] {
            put(old, over);
            assert_eq!(surveys.shows_of("u1", old, half_an_hour), shows, "{over:?}");
        }
        assert!(surveys.inner().surveys.is_empty(), "the next look begins a new one");
    }

    #[test]
    fn names_are_bounded_and_none_is_dropped_that_a_new_survey_may_not_show() {
        let surveys = Surveys::default();
        let survey = |inner: &mut Inner| {
            let (_, names) = watch::channel(None);
            inner.surveys.insert(
                "u1".into(),
                Survey { covers: (1, "111122223333".into(), "eu-west-1".into()), begun: Instant::now(), over: Arc::default(), names },
            );
        };
        surveys.begin("shop.orders".into(), None);
        surveys.begin("shop.invoices".into(), None);
        let mut inner = surveys.inner();
        let hour = Duration::from_hours(1);
        for (most, shown, names, kept) in [(3, Duration::ZERO, 2, true), (2, hour, 2, false), (2, Duration::ZERO, 0, false)] {
            survey(&mut inner);
            inner.shed(most, shown);
            assert_eq!((inner.named.len(), !inner.surveys.is_empty()), (names, kept), "{most} {shown:?}");
        }
    }
}
