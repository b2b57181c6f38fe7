//! One object, one key that is its own and as declared. Each test changes what it is about.

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{
        ManagedKeyStatus, Reason,
        condition::seconds,
        key_provider::{Adoption, AdoptionFrom, AdoptionRule, Allow, DeletionGuard, ProviderType},
        managed_key::{Applied, Deletion, DeletionCall, DeletionOrigin, DeletionPolicy, KeyTemplate, ManagementPolicy, ProviderFacts},
        mark,
    },
    domain::{
        candidates::Unmarked,
        deletion::{Intent, Nonce, Word},
        desired::{Desired, Finalizer, Life},
        memory::Memory,
        observed::{Facets, Key, Observed, Rotation, Searched, State},
        ownership::{Owner, OwnerMark, Tags},
        plan::{self, OtherOwner, Plan, Situation, Tried},
        primary::Primary,
        publish::Declared,
        rules::Rules,
        status::{Conclusion, Report},
    },
};

pub const ACCOUNT: &str = "111122223333";
pub const REGION: &str = "eu-west-1";
pub const ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
/// The generation of the object in [`Scene`].
pub const GENERATION: i64 = 5;
/// The number of the last word in [`Scene`].
pub const SEQ: i64 = 3;

pub fn arn() -> String {
    format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{ID}")
}

pub fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

pub fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

pub fn days_on(days: i32) -> Timestamp {
    now() + SignedDuration::from_hours(24 * i64::from(days))
}

pub fn owner() -> Owner {
    Owner { cluster: "prod".into(), namespace: "shop".into(), name: "orders".into(), uid: "u1".into() }
}

/// The word of a hold, as every test has it.
pub const HELD: Word = Word::Held(Some(NONCE));
/// The letters of [`HELD`].
pub const NONCE: Nonce = Nonce::of([0; Nonce::LENGTH]);

pub fn word(word: Word) -> Intent {
    Intent { seq: SEQ, generation: GENERATION, word }
}

/// A finalizer of somebody else.
pub fn backup() -> Finalizer {
    Finalizer { at: 0, name: "shop.example/backup".into() }
}

pub fn desired() -> Desired {
    Desired {
        owner: owner(),
        generation: GENERATION,
        policy: ManagementPolicy::Enforce,
        life: Life::Live,
        enabled: None,
        rotation: None,
        description: None,
        tags: Tags::new(),
        aliases: std::collections::BTreeSet::new(),
        key_policy: None,
        publish: Declared::Nothing,
        replica: None,
        primary: false,
        kind: None,
        adopt: None,
        deletion_policy: DeletionPolicy::Retain,
        paused: false,
        misspelt_pause: None,
        rotate: None,
        rotate_confirm: None,
        confirmation: None,
        finalizers: Vec::new(),
        goes: false,
        left_out: Vec::new(),
    }
}

pub fn rules() -> Rules {
    Rules {
        name: "aws".into(),
        provider: ProviderType::Aws,
        account: ACCOUNT.into(),
        region: REGION.into(),
        endpoint: "default".into(),
        principal: None,
        adoption: Adoption::default(),
        allow: Allow::default(),
        default_tags: Tags::new(),
        default_tag_keys: std::collections::BTreeSet::new(),
        guard: DeletionGuard::default(),
        trip: None,
        max_staleness: None,
    }
}

/// Rules that admit every key of the account for every namespace.
pub fn admitting() -> Adoption {
    Adoption {
        from: AdoptionFrom::Rules,
        rules: vec![AdoptionRule { namespaces: vec!["*".into()], keys: vec![format!("arn:aws:kms:*:{ACCOUNT}:key/*")] }],
        from_clusters: Vec::new(),
    }
}

/// Where the key is, as an earlier version recorded it.
pub fn facts() -> ProviderFacts {
    ProviderFacts { type_: "AWS".into(), account: ACCOUNT.into(), region: REGION.into(), endpoint: None }
}

