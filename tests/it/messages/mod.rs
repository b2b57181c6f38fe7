//! `docs/messages.md`: what `kubectl describe` shows of a key, and of a provider, situation by situation. The texts are printed by the planner, the status and the events
//! themselves, over a key that does as it is told; what AWS says comes from the adapter. On a control plane some of them are compared with what the real
//! `kubectl` prints of the real operator's objects.
//!
//! `UPDATE=1 cargo test --test it generated` writes the page anew.

mod grant;
mod kubectl;
mod provider;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use keyward::{
    api::{
        ConditionType, ManagedKey, ManagedKeyStatus, Reason, annotation,
        condition::{self, EVENTS, seconds},
        key_provider::{Adoption, PoliciesFrom},
        managed_key::{Missing, OnDemand, RotationType},
        mark,
        publish_to::{PublishKind, PublishedTo},
    },
    domain::{
        candidates::{Unmarked, UnmarkedKey},
        deletion::{
            Intent, LastUse, Nonce, Passed, Word,
            guard::{self, Evidence},
        },
        desired::Desired,
        event::{self, About, Event},
        failure::{Failure, FailureKind, Outcome},
        handover::{self, Taker},
        memory::Memory,
        observed::{Key, KeyPolicy, MultiRegion, Observed, Rotated, Rotations, Searched, State},
        ownership::{Owner, OwnerMark, Tags},
        plan::{Note, OtherOwner, Plan, Read, Rest, Situation, Tried, named_elsewhere, plan},
        policy,
        primary::{Primary, SeenPrimary},
        provider::{self as known, Unusable},
        publish::{self, Controller, Declared, Found, Publication, Trouble, Values, Verdict},
        release::{Release, release},
        rules::Rules,
        status::{self, Conclusion, Report, SetBy},
        step::{Destruction, Step},
    },
    kms::{
        Kms, LeaderCheck,
        aws::{AwsCredentials, AwsKms, AwsSettings},
    },
    metrics::Metrics,
};
use kms_double::{ACCESS_KEY, Double, Fault, FaultAction, Options, SECRET_KEY};
use serde_json::{Value, json};

use crate::support::fixtures::{ACCOUNT, ARN, ID, REGION, aws_endpoints, key, object, rules};

/// The page.
pub fn page() -> String {
    let (keys, providers, grants) = (situations(), provider::situations(), grant::situations());
    let mut page = format!("{INTRODUCTION}\nKeys:\n\n");
    let mut sections = String::new();
    let mut tell = |title: &str, about: &str, text: String| {
        write!(sections, "\n## {title}\n\n{about}\n\n```text\n{text}```\n").unwrap();
        format!("- [{title}](#{})\n", anchor(title))
    };
    for Told { title, about, status, events } in &keys {
        page.push_str(&tell(title, about, describe(status, events)));
    }
    page.push_str("\nProviders:\n\n");
    for provider::Told { title, about, status, events } in &providers {
        page.push_str(&tell(title, about, provider::describe(status, events)));
    }
    page.push_str("\nGrants:\n\n");
    for grant::Told { title, about, status, events } in &grants {
        page.push_str(&tell(title, about, grant::describe(status, events)));
    }
    page + &index(&keys, &providers, &grants) + &sections
}

/// Which situations show a reason or an event.
fn index(keys: &[Told], providers: &[provider::Told], grants: &[grant::Told]) -> String {
    let link = |titles: &BTreeSet<&'static str>| {
        titles.iter().map(|title| format!("[{title}](#{})", anchor(title))).collect::<Vec<_>>().join(", ")
    };
    let (reasons, events) = said(keys, providers, grants);
    let mut text = String::from("\n## Where each reason is shown\n\n| reason | situations |\n|---|---|\n");
    for (reason, _) in Reason::ALL {
        let titles = reasons.get(reason.as_str()).map(link).unwrap_or_default();
        writeln!(text, "| `{}` | {titles} |", reason.as_str()).unwrap();
    }
    text.push_str("\n## Where each event is shown\n\n| event | situations |\n|---|---|\n");
    for (event, _) in EVENTS {
        writeln!(text, "| `{event}` | {} |", events.get(*event).map(link).unwrap_or_default()).unwrap();
    }
    text
}

/// The situations of the page that have a word.
type Shown = BTreeMap<String, BTreeSet<&'static str>>;

/// The reasons of conditions, and the events, that the page shows.
fn said(keys: &[Told], providers: &[provider::Told], grants: &[grant::Told]) -> (Shown, Shown) {
    let of_keys = keys.iter().map(|told| (told.title, &told.status.conditions, &told.events));
    let of_providers = providers.iter().map(|told| (told.title, &told.status.conditions, &told.events));
    let of_grants = grants.iter().map(|told| (told.title, &told.status.conditions, &told.events));
    let (mut reasons, mut events) = (Shown::new(), Shown::new());
    for (title, conditions, posted) in of_keys.chain(of_providers).chain(of_grants) {
        for known in conditions {
            reasons.entry(known.reason.clone()).or_default().insert(title);
        }
        for event in posted {
            events.entry(event.reason.to_owned()).or_default().insert(title);
        }
    }
    (reasons, events)
}

const INTRODUCTION: &str = "# What `kubectl describe` says

