//! Grants: what may be made, the next step, and what happens when the object goes.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::fixtures::{self, arn, key, now, owner};
use crate::{
    api::{
        ConditionType, KeyGrantStatus, Reason, condition,
        key_grant::{FormerGrant, GrantDeletionPolicy, GrantProvider},
        key_provider::{AllowGrants, ProviderType},
        managed_key::{KeyState, ManagementPolicy, Missing},
        mark,
    },
    domain::{
        failure::FailureKind,
        grant::{
            Grant, Names, Terms, allowed,
            plan::{Plan, Situation, plan},
            release::{Circumstances, Release, not_found, places, release},
            status::{Conclusion, Report, conclude},
            target::Target,
        },
        observed::{Key, State},
        plan::Note,
        rules::Rules,
    },
};

const READER: &str = "arn:aws:iam::111122223333:role/reader";

fn terms() -> Terms {
    Terms { grantee: READER.into(), operations: ["Decrypt".to_owned()].into(), ..Terms::default() }
}

fn rules() -> Rules {
    let mut rules = fixtures::rules();
    rules.allow.grants = AllowGrants { principals: vec!["*".into()], operations: vec!["*".into()] };
    rules
}

fn target(policy: ManagementPolicy) -> Target {
    Target {
        owner: owner(),
        provider: "default".into(),
        policy,
        paused: false,
        going: false,
        key: Some(arn()),
        state: Some(KeyState::Enabled),
    }
}

fn names() -> Names {
    Names::of("prod", "g1", &terms())
}

fn grant(id: &str, name: &str, terms: Terms) -> Grant {
    Grant { id: id.into(), name: name.into(), terms }
}

/// The grant as declared.
fn current(id: &str) -> Grant {
    grant(id, &names().current, terms())
}

/// The grant of an earlier spec of the same object.
fn earlier(id: &str) -> Grant {
    let other = Terms { grantee: "arn:aws:iam::111122223333:role/old".into(), ..terms() };
    grant(id, &Names::of("prod", "g1", &other).current, other)
}

/// What is planned for the key with these grants. `recorded`: the id in the status.
fn planned(policy: ManagementPolicy, key: &Key, grants: &[Grant], recorded: Option<&str>, made: Option<&str>) -> Plan {
    let (terms, names, target, rules) = (terms(), names(), target(policy), rules());
    let recorded = recorded.map(|id| (id, names.current.as_str()));
    plan(&Situation { terms: &terms, names: &names, target: &target, key, grants, rules: &rules, recorded, made })
}

fn reason(plan: &Plan) -> Option<Reason> {
    match plan {
        Plan::Wait(note) | Plan::Stall(note) => Some(note.reason),
        _ => None,
    }
}

#[test]
fn the_new_grant_comes_first_and_the_old_one_goes_after_it() {
    use ManagementPolicy::{Enforce, EnforceOnChange};
    let key = key(State::Enabled);
    let create = |again: Option<&str>| Plan::Create { again: again.map(str::to_owned) };
    let (foreign, unnamed) = (grant("f", "reader", terms()), grant("u", "keyward/prod/g10/0", terms()));
    for policy in [Enforce, EnforceOnChange] {
        let planned = |grants: &[Grant], recorded, made| planned(policy, &key, grants, recorded, made);
        assert_eq!(planned(&[], None, None), create(None));
        assert_eq!(planned(&[foreign.clone(), unnamed.clone()], None, None), create(None), "those of others are none of ours");
        assert_eq!(planned(&[earlier("a")], None, None), create(None), "first the new one");
        assert_eq!(planned(&[earlier("a")], None, Some("b")), Plan::Revoke("a".into()), "then the old one, although the list is late");
        assert_eq!(planned(&[earlier("a"), current("b")], Some("b"), None), Plan::Revoke("a".into()));
        assert_eq!(planned(&[current("b"), foreign.clone()], None, None), Plan::Rest("b".into()));
        assert_eq!(planned(&[], None, Some("b")), Plan::Rest("b".into()));
        // A list that is late, or a KMS that made two.
        assert_eq!(planned(&[current("a"), current("b")], Some("b"), None), Plan::Revoke("a".into()));
    }
    assert_eq!(planned(Enforce, &key, &[], Some("b"), None), create(Some("b")), "somebody revoked it");
    assert!(matches!(planned(EnforceOnChange, &key, &[], Some("b"), None), Plan::Drifted(text) if text.contains("grant b")));
}

