//! What is told of a `KeyGrant`: what `kubectl describe keygrant orders-reader` shows, by the planner, the rules, the status and the events themselves.

use std::fmt::Write as _;

use jiff::Timestamp;
use keyward::{
    api::{
        KeyGrantStatus, ManagedKey, annotation,
        key_grant::GrantDeletionPolicy,
        key_provider::{AllowGrants, ProviderType},
        managed_key::ManagementPolicy,
    },
    domain::{
        deletion::{Intent, Word},
        event::Event,
        failure::Failure,
        grant::{
            Grant, Names, NewGrant, Terms, allowed, event,
            plan::{Plan, Situation, plan},
            release::{Circumstances, Release, release},
            sentences,
            status::{Conclusion, Report, conclude},
            target::Target,
        },
        observed::{Key, State},
        ownership::OwnerMark,
        plan::Note,
        rules::Rules,
    },
    kms::Grants,
};
use kms_double::{Fault, FaultAction};
use serde_json::json;

use super::{conditions, posted, refused_by};
use crate::support::fixtures::{ARN, key, object, rules};

/// What is told of a situation.
pub(super) struct Told {
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    pub(super) status: KeyGrantStatus,
    pub(super) events: Vec<Event>,
}

/// A status as `kubectl describe` prints it.
pub(super) fn describe(status: &KeyGrantStatus, events: &[Event]) -> String {
    let mut text = format!("Status:\n  Conditions:\n{}", conditions(&status.conditions));
    if let Some(id) = &status.grant_id {
        writeln!(text, "  Grant Id:  {id}").unwrap();
    }
    text + &posted(events)
}

const UID: &str = "5b0d7a31-6a0e-4c56-9a35-1f2e3d4c5b6a";
const READER: &str = "arn:aws:iam::111122223333:role/shop-reader";
/// Ids of grants.
const FIRST: &str = "0c237476b39f8bc44e45212e08498fbe3151305030726c0590dd8d3e9f3d6a60";
const SECOND: &str = "9d1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8";

fn terms() -> Terms {
    Terms { grantee: READER.into(), operations: ["Decrypt".to_owned(), "DescribeKey".to_owned()].into(), ..Terms::default() }
}

fn names() -> Names {
    Names::of("prod", UID, &terms())
}

fn grant(id: &str) -> Grant {
    Grant { id: id.into(), name: names().current, terms: terms() }
}

/// An object, and what is known in its round.
struct Story {
    status: KeyGrantStatus,
    terms: Terms,
    managed: ManagedKey,
    key: Key,
    grants: Vec<Grant>,
    rules: Rules,
    events: Vec<Event>,
}

impl Story {
    /// The first round of an object whose `ManagedKey` has a key.
    fn new() -> Self {
        let managed = object(json!({}));
        let owner = Target::of(&managed, "prod").owner;
        let mut key = key(State::Enabled);
        key.tags = Some(owner.marks(Intent { seq: 1, generation: 1, word: Word::Live }, OwnerMark::Name));
        let mut rules = rules();
        rules.allow.grants = AllowGrants { principals: vec!["arn:aws:iam::111122223333:role/shop-*".into()], operations: vec!["*".into()] };
        Self { status: KeyGrantStatus::default(), terms: terms(), managed, key, grants: Vec::new(), rules, events: Vec::new() }
    }