This page shows what Keyward says in the status of keys, of their providers and of grants, one situation after the other.
The texts are printed by the code that writes the status, so they are what your cluster shows; only the names differ.
The object is `orders` in namespace `shop`, its provider is `aws`, the operator's namespace is `keyward-system`, and its cluster id is `prod`.
The page shows type, status, reason and message of each condition; `kubectl` prints `Last Transition Time` and `Observed Generation` as well.
It shows type, reason and message of each event.
[Where each reason is shown](#where-each-reason-is-shown) and [where each event is shown](#where-each-event-is-shown) find a situation by its word.
[conditions.md](reference/conditions.md) says what each reason means.
";

fn anchor(title: &str) -> String {
    title.chars().filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-').collect::<String>().to_lowercase().replace(' ', "-")
}

/// Conditions and events as `kubectl describe` prints them.
fn describe(status: &ManagedKeyStatus, events: &[Event]) -> String {
    format!("Status:\n  Conditions:\n{}{}", conditions(&status.conditions), posted(events))
}

/// Events as `kubectl describe` prints them.
fn posted(events: &[Event]) -> String {
    let mut text = String::from(if events.is_empty() { "Events:  <none>\n" } else { "Events:\n" });
    for Event { reason, warning, note, .. } in events {
        writeln!(text, "  {:<8} {reason}  {note}", if *warning { "Warning" } else { "Normal" }).unwrap();
    }
    text
}

/// Conditions as `kubectl describe` prints them.
fn conditions(all: &[Condition]) -> String {
    let mut text = String::new();
    for known in all {
        for (label, value) in [("Message", &known.message), ("Reason", &known.reason), ("Status", &known.status), ("Type", &known.type_)] {
            writeln!(text, "    {:<23}{value}", format!("{label}:")).unwrap();
        }
    }
    text
}

/// What is told of a situation.
struct Told {
    title: &'static str,
    about: &'static str,
    status: ManagedKeyStatus,
    events: Vec<Event>,
}

/// An object and its key.
struct Story {
    object: ManagedKey,
    memory: Memory,
    rules: Rules,
    cluster: &'static str,
    key: Option<Key>,
    now: Timestamp,
    set_by: Option<SetBy>,
    /// What steps of these parts fail with.
    fails: Vec<(Step, Failure)>,
    events: Vec<Event>,
    /// Whether the last good look is younger than twice the resync.
    word_stands: bool,
    /// What was learned of the primary key of a replica.
    primary: Option<Primary>,
    /// Holds are made with one letter after the other.
    holds: u8,
    /// Why the key is not published.
    unpublished: Option<Trouble>,
    /// What the next round notes in the status when it publishes the key, or no longer does.
    publishes: Option<fn(&mut ManagedKeyStatus)>,
    /// What each round begins with: aliases that come from other keys, or stay for other objects.
    tried: Tried,
}

impl Story {
    /// A key that was created for its object and is as declared.
    fn new() -> Self {
        let mut story = Self::unbound(json!({}));
        let owner = story.desired().owner;
        let mut key = key(State::Enabled);
        key.tags = Some(owner.marks(Intent { seq: 1, generation: 1, word: Word::Live }, OwnerMark::Name));
        key.aliases = Some(vec![owner.claim_alias()]);
        story.memory.recall_creation(&key, &story.desired());
        story.key = Some(key);
        story.look();
        story
    }

    /// An object that has no key yet.
    fn unbound(spec: Value) -> Self {
        Self {
            object: object(spec),
            memory: Memory::default(),
            rules: rules(),
            cluster: "prod",
            key: None,
            now: "2026-11-22T12:00:00Z".parse().unwrap(),
            set_by: None,
            fails: Vec::new(),
            events: Vec::new(),
            word_stands: true,
            primary: None,
            holds: 0,
            unpublished: None,
            publishes: None,
            tried: Tried::default(),
        }
    }

    fn desired(&self) -> Desired {
        Desired::of(&self.object, self.cluster).unwrap()
    }

    /// Changes the spec, as `kubectl patch` does.
    #[allow(clippy::needless_pass_by_value, reason = "it reads as the patch it is")]
    fn spec(mut self, change: Value) -> Self {
        self.edit(&change);
        self
    }

    fn edit(&mut self, change: &Value) {
        let mut spec = serde_json::to_value(&self.object.spec).unwrap();
        for (field, value) in change.as_object().unwrap() {
            spec[field] = value.clone();
        }
        self.object.spec = serde_json::from_value(spec).unwrap();
        self.object.metadata.generation = self.object.metadata.generation.map(|generation| generation + 1);
    }

    fn annotated(mut self, name: &str, value: &str) -> Self {
        self.object.metadata.annotations.get_or_insert_default().insert(name.into(), value.into());
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Somebody changes the key at the KMS.
    fn outside(mut self, change: impl FnOnce(&mut Key)) -> Self {
        change(self.key.as_mut().unwrap());
        self
    }

    fn later(mut self, days: i64) -> Self {
        self.now += SignedDuration::from_hours(24 * days);
        self
    }

    fn observed(&self) -> Observed {
        self.key.clone().map_or(Observed::Absent(Searched::Everywhere), |key| Observed::Present(Box::new(key)))
    }

    /// A round, and then, as the controller does it, one more when something was changed.
    fn looked(mut self) -> Self {
        self.look();
        self
    }

    fn look(&mut self) {
        let desired = self.desired();
        let (mut tried, mut failed, mut steps, mut found) = (self.tried.clone(), Vec::new(), Vec::new(), Vec::new());
        let (mut other_owner, mut unmarked) = (None, None);
        let decided = loop {
            let observed = self.observed();
            let known = Situation { other_owner: other_owner.as_ref(), unmarked: unmarked.as_ref(), ..situation(self, &desired, &tried) };
            let decided = plan(&known, &observed);
            let step = match decided {
                Plan::Do(step) => step,
                Plan::Read(Read::OtherOwner(mark)) => {
                    other_owner = Some(OtherOwner { mark, exists: true });
                    continue;
                }
                Plan::Read(Read::Unmarked) => {
                    let keys =
                        vec![UnmarkedKey { id: ID.into(), created: Some(self.now - SignedDuration::from_mins(58)), description: None }];
                    unmarked = Some(Unmarked::Listed { keys, denied: 0 });
                    continue;
                }
                Plan::Read(_) => {
                    let key = self.key.as_mut().unwrap();
                    key.rotation.get_or_insert_default();
                    key.aliases.get_or_insert_with(|| vec![desired.owner.claim_alias()]);
                    key.policy.get_or_insert_with(|| KeyPolicy::Text(POLICY.into()));
                    key.rotations.get_or_insert_default();
                    continue;
                }
                other => break other,
            };
            if let Some(at) = self.fails.iter().position(|(failing, _)| *failing == step) {
                let (_, failure) = self.fails.swap_remove(at);
                assert!(tried.goes_on_without(&step, &failure), "{step}");
                failed.push(failure);
                continue;
            }
            let differences = self.key.as_ref().map(|key| step.differences(key)).unwrap_or_default();
            self.act(&step, &desired);
            found.push((step.clone(), differences));
            steps.push(step);
        };
        let conclusion = Conclusion::Planned(&decided);
        let observed = self.observed();
        self.report(conclusion, Some(&observed), &failed, &steps, &found);
    }

    /// What the executor does: the record, the mark, the call.
    fn act(&mut self, step: &Step, desired: &Desired) {
        let mut key = self.key.clone().unwrap();
        self.holds += 1;
        let nonce = Nonce::of([self.holds; Nonce::LENGTH]);
        if let Some(intent) = self.memory.open(step, desired, &key, self.now, nonce).unwrap() {
            key.tags.get_or_insert_default().extend(desired.owner.marks(intent, OwnerMark::Name));
        }
        key = key.after(step);
        if let Step::Destroy(Destruction::Schedule { days, .. } | Destruction::Reschedule { days, .. }) = step {
            key.deletion_date = Some(self.now + SignedDuration::from_hours(24 * i64::from(*days)));
            (key.rotation, key.aliases) = (None, None);
        }
        self.key = Some(key);
        self.memory.close(step, desired);
    }

    fn report(
        &mut self,
        conclusion: Conclusion<'_>,
        observed: Option<&Observed>,
        failed: &[Failure],
        steps: &[Step],
        found: &[(Step, Vec<keyward::domain::step::Difference>)],
    ) {
        let desired = self.desired();
        let plain = Report::plain(&desired, &self.rules, observed, conclusion, self.now);
        let report =
            Report { failed, set_by: self.set_by.as_ref(), word_stands: self.word_stands, unpublished: self.unpublished.as_ref(), ..plain };
        let before = std::mem::take(&mut self.memory.status);
        self.memory.status = before.clone();
        if let Some(note) = self.publishes {
            note(&mut self.memory.status);
        }
        let after = status::status(&self.memory, &report);
        self.events =
            event::events(&before, &after, About { desired: &desired, set_by: self.set_by.as_ref(), found, created: None }, steps);
        self.memory.status = after;
    }

    /// The object is paused.
    fn paused(mut self) -> Self {
        assert!(self.desired().paused);
        self.report(Conclusion::Paused(status::PAUSED), None, &[], &[], &[]);
        self
    }

    /// A round that ended in that way.
    fn ended(mut self, conclusion: Conclusion<'_>) -> Self {
        let observed = self.observed();
        self.report(conclusion, self.key.is_some().then_some(&observed), &[], &[], &[]);
        self
    }

    /// The object is deleted, and its finalizer waits.
    fn released(mut self) -> Self {
        self.object.metadata.generation = self.object.metadata.generation.map(|generation| generation + 1);
        loop {
            let (desired, tried) = (self.desired(), Tried::default());
            match release(&situation(&self, &desired, &tried), &self.observed()) {
                Release::Say(say) => self.act(&Step::Mark { say }, &desired),
                Release::Hold(hold) => return self.ended(Conclusion::Planned(&Plan::Hold(hold))),
                other => panic!("{other:?}"),
            }
        }
    }

    fn told(&self, title: &'static str, about: &'static str) -> Told {
        let ready = condition::find(&self.memory.status.conditions, ConditionType::Ready);
        assert!(ready.is_some(), "{title}");
        Told { title, about, status: self.memory.status.clone(), events: self.events.clone() }
    }
}

fn situation<'a>(story: &'a Story, desired: &'a Desired, tried: &'a Tried) -> Situation<'a> {
    Situation {
        desired,
        memory: &story.memory,
        rules: &story.rules,
        now: story.now,
        missing_after: SignedDuration::from_mins(5),
        attempt_wait: SignedDuration::from_mins(15),
        tried,
        other_owner: None,
        unmarked: None,
        primary: story.primary.as_ref(),
    }
}

