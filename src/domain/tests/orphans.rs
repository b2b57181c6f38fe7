//! Which keys no object has, and what is printed of them.

use jiff::Timestamp;

use super::fixtures::{ACCOUNT, ID, REGION, arn, now, owner, rules};
use crate::{
    api::{ManagedKey, annotation, managed_key::KeyState, mark},
    domain::{
        deletion::{Intent, Word},
        orphans::{
            Holder, Holds, LostKey, MarkedKey, ObjectName, OpenCreation, Orphan, Report, StrayAlias, Totals, Unread, UnreadKind, Why,
            cluster_of, is_stray, last_owner, unheld,
        },
        ownership::{Owner, OwnerMark},
    },
};

/// A key with the marks of the object `shop/<name>` with that UID.
fn marked(reference: &str, name: &str, uid: &str) -> MarkedKey {
    let owner = Owner { name: name.into(), uid: uid.into(), ..owner() };
    MarkedKey { reference: reference.into(), tags: owner.marks(Intent { seq: 1, generation: 1, word: Word::Live }, OwnerMark::Name) }
}

fn without(mut key: MarkedKey, mark: &str) -> MarkedKey {
    key.tags.remove(mark);
    key
}

/// The object `shop/<name>` with that UID and status.
fn object(name: &str, uid: &str, status: &serde_json::Value, annotations: &serde_json::Value) -> Holder {
    let metadata = serde_json::json!({ "name": name, "namespace": "shop", "uid": uid, "annotations": annotations });
    let object = serde_json::json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": metadata,
        "spec": { "providerRef": { "name": "aws" } }, "status": status });
    let object: ManagedKey = serde_json::from_value(object).unwrap();
    Holder::of(&object, &rules())
}

fn has(name: &str, uid: &str, key: &str) -> Holder {
    object(name, uid, &serde_json::json!({ "keyArn": key, "keyId": format!("id-of-{key}"), "conditions": [] }), &serde_json::json!({}))
}

fn free(name: &str, uid: &str) -> Holder {
    object(name, uid, &serde_json::json!({ "conditions": [] }), &serde_json::json!({}))
}

fn creating(name: &str, uid: &str) -> Holder {
    object(name, uid, &serde_json::json!({ "conditions": [] }), &serde_json::json!({ (annotation::CREATE_ATTEMPT): "some time" }))
}

fn unread(name: &str, uid: &str) -> Holder {
    Holder { holds: Holds::Unread, ..free(name, uid) }
}