    /// A grant that was made and seen.
    fn granted() -> Self {
        let mut story = Self::new();
        (story.status.grant_id, story.status.applied_name) = (Some(FIRST.into()), Some(names().current));
        (story.status.key_arn, story.grants) = (Some(ARN.into()), vec![grant(FIRST)]);
        story.looked()
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn target(&self) -> Target {
        Target { key: Some(ARN.into()), ..Target::of(&self.managed, "prod") }
    }

    fn id(&self) -> Option<&str> {
        self.status.grant_id.as_deref()
    }

    /// A round that ends in that way.
    fn ended(mut self, conclusion: &Conclusion) -> Self {
        let before = self.status.clone();
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        conclude(&mut self.status, &Report { generation: 1, conclusion, word_stands: true, requested: None, now });
        self.events.extend(event::turns(&before, &self.status));
        self
    }

    fn stalled(self, note: Note) -> Self {
        self.ended(&Conclusion::Stalled(note))
    }

    fn waits(self, note: Note) -> Self {
        self.ended(&Conclusion::Waiting(note))
    }

    /// A round as the controller makes it.
    fn looked(mut self) -> Self {
        self.events.clear();
        if let Some(Note { reason, message }) = allowed::refused(&self.terms, &self.rules) {
            let message = sentences::stays(&message, self.id());
            return self.stalled(Note { reason, message });
        }
        let mut made: Option<String> = None;
        loop {
            let (names, target) = (Names::of("prod", UID, &self.terms), self.target());
            let recorded = self.status.grant_id.clone().zip(self.status.applied_name.clone());
            let situation = Situation {
                terms: &self.terms,
                names: &names,
                target: &target,
                key: &self.key,
                grants: &self.grants,
                rules: &self.rules,
                recorded: recorded.as_ref().map(|(id, name)| (id.as_str(), name.as_str())),
                made: made.as_deref(),
            };
            match plan(&situation) {
                Plan::Create { again } => {
                    made = Some(SECOND.into());
                    self.events.extend(event::created(ARN, SECOND, &self.terms, again.as_deref()));
                    (self.status.grant_id, self.status.applied_name) = (made.clone(), Some(names.current.clone()));
                }
                Plan::Revoke(id) => {
                    self.events.push(event::revoked(ARN, &id, "the spec of the object declares another one"));
                    self.grants.retain(|grant| grant.id != id);
                }
                Plan::Rest(id) => {
                    let message = sentences::granted(&id, ARN, &self.terms);
                    return self.ended(&Conclusion::Granted { message, left: None });
                }
                Plan::Drifted(message) => return self.ended(&Conclusion::Drifted(message)),
                Plan::Wait(note) => return self.waits(note),
                Plan::Stall(note) => return self.stalled(note),
            }
        }
    }

    /// A round of an object that is being deleted, which cannot be let go for that failure.
    fn held_by(mut self, failure: &Failure) -> Self {
        self.events.clear();
        let verdict = failure.kind.verdict();
        self.stalled(sentences::with_way_out(Note { reason: verdict.reason, message: failure.message.clone() }))
    }

    fn told(self, title: &'static str, about: &'static str) -> Told {
        Told { title, about, status: self.status, events: self.events }
    }
}

/// What the adapter makes of AWS's answer.
fn answered(operation: &'static str, code: &str) -> Failure {
    let fault = Fault::on(
        operation,
        FaultAction::Error { code: code.into(), status: 400, message: "ARN does not refer to a valid principal".into() },
    );
    refused_by(fault, async |kms| match operation {
        "CreateGrant" => kms.create_grant(ARN, &NewGrant { name: names().current, terms: terms() }).await.map(drop),
        _ => kms.revoke_grant(ARN, FIRST).await,
    })
}

fn policy(story: &mut Story, policy: ManagementPolicy) {
    story.managed.spec.management_policy = policy;
}

/// What an object says that a person set to go with `deletionPolicy: Retain`.
fn retained(story: &Story) -> Event {
    let target = story.target();
    let circumstances = Circumstances {
        uninstalling: false,
        policy: GrantDeletionPolicy::Retain,
        paused: false,
        target: Some(&target),
        status: &story.status,
    };
    let Release::Leave(why) = release(&circumstances) else { panic!("it is left") };
    event::released(&[ARN.to_owned()], why)
}

pub(super) fn situations() -> Vec<Told> {
    let unknown = answered("CreateGrant", "InvalidArnException");
    let (name, namespace) = ("orders", "shop");
    vec![
        Story::new().looked().told("A grant was made", "The object waits for nothing. `Ready` says what the grant allows."),
        Story::new().waits(sentences::not_ready(&sentences::no_managed_key(name, namespace), None)).told(
            "The ManagedKey of a grant does not exist",
            "The `KeyGrant` may be created first. Keyward continues as soon as the `ManagedKey` has a key.",
        ),
        Story::granted()
            .waits(sentences::not_ready(&sentences::going(name), Some(FIRST)))
            .told("The ManagedKey of a grant is being deleted", "The grant stays with the key. Delete the `KeyGrant` to have it revoked."),
        Story::granted()
            .with(|story| {
                story.managed.metadata.annotations.get_or_insert_default().insert(annotation::PAUSED.into(), "true".into());
            })
            .ended(&Conclusion::Paused(sentences::paused(name)))
            .told("The ManagedKey of a grant is paused", "Nothing is done about its grants either."),
        Story::new()
            .with(|story| story.rules.allow.grants.operations = vec!["Encrypt".into()])
            .looked()
            .told("A grant is not allowed", "`allow.grants` of the provider lists neither all its operations, nor both principals."),
        Story::granted()
            .with(|story| story.rules.allow.grants.principals.clear())
            .looked()
            .told("A grant is not allowed any more", "Narrower rules take no access away. The grant stays until its object is deleted."),
        Story::new()
            .with(|story| story.rules.provider = ProviderType::CipherTrust)
            .looked()
            .told("The KMS has no grants", "CipherTrust has none. Nothing is called."),
        Story::new()
            .with(|story| story.key.state = State::Disabled)
            .looked()
            .told("The key of a grant is disabled", "A KMS makes no grant of a key that is not enabled. A grant that exists stays."),
        Story::new()
            .ended(&Conclusion::failed(unknown.kind, &unknown.message, "", true))
            .told("The KMS does not know a principal yet", "It may have been created moments ago. Keyward tries again for ten minutes."),
        Story::new()
            .ended(&Conclusion::failed(unknown.kind, &unknown.message, "; correct granteePrincipal or retiringPrincipal", false))
            .told("The KMS does not know a principal", "Ten minutes have passed. After a change of the spec it is tried anew."),
        Story::granted()
            .with(|story| story.grants[0].terms.grantee = "AROAEXAMPLEID12345678".into())
            .looked()
            .told("The grantee was deleted", "AWS shows the unique id of a principal that does not exist any more."),
        Story::granted()
            .with(|story| story.terms.operations = ["Decrypt".to_owned()].into())
            .looked()
            .told("The spec of a grant was changed", "The new grant is made first, and the old one is revoked after that."),
        Story::granted()
            .with(|story| story.grants.clear())
            .looked()
            .told("Somebody revoked a grant", "With `managementPolicy: Enforce` of the ManagedKey it is made again."),
        Story::granted()
            .with(|story| {
                story.grants.clear();
                policy(story, ManagementPolicy::EnforceOnChange);
            })
            .looked()
            .told("Somebody revoked a grant, and it is only reported", "`managementPolicy` of the ManagedKey is `EnforceOnChange`."),
        Story::new()
            .with(|story| {
                let mut owner = story.target().owner;
                (owner.namespace, owner.uid) = ("bank".into(), "other".into());
                story.key.tags = Some(owner.marks(Intent { seq: 1, generation: 1, word: Word::Live }, OwnerMark::Name));
            })
            .looked()
            .told("The key of a grant belongs to another object", "The marks on the key decide, and not the status of the ManagedKey."),
        Story::granted()
            .held_by(&answered("RevokeGrant", "AccessDeniedException"))
            .told("A grant cannot be revoked", "The object is being deleted and waits. The message ends with the way out."),
        Story::granted()
            .with(|story| {
                story.events = vec![retained(story)];
            })
            .told("A grant is retained", "`deletionPolicy: Retain`: the object goes, the grant stays, and the event says so."),
    ]
}
