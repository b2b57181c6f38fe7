//! What rounds share: clients, settings, and the little that the process remembers between two rounds of an object.
//!
//! Safety does not depend on this memory: a process that starts without it does the same, only a little later.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Client, Resource, ResourceExt,
    api::ObjectMeta,
    runtime::reflector::{ObjectRef, Store},
};

use tokio::sync::broadcast;

use super::{
    Settings,
    alarms::{Alarm, Alarms, Source},
    aliases::Aliases,
    crowd::RoundKind,
    events::Events,
    fair::Fair,
    key_provider::Providers,
    lane::Lanes,
    late::Late,
    policy_wait::PolicyWait,
    step_backoff::StepBackoff,
    survey::Surveys,
    unmarked::UnmarkedKeys,
    watch::{Anew, Labelled},
    watched::Watched,
};
use crate::controller::waits;
use crate::{
    api::{ConditionType, ManagedKey, Reason, condition, key_provider::NamespacesFrom, managed_key::ManagementPolicy},
    domain::{
        observed::Key,
        ownership::Owner,
        requeue::{Cause, Failures, Next, Pace},
        step::{Part, Step},
    },
    kms::Books,
    lease::Held,
    metrics::{ConditionLabels, Metrics},
};

/// What rounds share.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// The flags.
    pub settings: Settings,
    /// Whether this process holds the lease. It is asked before every change.
    pub held: Held,
    /// Counters and gauges.
    pub metrics: Metrics,
    /// Events on their way.
    pub events: Events,
    /// The rate limiters of all providers' clients.
    pub books: Books,
    /// Providers, with their clients.
    pub providers: Providers,
    /// The owners' names in the marks of keys.
    pub surveys: Surveys,
    /// The keys that no mark gives to an object.
    pub unmarked: UnmarkedKeys,
    /// Keys that are pending deletion.
    pub alarms: Alarms,
    /// Which objects wait for an alias of another object.
    pub aliases: Aliases,
    /// When this process started. At first a KMS may not show what an earlier process did last.
    pub started: Instant,
    /// Objects, as the watch has them.
    keys: Store<Watched<ManagedKey>>,
    /// The labels of namespaces, while a provider selects by them.
    namespaces: Store<Labelled>,
    /// The queues of objects to look at, and the objects that have a round under way.
    pub lanes: Arc<Lanes>,
    /// Permits for rounds that have no provider to ask. Other rounds take permits of their provider, and rescues need none.
    pub permits: Fair,
    /// The keys whose objects may have changed, for their grants.
    key_changes: broadcast::Sender<ObjectRef<Watched<ManagedKey>>>,
    /// Restarts the watches.
    anew: Anew,
    /// Objects of which a live read showed a version that the watch has not brought yet.
    late: Mutex<Late>,
    /// What is remembered of objects, by UID.
    objects: Mutex<HashMap<String, Remembered>>,
    /// Keys that are bound, or being bound, by this process, by canonical reference.
    bindings: Mutex<HashMap<String, Binding>>,
}

/// Whose a key is, or is about to be.
#[derive(Debug)]
struct Binding {
    uid: String,
    /// From this time on, a read that does not show the object's mark means that the object does not have the key. `None`: never, because the time is too far
    /// ahead for the clock.
    shows: Option<Instant>,
}

/// What a round saw of a key's marks before it reserves the key.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// A time before the read.
    pub since: Instant,
    /// The UID in the marks of the key; `None`: the marks were read, and there is no UID.
    pub marked: Option<&'a str>,
}

/// Which requests for a reconcile of an object were answered. There are two annotations for requests, and one status field for the answer.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    /// Whether this process answered a request.
    known: bool,
    own: Option<String>,
    flux: Option<String>,
}

impl Requests {
    /// Whether Keyward's own annotation changed since the last request was answered.
    #[must_use]
    pub fn is_own_new(&self, own: &str) -> bool {
        self.known && self.own.as_deref() != Some(own)
    }

    /// Whether it is known that Flux's annotation was answered.
    #[must_use]
    pub fn is_flux_answered(&self, flux: &str) -> bool {
        self.known && self.flux.as_deref() == Some(flux)
    }

    /// One of the two was answered. The other one stays new if it was new. When a process gives its first answer, the other one counts as old.
    pub fn answer(&mut self, own: Option<&str>, flux: Option<&str>, was_flux: bool) {
        if was_flux {
            self.flux = flux.map(str::to_owned);
            if !self.known {
                self.own = own.map(str::to_owned);
            }
        } else {
            self.own = own.map(str::to_owned);
        }
        self.known = true;
    }
}

