//! A replica is made of a key that its object may have, and becomes the primary key in place of one of its own namespace.

use super::fixtures::{ACCOUNT, Scene, brief, owner, rules};
use crate::{
    api::{
        Reason,
        key_provider::{Adoption, AdoptionFrom, AdoptionRule, ProviderType},
        managed_key::ManagementPolicy,
        mark,
    },
    domain::{
        observed::{Key, KeyPolicy, MultiRegion, Searched, State},
        ownership::Tags,
        plan::Plan,
        primary::{Barred, Primary, SeenPrimary},
        replica::PrimaryRef,
        rules::Rules,
        settings,
        step::Step,
    },
};

const ABROAD: &str = "us-east-1";
const SET: &str = "key/mrk-1234abcd12ab34cd56ef1234567890ab";

fn at(region: &str) -> String {
    format!("arn:aws:kms:{region}:{ACCOUNT}:{SET}")
}

/// A primary key abroad, whose marks name that object.
fn primary(of: &str) -> SeenPrimary {
    let mut key: Key = super::fixtures::key(State::Enabled);
    (key.arn, key.region) = (at(ABROAD), ABROAD.into());
    key.kind.multi_region = true;
    key.multi_region = Some(MultiRegion::Primary(Vec::new()));
    key.tags =
        Some(Tags::from([(mark::CLUSTER.into(), owner().cluster), (mark::OWNER.into(), of.into()), (mark::UID.into(), "other".into())]));
    SeenPrimary { key, rules: Rules { name: "abroad".into(), region: ABROAD.into(), ..rules() } }
}

fn ours() -> SeenPrimary {
    primary(&format!("{}.orders-eu", owner().namespace))
}

/// An object without a key that declares a replica of that key.
fn declares(primary: SeenPrimary) -> Scene {
    Scene::unbound(Searched::Everywhere).with(|s| {
        s.desired.replica = Some(PrimaryRef::Object("orders-eu".into()));
        s.primary = Some(Primary::Seen(Box::new(primary)));
    })
}

fn admits(namespace: &str) -> Adoption {
    let rules = vec![AdoptionRule { namespaces: vec![namespace.into()], keys: vec!["*".into()] }];
    Adoption { from: AdoptionFrom::Rules, rules, ..Adoption::default() }
}

/// Shows S3.
#[test]
fn a_replica_is_made_only_of_a_key_that_its_namespace_has() {
    let change = |change: fn(&mut SeenPrimary)| {
        let mut seen = ours();
        change(&mut seen);
        seen
    };
    let unmarked = |adoption: Adoption| {
        let mut seen = ours();
        seen.key.tags = Some(Tags::new());
        seen.rules.adoption = adoption;
        seen
    };
    for (name, seen, expected) in [
        ("of this namespace", ours(), "create the key"),
        ("of another namespace", primary("bank.orders-eu"), "stall OwnedByAnother"),
        ("of a namespace that begins alike", primary(&format!("{}2.orders-eu", owner().namespace)), "stall OwnedByAnother"),
        (
            "of another cluster",
            change(|p| drop(p.key.tags.as_mut().unwrap().insert(mark::CLUSTER.into(), "test".into()))),
            "stall OwnedByAnother",
        ),
        ("of no cluster", change(|p| drop(p.key.tags.as_mut().unwrap().remove(mark::CLUSTER))), "stall OwnedByAnother"),
        ("of no name", change(|p| drop(p.key.tags.as_mut().unwrap().remove(mark::OWNER))), "stall OwnedByAnother"),
        ("whose tags were not read", change(|p| p.key.tags = None), "stall OwnedByAnother"),
        ("without marks, admitted", unmarked(admits(&owner().namespace)), "create the key"),
        ("without marks, admitted to others", unmarked(admits("bank")), "stall AdoptionNotAllowed"),
        ("without marks, not admitted", unmarked(Adoption::default()), "stall AdoptionNotAllowed"),
        ("of another account", change(|p| p.key.account = "444455556666".into()), "stall InvalidSpec"),
        ("of another KMS", change(|p| p.rules.provider = ProviderType::CipherTrust), "stall InvalidSpec"),
        ("in the same Region", change(|p| p.key.region = rules().region), "stall InvalidSpec"),
        ("of one Region", change(|p| p.key.kind.multi_region = false), "stall NotAPrimary"),
        ("of a service", change(|p| p.key.customer_managed = false), "stall NotAPrimary"),
        ("a replica itself", change(|p| p.key.multi_region = Some(MultiRegion::Replica(String::new()))), "wait KeyNotReady"),
        ("disabled", change(|p| p.key.state = State::Disabled), "wait KeyNotReady"),
        ("updating", change(|p| p.key.state = State::Updating), "wait KeyNotReady"),
        ("pending deletion", change(|p| p.key.state = State::PendingDeletion), "stall KeyNotReady"),
    ] {
        assert_eq!(brief(&declares(seen).plan()), expected, "{name}");
    }
}