#[test]
fn nothing_is_made_or_revoked_where_the_key_is_only_observed() {
    let key = key(State::Enabled);
    for (grants, recorded) in
        [(vec![], None), (vec![], Some("b")), (vec![earlier("a")], None), (vec![earlier("a"), current("b")], Some("b"))]
    {
        let plan = planned(ManagementPolicy::Observe, &key, &grants, recorded, None);
        assert!(matches!(plan, Plan::Drifted(_)), "{grants:?}: {plan:?}");
    }
    assert_eq!(planned(ManagementPolicy::Observe, &key, &[current("b")], None, None), Plan::Rest("b".into()));
}

/// AWS may show a principal in its own way. That must not make and revoke grants for ever.
#[test]
fn the_grant_that_the_kms_confirmed_is_the_grant_however_it_is_shown() {
    let key = key(State::Enabled);
    let shown = |grantee: &str| grant("b", &names().current, Terms { grantee: grantee.into(), ..terms() });
    let planned = |grant: Grant, recorded, made| planned(ManagementPolicy::Enforce, &key, &[grant], recorded, made);
    assert_eq!(planned(shown("111122223333"), Some("b"), None), Plan::Rest("b".into()));
    assert_eq!(planned(shown("111122223333"), None, Some("b")), Plan::Rest("b".into()));
    // Somebody else used the name for another grant: it is not the declared one.
    assert_eq!(planned(shown("arn:aws:iam::111122223333:role/thief"), None, None), Plan::Create { again: None });
    assert_eq!(planned(shown("arn:aws:iam::111122223333:role/thief"), None, Some("c")), Plan::Revoke("b".into()));
    // The principal was deleted. Another one of its name has no access, and making the grant again would not end.
    for recorded in [Some("b"), None] {
        let plan = planned(shown("AROAEXAMPLE1234567890"), recorded, Some("b"));
        assert!(matches!(&plan, Plan::Stall(note) if note.message.contains("was deleted")), "{plan:?}");
    }
}

#[test]
fn only_the_marks_of_the_key_let_a_grant_be_made() {
    let marked = |marks: &[(&str, &str)]| {
        let mut key = key(State::Enabled);
        let tags = key.tags.as_mut().unwrap();
        for (tag, value) in marks {
            if value.is_empty() { drop(tags.remove(*tag)) } else { drop(tags.insert((*tag).into(), (*value).into())) }
        }
        planned(ManagementPolicy::Enforce, &key, &[], None, None)
    };
    assert_eq!(marked(&[]), Plan::Create { again: None });
    for (marks, expected) in [
        (&[(mark::UID, "u2")][..], Reason::KeyNotReady),
        (&[(mark::CLUSTER, ""), (mark::OWNER, ""), (mark::UID, "")], Reason::KeyNotReady),
        (&[(mark::OWNER, "bank.pay")], Reason::OwnedByAnother),
        (&[(mark::CLUSTER, "other")], Reason::OwnedByAnother),
        (&[(mark::CLUSTER, ""), (mark::OWNER, "bank.pay")], Reason::OwnedByAnother),
    ] {
        assert_eq!(reason(&marked(marks)), Some(expected), "{marks:?}");
    }
    let unread = Key { tags: None, ..key(State::Enabled) };
    assert_eq!(reason(&planned(ManagementPolicy::Enforce, &unread, &[current("a"), earlier("b")], None, None)), Some(Reason::KeyNotReady));
}

#[test]
fn a_grant_is_made_only_in_states_in_which_the_kms_makes_one_and_revoked_in_each() {
    for state in State::ALL {
        let makes = matches!(state, State::Enabled | State::Unavailable | State::Updating);
        let plan = |grants: &[Grant], made| planned(ManagementPolicy::Enforce, &key(state), grants, None, made);
        match plan(&[], None) {
            Plan::Create { .. } => assert!(makes, "{state:?}"),
            other => assert!(!makes && reason(&other) == Some(Reason::KeyUnavailable), "{state:?}: {other:?}"),
        }
        assert_eq!(plan(&[earlier("a"), current("b")], None), Plan::Revoke("a".into()), "{state:?}");
        assert_eq!(plan(&[current("b")], None), Plan::Rest("b".into()), "{state:?}");
    }
}