/// How many changes of keys wait for their grants. If there are more, all grants are looked at.
const KEY_CHANGES: usize = 1024;
/// In how many reads a KMS is asked about a rotation that it may have made.
const ROTATION_ASKS: u8 = 3;

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What is remembered of an object.
#[derive(Debug, Default)]
struct Remembered {
    /// The fingerprint of the object at the last read.
    fingerprint: u64,
    /// When the object is looked at again if its fingerprint stays the same.
    due: Option<Instant>,
    /// Counts the reads that came to their end. It chooses which facet the next one reads.
    reads: usize,
    /// Whether the last read knows all of these because it made the key.
    complete: bool,
    /// The namespace and name in its metrics.
    series: Option<(String, String)>,
    /// Its conditions as they are counted in metrics.
    conditions: Vec<ConditionLabels>,
    /// Whether a round of this process reported its key.
    gauged: bool,
    /// When the key was last seen, and for how long it had not been seen before this process started.
    heard: Option<(Instant, Duration)>,
    /// When this process last saw the key.
    seen: Option<Instant>,
    /// The requests for a reconcile that were answered.
    requests: Requests,
    /// Failures in a row.
    failures: Failures,
    /// The generation for which rotation could not be changed.
    rotation_failed: Option<i64>,
    /// Since when the KMS does not accept the key policy.
    policy_wait: PolicyWait,
    /// In how many more reads the KMS is asked whether it rotated the key.
    rotation_asks: u8,
    /// When the KMS was last asked when the key was last used.
    last_use_asked: Option<Instant>,
    /// The generation that stopped declaring an alias, and since when the alias waits to be removed.
    leaving: Option<(i64, Instant)>,
    /// How often it had to be looked at because of another object.
    woken: u64,
    /// The kind of its next round, if the last one saw what has to be done and could not wait for its turn.
    again: Option<RoundKind>,
    /// The last steps on the key.
    steps: StepBackoff,
}

impl Context {
    /// With an empty memory.
    #[must_use]
    #[allow(clippy::too_many_arguments, reason = "each is a part of the program, named once")]
    pub fn new(
        client: Client,
        settings: Settings,
        held: Held,
        metrics: Metrics,
        providers: Providers,
        keys: Store<Watched<ManagedKey>>,
        namespaces: Store<Labelled>,
        anew: Anew,
        lanes: Lanes,
    ) -> Self {
        let (late, objects, bindings) = (Mutex::default(), Mutex::default(), Mutex::default());
        let (surveys, alarms) = (Surveys::default(), Alarms::new(metrics.clone()));
        let events = Events::new(client.clone(), &settings.instance, metrics.clone());
        let (books, lanes, aliases, started) = (Books::default(), Arc::new(lanes), Aliases::default(), Instant::now());
        let permits = Fair::new(settings.concurrency.into());
        Self {
            client,
            settings,
            held,
            metrics,
            events,
            books,
            providers,
            surveys,
            unmarked: UnmarkedKeys::default(),
            alarms,
            aliases,
            started,
            keys,
            namespaces,
            lanes,
            permits,
            key_changes: broadcast::Sender::new(KEY_CHANGES),
            anew,
            late,
            objects,
            bindings,
        }
    }

    fn objects(&self) -> MutexGuard<'_, HashMap<String, Remembered>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Objects, as the watch has them.
    pub fn keys(&self) -> &Store<Watched<ManagedKey>> {
        &self.keys
    }

    /// The object of a key may have changed.
    pub fn key_changed(&self, key: ObjectRef<Watched<ManagedKey>>) {
        // An error means that nobody has grants.
        let _nobody = self.key_changes.send(key);
    }

    /// The keys whose objects may have changed, from now on.
    pub fn key_changes(&self) -> broadcast::Receiver<ObjectRef<Watched<ManagedKey>>> {
        self.key_changes.subscribe()
    }

    /// Waits until an object may be gone.
    pub async fn gone(&self) {
        self.anew.gone().await;
    }