/// The ARN of a primary key in another Region.
const PRIMARY: &str = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab";

/// That key, in that state, with the marks of that object.
fn primary(of: &str, state: State) -> Key {
    let (namespace, name) = of.split_once('.').unwrap();
    let owner = Owner { cluster: "prod".into(), namespace: namespace.into(), name: name.into(), uid: "u".into() };
    let mut primary = key(state);
    (primary.arn, primary.region) = (PRIMARY.into(), "us-east-1".into());
    primary.kind.multi_region = true;
    primary.multi_region = Some(MultiRegion::Primary(Vec::new()));
    primary.tags = Some(owner.marks(Intent { seq: 1, generation: 1, word: Word::Live }, OwnerMark::Name));
    primary
}

/// An object that declares a replica of that key, and has none yet.
fn replica(of: Key) -> Story {
    let mut story = Story::unbound(json!({ "replicaOf": { "name": "orders-eu" } }));
    story.primary = Some(Primary::Seen(Box::new(SeenPrimary { key: of, rules: rules() })));
    story
}

/// The adapter's settings for that endpoint, as the double's first user.
fn settings(endpoint: &str) -> AwsSettings {
    // As `main` does first.
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    AwsSettings {
        region: REGION.into(),
        endpoints: aws_endpoints(endpoint),
        ca_pem: None,
        role_arn: None,
        external_id: None,
        credentials: AwsCredentials::Keys { access_key_id: ACCESS_KEY.into(), secret_access_key: SECRET_KEY.into(), session_token: None },
        quota_share_percent: 100,
        books: keyward::kms::Books::default(),
        metrics: Metrics::new(false),
        leader_check: LeaderCheck::when(|| true),
    }
}

/// What the adapter makes of AWS's answer to a call that changes tags.
fn answered(code: &'static str, status: u16, text: &'static str) -> Failure {
    let fault = Fault::on("TagResource", FaultAction::Error { code: code.into(), status, message: text.into() });
    refused_by(fault, async |kms| kms.tag(ARN, &Tags::from([("team".into(), "shop".into())])).await)
}

/// What the adapter makes of AWS's answer to a call.
fn refused_by(fault: Fault, call: impl AsyncFnOnce(&AwsKms) -> Result<(), Failure>) -> Failure {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let double = Double::start(Options::default()).await.unwrap();
        let settings = settings(&double.endpoint());
        let kms = AwsKms::new(settings).unwrap();
        double.inject(fault);
        call(&kms).await.unwrap_err()
    })
}

fn scheduled(days: i32) -> Story {
    Story::new()
        .with(|story| story.set_by = Some(SetBy { managers: "kubectl-patch".into(), stays: true }))
        .spec(json!({ "deletionScheduleDays": days }))
        .looked()
}

/// The object was deleted and made again with the field in it.
fn made_again() -> Story {
    let mut story = Story::new();
    story.memory = Memory::default();
    story.object.metadata.uid = Some("7f1d6a52-90f3-4f7e-8d0e-5b6c7d8e9f01".into());
    story.spec(json!({ "deletionScheduleDays": 7 })).looked()
}

/// Where keys are published.
fn published() -> PublishedTo {
    PublishedTo { kind: PublishKind::ConfigMap, name: "orders-key".into() }
}

/// A key that is to be published to the `ConfigMap` `orders-key`, and is not.
fn unpublished(why: impl FnOnce(&PublishedTo, &Publication) -> Trouble) -> Story {
    let mut story = Story::new().spec(json!({ "publishTo": { "kind": "ConfigMap", "name": "orders-key" } }));
    let Declared::To(publication) = story.desired().publish else { panic!("it is declared") };
    story.unpublished = Some(why(&publication.target, &publication));
    story.looked()
}

/// What is said of an object with that owner.
fn taken(publication: &Publication, controller: Option<Controller>) -> Trouble {
    let owner = Owner { cluster: "prod".into(), namespace: "shop".into(), name: "orders".into(), uid: "7c1f".into() };
    let found = Found { controller, ..Found::default() };
    let Verdict::Left(trouble) = publication.verdict(&Values::new(), Some(&found), &owner) else { panic!("it is another's") };
    trouble
}