/// Shows S2.
#[test]
fn every_marked_key_is_an_object_s_or_is_listed_with_the_reason() {
    let digest = |key: MarkedKey| {
        let mut key = key;
        key.tags.insert(mark::OWNER.into(), owner().mark_as(OwnerMark::Digest));
        key
    };
    let k = |name: &str, uid: &str| marked("k", name, uid);
    for (what, keys, objects, expected) in [
        ("its object has it", vec![k("orders", "u1")], vec![has("orders", "u1", "k")], vec![]),
        ("an object has it by its id", vec![marked("id-of-k", "orders", "u1")], vec![has("orders", "u1", "k")], vec![]),
        ("another object's status names it", vec![k("orders", "u1")], vec![has("invoices", "u2", "k")], vec![]),
        ("its object lost its status", vec![k("orders", "u1")], vec![free("orders", "u1")], vec![]),
        ("its object cannot be read", vec![k("orders", "u1")], vec![unread("orders", "u1")], vec![]),
        ("an object of the name cannot be read", vec![k("orders", "u1")], vec![unread("orders", "u2")], vec![]),
        ("no object", vec![k("orders", "u1")], vec![], vec![("k", Why::NoObject)]),
        (
            "objects of other names",
            vec![k("orders", "u1")],
            vec![has("invoices", "u2", "j"), free("orders.v2", "u3")],
            vec![("k", Why::NoObject)],
        ),
        ("no owner mark", vec![without(k("orders", "u1"), mark::OWNER)], vec![free("orders", "u2")], vec![("k", Why::NoOwnerMark)]),
        (
            "no owner mark, and the UID is that of an object",
            vec![without(k("orders", "u1"), mark::OWNER)],
            vec![free("orders", "u1")],
            vec![],
        ),
        ("an object of another UID", vec![k("orders", "u1")], vec![free("orders", "u2")], vec![("k", Why::NotTakenUp)]),
        ("no UID mark", vec![without(k("orders", "u1"), mark::UID)], vec![free("orders", "u1")], vec![("k", Why::NotTakenUp)]),
        (
            "an object of another UID, by a digest",
            vec![digest(k("orders", "u1"))],
            vec![free("orders", "u2")],
            vec![("k", Why::NotTakenUp)],
        ),
        ("the object has another key", vec![k("orders", "u1")], vec![has("orders", "u1", "j")], vec![("k", Why::AnotherKey)]),
        ("the new object has another key", vec![k("orders", "u1")], vec![has("orders", "u2", "j")], vec![("k", Why::AnotherKey)]),
        (
            "one of two is the object's",
            vec![k("orders", "u1"), marked("j", "orders", "u1")],
            vec![has("orders", "u1", "j")],
            vec![("k", Why::AnotherKey)],
        ),
        (
            "two keys, and the object has none",
            vec![k("orders", "u1"), marked("j", "orders", "u0")],
            vec![free("orders", "u1")],
            vec![("j", Why::SeveralKeys), ("k", Why::SeveralKeys)],
        ),
        ("a creation is open", vec![k("orders", "u1")], vec![creating("orders", "u1")], vec![("k", Why::CreationUnderWay)]),
        (
            "a creation is open for a new object",
            vec![k("orders", "u1")],
            vec![creating("orders", "u2")],
            vec![("k", Why::CreationUnderWay)],
        ),
    ] {
        let mut found: Vec<_> = unheld(&keys, &objects).into_iter().map(|(key, why, _)| (key.reference.as_str(), why)).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{what}");
    }
}

#[test]
fn the_last_owner_is_told_only_if_the_marks_tell_it() {
    let orders = Some(ObjectName { namespace: "shop".into(), name: "orders.v2".into() });
    let digest = Owner { name: "orders.v2".into(), ..owner() }.mark_as(OwnerMark::Digest);
    let claim = ["alias/orders", "alias/keyward/prod/shop/orders_v2"];
    assert_eq!(last_owner("prod", "shop.orders.v2", []), orders);
    assert_eq!(last_owner("prod", &digest, claim), orders);
    assert_eq!(last_owner("test", &digest, claim), None, "the claim of another cluster");
    assert_eq!(last_owner("prod", &digest, ["alias/keyward/prod/shop/orders"]), None, "the claim of another object");
    for stranger in ["", "shop", "shop.", ".orders", "Shop.orders", "shop.or\u{1b}[2Jders"] {
        assert_eq!(last_owner("prod", stranger, []), None, "{stranger}");
    }
}

fn orphan(key: &str, name: Option<&str>, cost: Option<u32>) -> Orphan {
    let last_owner = name.map(|name| ObjectName { namespace: "shop".into(), name: name.into() });
    Orphan {
        key: key.into(),
        key_id: ID.into(),
        state: KeyState::Enabled,
        creation_time: Some("2026-03-04T09:30:00Z".parse().unwrap()),
        deletion_date: None,
        owner_mark: name.map(|name| format!("shop.{name}")),
        owner_uid: Some("u1".into()),
        reason: Why::NoObject,
        message: Why::NoObject.sentence(None),
        last_owner,
        cost_per_month: cost,
    }
}

fn nothing() -> Report {
    Report {
        cluster: "prod".into(),
        provider: "aws-eu-west-1".into(),
        type_: "AWS".into(),
        account: ACCOUNT.into(),
        region: REGION.into(),
        keys: Vec::new(),
        objects: Vec::new(),
        aliases: Vec::new(),
        creations: Vec::new(),
        unread: Vec::new(),
        totals: Totals::default(),
    }
}