    /// The labels of a namespace, if the provider selects by them. They are part of the fingerprint of an object.
    pub fn labels(&self, provider: &str, namespace: &str) -> Option<BTreeMap<String, String>> {
        let provider = self.providers.get(provider)?;
        let selects = provider.decoded().is_ok_and(|provider| provider.spec.namespaces.from == NamespacesFrom::Selector);
        let namespace = self.namespaces.get(&ObjectRef::new(namespace)).filter(|_| selects)?;
        namespace.metadata.labels.clone()
    }

    /// How often everything had to be looked at again. It is part of the fingerprint of every object.
    pub fn era(&self) -> u64 {
        self.anew.era()
    }

    fn late(&self) -> MutexGuard<'_, Late> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The version of an object that the watch brought.
    fn stored(&self, namespace: &str, name: &str) -> Option<String> {
        self.keys.get(&ObjectRef::new(name).within(namespace)).and_then(|object| object.resource_version())
    }

    /// Notes which version a live read showed; `None`: the object is gone.
    pub fn read_live(&self, namespace: &str, name: &str, version: Option<&str>) {
        let stored = self.stored(namespace, name);
        self.late().read(namespace, name, stored.as_deref(), version, Instant::now());
    }

    /// The storage of the API server went back to an earlier revision. Watches stay silent until it passes the revision from which they watch, and what is
    /// known may be from a history that does not exist any more. So everything is read again, and from here on each round reads its object live.
    pub fn set_back(&self) {
        tracing::warn!("the storage of the API server was set back to an earlier revision; everything is read again");
        self.providers.disconnect();
        self.anew.everything();
    }

    /// Namespace, name and version of the objects that were written last, as the watch has them. The newest comes first.
    pub fn newest(&self, count: usize) -> Vec<(String, String, String)> {
        let version = |object: &Watched<ManagedKey>| object.resource_version().and_then(|version| version.parse::<u64>().ok());
        let mut all: Vec<_> = self.keys.state().into_iter().filter_map(|object| Some((version(&object)?, object))).collect();
        all.sort_unstable_by_key(|(version, _)| Reverse(*version));
        all.truncate(count);
        all.into_iter().map(|(version, object)| (object.namespace().unwrap_or_default(), object.name_any(), version.to_string())).collect()
    }

    /// Lists everything again if the watch does not bring what live reads showed.
    pub fn restart_stale_watches(&self) {
        if self.late().is_due(|namespace, name| self.stored(namespace, name), Instant::now()) {
            tracing::warn!("the watch does not bring what live reads show; everything is listed again");
            self.anew.list();
        }
    }