#[test]
fn a_provider_admits_principals_and_operations_each_by_itself() {
    let refused = |principals: &[&str], operations: &[&str], terms: &Terms| {
        let mut rules = rules();
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        rules.allow.grants = AllowGrants { principals: owned(principals), operations: owned(operations) };
        allowed::refused(terms, &rules).map(|note| note.reason)
    };
    let no = Some(Reason::GrantNotAllowed);
    for (principals, operations, expected) in [
        (&[][..], &[][..], no),
        (&["*"], &[], no),
        (&[], &["*"], no),
        (&["*"], &["*"], None),
        (&[READER], &["Decrypt"], None),
        (&["arn:aws:iam::111122223333:role/read*"], &["Decrypt"], None),
        (&["arn:aws:iam::444455556666:*"], &["Decrypt"], no),
        (&["arn:aws:iam::111122223333:role/reader/*"], &["Decrypt"], no),
        (&[""], &["*"], no),
        (&[READER], &["decrypt"], no),
        (&[READER], &["Decrypt*"], None),
    ] {
        assert_eq!(refused(principals, operations, &terms()), expected, "{principals:?} {operations:?}");
    }
    let retiring = Terms { retiring: Some("arn:aws:iam::444455556666:role/x".into()), ..terms() };
    assert_eq!(refused(&[READER], &["*"], &retiring), no, "who may retire has to be listed too");
    let delegates = Terms { operations: ["Decrypt".to_owned(), "CreateGrant".to_owned()].into(), ..terms() };
    assert_eq!(refused(&[READER], &["Decrypt"], &delegates), no, "to give access to others is an operation of its own");
}

/// A pattern of a provider must not admit a principal that it was not meant for.
#[test]
fn a_grantee_is_the_arn_of_one_principal() {
    let refused = |principal: &str| allowed::refused(&Terms { grantee: principal.into(), ..terms() }, &rules()).map(|note| note.reason);
    for good in [
        READER,
        "arn:aws:iam::111122223333:root",
        "arn:aws:iam::111122223333:user/a/b/c@example.com",
        "arn:aws:iam::111122223333:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX",
        "arn:aws:sts::111122223333:assumed-role/reader/session",
        "arn:aws:sts::111122223333:federated-user/ann",
        "arn:aws-cn:iam::111122223333:role/reader",
        "arn:aws-us-gov:iam::111122223333:role/reader",
    ] {
        assert_eq!(refused(good), None, "{good}");
    }
    for bad in [
        "",
        "*",
        "111122223333",
        "logs.eu-west-1.amazonaws.com",
        "arn:aws:iam::*:role/reader",
        "arn:aws:iam::111122223333:role/*",
        "arn:aws:iam::111122223333:role/",
        "arn:aws:iam::111122223333:role",
        "arn:aws:iam::111122223333:role//reader",
        "arn:aws:iam::111122223333:root/x",
        "arn:aws:iam::111122223333:group/readers",
        "arn:aws:iam::aws:policy/AdministratorAccess",
        "arn:aws:iam::11112222333:role/reader",
        "arn:aws:iam::１１１１２２２２３３３３:role/reader",
        "arn:aws:iam:eu-west-1:111122223333:role/reader",
        "arn:aws:sts::111122223333:assumed-role/reader",
        "arn:aws:kms:eu-west-1:111122223333:key/1",
        "arn:awsx:iam::111122223333:role/reader",
        // A pattern for the second would admit the first.
        "arn:aws:iam::444455556666:user/x:role/reader",
        "arn:aws:iam::111122223333:role/reader\n",
        "arn:aws:iam::111122223333:role/réader",
        "ARN:aws:iam::111122223333:role/reader",
    ] {
        assert_eq!(refused(bad), Some(Reason::InvalidSpec), "{bad}");
    }
}