#[test]
fn nothing_is_made_before_the_primary_key_and_all_marks_were_read() {
    let plan = |change: fn(&mut Scene)| brief(&declares(ours()).with(change).plan());
    assert_eq!(plan(|s| s.primary = None), "read Primary");
    assert_eq!(plan(|s| s.observed = crate::domain::observed::Observed::Absent(Searched::Reference)), "read Everywhere");
    assert_eq!(plan(|s| s.primary = Some(Primary::Barred(Barred::for_now("not yet")))), "wait KeyNotReady");
    assert_eq!(plan(|s| s.primary = Some(Primary::Barred(Barred::stalled(Reason::InvalidSpec, "never")))), "stall InvalidSpec");
    assert_eq!(plan(|s| s.rules.provider = ProviderType::Huawei), "stall InvalidSpec");
    assert_eq!(plan(|s| s.desired.left_out = vec!["unreadable".into()]), "stall InvalidSpec");
    assert_eq!(plan(|s| s.desired.policy = ManagementPolicy::Observe), "stall KeyMissing");
}

/// A policy that Keyward could not work under is not given to a key. Shows S11.
#[test]
fn a_replica_does_not_begin_with_a_policy_that_locks_keyward_out() {
    let with = |principal: &str| {
        let mut seen = ours();
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"kms:*","Resource":"*"}}]}}"#
        );
        seen.key.policy = Some(KeyPolicy::Text(text));
        let scene = declares(seen).with(|s| s.rules.principal = Some(format!("arn:aws:sts::{ACCOUNT}:assumed-role/keyward/keyward")));
        brief(&scene.plan())
    };
    assert_eq!(with(&format!("arn:aws:iam::{ACCOUNT}:role/keyward")), "create the key");
    assert_eq!(with(&format!("arn:aws:iam::{ACCOUNT}:root")), "create the key");
    assert_eq!(with(&format!("arn:aws:iam::{ACCOUNT}:role/other")), "stall PolicyWouldLockOut");
}

/// Shows S3.
#[test]
fn a_key_is_taken_up_only_as_a_replica_of_the_declared_key() {
    let finds = |change: fn(&mut Scene)| {
        let scene = Scene::finds(State::Enabled).with(|s| {
            s.desired.replica = Some(PrimaryRef::Key { arn: at(ABROAD), provider: "abroad".into() });
            s.key().arn = at(&rules().region);
            s.key().kind.multi_region = true;
            s.key().multi_region = Some(MultiRegion::Replica(at(ABROAD)));
            s.tags().insert(mark::UID.into(), "earlier".into());
        });
        brief(&scene.with(change).plan())
    };
    assert_eq!(finds(|_| {}), "take the key up again");
    assert_eq!(finds(|s| s.key().arn = super::fixtures::arn()), "stall AdoptionMismatch");
    assert_eq!(finds(|s| s.desired.replica = Some(PrimaryRef::Object("orders-eu".into()))), "read Primary");
    assert_eq!(finds(|s| s.desired.replica = Some(PrimaryRef::Unreadable)), "stall InvalidSpec");
    assert_eq!(finds(|s| *s.tags() = Tags::new()), "stall ClaimUnclear", "somebody else made it");
    // A key in danger is saved first.
    assert_eq!(
        finds(|s| {
            s.key().arn = super::fixtures::arn();
            s.key().state = State::PendingDeletion;
        }),
        "cancel the deletion"
    );
}