    /// How long an object with this fingerprint may still be left alone. Without this every object would be looked at after a restart of the watch, and after
    /// each write of its status by Keyward itself.
    pub fn settled(&self, uid: &str, fingerprint: u64) -> Option<Duration> {
        let objects = self.objects();
        let looked = objects.get(uid).filter(|looked| looked.fingerprint == fingerprint)?;
        looked.due?.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// How many reads of an object's key came to their end, which chooses what the next one reads. A read that was put off or failed is repeated and reads the same.
    /// `None` after a read that made the key, while the fingerprint stays the same.
    pub fn reads(&self, uid: &str, fingerprint: u64) -> Option<usize> {
        let objects = self.objects();
        let Some(looked) = objects.get(uid) else { return Some(0) };
        (!looked.complete || looked.fingerprint != fingerprint).then_some(looked.reads)
    }

    /// Remembers that an object with this fingerprint is due again after `wait`.
    pub fn due_in(&self, uid: &str, fingerprint: u64, wait: Duration) {
        let mut objects = self.objects();
        let looked = objects.entry(uid.into()).or_default();
        looked.fingerprint = fingerprint;
        looked.due = Instant::now().checked_add(wait);
    }

    /// Remembers that the key was seen.
    pub fn heard(&self, uid: &str) {
        let mut objects = self.objects();
        let looked = objects.entry(uid.into()).or_default();
        let now = Instant::now();
        (looked.heard, looked.seen) = (Some((now, Duration::ZERO)), Some(now));
    }

    /// How long ago this process last saw the key of an object; `None`: it did not see it yet.
    pub fn seen_ago(&self, uid: &str) -> Option<Duration> {
        self.objects().get(uid)?.seen.map(|seen| seen.elapsed())
    }

    /// For how long the key was not seen. If this process never saw it, the time counts from the first call, plus `before`.
    pub fn unheard(&self, uid: &str, before: Duration) -> Duration {
        let mut objects = self.objects();
        let (at, before) = *objects.entry(uid.into()).or_default().heard.get_or_insert((Instant::now(), before));
        at.elapsed().saturating_add(before)
    }

    /// Remembers that rotation could not be changed for that generation.
    pub fn rotation_fails(&self, uid: &str, generation: i64) {
        self.objects().entry(uid.into()).or_default().rotation_failed = Some(generation);
    }

    /// Whether rotation could not be changed for that generation. Before a key is disabled, rotation gets one try.
    pub fn rotation_failed(&self, uid: &str, generation: i64) -> bool {
        self.objects().get(uid).is_some_and(|looked| looked.rotation_failed == Some(generation))
    }

    /// The KMS did not accept the key policy of that generation. Returns whether a principal in it may still be too new.
    pub fn policy_refused(&self, uid: &str, generation: i64) -> bool {
        self.objects().entry(uid.into()).or_default().policy_wait.refused(generation, Instant::now(), self.settings.principal_wait)
    }

    /// The KMS accepted the key policy.
    pub fn policy_accepted(&self, uid: &str) {
        self.objects().entry(uid.into()).or_default().policy_wait = PolicyWait::default();
    }

    /// Remembers that the KMS may have rotated the key. Its list of rotations can be late, so it is asked in several reads.
    pub fn suspects_rotation(&self, uid: &str) {
        self.objects().entry(uid.into()).or_default().rotation_asks = ROTATION_ASKS;
    }

    /// Whether the KMS is still to be asked for that rotation.
    pub fn asks_for_rotation(&self, uid: &str) -> bool {
        self.objects().get(uid).is_some_and(|looked| looked.rotation_asks > 0)
    }

    /// The KMS was asked about that rotation. `settled`: it need not be asked again.
    pub fn asked_for_rotation(&self, uid: &str, settled: bool) {
        if let Some(looked) = self.objects().get_mut(uid) {
            looked.rotation_asks = if settled { 0 } else { looked.rotation_asks.saturating_sub(1) };
        }
    }

    /// Whether a day has passed since the KMS was asked when the key was last used.
    pub fn asks_for_last_use(&self, uid: &str) -> bool {
        let asked = self.objects().get(uid).and_then(|looked| looked.last_use_asked);
        asked.is_none_or(|asked| asked.elapsed() >= waits::LAST_USE)
    }

    /// The KMS was asked when the key was last used.
    pub fn asked_for_last_use(&self, uid: &str) {
        self.objects().entry(uid.into()).or_default().last_use_asked = Some(Instant::now());
    }

    /// Which requests for a reconcile of an object were answered.
    pub fn requests(&self, uid: &str) -> Requests {
        self.objects().get(uid).map(|looked| looked.requests.clone()).unwrap_or_default()
    }

    /// Remembers which of two requests was answered.
    pub fn answered(&self, uid: &str, own: Option<&str>, flux: Option<&str>, was_flux: bool) {
        self.objects().entry(uid.into()).or_default().requests.answer(own, flux, was_flux);
    }

    /// How long an alias waits already to be removed that this generation does not declare any more.
    pub fn leaving(&self, uid: &str, generation: i64) -> Duration {
        let now = Instant::now();
        let mut objects = self.objects();
        let leaving = &mut objects.entry(uid.into()).or_default().leaving;
        let since = leaving.filter(|(of, _)| *of == generation).map_or(now, |(_, since)| since);
        *leaving = Some((generation, since));
        now.saturating_duration_since(since)
    }

    /// Has an object looked at even if it did not change, because another object did.
    pub fn wake(&self, uid: &str) {
        let mut objects = self.objects();
        let woken = &mut objects.entry(uid.into()).or_default().woken;
        *woken = woken.wrapping_add(1);
    }

    /// How often an object had to be looked at because of another one. It is part of its fingerprint.
    pub fn woken(&self, uid: &str) -> u64 {
        self.objects().get(uid).map_or(0, |looked| looked.woken)
    }

    /// Remembers of which kind the next round of an object is.
    pub fn comes_again(&self, uid: &str, kind: RoundKind) {
        self.objects().entry(uid.into()).or_default().again = Some(kind);
    }

    /// Of which kind the next round of an object is. This is answered once.
    pub fn comes_again_as(&self, uid: &str) -> Option<RoundKind> {
        self.objects().get_mut(uid)?.again.take()
    }

    /// The times that waits depend on; `resync`: between two regular reads.
    pub fn pace(&self, resync: Duration) -> Pace {
        let Settings { consistency, missing_after, attempt_wait, .. } = self.settings;
        Pace { resync, consistency, missing_after, attempt_wait }
    }

    /// How long to wait by that rule, with jitter; `None`: until the object changes.
    pub fn wait(&self, next: Next, resync: Duration) -> Option<Duration> {
        next.wait(&self.pace(resync), fastrand::f64())
    }

    /// Counts a failure, and returns how many there were in a row for that cause.
    pub fn failed(&self, uid: &str, cause: Cause) -> u32 {
        self.objects().entry(uid.into()).or_default().failures.count(cause)
    }

    /// A round was reported in the status of its object.
    pub fn reported(&self, uid: &str) {
        self.objects().entry(uid.into()).or_default().failures.reported();
    }

    /// A read came to its end without a failure. `complete`: it made the key and so knows all of it.
    pub fn succeeded(&self, uid: &str, complete: bool) {
        let mut objects = self.objects();
        let looked = objects.entry(uid.into()).or_default();
        looked.failures.succeeded();
        looked.complete = complete;
        looked.reads = looked.reads.wrapping_add(1);
    }

    /// How long a step must wait because the same was done a moment ago.
    pub fn too_soon(&self, uid: &str, generation: i64, step: &Step) -> Option<Duration> {
        self.objects().get(uid)?.steps.too_soon(generation, step, self.settings.consistency, Instant::now())
    }

    /// How long a read may still show the state from before the last steps.
    pub fn unsettled(&self, uid: &str) -> Option<Duration> {
        self.objects().get(uid)?.steps.unsettled(self.settings.consistency, Instant::now())
    }

    /// The same for a rescue.
    pub fn unsaved(&self, uid: &str, step: &Step) -> Option<Duration> {
        self.objects().get(uid)?.steps.unsaved(step, self.settings.consistency, Instant::now())
    }

    /// Remembers that a step was done, and returns how often it was done before and did not stick.
    pub fn stepped(&self, uid: &str, generation: i64, step: &Step) -> u32 {
        let (consistency, now) = (self.settings.consistency, Instant::now());
        self.objects().entry(uid.into()).or_default().steps.stepped(generation, step, consistency, now)
    }

    /// A read shows that this part of the key is as declared.
    pub fn stuck(&self, uid: &str, part: Part) {
        if let Some(looked) = self.objects().get_mut(uid) {
            looked.steps.stuck(part);
        }
    }

    /// Remembers that a step failed and may have taken effect.
    pub fn unsure(&self, uid: &str) {
        self.objects().entry(uid.into()).or_default().steps.unsure(Instant::now());
    }

    /// Older objects whose `spec.keyId` names the same key, with the same provider. This does not ask whether they may have it.
    pub fn older_rivals(&self, metadata: &ObjectMeta, key: &Key, provider: &str) -> Vec<Arc<Watched<ManagedKey>>> {
        let age = |metadata: &ObjectMeta| (metadata.creation_timestamp.clone().map(|time| time.0), metadata.uid.clone());
        let is_rival = |object: &ManagedKey| {
            object.spec.key_id.as_deref().is_some_and(|named| key.is_named_by(named))
                && object.spec.provider_ref.name == provider
                && object.spec.management_policy != ManagementPolicy::Observe
                && object.metadata.deletion_timestamp.is_none()
                && object.metadata.uid != metadata.uid
                && age(&object.metadata) < age(metadata)
        };
        self.keys.state().into_iter().filter(|other| other.decoded().is_ok_and(is_rival)).collect()
    }

    /// Ends the reservation of a key that was not bound.
    pub fn give_back(&self, key: &str, uid: &str) {
        let mut bindings = self.bindings.lock().unwrap_or_else(PoisonError::into_inner);
        if bindings.get(key).is_some_and(|holder| holder.uid == uid) {
            bindings.remove(key);
        }
    }

    /// Reserves a key for an object, or fails with the UID of the object that has it.
    ///
    /// The reservation of another object ends when the marks of the key name another UID or none, in a read that is late enough to show its marks.
    pub fn reserve(&self, key: &str, uid: &str, seen: Option<Seen<'_>>) -> Result<(), String> {
        let mut bindings = self.bindings.lock().unwrap_or_else(PoisonError::into_inner);
        // An object that is gone holds nothing, so that a new object of its name need not wait.
        let is_there = |uid: &str| self.keys.state().iter().any(|object| object.meta().uid.as_deref() == Some(uid));
        let has_lost = |holder: &Binding| {
            let shown = seen.filter(|seen| holder.shows.is_some_and(|shows| shows <= seen.since));
            shown.is_some_and(|seen| seen.marked != Some(&*holder.uid))
        };
        match bindings.get(key) {
            Some(other) if other.uid != uid && is_there(&other.uid) && !has_lost(other) => Err(other.uid.clone()),
            _ => {
                bindings.insert(key.into(), Binding { uid: uid.into(), shows: self.shows_after(waits::BINDING) });
                Ok(())
            }
        }
    }

    /// The bind of a reserved key has ended, with or without success.
    pub fn bound(&self, key: &str, uid: &str) {
        let mut bindings = self.bindings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(binding) = bindings.get_mut(key).filter(|holder| holder.uid == uid) {
            binding.shows = self.shows_after(Duration::ZERO);
        }
    }

    /// From when on every read shows what is written within `wait` from now.
    fn shows_after(&self, wait: Duration) -> Option<Instant> {
        Instant::now().checked_add(wait.checked_add(self.settings.consistency)?)
    }

    /// Reports an object in metrics: its conditions, and its key if that is pending deletion.
    pub fn gauge(&self, owner: &Owner, pending: Option<Alarm>, conditions: &[Condition]) {
        {
            let mut objects = self.objects();
            let remembered = objects.entry(owner.uid.clone()).or_default();
            remembered.gauged = true;
            let now = condition::ours(conditions)
                .map(|(kind, status, reason)| ConditionLabels {
                    condition: kind.as_str(),
                    status: status.as_str(),
                    reason: reason.map_or("other", Reason::as_str),
                })
                .collect();
            let before = std::mem::replace(&mut remembered.conditions, now);
            self.metrics.count_conditions(&before, &remembered.conditions);
        }
        self.alarms.say(&Source::Object(owner.uid.clone()), pending.into_iter().collect());
        if self.settings.per_object_metrics {
            let is_ready = condition::find(conditions, ConditionType::Ready).is_some_and(|ready| ready.status == "True");
            let held = condition::held(conditions).map(Reason::as_str);
            self.metrics.observe_object(&owner.namespace, &owner.name, is_ready, held);
            self.objects().entry(owner.uid.clone()).or_default().series = Some((owner.namespace.clone(), owner.name.clone()));
        }
    }

    /// The alarm about an object's key as its status tells it. It stands until a round of this process reports the key.
    pub fn gauge_as_known(&self, owner: &Owner, pending: Alarm) {
        // The lock is held, so that this does not overwrite what a round reports at the same time.
        let objects = self.objects();
        if objects.get(&owner.uid).is_none_or(|looked| !looked.gauged) {
            self.alarms.say(&Source::Object(owner.uid.clone()), vec![pending]);
        }
    }

    /// Forgets objects and providers that are gone, and steps from long ago.
    pub fn sweep(&self) {
        let there: HashSet<String> = self.keys.state().iter().filter_map(|object| object.meta().uid.clone()).collect();
        let mut objects = self.objects();
        let mut gone = Vec::new();
        for (_, looked) in objects.extract_if(|uid, _| !there.contains(uid)) {
            self.metrics.count_conditions(&looked.conditions, &[]);
            gone.extend(looked.series);
        }
        // An object that was made again under the same name has the same series.
        for (namespace, name) in gone.iter().filter(|series| !objects.values().any(|looked| looked.series.as_ref() == Some(series))) {
            self.metrics.forget_object(namespace, name);
        }
        let now = Instant::now();
        for looked in objects.values_mut() {
            looked.steps.forget(self.settings.consistency, now);
        }
        drop(objects);
        self.alarms.forget(|source| match source {
            // The alert stays until the provider's list has the key.
            Source::Object(uid) => there.contains(uid) || self.providers.is_watched(uid),
            Source::Provider(name) => self.providers.get(name).is_some(),
        });
        self.bindings.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, binding| there.contains(&binding.uid));
        self.aliases.sweep(&there);
        for name in self.providers.forget() {
            self.metrics.of_provider(&name).forget_provider();
        }
        self.surveys.forget(|uid| self.providers.is_there(uid));
        self.unmarked.forget(|uid| self.providers.is_there(uid));
    }
}