#[test]
fn a_grant_has_only_operations_that_its_key_has() {
    let refused = |spec: &str, usage: &str, operations: &[&str], constrained: bool| {
        let mut key = key(State::Enabled);
        (key.kind.spec, key.kind.usage) = (spec.into(), usage.into());
        let mut terms = Terms { operations: operations.iter().map(|operation| (*operation).to_owned()).collect(), ..terms() };
        if constrained {
            terms.context_equals.insert("tenant".into(), "shop".into());
        }
        allowed::refused_for(&terms, &key, &rules()).is_some()
    };
    let kinds = [
        (
            "SYMMETRIC_DEFAULT",
            "ENCRYPT_DECRYPT",
            "Encrypt Decrypt GenerateDataKey GenerateDataKeyWithoutPlaintext GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext ReEncryptFrom ReEncryptTo",
        ),
        ("RSA_2048", "ENCRYPT_DECRYPT", "Encrypt Decrypt ReEncryptFrom ReEncryptTo GetPublicKey"),
        ("ECC_NIST_P256", "SIGN_VERIFY", "Sign Verify GetPublicKey"),
        ("HMAC_256", "GENERATE_VERIFY_MAC", "GenerateMac VerifyMac"),
        ("ECC_NIST_P256", "KEY_AGREEMENT", "DeriveSharedSecret GetPublicKey"),
        ("ML_KEM_768", "ENCAPSULATE_DECAPSULATE", "Encapsulate Decapsulate GetPublicKey"),
    ];
    let all: BTreeSet<&str> = kinds.iter().flat_map(|(_, _, operations)| operations.split(' ')).collect();
    for (spec, usage, operations) in kinds {
        let has: BTreeSet<&str> = operations.split(' ').chain(["CreateGrant", "DescribeKey", "RetireGrant"]).collect();
        for operation in all.union(&has) {
            assert_eq!(refused(spec, usage, &[operation], false), !has.contains(operation), "{spec} {usage} {operation}");
        }
        assert_eq!(refused(spec, usage, &["DescribeKey"], true), spec != "SYMMETRIC_DEFAULT", "{spec}: constraints");
        assert!(!refused(spec, usage, &["BrandNew"], false), "the KMS decides about what is not known here");
    }
    assert!(!refused("", "", &["Sign"], true), "nor about a key whose kind it does not tell");
}

#[test]
fn a_kms_without_grants_refuses_before_any_call() {
    let of = |provider| Rules { provider, ..rules() };
    let note = allowed::refused(&terms(), &of(ProviderType::CipherTrust)).unwrap();
    assert_eq!(note.reason, Reason::InvalidSpec);
    assert!(note.message.starts_with("Keyward makes no grants at CipherTrust, "), "{}", note.message);
}

#[test]
fn a_grant_of_huawei_has_ids_and_operations_of_huawei_and_no_constraints() {
    let rules = Rules { provider: ProviderType::Huawei, ..rules() };
    let (user, account) = ("0d0466b00d0466b00d0466b00d0466b0", "account/0d0466b00d0466b00d0466b00d0466b0");
    let plain = || Terms { grantee: user.into(), operations: ["decrypt-data".to_owned()].into(), ..Terms::default() };
    let said = |terms: &Terms| allowed::refused(terms, &rules).map(|note| (note.reason, note.message));
    let longest = "a".repeat(64);
    for good in [user, account, "A1", &longest] {
        assert_eq!(said(&Terms { grantee: good.into(), ..plain() }), None, "{good}");
    }
    assert_eq!(said(&Terms { retiring: Some(user.into()), ..plain() }), None);
    let too_long = "a".repeat(65);
    for bad in ["", READER, "account/", "account/a/b", "user/a", "*", "é", "a-b", &too_long] {
        let (reason, message) = said(&Terms { grantee: bad.into(), ..plain() }).unwrap_or_else(|| panic!("{bad}"));
        assert!(reason == Reason::InvalidSpec && message.contains("Huawei takes the id of an IAM user"), "{message}");
    }
    let refused = |terms: Terms, words: &str| {
        let (reason, message) = said(&terms).unwrap_or_else(|| panic!("{words}"));
        assert!(reason == Reason::InvalidSpec && message.contains(words), "{message}");
    };
    refused(Terms { retiring: Some(account.into()), ..plain() }, "retiringPrincipal is ");
    refused(Terms { context_equals: [("a".into(), "b".into())].into(), ..plain() }, "has no constraints; remove spec.constraints");
    refused(Terms { context_subset: [("a".into(), "b".into())].into(), ..plain() }, "has no constraints; remove spec.constraints");
    refused(Terms { operations: ["Decrypt".to_owned()].into(), ..plain() }, "is no operation that a grant of Huawei can give");
    refused(Terms { operations: ["create-grant".to_owned()].into(), ..plain() }, "of create-grant alone");
    assert_eq!(said(&Terms { operations: ["create-grant".to_owned(), "describe-key".to_owned()].into(), ..plain() }), None);
    // A pattern for users admits no account.
    let users = Rules {
        allow: crate::api::key_provider::Allow {
            grants: AllowGrants { principals: vec!["0d*".into()], operations: vec!["*".into()] },
            ..rules.allow.clone()
        },
        ..rules.clone()
    };
    let refused = allowed::refused(&Terms { grantee: account.into(), ..plain() }, &users).map(|note| note.reason);
    assert_eq!((refused, allowed::refused(&plain(), &users)), (Some(Reason::GrantNotAllowed), None));
}