/// The report on the page.
fn example() -> Report {
    let name = |name: &str| ObjectName { namespace: "shop".into(), name: name.into() };
    let key = |digit: char| arn().replace("1234abcd", &digit.to_string().repeat(8));
    let pending = Orphan {
        state: KeyState::PendingDeletion,
        deletion_date: Some("2026-12-01T10:00:00Z".parse().unwrap()),
        ..orphan(&key('2'), Some("payments"), Some(0))
    };
    let invoices = name("invoices");
    let second = Orphan {
        reason: Why::AnotherKey,
        message: Why::AnotherKey.sentence(Some(&invoices)),
        ..orphan(&key('1'), Some("invoices"), Some(1))
    };
    Report {
        keys: vec![orphan(&key('3'), Some("orders"), Some(3)), pending, second],
        objects: vec![LostKey {
            object: name("archive"),
            key: key('4'),
            state: Some(KeyState::Enabled),
            missing_since: Some("2026-11-20T08:15:00Z".parse().unwrap()),
        }],
        aliases: vec![StrayAlias { alias: "alias/keyward/prod/shop/refunds".into(), key: Some(key('5')) }],
        creations: vec![OpenCreation {
            object: name("reports"),
            begun: Some("2026-11-22T11:58:00Z".parse().unwrap()),
            marked_keys: vec![],
            unmarked_keys: vec![ID.into()],
        }],
        ..nothing()
    }
    .complete()
}

/// The page shows what is printed, to the letter.
#[test]
fn the_page_has_the_list_as_it_is_printed() {
    let page = include_str!("../../../docs/orphans.md");
    let blocks = |kind: &str| {
        page.split(&format!("```{kind}\n")).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let printed = example().to_string();
    assert!(blocks("text").contains(&printed), "docs/orphans.md lacks this block:\n{printed}");
    let mut fields = std::collections::BTreeSet::new();
    names(&serde_json::to_value(example()).unwrap(), &mut fields);
    fields.extend(["message"].map(str::to_owned));
    for field in fields {
        assert!(page.contains(&format!("`{field}`")), "docs/orphans.md does not describe {field}");
    }
    for why in [Why::NoObject, Why::NoOwnerMark, Why::NotTakenUp, Why::AnotherKey, Why::SeveralKeys] {
        assert!(page.contains(&format!("| `{why:?}` |")), "docs/orphans.md does not describe {why:?}");
    }
}

/// The names of all fields of a value.
fn names(value: &serde_json::Value, into: &mut std::collections::BTreeSet<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (name, value) in map {
                into.insert(name.clone());
                names(value, into);
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| names(item, into)),
        _ => {}
    }
}

#[test]
fn a_report_is_sorted_and_counted_and_its_exit_code_tells() {
    let keys = || vec![orphan("b", None, None), orphan("c", Some("orders"), Some(1)), orphan("a", Some("invoices"), Some(2))];
    let report = Report { keys: keys(), ..nothing() }.complete();
    let mut reversed = keys();
    reversed.reverse();
    assert_eq!(Report { keys: reversed, ..nothing() }.complete(), report);
    let order: Vec<_> = report.keys.iter().map(|orphan| orphan.key.as_str()).collect();
    assert_eq!(order, ["a", "c", "b"], "by owner, and a key without one last");
    assert_eq!(report.totals, Totals { keys: 3, objects: 0, aliases: 0, cost_per_month: 3, cost_unknown: 1 });
    assert!(report.to_string().ends_with("3 keys without an object ($3 a month, and 1 of unknown cost), 0 objects whose key is gone, 0 aliases without a key of their cluster\n"));

    let unread = vec![Unread { kind: UnreadKind::Keys, count: 3, message: "denied".into() }];
    assert_eq!(nothing().complete().exit_code(), 0);
    assert_eq!(report.exit_code(), 2);
    assert_eq!(Report { unread: unread.clone(), ..nothing() }.exit_code(), 1);
    assert_eq!(Report { unread: unread.clone(), ..report }.exit_code(), 1, "there may be more");
    for found in [
        Report { objects: example().objects, ..nothing() },
        Report { aliases: example().aliases, ..nothing() },
        Report { creations: example().creations, ..nothing() },
    ] {
        assert_eq!(found.exit_code(), 2, "{found}");
    }
    let text = Report { unread, ..nothing() }.to_string();
    assert!(text.contains("\n3 keys could not be read, and may be missing above: denied\n"), "{text}");
}