#[cfg(test)]
mod tests {
    use kube::runtime::{reflector, watcher};
    use serde_json::json;

    use super::*;
    use crate::{
        api::key_provider::WatchedDeletion,
        controller::{fixtures, key_provider},
        domain::{observed::State, tests::fixtures::key},
        metrics::PendingKey,
    };

    /// A context in which these objects are there.
    fn with_objects(uids: &[&str], consistency: Duration) -> Context {
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let settings = Settings {
            cluster_id: "test".into(),
            namespace: "keyward-system".into(),
            instance: "test".into(),
            watch_namespaces: Vec::new(),
            concurrency: 1,
            consistency,
            missing_after: Duration::ZERO,
            attempt_wait: Duration::ZERO,
            principal_wait: Duration::ZERO,
            orphans_every: Duration::from_hours(24),
            per_object_metrics: false,
        };
        let client = Client::try_from(kube::Config::new("http://127.0.0.1:1".parse().unwrap())).unwrap();
        let anew = Anew::default();
        let (_, providers) = key_provider::prepare(&client, &settings, &anew);
        let (keys, mut writer) = reflector::store();
        for uid in uids {
            let metadata = json!({ "name": format!("of-{uid}"), "namespace": "shop", "uid": uid });
            let object = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": metadata, "spec": {} });
            writer.apply_watcher_event(&watcher::Event::Apply(serde_json::from_value(object).unwrap()));
        }
        Context::new(client, settings, Held::always(), Metrics::new(false), providers, keys, reflector::store().0, anew, Lanes::new().0)
    }