/// What an object remembers of a key that is as declared.
pub fn memory() -> Memory {
    Memory {
        status: ManagedKeyStatus {
            observed_generation: Some(GENERATION),
            applied: Some(Applied { generation: GENERATION, enabled: Some(true), ..Applied::default() }),
            key_id: Some(ID.into()),
            key_arn: Some(arn()),
            key_state: Some(State::Enabled.into()),
            intent_seq: Some(SEQ),
            intent_word: Some(Word::Live.to_string()),
            provider: Some(ProviderFacts { endpoint: Some("default".into()), ..facts() }),
            ..ManagedKeyStatus::default()
        },
        attempt: None,
        key: Some(arn()),
        made: None,
    }
}

/// The object's own key in that state, read in full. Keys wait for import, or are unavailable, only with the origins that can be so.
pub fn key(state: State) -> Key {
    let origin = match state {
        State::PendingImport => "EXTERNAL",
        State::Unavailable => "AWS_CLOUDHSM",
        _ => "AWS_KMS",
    };
    let mut key = Key {
        id: ID.into(),
        arn: arn(),
        account: ACCOUNT.into(),
        region: REGION.into(),
        state,
        deletion_date: (state == State::PendingDeletion).then(|| days_on(7)),
        kind: KeyTemplate { origin: origin.into(), ..KeyTemplate::default() },
        customer_managed: true,
        multi_region: None,
        description: Some(String::new()),
        creation_time: None,
        age: None,
        name: None,
        rotation: (origin == "AWS_KMS").then(Rotation::default),
        rotations: None,
        tags: Some(owner().marks(word(Word::Live), OwnerMark::Name)),
        aliases: Some(vec![owner().claim_alias()]),
        policy: None,
        unread: Facets::NONE,
    };
    if state.is_pending() {
        (key.rotation, key.aliases) = (None, None);
    }
    key
}

/// A deletion that Keyward scheduled, or is scheduling.
pub fn ours(days: i32, call: Option<DeletionCall>) -> Deletion {
    Deletion {
        schedule_days: Some(days),
        requested_time: Some(seconds(now() - minutes(1))),
        origin: DeletionOrigin::Keyward,
        call,
        last_used_time: None,
        last_use: None,
        waits_for: Vec::new(),
        earliest_deletion_date: None,
    }
}

/// A use of the key that holds a deletion, and no deletion.
pub fn use_alone() -> Deletion {
    Deletion { schedule_days: None, requested_time: None, last_used_time: Some(seconds(now() - minutes(60))), ..ours(7, None) }
}

/// A deletion that someone else scheduled.
pub fn external() -> Deletion {
    Deletion { schedule_days: None, origin: DeletionOrigin::External, ..ours(7, None) }
}

/// All that a plan rests on.
#[derive(Clone, Debug)]
pub struct Scene {
    pub desired: Desired,
    pub memory: Memory,
    pub rules: Rules,
    pub observed: Observed,
    pub now: Timestamp,
    pub tried: Tried,
    pub other_owner: Option<OtherOwner>,
    pub unmarked: Option<Unmarked>,
    pub primary: Option<Primary>,
}

impl Scene {
    /// The object's own key in that state, declared live and enabled.
    pub fn of(state: State) -> Self {
        let mut scene = Self {
            desired: desired(),
            memory: memory(),
            rules: rules(),
            observed: Observed::Present(Box::new(key(state))),
            now: now(),
            tried: Tried::default(),
            other_owner: None,
            unmarked: None,
            primary: None,
        };
        scene.memory.status.key_state = Some(state.into());
        scene
    }

    /// An object that never had a key, and none is found.
    pub fn unbound(searched: Searched) -> Self {
        Self { memory: Memory::default(), observed: Observed::Absent(searched), ..Self::of(State::Enabled) }
    }