/// A key that was rotated on demand so often, as its object knows, and whose object requests it once more.
fn rotated(times: i64, known: i64) -> Story {
    let mut story = Story::new().annotated(annotation::ROTATE_REQUESTED_AT, "2026-11-22");
    let at = |time: i64| story.now - SignedDuration::from_hours(24 * (times - time + 1));
    let dates: Vec<Timestamp> = (0..times).map(at).collect();
    let last_time = usize::try_from(known).ok().and_then(|known| dates.get(known.checked_sub(1)?)).copied().map(seconds);
    story.memory.status.rotation.get_or_insert_default().on_demand = Some(OnDemand { last_time, ..OnDemand::default() });
    let entry = |date| Rotated { date, kind: Some(RotationType::OnDemand) };
    story.key.as_mut().unwrap().rotations = Some(Rotations(dates.into_iter().map(entry).collect()));
    story
}

/// The policy that AWS gives a key without one.
const POLICY: &str = r#"{"Version":"2012-10-17","Id":"key-default-1","Statement":[{"Sid":"AllowAccount","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}]}"#;

/// A policy with one statement.
fn with_shop(principal: &str) -> String {
    let statement = json!({ "Sid": "AllowShop", "Effect": "Allow", "Principal": { "AWS": principal }, "Action": "kms:*", "Resource": "*" });
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

/// The statement that gives Keyward what it needs.
const OWN: &str = r#"{"Sid":"AllowKeyward","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/keyward"},"Action":"kms:*","Resource":"*"}"#;

/// A key whose object declares that policy.
fn policy(from: PoliciesFrom, text: &str) -> Story {
    let mut story = Story::new();
    story.rules.allow.policies.from = from;
    story.rules.principal = Some("arn:aws:sts::111122223333:assumed-role/keyward/keyward".into());
    story.spec(json!({ "policy": text })).looked()
}

/// What the guard says right before the call, if it finds that.
fn at_the_guard(prepare: impl FnOnce(&mut Story), find: impl FnOnce(&mut Evidence<'_>, Timestamp)) -> Story {
    let mut story = Story::new().spec(json!({ "deletionScheduleDays": 7 }));
    prepare(&mut story);
    let (desired, key) = (story.desired(), story.key.clone().unwrap());
    let mut evidence = Evidence {
        requested: Destruction::Schedule { days: 7, passed: Passed::Edge },
        desired: &desired,
        memory: &story.memory,
        still_asked: true,
        rules: &story.rules,
        key: &key,
        last_use: LastUse::Never,
        terminating: false,
        now: story.now,
    };
    find(&mut evidence, story.now);
    let hold = guard::check(&evidence).unwrap_err();
    story.ended(Conclusion::Planned(&Plan::Hold(hold)))
}

/// All deletions through the provider are stopped.
fn stopped(story: &mut Story) {
    story.rules.trip = Some("5c2f6f0e-6f0f-4d38-9d55-0a3c1f1e7b52".into());
}

/// The key of another object, which has the alias `alias/live`.
fn neighbour() -> Key {
    let arn = ARN.replace(ID, "99999999-12ab-34cd-56ef-1234567890ab");
    Key { arn, aliases: Some(vec!["alias/live".into()]), ..key(State::Enabled) }
}

fn token(story: &Story) -> String {
    story.key.as_ref().unwrap().intent().token(ID).unwrap()
}

#[allow(clippy::too_many_lines, reason = "a table is as long as its rows")]
fn situations() -> Vec<Told> {
    let tag = |value: &str| Step::Tag { tags: Tags::from([("team".into(), value.into())]) };
    let denied = "User: arn:aws:sts::111122223333:assumed-role/keyward/1764000000 is not authorized to perform: kms:TagResource on resource: \
                  arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab with an explicit deny in a service control policy";
    let absent = |story: Story| {
        story.with(|story| {
            story.key = None;
            story.memory.status.missing = Some(Missing { count: 2, first_time: seconds(story.now - SignedDuration::from_mins(10)) });
        })
    };
    let foreign = |cluster: &'static str, name: &'static str, uid: &'static str| {
        move |key: &mut Key| {
            let owner = Owner { cluster: cluster.into(), namespace: "shop".into(), name: name.into(), uid: uid.into() };
            let marks = owner.marks(Intent { seq: 4, generation: 2, word: Word::Live }, OwnerMark::Name);
            key.tags.get_or_insert_default().extend(marks);
        }
    };
    let adopting_with = |spec: Value| {
        let mut story = Story::unbound(spec);
        story.key = Some(key(State::Enabled));
        story.rules.adoption =
            serde_json::from_value(json!({ "from": "Rules", "rules": [{ "namespaces": ["*"], "keys": ["*"] }] })).unwrap();
        story
    };
    let adopting = || adopting_with(json!({ "keyId": ID }));
    let silent = |word_stands| {
        let failure = answered("ThrottlingException", 400, "");
        let mut story = Story::new().with(|story| story.word_stands = word_stands);
        story.report(Conclusion::Failed(&failure), None, &[], &[], &[]);
        story
    };
    let elsewhere = {
        let story = Story::unbound(json!({ "keyId": "arn:aws:kms:eu-west-1:999999999999:key/1234abcd-12ab-34cd-56ef-1234567890ab" }));
        let note = named_elsewhere(&story.desired(), &story.memory, &story.rules).unwrap();
        story.ended(Conclusion::Refused { note, stalled: true })
    };
    let refused = |unusable: Unusable| {
        let stalled = unusable.is_stalled();
        Story::unbound(json!({})).ended(Conclusion::Refused { note: unusable.note, stalled })
    };
    let pending_until = |key: &mut Key, date: &str| {
        key.state = State::PendingDeletion;
        key.deletion_date = Some(date.parse().unwrap());
        (key.rotation, key.aliases) = (None, None);
    };
    vec![
        Story::new().told("The key is as declared", "Nothing is left to do."),
        {
            let mut story = Story::unbound(json!({}));
            story.report(Conclusion::Planned(&Plan::Do(Step::Create)), Some(&Observed::Absent(Searched::Everywhere)), &[], &[], &[]);
            story
        }
        .told("The key is not created yet", "The round ended before the key was created, for example because other keys had their turn."),
        {
            let mut story = Story::new();
            let observed = story.observed();
            story.report(Conclusion::Planned(&Plan::Rest(Rest::default())), Some(&observed), &[], &[Step::Create], &[]);
            story
        }
        .told("The key was created", "It has its marks from the beginning."),
        Story::new().spec(json!({ "autoRotation": true })).looked().told("Rotation was switched on", "The KMS rotates the key by itself."),
        Story::new().spec(json!({ "autoRotation": true })).looked().spec(json!({ "autoRotation": false })).looked().told(
            "Rotation was switched off",
            "`autoRotation: false` is in the spec. If the field is absent, rotation is left as it is.",
        ),
        Story::new()
            .spec(json!({ "autoRotation": true }))
            .looked()
            .later(365)
            .with(|story| story.key.as_mut().unwrap().rotations = Some(Rotations(vec![Rotated { date: story.now, kind: None }])))
            .looked()
            .told("The KMS rotated the key", "Keyward reads the dates of rotations, and reports a new one."),
        Story::new()
            .with(|story| story.tried.comes("alias/live", &neighbour().arn))
            .spec(json!({ "aliases": ["live"] }))
            .looked()
            .told("An alias was moved to the key", "The object that had it declares it no longer. A program that uses the alias gets this key from now on."),
        Story::new()
            .spec(json!({ "aliases": ["live"] }))
            .looked()
            .with(|story| story.tried.stays("alias/live", handover::stays_for("alias/live", "orders-2")))
            .spec(json!({ "aliases": [] }))
            .looked()
            .told("An alias waits for its next key", "It stays on this key for now, so that it always belongs to a key."),
        Story::new()
            .with(|story| {
                let desired = story.desired();
                let taker = Taker { owner: &desired.owner, rules: &story.rules };
                let message = handover::barred("alias/live", taker, &neighbour(), &object(json!({}))).unwrap();
                let failure =
                    Failure { kind: FailureKind::AliasTaken, operation: "CreateAlias", message, outcome: Outcome::Refused, source: None };
                story.fails.push((Step::AddAlias { alias: "alias/live".into() }, failure));
            })
            .spec(json!({ "aliases": ["live"] }))
            .looked()
            .told("An alias belongs to another key", "Keyward moves an alias only from a key of the same namespace and provider, whose object no longer declares it."),
        Story::new().outside(|key| key.state = State::PendingImport).looked().told(
            "The key has no material yet",
            "Keyward never sees key material, so it imports none.",
        ),
        Story::new().outside(|key| key.state = State::Unavailable).looked().told(
            "The KMS cannot reach the key",
            "Its custom key store may be disconnected.",
        ),
        Story::new().spec(json!({ "enabled": false })).looked().told("The key is disabled, as declared", "`enabled: false` is in the spec."),
        Story::new().outside(|key| key.state = State::Disabled).looked().told(
            "Somebody disabled the key, and it is enabled again",
            "Keyward corrects what others change, and reports the old and the new value. If the key was disabled on purpose, set `enabled: false`.",
        ),
        Story::new()
            .spec(json!({ "managementPolicy": "EnforceOnChange", "tags": { "team": "shop" } }))
            .looked()
            .outside(|key| {
                key.state = State::Disabled;
                key.tags.get_or_insert_default().insert("team".into(), "bank".into());
            })
            .looked()
            .told("Somebody changed the key, and the management policy keeps the change", "`managementPolicy: EnforceOnChange` reports what others change, and does not correct it."),
        Story::new().annotated("keyward.dev/paused", "true").paused().told("The object is paused", "Keyward calls nothing until the annotation is removed."),
        Story::new().annotated("keyward.dev/paused", "yes").looked().told(
            "The pause annotation has a wrong value",
            "Only `true` pauses. The object is **not** paused, and Keyward goes on.",
        ),
        scheduled(7).told("The deletion is scheduled, as declared", "The date is the KMS's own. The event names the command that cancels it."),
        scheduled(7).looked().outside(|key| pending_until(key, "2026-12-22T09:00:00Z")).looked().told(
            "Somebody scheduled the deletion anew",
            "Somebody cancelled Keyward's deletion and scheduled another. The key is deleted, as declared, but on another day.",
        ),
        Story::new().spec(json!({ "managementPolicy": "Observe" })).looked().outside(|key| pending_until(key, "2026-12-22T09:00:00Z")).looked().told(
            "Somebody scheduled a deletion that is not declared",
            "`managementPolicy: Observe` calls nothing. With `Enforce` the deletion is cancelled.",
        ),
        scheduled(7).spec(json!({ "deletionScheduleDays": null })).looked().told(
            "The deletion was cancelled",
            "The field was removed, so the key is alive again. It was disabled by the KMS, and Keyward enabled it.",
        ),
        made_again().told(
            "A deletion is held: the object was created with deletionScheduleDays",
            "A copied manifest, or a restored backup, looks like this. Run the command only if you want the key to be deleted.",
        ),
        {
            let story = made_again();
            let old = token(&story).replace('@', "@1");
            story.annotated("keyward.dev/confirm-deletion", &old).looked()
        }
        .told("A deletion is held: the token belongs to another hold", "The token in the annotation belongs to another hold, or to another key."),
        scheduled(7)
            .outside(|key| {
                *key = key.clone().after(&Step::Cancel);
            })
            .looked()
            .told("A deletion is held: somebody cancelled it at the KMS", "The key stays as they left it: it is disabled, because a KMS disables a key when its deletion is cancelled."),
        scheduled(7)
            .with(|story| {
                let reschedule = Step::Destroy(Destruction::Reschedule { days: 14, passed: Passed::ChangedDays });
                story.edit(&json!({ "deletionScheduleDays": 14 }));
                let (desired, key) = (story.desired(), story.key.clone().unwrap());
                story.memory.open(&reschedule, &desired, &key, story.now, Nonce::of([0; Nonce::LENGTH])).unwrap();
                story.key = Some(key.after(&Step::Cancel));
            })
            .looked()
            .told(
                "A deletion is held: Keyward was interrupted",
                "To change the days, Keyward cancels the deletion and schedules it again. The process ended between the two calls. Keyward cannot know whether somebody else cancelled too.",
            ),
        Story::new()
            .with(|story| story.memory.status.intent_seq = Some(0))
            .spec(json!({ "deletionScheduleDays": 7 }))
            .looked()
            .told("A deletion is held: the object may come from a backup", "The mark on the key is newer than what the object remembers."),
        at_the_guard(|_| {}, |evidence, now| evidence.last_use = LastUse::At(now - SignedDuration::from_hours(48))).told(
            "A deletion is held: the key is in use",
            "No token lifts this, because whoever confirmed another hold was not told of the use.",
        ),
        Story::new().with(stopped).spec(json!({ "deletionScheduleDays": 7 })).looked().told(
            "A deletion is held: all deletions through the provider are stopped",
            "`kubectl describe keyprovider aws` says the same.",
        ),
        Story::new()
            .with(stopped)
            .spec(json!({ "deletionScheduleDays": 7 }))
            .looked()
            .with(|story| story.rules.trip = None)
            .looked()
            .told("A deletion is held: deletions were resumed, and this one needs its token", "Lifting a stop schedules nothing by itself."),
        scheduled(30)
            .with(stopped)
            .spec(json!({ "deletionScheduleDays": 7 }))
            .looked()
            .with(|story| story.rules.trip = None)
            .looked()
            .told(
                "A deletion is held: deletions were resumed, and other days have to be asked for again",
                "The deletion that was scheduled before the stop stands. A key that is pending deletion accepts no tags, so there is no token for other days.",
            ),
        Story::new()
            .with(|story| story.object.metadata.finalizers = Some(vec!["shop.example/backup".into()]))
            .spec(json!({ "deletionScheduleDays": 7 }))
            .looked()
            .told(
                "A deletion is held: the object has a finalizer of somebody else",
                "Whoever put it there says with it that the object, and perhaps its key, is still needed. The same holds for an object that is being deleted.",
            ),
        at_the_guard(
            |story| _ = story.key.as_mut().unwrap().tags.get_or_insert_default().insert(mark::UID.into(), "7f1d6a52-90f3-4f7e-8d0e-5b6c7d8e9f01".into()),
            |_, _| {},
        )
        .told("A deletion is held: the marks of the key changed", "Somebody changed the tags between the plan and the call."),
        at_the_guard(|_| {}, |evidence, _| evidence.still_asked = false)
            .told("A deletion is held: the object was changed", "Somebody edited the object between the plan and the call."),
        at_the_guard(
            |story| {
                story.rules.max_staleness = Some(SignedDuration::from_mins(10));
                story.key.as_mut().unwrap().age = Some(SignedDuration::from_mins(11));
            },
            |_, _| {},
        )
        .told("A deletion is held: the copy of the key is too old", "CipherTrust answers from a copy of what AWS has."),
        at_the_guard(|_| {}, |evidence, _| evidence.requested = Destruction::Schedule { days: 31, passed: Passed::Edge })
            .told("A deletion is held: the provider does not accept the days", "The provider was changed between the plan and the call."),
        at_the_guard(|_| {}, |evidence, _| evidence.terminating = true)
            .told("A deletion is held: the namespace is being deleted", "Keyward then leaves every key as it is, whatever its object asks for."),
        {
            let mut story = Story::new();
            story.report(Conclusion::Unfinished, None, &[], &[], &[]);
            let key = story.key.clone().unwrap();
            story.events = event::last_events(&key, &story.desired().owner, &story.memory.status, &[Step::Disable]);
            story.events.push(event::released(&story.memory, &story.desired().owner, &[Step::Disable]));
            story
        }
        .told("The object is gone, and its key is disabled", "`deletionPolicy: Disable`. The status is the last one before the object went."),
        Story::new()
            .with(|story| story.rules.guard.require_confirmation = true)
            .spec(json!({ "deletionScheduleDays": 7 }))
            .looked()
            .told("A deletion is held: the provider requires a confirmation", "`deletionGuard.requireConfirmation` is true."),
        Story::new()
            .with(|story| story.rules.guard.require_confirmation = true)
            .spec(json!({ "deletionPolicy": "Disable" }))
            .looked()
            .released()
            .told("The object is deleted, and disabling its key is held", "`deletionPolicy: Disable`, and `deletionGuard.requireConfirmation` is true."),
        {
            let mut story = Story::unbound(json!({ "deletionScheduleDays": 7 }));
            story.look();
            story
        }
        .told("There is nothing to delete", "The object has had `deletionScheduleDays` from the start, and Keyward finds no key for it. Keyward creates none."),
        Story::new()
            .with(|story| story.rules.allow.aliases = vec!["shop-*".into()])
            .spec(json!({ "autoRotation": true, "rotationPeriodDays": 45, "aliases": ["live"] }))
            .looked()
            .told("The KMS or the provider does not allow a part of the spec", "One message lists all of it. Keyward applies the rest, and the state of the key does not wait for it."),
        Story::new()
            .with(|story| story.fails.push((tag("shop"), answered("AccessDeniedException", 400, denied))))
            .spec(json!({ "tags": { "team": "shop" } }))
            .looked()
            .told("AWS denies a call", "AWS's own words say which kind of policy denies the call, and whether the deny is explicit."),
        Story::new()
            .with(|story| story.fails.push((tag("shop"), answered("LimitExceededException", 400, ""))))
            .spec(json!({ "tags": { "team": "shop" } }))
            .looked()
            .told("A quota is used up", "Remove what is not needed at the KMS, or ask for a higher quota."),
        rotated(0, 0).looked().told(
            "A rotation on demand is requested",
            "The annotation `keyward.dev/rotate-requested-at` has a new text. The event `KeyRotated` follows when the KMS has the rotation on record.",
        ),
        rotated(0, 0).spec(json!({ "enabled": false })).looked().looked().told(
            "A rotation on demand waits for the key",
            "No KMS rotates a key that is disabled or pending deletion.",
        ),
        rotated(3, 2).looked().told(
            "A rotation on demand is held: the KMS has one that the object does not know",
            "Somebody else had the key rotated, or the object was restored from a backup. In the second case, run the command only if you want another rotation.",
        ),
        rotated(24, 24).looked().told(
            "A rotation on demand is held: it is the last one",
            "AWS rotates a key on demand 25 times in its life.",
        ),
        rotated(25, 25).looked().told("No rotation on demand is left", "Automatic rotation continues. For new material on demand, a new key is needed."),
        rotated(0, 0).outside(|key| key.kind.spec = "RSA_2048".into()).looked().told(
            "The key cannot be rotated on demand",
            "The message names the kind of key. Everything else is applied.",
        ),
        rotated(0, 0).with(|story| story.memory.status.key_id = None).looked().told(
            "A request for a rotation came with the object",
            "A manifest, a copy or a backup brought the text. It rotates nothing. Only a text that is written when the object has its key does.",
        ),
        policy(PoliciesFrom::None, &with_shop("arn:aws:iam::111122223333:root")).told(
            "The provider does not allow the key policy",
            "`spec.allow.policies` of the KeyProvider says which policies are allowed. The default is none.",
        ),
        replica(primary("bank.pay", State::Enabled)).looked().told(
            "The key to replicate belongs to another namespace",
            "A replica has the material of its primary key. So only a namespace that has the primary key may make one.",
        ),
        replica(primary("shop.orders-eu", State::Disabled)).looked().told(
            "The primary key is disabled",
            "Keyward makes the replica when the primary key is enabled. It is the same if the object that `replicaOf` names has no key yet.",
        ),
        replica({
            let mut single = primary("shop.orders-eu", State::Enabled);
            single.kind.multi_region = false;
            single
        })
        .looked()
        .told("The key to replicate is no multi-Region key", "Such a key cannot become one."),
        Story::new()
            .with(|story| {
                let key = story.key.as_mut().unwrap();
                key.kind.multi_region = true;
                key.multi_region = Some(MultiRegion::Replica(PRIMARY.into()));
                let seen = SeenPrimary { key: primary("shop.orders-eu", State::Enabled), rules: rules() };
                story.primary = Some(Primary::Seen(Box::new(seen)));
            })
            .looked()
            .spec(json!({ "primary": true }))
            .looked()
            .told("The replica becomes the primary key", "Both keys are updated for some seconds, and can be used."),
        policy(PoliciesFrom::Accounts, &with_shop("444455556666")).told(
            "The key policy gives access to another account",
            "The statement is named by its `Sid`, or by its number.",
        ),
        policy(PoliciesFrom::Any, &with_shop("arn:aws:iam::111122223333:role/shop")).told(
            "The key policy would lock Keyward out",
            "The policy is not sent. AWS itself would refuse it too, but only if it takes away `kms:PutKeyPolicy`.",
        ),
        policy(PoliciesFrom::Any, "{ \"Version\": \"2012-10-17\",\n  \"Statement\": [ { \"Effect\" } ] }")
            .told("The key policy is not JSON", "Line and column are those of the text in `spec.policy`."),
        policy(PoliciesFrom::Any, POLICY)
            .outside(|key| key.policy = Some(KeyPolicy::Text(POLICY.replace("kms:*", "kms:Describe*"))))
            .looked()
            .told("The key policy was set", "The event names the statements that differed."),
        Story::new()
            .with(|story| {
                story.rules.allow.policies.from = PoliciesFrom::Any;
                let text = with_shop("arn:aws:iam::111122223333:role/shop").replace("\"Statement\":[", &format!("\"Statement\":[{OWN},"));
                let fault = FaultAction::Error { code: "MalformedPolicyDocumentException".into(), status: 400, message: String::new() };
                let failure = refused_by(Fault::on("PutKeyPolicy", fault), async |kms| kms.set_policy(ARN, &text).await);
                story.edit(&json!({ "policy": text }));
                let named = story.desired().key_policy.unwrap().document.new_principals(None);
                let step = Step::SetPolicy { policy: text, unsure: Some("it is not known as which principal AWS sees Keyward".into()) };
                story.fails.push((step, policy::not_accepted(failure, named.as_deref(), false)));
            })
            .looked()
            .told("The KMS does not accept the key policy", "AWS may not know a principal that was created moments ago, so Keyward tried for ten minutes."),
        policy(PoliciesFrom::Any, POLICY)
            .spec(json!({ "managementPolicy": "EnforceOnChange" }))
            .looked()
            .outside(|key| key.policy = Some(KeyPolicy::Text(POLICY.replace("kms:*", "kms:Describe*"))))
            .looked()
            .told("Somebody changed the key policy, and the management policy keeps the change", "The statement is named, and nothing of it is shown."),
        Story::new()
            .with(|story| story.publishes = Some(|status| status.published_to = Some(published())))
            .looked()
            .told("The key is published", "The ConfigMap or Secret is there, with the values of `spec.publishTo`."),
        Story::new()
            .with(|story| {
                story.memory.status.published_to = Some(published());
                story.publishes = Some(|status| status.published_to = None);
            })
            .looked()
            .told("The key is no longer published", "`spec.publishTo` was removed from the spec, and the ConfigMap is gone."),
        unpublished(|target, _| publish::not_permitted(target, "shop", publish::READ)).told(
            "Keyward has no right to publish the key",
            "[publishing.md](publishing.md) says what the right is. The rest of the spec is applied.",
        ),
        unpublished(|target, _| publish::refused(target, "shop", "create")).told(
            "The API server does not take what publishes the key",
            "Keyward may read ConfigMaps, and a write is refused.",
        ),
        unpublished(|_, publication| {
            let other = Controller { api_version: "keyward.dev/v1alpha1".into(), kind: "ManagedKey".into(), name: "invoices".into(), uid: "u".into() };
            taken(publication, Some(other))
        })
        .told("Another object publishes to the same ConfigMap", "The object that was first keeps it."),
        unpublished(|_, publication| taken(publication, None)).told(
            "The ConfigMap to publish to belongs to somebody else",
            "Keyward never changes an object that it did not create for this one.",
        ),
        silent(true).told(
            "The KMS throttles",
            "This says nothing about the key: `Ready` stays as it was, and `Synced` gives the reason.",
        ),
        silent(false).told(
            "The KMS was not reachable for more than twice resyncSeconds",
            "The last read is too old, so `Ready` is `Unknown`.",
        ),
        {
            let failure = answered("NobodyKnowsException", 400, "");
            let mut story = Story::new();
            story.report(Conclusion::Failed(&failure), None, &[], &[], &[]);
            story
        }
        .told("The KMS gives an answer that Keyward does not know", "Keyward changes nothing because of it, and tries again."),
        absent(scheduled(7)).later(8).with(|story| story.memory.status.missing = None).looked().told(
            "The date of the deletion has passed",
            "The KMS does not find the key any more. Three such answers over five minutes confirm it.",
        ),
        absent(scheduled(7)).later(8).looked().told("The key is deleted", "Remove the object."),
        absent(Story::new()).looked().told("The key is gone, and no deletion was known", "Keyward does not create another key in its place."),
        absent(Story::new()).with(|story| story.rules.endpoint = "kms.example.com".into()).looked().told(
            "The provider has another endpoint, where the key is not found",
            "Another KMS may be behind the endpoint, even if it names the same account. The key does not count as gone.",
        ),
        absent(Story::new()).with(|story| story.rules.account = "999999999999".into()).looked().told(
            "The provider is for another account now",
            "Keyward does not call the KMS. The object recovers by itself when the provider is for its account again.",
        ),
        Story::new().outside(foreign("prod", "invoices", "5b0e7c1a-0000-4000-8000-000000000001")).looked().told(
            "The key belongs to another object",
            "The message names each tag that is not this object's, with its value and the right one.",
        ),
        Story::new().with(|story| story.cluster = "staging").looked().told(
            "The operator runs with another cluster id",
            "Usually the flag is wrong: then every key of the cluster reports this at once.",
        ),
        {
            let story = adopting();
            let message = "the key was marked as this object's; the marks are read back before anything else is done".into();
            story.ended(Conclusion::ReadingBack(Note { reason: Reason::Adopting, message }))
        }
        .told("A key is being adopted", "It takes as long as the KMS needs to show what was written."),
        adopting().looked().told("A key was adopted", "`spec.keyId` names it, and the provider's adoption rules allow it."),
        adopting_with(json!({ "keyId": ID, "key": { "spec": "RSA_2048", "usage": "SIGN_VERIFY" } })).looked().told(
            "The key to adopt is of another kind",
            "`spec.key` declares another kind than the key has. The kind of a key cannot be changed.",
        ),
        {
            let mut story = Story::unbound(json!({}));
            let failure = answered("AccessDeniedException", 400, "");
            let note = status::marks_not_writable(&failure, Duration::from_mins(10), &story.desired().owner);
            story.report(Conclusion::Refused { note, stalled: true }, None, &[], &[], &[]);
            story
        }
        .told("The marks of a key cannot be written", "Keyward does nothing to a key that it cannot mark."),
        Story::unbound(json!({}))
            .with(|story| {
                let mut found = key(State::Enabled);
                found.aliases = Some(vec![story.desired().owner.claim_alias()]);
                story.key = Some(found);
            })
            .looked()
            .told("It is not clear which key is the object's", "The claim alias points to a key without the marks of this object."),
        Story::new().outside(|key| key.state = State::Updating).looked().told(
            "The KMS is updating the key",
            "Its primary Region changes, for example. The key can be used, so it stays Ready, and nothing is changed until the KMS is done.",
        ),
        refused(known::none("aws")).told(
            "The provider does not exist",
            "The object may be created before its provider. Keyward continues as soon as the provider exists.",
        ),
        refused(known::told_by_objects("aws", known::no_secret("aws", "keyward-system").tried_again("aws", Duration::from_mins(10)))).told(
            "The provider cannot be used",
            "`kubectl describe keyprovider aws` says the same.",
        ),
        refused(known::not_admitted("aws", &serde_json::from_value(json!({ "from": "Names", "names": [] })).unwrap(), "shop")).told(
            "The provider does not admit the namespace",
            "`spec.namespaces` of the KeyProvider names those that it admits; an empty list admits none.",
        ),
        adopting().with(|story| story.rules.adoption = Adoption::default()).looked().told(
            "The provider does not admit an adoption",
            "`spec.adoption` of the KeyProvider says which keys may be adopted from where.",
        ),
        elsewhere.told("The key to adopt belongs to another account", "Keyward does not call the KMS, because it would deny the call."),
        Story::unbound(json!({ "keyId": "alias/orders" }))
            .with(|story| {
                let time = seconds(story.now - SignedDuration::from_mins(60));
                let attempt = json!({ "id": "a", "account": ACCOUNT, "region": REGION, "time": time });
                story.memory.status.create_attempt = serde_json::from_value(attempt).unwrap();
            })
            .looked()
            .told(
                "A creation has an unknown outcome",
                "The message names the keys without an owner's mark that were created at that time. Look at them before you adopt one: they may be anybody's.",
            ),
        adopting().outside(|key| key.state = State::Disabled).looked().told(
            "The key to adopt is disabled",
            "Somebody may have disabled the key in an incident. An adoption does not enable it.",
        ),
    ]
}

#[test]
fn the_page_has_its_situations_and_each_says_what_to_do() {
    let (keys, providers, grants) = (situations(), provider::situations(), grant::situations());
    assert!(keys.len() >= 20 && providers.len() >= 10 && grants.len() >= 10, "{}, {} and {}", keys.len(), providers.len(), grants.len());
    let of_keys = keys.iter().map(|told| (told.title, &told.status.conditions));
    let of_others = providers.iter().map(|told| (told.title, &told.status.conditions));
    let all: Vec<_> = of_keys.chain(of_others).chain(grants.iter().map(|told| (told.title, &told.status.conditions))).collect();
    let titles: BTreeSet<_> = all.iter().map(|(title, _)| title).collect();
    assert_eq!(titles.len(), all.len());
    for (title, conditions) in all {
        for known in conditions {
            assert!(Reason::ALL.iter().any(|(reason, _)| reason.as_str() == known.reason), "{title}: {}", known.reason);
            assert!(!known.message.contains("1764000000"), "{title} names a session: {}", known.message);
            assert!(!known.message.contains(SECRET_KEY), "{title} tells a secret: {}", known.message);
        }
        // If somebody has to act, the message says how.
        if let Some(stalled) = condition::find(conditions, ConditionType::Stalled) {
            let ways = [
                "set ",
                "remove ",
                "run: ",
                "make ",
                "have ",
                "ask ",
                "say ",
                "find out",
                "see its ",
                "leaves it so",
                "add it",
                "correct ",
                "give it ",
                "write it ",
                "change spec.",
                "look for ",
                "gives the right with ",
                "import it",
                "connect",
                "choose another",
                "nothing has to be typed",
                "delete this object",
            ];
            assert!(ways.iter().any(|way| stalled.message.contains(way)), "{title}: {}", stalled.message);
        }
    }
}

/// Whoever meets a word of the status or an event finds it on the page.
#[test]
fn the_page_shows_every_reason_and_every_event() {
    let (reasons, events) = said(&situations(), &provider::situations(), &grant::situations());
    let all = Reason::ALL.iter().map(|(reason, meaning)| (reason.as_str(), *meaning, &reasons));
    let all = all.chain(EVENTS.iter().map(|(event, meaning)| (*event, *meaning, &events)));
    let all: Vec<_> = all.collect();
    let lacks: Vec<_> = all.iter().filter(|(word, _, shown)| !shown.contains_key(*word)).map(|(word, ..)| *word).collect();
    assert_eq!(lacks, [""; 0], "docs/messages.md");
    // The page about grants explains those of grants.
    let of_grants: Vec<_> = all.iter().filter(|(_, meaning, _)| meaning.trim_start().starts_with("On a `KeyGrant`")).collect();
    let page = include_str!("../../../docs/grants.md");
    let lacks: Vec<_> = of_grants.iter().map(|(word, ..)| *word).filter(|word| !page.contains(&format!("`{word}`"))).collect();
    assert!(!of_grants.is_empty() && lacks.is_empty(), "docs/grants.md: {lacks:?}");
    let known: BTreeSet<&str> = EVENTS.iter().map(|(event, _)| *event).collect();
    assert_eq!(events.keys().filter(|event| !known.contains(event.as_str())).collect::<Vec<_>>(), Vec::<&String>::new());
}

/// The marks of the object itself are what most situations rest on.
#[test]
fn the_first_situation_is_a_key_of_its_own() {
    let story = Story::new();
    let tags = story.key.as_ref().unwrap().tags.clone().unwrap();
    assert_eq!(tags[mark::UID], story.object.metadata.uid.unwrap());
}