    /// Shows S3.
    #[tokio::test]
    async fn an_older_object_is_a_rival_in_whatever_spelling_it_names_the_key() {
        let key = key(State::Enabled);
        let place = "eu-west-1:111122223333";
        let claim = &key.aliases.as_ref().unwrap()[0];
        let spelled = |uid: &str, made: &str, spelling: &str| -> ManagedKey {
            let metadata = json!({ "name": format!("of-{uid}"), "namespace": "shop", "uid": uid, "creationTimestamp": made });
            let spec = json!({ "providerRef": { "name": fixtures::PROVIDER }, "keyId": spelling });
            let object = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": metadata, "spec": spec });
            serde_json::from_value(object).unwrap()
        };
        let (early, late) = ("2026-11-22T10:00:00Z", "2026-11-22T11:00:00Z");
        let own = spelled("own", "2026-11-22T10:30:00Z", &key.arn);
        for (spelling, is_rival) in [
            (key.arn.clone(), true),
            (key.id.clone(), true),
            (claim.clone(), true),
            (format!("arn:aws:kms:{place}:{claim}"), true),
            (format!("arn:aws:kms:eu-west-1:444455556666:{claim}"), false),
            ("another".to_owned(), false),
        ] {
            let objects = [own.clone(), spelled("older", early, &spelling), spelled("younger", late, &spelling)];
            let (context, _) = fixtures::context(&json!({}), &objects);
            let rivals = context.older_rivals(&own.metadata, &key, fixtures::PROVIDER);
            let uids: Vec<_> = rivals.iter().filter_map(|rival| rival.meta().uid.as_deref()).collect();
            assert_eq!(uids, if is_rival { vec!["older"] } else { vec![] }, "{spelling}");
        }
    }