#[test]
fn an_object_that_goes_takes_its_grants_with_it_unless_somebody_says_otherwise() {
    let recorded = KeyGrantStatus { key_arn: Some(arn()), provider: Some(GrantProvider::default()), ..KeyGrantStatus::default() };
    let (observed, enforced) = (target(ManagementPolicy::Observe), target(ManagementPolicy::Enforce));
    let paused = Target { paused: true, ..enforced.clone() };
    let is = |uninstalling, policy, own_pause, target: Option<&Target>, status: &KeyGrantStatus| match release(&Circumstances {
        uninstalling,
        policy,
        paused: own_pause,
        target,
        status,
    }) {
        Release::Leave(_) => "leave",
        Release::Wait(_) => "wait",
        Release::Revoke(None) => "revoke",
        Release::Revoke(Some(_)) => "revoke but here",
        Release::RevokeOthers(..) => "revoke but here, and wait",
        Release::Search { .. } => "search",
    };
    let (revoke, retain) = (GrantDeletionPolicy::Revoke, GrantDeletionPolicy::Retain);
    for (expected, found) in [
        ("revoke", is(false, revoke, false, Some(&enforced), &recorded)),
        ("revoke", is(false, revoke, false, None, &recorded)),
        ("leave", is(true, revoke, true, Some(&paused), &recorded)),
        ("leave", is(false, retain, true, Some(&paused), &recorded)),
        ("leave", is(false, revoke, false, Some(&observed), &recorded)),
        ("wait", is(false, revoke, false, Some(&paused), &KeyGrantStatus::default())),
        ("wait", is(false, revoke, true, Some(&enforced), &KeyGrantStatus::default())),
        ("search", is(false, revoke, false, Some(&enforced), &KeyGrantStatus::default())),
        ("leave", is(false, revoke, false, Some(&observed), &KeyGrantStatus::default())),
        ("leave", is(false, revoke, true, Some(&Target { key: None, ..enforced.clone() }), &KeyGrantStatus::default())),
        ("leave", is(false, revoke, true, None, &KeyGrantStatus::default())),
        ("wait", is(false, revoke, true, Some(&enforced), &recorded)),
        ("wait", is(false, revoke, false, Some(&paused), &recorded)),
        ("wait", is(false, revoke, true, None, &recorded)),
    ] {
        assert_eq!(found, expected);
    }
    let former = FormerGrant { key_arn: "old".into(), provider: GrantProvider::default(), missing: None };
    let moved = KeyGrantStatus { former: vec![former], ..recorded };
    let of_another = KeyGrantStatus { key_arn: Some("old".into()), ..moved.clone() };
    for status in [&moved, &of_another] {
        assert_eq!(is(false, revoke, false, Some(&observed), status), "revoke but here", "its policy says nothing about other keys");
        assert_eq!(is(false, revoke, false, Some(&paused), status), "revoke but here, and wait", "nor does its pause");
        assert_eq!(is(false, revoke, true, Some(&paused), status), "wait", "the object's own pause is about all of them");
    }
    let keys: Vec<_> = places(&moved).into_iter().map(|place| place.key_arn).collect();
    assert_eq!(keys, ["old".to_owned(), arn()]);
}

