//! What is published of a key, and whose the object is that it is published to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::fixtures::{ACCOUNT, ID, REGION, arn, owner};
use crate::{
    api::{Reason, publish_to::PublishTo},
    domain::{
        failure::Retry,
        publish::{Controller, Facts, Found, Publication, Verdict},
    },
};

const CLAIM: &str = "alias/keyward/prod/shop/orders";

fn publication(keys: &Value, aliases: &[&str]) -> Publication {
    let declared: PublishTo = serde_json::from_value(json!({ "kind": "ConfigMap", "name": "orders-key", "keys": keys })).unwrap();
    let aliases: Vec<_> = aliases.iter().map(|alias| (*alias).to_owned()).collect();
    Publication::of(&declared, &aliases).unwrap()
}

fn own() -> Controller {
    Controller { api_version: "keyward.dev/v1alpha1".into(), kind: "ManagedKey".into(), name: "orders".into(), uid: "u1".into() }
}

fn found(controller: Option<Controller>, data: &[(&str, &str)]) -> Found {
    let data = data.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect();
    Found { controller, data, ..Found::default() }
}

fn as_list(all: &[&str]) -> Vec<String> {
    all.iter().map(|alias| (*alias).to_owned()).collect()
}

#[test]
fn the_alias_is_the_first_declared_one_that_the_key_has() {
    let arn = arn();
    for (declared, has, before, claim, published) in [
        (&["b", "a"][..], Some(&["alias/a", "alias/b", CLAIM][..]), None, true, Some("alias/b")),
        (&["b", "a"], Some(&["alias/a", CLAIM]), None, true, Some("alias/a")),
        (&["b"], Some(&["alias/other", CLAIM]), None, true, Some(CLAIM)),
        (&["b"], Some(&["alias/other"]), None, true, None),
        (&[], Some(&[CLAIM]), None, true, Some(CLAIM)),
        // An adopted key has no claim, and another's alias is not published.
        (&[], Some(&["alias/other"]), None, false, None),
        // It could not be read, so what was published stays, and nothing is made up.
        (&["b", "a"], None, None, true, None),
        (&["b", "a"], None, Some("alias/a"), true, Some("alias/a")),
        (&["b", "a"], None, Some("alias/other"), true, None),
    ] {
        let aliases = has.map(as_list);
        let claim = claim.then(|| CLAIM.to_owned());
        let facts = Facts { id: ID, arn: &arn, account: ACCOUNT, region: REGION, aliases: aliases.as_deref(), claim };
        let known: Vec<_> = before.iter().map(|alias| ("alias", *alias)).collect();
        let values = publication(&Value::Null, declared).values_for(&facts, Some(&found(Some(own()), &known)), &owner());
        assert_eq!(values.get("alias").map(String::as_str), published, "{declared:?} {has:?} {before:?}");
        assert_eq!((&*values["keyId"], &*values["keyArn"], &*values["region"], &*values["account"]), (ID, &*arn, REGION, ACCOUNT));
        // What another published under this name is no reason to repeat it.
        let values = publication(&Value::Null, declared).values_for(&facts, Some(&found(None, &known)), &owner());
        assert!(has.is_some() || !values.contains_key("alias"));
    }
}

#[test]
fn at_rest_no_more_is_read_and_a_difference_is_seen() {
    let arn = arn();
    let facts = Facts { id: ID, arn: &arn, account: ACCOUNT, region: REGION, aliases: None, claim: Some(CLAIM.into()) };
    let publication = publication(&json!({ "keyArn": "ARN" }), &["a"]);
    let whole = [("keyId", ID), ("ARN", &*arn), ("alias", "alias/a"), ("region", REGION), ("account", ACCOUNT)];
    assert!(publication.stands(&facts, &found(Some(own()), &whole), &owner()));
    for index in 0..whole.len() {
        let mut changed = whole;
        changed[index].1 = "x";
        assert!(!publication.stands(&facts, &found(Some(own()), &changed), &owner()), "{changed:?}");
        let mut lacking = whole.to_vec();
        lacking.remove(index);
        assert!(!publication.stands(&facts, &found(Some(own()), &lacking), &owner()), "{lacking:?}");
    }
    assert!(!publication.stands(&facts, &found(None, &whole), &owner()), "another's object never stands for ours");
    let binary = Found { binary: true, ..found(Some(own()), &whole) };
    assert!(!publication.stands(&facts, &binary, &owner()));
}

/// Shows S3.
#[test]
fn only_an_object_of_this_one_is_changed() {
    let values = BTreeMap::from([("keyId".to_owned(), ID.to_owned())]);
    let publication = publication(&Value::Null, &[]);
    let verdict = |found: Option<&Found>| publication.verdict(&values, found, &owner());
    assert_eq!(verdict(None), Verdict::Create);
    assert_eq!(verdict(Some(&found(Some(own()), &[("keyId", ID)]))), Verdict::Stands);
    let change = BTreeMap::from([("keyId".to_owned(), Some(ID.to_owned())), ("more".to_owned(), None)]);
    assert_eq!(verdict(Some(&found(Some(own()), &[("keyId", "x"), ("more", "y")]))), Verdict::Change(change));
    let no_text = Found { data: [("keyId".to_owned(), None)].into(), ..found(Some(own()), &[]) };
    assert!(matches!(verdict(Some(&no_text)), Verdict::Change(_)));

    let other = |change: fn(&mut Controller)| {
        let mut controller = own();
        change(&mut controller);
        found(Some(controller), &[("keyId", ID)])
    };
    for (about, found, stalled, says) in [
        ("nobody's", found(None, &[("keyId", ID)]), true, "was not created for this object"),
        ("another group's", other(|c| c.api_version = "example.com/v1".into()), true, "was not created for this object"),
        ("the core group's", other(|c| c.api_version = "v1".into()), true, "was not created for this object"),
        ("another kind's", other(|c| c.kind = "KeyProvider".into()), true, "was not created for this object"),
        ("another key's", other(|c| (c.uid, c.name) = ("u2".into(), "invoices".into())), true, "belongs to the object shop/invoices"),
        ("an earlier one's", other(|c| c.uid = "u2".into()), false, "belongs to an earlier object of this name"),
        ("one that goes", Found { leaves: true, ..found(Some(own()), &[]) }, false, "is being deleted"),
    ] {
        let Verdict::Left(trouble) = verdict(Some(&found)) else { panic!("{about}") };
        assert_eq!((trouble.reason, trouble.stalled), (Reason::PublishTargetTaken, stalled), "{about}");
        assert_eq!(trouble.retry == Retry::Backoff, !stalled, "{about}: it passes by itself");
        assert!(trouble.message.starts_with("ConfigMap orders-key ") && trouble.message.contains(says), "{about}: {}", trouble.message);
    }
    // A later version of the kind is the same kind.
    assert_eq!(verdict(Some(&other(|c| c.api_version = "keyward.dev/v1".into()))), Verdict::Stands);
}