    #[tokio::test]
    async fn a_new_process_knows_of_an_outage_only_what_the_status_says() {
        let context = with_objects(&["x"], Duration::ZERO);
        let hour = Duration::from_hours(1);
        assert!(context.unheard("x", hour) >= hour);
        assert!(context.unheard("x", Duration::ZERO) >= hour, "that was known from the beginning");
        context.heard("x");
        assert!(context.unheard("x", hour) < hour, "by now it was seen");
        assert!(context.unheard("y", Duration::ZERO) < hour, "it counts from now");
        assert!(context.unheard("z", Duration::MAX) == Duration::MAX);
    }

    #[tokio::test]
    async fn conditions_are_counted_as_they_are_and_not_of_objects_that_are_gone() {
        let context = with_objects(&["x"], Duration::ZERO);
        let owner = |uid: &str| Owner { cluster: "test".into(), namespace: "shop".into(), name: format!("of-{uid}"), uid: uid.into() };
        let conditions = |list: &[(&str, &str, &str)]| {
            let list = list.iter().map(|(kind, status, reason)| {
                json!({ "type": kind, "status": status, "reason": reason, "message": "", "lastTransitionTime": "2026-11-20T08:00:00Z" })
            });
            serde_json::from_value::<Vec<Condition>>(list.collect()).unwrap()
        };
        let counted = |labels: &str| {
            let text = context.metrics.encode();
            let series = format!("keyward_managedkeys{{{labels}}} ");
            text.lines().find_map(|line| line.strip_prefix(&series)?.parse::<i64>().ok()).unwrap_or_default()
        };
        let available = r#"condition="Ready",status="True",reason="Available""#;
        let denied = r#"condition="Ready",status="False",reason="AccessDenied""#;
        for uid in ["x", "gone"] {
            context.gauge(&owner(uid), None, &conditions(&[("Ready", "True", "Available"), ("Other", "True", "Theirs")]));
        }
        assert_eq!((counted(available), counted(denied)), (2, 0));
        context.gauge(&owner("x"), None, &conditions(&[("Ready", "False", "AccessDenied"), ("Synced", "Maybe", "Forged\"} 1")]));
        assert_eq!((counted(available), counted(denied)), (1, 1));
        assert_eq!(counted(r#"condition="Synced",status="Unknown",reason="other""#), 1);
        assert!(!context.metrics.encode().contains("Theirs"));
        context.sweep();
        assert_eq!((counted(available), counted(denied)), (0, 1));
    }

    #[tokio::test]
    async fn an_alert_about_an_object_that_is_gone_lasts_until_its_providers_list_has_the_key() {
        let context = with_objects(&["x"], Duration::ZERO);
        let owner = Owner { cluster: "test".into(), namespace: "shop".into(), name: "of-y".into(), uid: "y".into() };
        let key = PendingKey { namespace: "shop".into(), name: "of-y".into(), key: "k".into(), state: "PendingDeletion" };
        let said = || {
            context.sweep();
            context.alarms.key_of("y").is_some()
        };
        context.gauge(&owner, Some((key.clone(), 1)), &[]);
        let entry = WatchedDeletion { key: "k".into(), date: None, owner: "shop/of-y".into(), uid: "y".into(), endpoint: None };
        key_provider::remember(&context, "default", entry);
        assert!(said(), "it is not listed yet");
        context.gauge(&owner, Some((key, 1)), &[]);
        key_provider::over(&context, "default", "y");
        assert!(!said());
    }

    #[tokio::test]
    async fn a_reservation_ends_if_the_marks_name_another_object_or_none() {
        let unmarked = |since| Some(Seen { since, marked: None });
        let marked = |since, uid| Some(Seen { since, marked: Some(uid) });
        let before = Instant::now();
        let context = with_objects(&["x", "y"], Duration::ZERO);
        assert_eq!(context.reserve("k", "x", unmarked(before)), Ok(()));
        assert_eq!(context.reserve("k", "y", unmarked(Instant::now())), Err("x".into()), "its bind is under way");
        context.bound("k", "y");
        assert_eq!(context.reserve("k", "y", unmarked(Instant::now())), Err("x".into()), "that was not y's to say");
        context.bound("k", "x");
        for (what, seen) in [
            ("a read from before the marks", unmarked(before)),
            ("marks that are there", marked(Instant::now(), "x")),
            ("marks that were not read", None),
        ] {
            assert_eq!(context.reserve("k", "y", seen), Err("x".into()), "{what}");
        }
        assert_eq!(context.reserve("k", "y", unmarked(Instant::now())), Ok(()), "handed over");
        context.bound("k", "y");
        assert_eq!(context.reserve("k", "x", marked(Instant::now(), "z")), Ok(()), "another's");

        let slow = with_objects(&["x", "y"], Duration::from_hours(1));
        assert_eq!(slow.reserve("k", "x", None), Ok(()));
        slow.bound("k", "x");
        assert_eq!(slow.reserve("k", "y", unmarked(Instant::now())), Err("x".into()), "its marks may not show yet");
        let endless = with_objects(&["x", "y"], Duration::MAX);
        assert_eq!(endless.reserve("k", "x", None), Ok(()));
        endless.bound("k", "x");
        assert_eq!(endless.reserve("k", "y", unmarked(Instant::now())), Err("x".into()));
        let gone = with_objects(&["y"], Duration::from_hours(1));
        assert_eq!(gone.reserve("k", "x", None), Ok(()));
        assert_eq!(gone.reserve("k", "y", None), Ok(()), "x is gone");
    }
}