#[test]
fn a_key_is_gone_after_three_answers_over_a_while_whatever_the_status_says() {
    let (after, minute) = (SignedDuration::from_mins(5), SignedDuration::from_mins(1));
    let (first, sure) = not_found(None, now(), after);
    assert!(first.count == 1 && !sure);
    let (second, sure) = not_found(Some(&first), now() + minute * 9, after);
    assert!(second.count == 2 && !sure && second.first_time == first.first_time);
    assert!(!not_found(Some(&second), now() + minute * 4, after).1, "too soon");
    let (third, sure) = not_found(Some(&second), now() + minute * 9, after);
    assert!(third.count == 3 && sure);
    assert_eq!(not_found(Some(&third), now() + minute * 99, after), (third.clone(), true), "a settled status does not change");
    for count in [i32::MIN, -1, i32::MAX] {
        let forged = Missing { count, first_time: first.first_time.clone() };
        let (next, sure) = not_found(Some(&forged), now(), after);
        assert!((1..=3).contains(&next.count) && !sure, "{count}");
    }
}

#[test]
fn conditions_follow_kstatus() {
    let note = || Note { reason: Reason::KeyNotReady, message: "x".into() };
    let all = [
        Conclusion::Granted { message: "x".into(), left: None },
        Conclusion::Granted { message: "x".into(), left: Some(note()) },
        Conclusion::Drifted("x".into()),
        Conclusion::Waiting(note()),
        Conclusion::Stalled(note()),
        Conclusion::Unheard(Note { reason: Reason::Throttled, message: "x".into() }),
        Conclusion::Paused("x".into()),
    ];
    for before in &all {
        for after in &all {
            let mut status = KeyGrantStatus::default();
            for conclusion in [before, after] {
                let report = Report { generation: 3, conclusion, word_stands: true, requested: Some("t"), now: now() };
                conclude(&mut status, &report);
            }
            let is = |kind| condition::find(&status.conditions, kind).map(|found| found.status.as_str());
            assert!(is(ConditionType::Ready).is_some() && is(ConditionType::Synced).is_some(), "{before:?} {after:?}");
            let (working, stalled) = (is(ConditionType::Reconciling), is(ConditionType::Stalled));
            assert!(working.is_none() || stalled.is_none(), "{before:?} {after:?}: both");
            assert!([working, stalled, is(ConditionType::Drifted)].iter().flatten().all(|status| *status == "True"));
            let is_granted = matches!(after, Conclusion::Granted { .. });
            if is_granted {
                assert_eq!((is(ConditionType::Ready), working, stalled), (Some("True"), None, None), "{before:?}");
            }
            if matches!(after, Conclusion::Paused(_)) && !matches!(before, Conclusion::Paused(_)) {
                let was = matches!(before, Conclusion::Granted { .. });
                assert_eq!(is(ConditionType::Ready) == Some("True"), was, "{before:?}: as it was");
            }
            assert_eq!(
                status.last_handled_reconcile_at.is_some(),
                !matches!((before, after), (Conclusion::Paused(_), Conclusion::Paused(_)))
            );
        }
    }
    // What was known of the grant stays true for a while when the KMS cannot be asked.
    let unheard = &all[5];
    for (word_stands, expected) in [(true, "True"), (false, "Unknown")] {
        let mut status = KeyGrantStatus::default();
        for (conclusion, word_stands) in [(&all[0], true), (unheard, word_stands)] {
            conclude(&mut status, &Report { generation: 3, conclusion, word_stands, requested: None, now: now() });
        }
        assert_eq!(condition::find(&status.conditions, ConditionType::Ready).unwrap().status, expected);
    }
}

#[test]
fn every_failure_has_its_conclusion() {
    for kind in FailureKind::ALL {
        let conclusion = |waits| Conclusion::failed(kind, "m", "; a", waits);
        let verdict = kind.verdict();
        match conclusion(true) {
            Conclusion::Stalled(note) => assert!(verdict.stalled && note.reason == verdict.reason, "{kind:?}"),
            Conclusion::Unheard(note) => assert!(verdict.is_no_news() && note.message == "m; a", "{kind:?}"),
            Conclusion::Waiting(_) => assert!(!verdict.stalled && !verdict.is_no_news(), "{kind:?}"),
            other => panic!("{kind:?}: {other:?}"),
        }
        if kind == FailureKind::NewPrincipal {
            assert!(matches!(conclusion(true), Conclusion::Waiting(note) if note.reason == Reason::GrantNotAccepted));
            assert!(matches!(conclusion(false), Conclusion::Stalled(note) if note.reason == Reason::GrantNotAccepted));
        }
    }
}