    /// An object that never had a key and finds that one.
    pub fn finds(state: State) -> Self {
        Self { memory: Memory::default(), ..Self::of(state) }
    }

    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub fn key(&mut self) -> &mut Key {
        match &mut self.observed {
            Observed::Present(key) => key,
            other => panic!("no key in {other:?}"),
        }
    }

    pub fn tags(&mut self) -> &mut Tags {
        self.key().tags.as_mut().unwrap()
    }

    /// Puts an intent on the key, and its number and word into the object's status.
    pub fn intent(&mut self, intent: Intent) {
        self.tags().insert(mark::INTENT.into(), intent.to_string());
        (self.memory.status.intent_seq, self.memory.status.intent_word) = (Some(intent.seq), Some(intent.word.to_string()));
    }

    /// The key is pending with our own schedule of `days`, which the object declares and remembers.
    pub fn scheduled(days: i32) -> Self {
        Self::of(State::PendingDeletion).with(|s| {
            s.desired.life = Life::Scheduled(days);
            s.intent(word(Word::Days(days)));
            s.key().deletion_date = Some(days_on(days));
            s.memory.status.deletion_date = Some(seconds(days_on(days)));
            s.memory.status.deletion = Some(ours(days, None));
            s.memory.status.applied =
                Some(Applied { generation: GENERATION, enabled: Some(true), deletion_schedule_days: Some(days), ..Applied::default() });
        })
    }

    /// The token that lifts the hold on the key, if it bears one.
    pub fn token(&mut self) -> Option<String> {
        let key = self.key();
        key.intent().token(&key.id)
    }

    /// The token for disabling the key with its object.
    pub fn token_to_disable(&mut self) -> Option<String> {
        let key = self.key();
        key.intent().token_to_disable(&key.id)
    }

    pub fn situation(&self) -> Situation<'_> {
        Situation {
            desired: &self.desired,
            memory: &self.memory,
            rules: &self.rules,
            now: self.now,
            missing_after: minutes(5),
            attempt_wait: minutes(15),
            tried: &self.tried,
            other_owner: self.other_owner.as_ref(),
            unmarked: self.unmarked.as_ref(),
            primary: self.primary.as_ref(),
        }
    }

    pub fn plan(&self) -> Plan {
        plan::plan(&self.situation(), &self.observed)
    }

    /// A plain round of this scene that ended so.
    pub fn report<'a>(&'a self, conclusion: Conclusion<'a>) -> Report<'a> {
        Report::plain(&self.desired, &self.rules, Some(&self.observed), conclusion, self.now)
    }
}

/// A plan in a few words, for tables.
pub fn brief(plan: &Plan) -> String {
    match plan {
        Plan::Rest(rest) => {
            let mut text = "rest".to_owned();
            let mut add = |flag: bool, word: &str| {
                if flag {
                    text.push_str(word);
                }
            };
            add(rest.unbound, " unbound");
            add(rest.life_drifted, " life drifted");
            add(!rest.life_drifted && !rest.drift.is_empty(), " drift");
            add(rest.waits.is_some(), " waits");
            add(rest.refused.is_some(), " refused");
            add(rest.demand.is_some(), " demand");
            text
        }
        Plan::Read(read) => format!("read {read:?}"),
        Plan::Do(step) => step.to_string(),
        Plan::Wait(note) => format!("wait {}", note.reason.as_str()),
        Plan::Stall(note) => format!("stall {}", note.reason.as_str()),
        Plan::Hold(hold) => format!("hold {}", hold.reason.as_str()),
        Plan::Missing(missing, _, gone) => format!("missing {} {gone:?}", missing.count),
    }
}

/// The reason and the sentence of a plan that has them.
pub fn note(plan: &Plan) -> (Reason, &str) {
    match plan {
        Plan::Wait(note) | Plan::Stall(note) | Plan::Missing(_, note, _) => (note.reason, &note.message),
        Plan::Hold(hold) => (hold.reason, &hold.message),
        other => panic!("no note in {other:?}"),
    }
}