/// Anybody who may tag a key writes its marks. A terminal obeys control characters, and others turn the direction of writing.
#[test]
fn nothing_that_a_stranger_wrote_moves_the_cursor_or_reads_as_another_word() {
    let strange = "x\u{1b}[2J\r\ny\u{202e}z\u{2028}";
    let key = Orphan { owner_mark: Some(strange.into()), last_owner: None, ..orphan("k", None, None) };
    let alias = StrayAlias { alias: format!("alias/keyward/prod/{strange}"), key: None };
    let unread = vec![Unread { kind: UnreadKind::Keys, count: 1, message: strange.into() }];
    let text = Report { keys: vec![key], aliases: vec![alias], unread, ..nothing() }.complete().to_string();
    assert!(!text.chars().any(|c| c.is_control() && c != '\n' || "\u{202e}\u{2028}".contains(c)), "{text:?}");
    assert_eq!(text.matches(r"x\u{1b}[2J\r\ny\u{202e}z\u{2028}").count(), 3, "{text}");
}

#[test]
fn an_object_is_read_as_far_as_it_matters() {
    let time: Timestamp = now();
    let lost = object(
        "orders",
        "u1",
        &serde_json::json!({ "keyId": ID, "keyArn": arn(), "keyState": "Disabled", "conditions": [],
            "missing": { "count": 2, "firstTime": time.to_string() } }),
        &serde_json::json!({}),
    );
    let Holds::Key { references, elsewhere, lost } = lost.holds else { panic!("{lost:?}") };
    assert_eq!((references, elsewhere), (vec![arn(), ID.into()], None));
    assert_eq!((lost.key, lost.state, lost.missing_since), (arn(), Some(KeyState::Disabled), Some(time)));
    for (place, named) in [
        (serde_json::json!({ "type": "AWS", "account": "444455556666", "region": REGION }), "444455556666"),
        (serde_json::json!({ "type": "AWS", "account": ACCOUNT, "region": REGION, "endpoint": "kms.example.com" }), "kms.example.com"),
    ] {
        let moved =
            object("orders", "u1", &serde_json::json!({ "keyId": ID, "provider": place, "conditions": [] }), &serde_json::json!({}));
        let Holds::Key { elsewhere, .. } = moved.holds else { panic!("{moved:?}") };
        assert!(elsewhere.is_some_and(|why| why.contains(named)), "that it is absent here says nothing about it");
    }
}

#[test]
fn an_alias_is_stray_if_its_key_is_not_of_the_cluster_that_it_names() {
    let tags = |cluster: Option<&str>| cluster.map(|cluster| (mark::CLUSTER.to_owned(), cluster.to_owned())).into_iter().collect();
    for (alias, cluster, key, stray) in [
        ("alias/keyward/prod/shop/orders", Some("prod"), Some("prod"), false),
        ("alias/keyward/prod/shop/orders", Some("prod"), None, true),
        ("alias/keyward/prod/shop/orders", Some("prod"), Some("test"), true),
        ("alias/keyward/test/shop/orders", Some("test"), Some("test"), false),
        ("alias/keyward/orders", None, None, true),
        ("alias/keyward/orders", None, Some("test"), false),
        ("alias/keyward//shop/orders", None, None, true),
        ("alias/keyward/prod//orders", None, None, true),
        ("alias/keyward/prod/shop/", None, None, true),
    ] {
        assert_eq!((cluster_of(alias), is_stray(alias, &tags(key))), (cluster, stray), "{alias} {key:?}");
    }
}