/// The object's own replica, which is to be the primary key.
fn moves() -> Scene {
    Scene::of(State::Enabled).with(|s| {
        s.desired.primary = true;
        s.key().kind.multi_region = true;
        s.key().multi_region = Some(MultiRegion::Replica(at(ABROAD)));
        s.primary = Some(Primary::Seen(Box::new(ours())));
    })
}

#[test]
fn the_primary_key_moves_if_both_keys_are_enabled_and_of_one_namespace() {
    let step = Step::MovePrimary { from: at(ABROAD) }.to_string();
    let plan = |change: fn(&mut Scene)| brief(&moves().with(change).plan());
    let seen = |s: &mut Scene, change: fn(&mut SeenPrimary)| {
        let mut seen = ours();
        change(&mut seen);
        s.primary = Some(Primary::Seen(Box::new(seen)));
    };
    assert_eq!(plan(|_| {}), step);
    assert_eq!(plan(|s| s.desired.primary = false), "rest");
    assert_eq!(plan(|s| s.key().multi_region = Some(MultiRegion::Primary(vec![at(ABROAD)]))), "rest");
    assert_eq!(plan(|s| s.key().multi_region = None), "rest", "the KMS need not tell the role of a key without replicas");
    assert_eq!(plan(|s| s.primary = None), "read Primary");
    assert_eq!(plan(|s| s.primary = Some(Primary::Barred(Barred::stalled(Reason::NotAPrimary, "an older one")))), "rest refused");
    assert_eq!(plan(|s| s.primary = Some(Primary::Barred(Barred::for_now("not yet")))), "rest waits");
    let by = |change: fn(&mut SeenPrimary)| brief(&moves().with(|s| seen(s, change)).plan());
    assert_eq!(by(|p| p.key.state = State::Disabled), "rest waits");
    assert_eq!(by(|p| p.key.tags = Some(Tags::new())), "rest refused", "a key without marks is not changed");
    assert_eq!(by(|p| p.key.tags = primary("bank.orders").key.tags), "rest refused");
    assert_eq!(by(|p| p.key.tags = None), "rest refused");
    // The life of the key comes first, and a key that is to be disabled is not moved.
    assert_eq!(plan(|s| s.key().state = State::PendingDeletion), "cancel the deletion");
    assert_eq!(plan(|s| s.key().state = State::Disabled), "enable the key");
    assert_eq!(plan(|s| s.desired.enabled = Some(false)), "disable the key");
    let single = moves().with(|s| (s.key().kind.multi_region, s.key().multi_region) = (false, None)).plan();
    let Plan::Rest(rest) = single else { panic!("{single:?}") };
    assert_eq!(rest.refused.unwrap().reason, Reason::NotAPrimary);
}

#[test]
fn a_policy_that_leaves_drift_only_tells_who_is_the_primary_key() {
    for policy in [ManagementPolicy::EnforceOnChange, ManagementPolicy::Observe] {
        let plan = moves()
            .with(|s| {
                s.desired.policy = policy;
                s.primary = None;
            })
            .plan();
        let Plan::Rest(rest) = plan else { panic!("{policy:?}: {plan:?}") };
        assert!(rest.drift.iter().any(|text| text.contains("the primary key is")), "{policy:?}: {rest:?}");
    }
}

#[test]
fn rotation_waits_until_the_key_is_the_primary_key() {
    use crate::domain::desired::WantedRotation;
    let scene = moves().with(|s| s.desired.rotation = Some(WantedRotation::On(Some(100))));
    assert_eq!(brief(&scene.plan()), Step::MovePrimary { from: at(ABROAD) }.to_string(), "it moves first");
    let barred = scene.with(|s| s.primary = Some(Primary::Barred(Barred::for_now("not yet"))));
    assert_eq!(brief(&barred.plan()), "rest waits", "a replica cannot be rotated by itself");
    let replica = barred.with(|s| s.desired.primary = false);
    let refusals =
        settings::refusals(&replica.desired, &replica.rules, &replica.clone().key().kind, replica.clone().key().multi_region.as_ref());
    assert_eq!(refusals.len(), 1, "{refusals:?}");
}
