//! Key policies in tables: what is read, what differs, what Keyward keeps, and what a provider allows.

use serde_json::{Value, json};

use super::fixtures::{ACCOUNT, Scene, arn, brief, note};
use crate::{
    api::{
        ConditionType, Reason, condition,
        key_provider::{AllowGrants, AllowPolicies, PoliciesFrom, ProviderType},
        managed_key::{DeletionPolicy, ManagementPolicy},
        mark,
    },
    domain::{
        desired::{Desired, Life, WantedPolicy, WantedRotation},
        event::{About, events},
        observed::{Facet, Facets, KeyPolicy, MultiRegion, Searched, State},
        plan::{self, Plan, Read},
        policy::{
            Document, LONGEST,
            access::{Access, Also, Caller, Why, access},
            allowed::Allowed,
            compare::{deleted_principals, differences},
        },
        settings::locked_out,
        status::{self, Conclusion},
        step::{Difference, Part},
    },
};

const OTHER: &str = "444455556666";
/// As whom AWS sees Keyward.
pub const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/keyward/keyward";
const ROLE: &str = "arn:aws:iam::111122223333:role/team/keyward";
const ROOT: &str = "arn:aws:iam::111122223333:root";

#[allow(clippy::needless_pass_by_value, reason = "it is written in place")]
fn document(statements: Value) -> Document {
    Document::read(&json!({ "Version": "2012-10-17", "Statement": statements }).to_string()).unwrap()
}

/// One statement that allows everything to those principals.
#[allow(clippy::needless_pass_by_value, reason = "it is written in place")]
fn allow(principal: Value) -> Value {
    json!({ "Sid": "Use", "Effect": "Allow", "Principal": principal, "Action": "kms:*", "Resource": "*" })
}

/// One statement that allows those principals some actions.
#[allow(clippy::needless_pass_by_value, reason = "it is written in place")]
fn using(principal: Value, action: impl Into<Value>) -> Value {
    json!({ "Sid": "Use", "Effect": "Allow", "Principal": principal, "Action": action.into(), "Resource": "*" })
}

#[test]
fn what_is_no_policy_is_refused_with_its_place() {
    let statement = allow(json!("*")).to_string();
    let with = |member: &str| format!(r#"{{ "Statement": [{{ "Effect": "Allow", "Principal": "*", {member} }}] }}"#);
    for (text, why) in [
        (String::new(), "it is not valid JSON: EOF while parsing a value at line 1 column 0"),
        ("{\n  \"Statement\" []\n}".into(), "it is not valid JSON: expected `:` at line 2 column 15"),
        ("[]".into(), "it is not a JSON object"),
        ("{}".into(), "it has no Statement"),
        (r#"{ "Statement": 1 }"#.into(), "its Statement is no list of objects"),
        (r#"{ "Statement": [1] }"#.into(), "statement 1 is not an object"),
        (r#"{ "Version": "2020-01-01", "Statement": [] }"#.into(), "its Version is 2020-01-01, and IAM has 2012-10-17 and 2008-10-17"),
        (format!(r#"{{ "Statement": [{statement}], "Principal": "*" }}"#), "the policy has the unknown member \"Principal\""),
        // Two programs could read it as two policies.
        (
            format!("{{ \"Statement\": [{statement}],\n \"Statement\": [] }}"),
            "it is not valid JSON: Statement appears twice at line 2 column ",
        ),
        (with(r#""Effect": "Deny""#), "it is not valid JSON: Effect appears twice at line 1 column "),
        (with(r#""action": "kms:*""#), "statement 1 has the unknown member \"action\""),
        (with(r#""Action": 1"#), "Action of statement 1 is neither a text nor a list of texts"),
        (with(r#""Action": "a", "NotAction": "b""#), "statement 1 has both Action and NotAction"),
        (with(r#""Sid": 1"#), "Sid of statement 1 is no text"),
        (with(r#""Sid": "Use", "Condition": []"#), "the Condition of statement Use is not an object of operators, keys and values"),
        (with(r#""Condition": { "Bool": { "a": {} } }"#), "the Condition of statement 1 is not an object of operators, keys and values"),
        (
            with(r#""Condition": { "Bool": { "a": 123456789012345678901234567890 } }"#),
            "it is not valid JSON: a number is too large; put it in quotation marks at line 1 column ",
        ),
        (r#"{ "Statement": { "Effect": "allow", "Principal": "*" } }"#.into(), "the Effect of statement 1 is neither Allow nor Deny"),
        (r#"{ "Statement": { "Effect": "Deny" } }"#.into(), "statement 1 has no Principal"),
        (
            r#"{ "Statement": { "Effect": "Deny", "Principal": "me" } }"#.into(),
            "the principals of statement 1 are neither \"*\" nor an object",
        ),
        (
            r#"{ "Statement": { "Effect": "Deny", "Principal": { "aws": "*" } } }"#.into(),
            "statement 1 has a principal of the unknown type \"aws\"",
        ),
        (
            "{ \"Id\":\n\"\u{1F511}\", \"Statement\": [] }".into(),
            "it has a character at line 2 column 2 that AWS does not accept; write it as \\u and its number",
        ),
        (" ".repeat(LONGEST + 1), "it has 32769 bytes, and a key policy has at most 32768"),
    ] {
        let told = Document::read(&text).unwrap_err().to_string();
        assert!(told.starts_with(why), "{told}: {text:.200}");
    }
    assert!(Document::read(&format!("{}{}", " ".repeat(LONGEST - 16), r#"{"Statement":[]}"#)).is_ok(), "the longest");
    assert!(Document::read(&"[".repeat(LONGEST)).is_err(), "the deepest");
}

#[test]
fn a_difference_names_its_statement_and_shows_nothing_of_it() {
    let use_of = |principal: &str| json!({ "Sid": "AllowUse", "Effect": "Allow", "Principal": { "AWS": principal }, "Action": "kms:*" });
    let bare = |principal: &str| json!({ "Effect": "Allow", "Principal": { "AWS": principal }, "Action": "kms:*" });
    let odd = json!({ "Sid": "x\n\u{7f}".repeat(60), "Effect": "Allow", "Principal": "*" });
    let many: Vec<Value> = (0..7).map(|number| bare(&format!("11112222333{number}"))).collect();
    for (declared, found, expected) in [
        (json!([use_of(ROLE)]), json!([use_of(ROLE)]), vec![]),
        (json!([use_of(ROLE)]), json!([use_of(ROOT)]), vec!["statement AllowUse differs"]),
        (json!([use_of(ROLE), bare(ROOT)]), json!([bare(ROOT)]), vec!["statement AllowUse is missing"]),
        (json!([bare(ROOT)]), json!([bare(ROOT), use_of(ROLE)]), vec!["statement AllowUse is not declared"]),
        (json!([bare(ROOT), bare(ROLE)]), json!([bare(OTHER), bare(ROOT)]), vec!["statement 2 differs"]),
        (json!([]), json!([bare(ROOT)]), vec!["statement 1 is not declared"]),
        (
            json!([]),
            json!(many),
            vec![
                "statement 1 is not declared",
                "statement 2 is not declared",
                "statement 3 is not declared",
                "statement 4 is not declared",
                "statement 5 is not declared",
                "2 more differences",
            ],
        ),
    ] {
        let told: Vec<String> = differences(&document(declared), &document(found), &arn()).iter().map(ToString::to_string).collect();
        assert_eq!(told, expected);
    }
    let told = differences(&document(json!([odd])), &document(json!([])), &arn())[0].to_string();
    assert!(told.starts_with(r#"statement "x\n\u{7f}x"#) && told.len() < 300, "{told}");
    let old = Document::read(r#"{ "Id": "a", "Statement": [] }"#).unwrap();
    let told: Vec<String> = differences(&document(json!([])), &old, &arn()).iter().map(ToString::to_string).collect();
    assert_eq!(told, ["Version differs", "Id differs"]);
}

/// The number of an account is its root in the partition of the key.
#[test]
fn an_account_is_its_root_in_the_partition_of_the_key() {
    for (key, root, equal) in [
        ("arn:aws:kms:eu-west-1:111122223333:key/1", "arn:aws:iam::111122223333:root", true),
        ("arn:aws-cn:kms:cn-north-1:111122223333:key/1", "arn:aws-cn:iam::111122223333:root", true),
        ("arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/1", "arn:aws-us-gov:iam::111122223333:root", true),
        ("arn:aws-cn:kms:cn-north-1:111122223333:key/1", "arn:aws:iam::111122223333:root", false),
        ("arn:aws:kms:eu-west-1:111122223333:key/1", "arn:aws:iam::111122223334:root", false),
        ("arn:aws:kms:eu-west-1:111122223333:key/1", "arn:aws:iam::111122223333:user/root", false),
    ] {
        let of = |principal: &str| document(json!([allow(json!({ "AWS": principal }))]));
        assert_eq!(differences(&of(ACCOUNT), &of(root), key).is_empty(), equal, "{key} {root}");
    }
}

#[test]
fn the_ids_of_deleted_principals_are_found() {
    let principals = json!({ "AWS": ["AROAEXAMPLE", ROLE, ACCOUNT, "AIDAEXAMPLE", "*"], "Service": "s3.amazonaws.com" });
    let found = document(json!([allow(principals)]));
    assert_eq!(deleted_principals(&found).into_iter().collect::<Vec<_>>(), ["AIDAEXAMPLE", "AROAEXAMPLE"]);
    assert_eq!(found.named_principals().into_iter().collect::<Vec<_>>(), ["AIDAEXAMPLE", "AROAEXAMPLE", ROLE]);
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn keyward_keeps_what_it_needs_or_it_is_told_what_not() {
    let allow_role = || allow(json!({ "AWS": ROLE }));
    let deny = |principal: Value, action: Value| json!({ "Sid": "No", "Effect": "Deny", "Principal": principal, "Action": action, "Resource": "*" });
    let only = |actions: Value| json!({ "Effect": "Allow", "Principal": { "AWS": ROLE }, "Action": actions, "Resource": "*" });
    let with = |mut statement: Value, name: &str, value: Value| {
        statement[name] = value;
        statement
    };
    let condition = || json!({ "StringEquals": { "aws:SourceVpce": "vpce-1" } });
    let all = || {
        Access::Loses(
            [
                "kms:CancelKeyDeletion",
                "kms:DescribeKey",
                "kms:DisableKey",
                "kms:EnableKey",
                "kms:GetKeyPolicy",
                "kms:ListResourceTags",
                "kms:PutKeyPolicy",
                "kms:TagResource",
            ]
            .into(),
        )
    };
    let some = |actions: &[&'static str]| Access::Loses(actions.iter().copied().collect());
    let depends = |name: &str| Access::Unknown(Why::Statement(name.into()));
    let iam = || Access::Unknown(Why::Iam);
    for (about, statements, expected) in [
        ("nothing", json!([]), all()),
        ("the role behind the session", json!([allow_role()]), Access::Keeps),
        ("the role without its path", json!([allow(json!({ "AWS": "arn:aws:iam::111122223333:role/keyward" }))]), Access::Keeps),
        ("the session, which may have another name after the next start", json!([allow(json!({ "AWS": SESSION }))]), all()),
        (
            "a deny of a unique id",
            json!([allow_role(), deny(json!({ "AWS": "AROAEXAMPLEID" }), json!("kms:EnableKey"))]),
            some(&["kms:EnableKey"]),
        ),
        ("everybody", json!([allow(json!("*"))]), Access::Keeps),
        ("another role", json!([allow(json!({ "AWS": "arn:aws:iam::111122223333:role/keyward/other" }))]), all()),
        ("another session", json!([allow(json!({ "AWS": "arn:aws:sts::111122223333:assumed-role/keyward/ann" }))]), all()),
        ("a user of that name", json!([allow(json!({ "AWS": "arn:aws:iam::111122223333:user/keyward" }))]), all()),
        ("that role of another account", json!([allow(json!({ "AWS": "arn:aws:iam::444455556666:role/keyward" }))]), all()),
        ("another account", json!([allow(json!({ "AWS": OTHER }))]), all()),
        ("a service", json!([allow(json!({ "Service": "s3.amazonaws.com" }))]), all()),
        ("the account", json!([allow(json!({ "AWS": ROOT }))]), iam()),
        ("the account by its number", json!([allow(json!({ "AWS": ACCOUNT }))]), iam()),
        ("the account and the role", json!([allow(json!({ "AWS": [ROOT, ROLE] }))]), Access::Keeps),
        (
            "the account, and a deny of one action",
            json!([allow(json!({ "AWS": ROOT })), deny(json!({ "AWS": ROLE }), json!("kms:PutKeyPolicy"))]),
            some(&["kms:PutKeyPolicy"]),
        ),
        ("a deny wins", json!([allow_role(), deny(json!("*"), json!("KMS:enable*"))]), some(&["kms:EnableKey"])),
        (
            "a deny of the account",
            json!([allow_role(), deny(json!({ "AWS": ROOT }), json!("kms:TagResource"))]),
            some(&["kms:TagResource"]),
        ),
        ("a deny of others", json!([allow_role(), deny(json!({ "AWS": OTHER }), json!("*"))]), Access::Keeps),
        ("a deny of another action", json!([allow_role(), deny(json!("*"), json!("kms:Decrypt"))]), Access::Keeps),
        (
            "a deny of all but one action",
            json!([allow_role(), with(with(deny(json!("*"), json!([])), "Action", Value::Null), "NotAction", json!("kms:*"))]),
            Access::Keeps,
        ),
        (
            "a deny of requests without TLS",
            json!([allow_role(), with(deny(json!("*"), json!("*")), "Condition", json!({ "Bool": { "aws:SecureTransport": "false" } }))]),
            Access::Keeps,
        ),
        (
            "the same in another spelling",
            json!([allow_role(), with(deny(json!("*"), json!("*")), "Condition", json!({ "bool": { "AWS:securetransport": [false] } }))]),
            Access::Keeps,
        ),
        (
            "a deny of requests with TLS",
            json!([allow_role(), with(deny(json!("*"), json!("*")), "Condition", json!({ "Bool": { "aws:SecureTransport": "true" } }))]),
            all(),
        ),
        (
            "a deny of requests with or without TLS",
            json!([
                allow_role(),
                with(deny(json!("*"), json!("*")), "Condition", json!({ "Bool": { "aws:SecureTransport": ["true", "false"] } }))
            ]),
            all(),
        ),
        (
            "a deny of requests that do not say whether they have TLS",
            json!([
                allow_role(),
                with(deny(json!("*"), json!("*")), "Condition", json!({ "BoolIfExists": { "aws:SecureTransport": "false" } }))
            ]),
            all(),
        ),
        (
            "a deny of requests without TLS, and another condition",
            json!([
                allow_role(),
                with(
                    deny(json!("*"), json!("*")),
                    "Condition",
                    json!({ "Bool": { "aws:SecureTransport": "false", "aws:MultiFactorAuthPresent": "false" } })
                )
            ]),
            all(),
        ),
        ("a deny with a condition", json!([allow_role(), with(deny(json!("*"), json!("*")), "Condition", condition())]), all()),
        (
            "a deny of everybody but others",
            json!([allow_role(), { "Effect": "Deny", "NotPrincipal": { "AWS": OTHER }, "Action": "kms:EnableKey", "Resource": "*" }]),
            some(&["kms:EnableKey"]),
        ),
        (
            "a deny of everybody but the role",
            json!([allow_role(), { "Effect": "Deny", "NotPrincipal": { "AWS": ROLE }, "Action": "*", "Resource": "*" }]),
            all(),
        ),
        ("an allow with a condition", json!([with(allow_role(), "Condition", condition())]), depends("statement Use")),
        (
            "an allow with a condition, and the account",
            json!([with(allow_role(), "Condition", condition()), allow(json!({ "AWS": ROOT }))]),
            iam(),
        ),
        (
            "an allow of all but others",
            json!([{ "Effect": "Allow", "NotPrincipal": { "AWS": OTHER }, "Action": "*", "Resource": "*" }]),
            depends("statement 1"),
        ),
        (
            "only some actions",
            json!([only(json!(["kms:Describe*", "kms:Get*", "kms:List*", "kms:Put*", "kms:*Key"]))]),
            some(&["kms:CancelKeyDeletion", "kms:TagResource"]),
        ),
        (
            "all but some actions",
            json!([{ "Effect": "Allow", "Principal": "*", "NotAction": "kms:Put*", "Resource": "*" }]),
            some(&["kms:PutKeyPolicy"]),
        ),
        ("this key", json!([with(allow_role(), "Resource", json!(arn()))]), Access::Keeps),
        ("another key", json!([with(allow_role(), "Resource", json!("arn:aws:kms:eu-west-1:111122223333:key/other"))]), all()),
        ("all but this key", json!([{ "Effect": "Allow", "Principal": "*", "Action": "*", "NotResource": arn() }]), all()),
        ("a variable", json!([with(allow_role(), "Resource", json!("${aws:username}"))]), depends("statement Use")),
        ("no resource", json!([{ "Effect": "Allow", "Principal": "*", "Action": "*" }]), all()),
        ("no action", json!([{ "Effect": "Allow", "Principal": "*", "Resource": "*" }]), all()),
    ] {
        let text = json!({ "Statement": statements }).to_string().replace(r#""Action":null,"#, "");
        let document = Document::read(&text).unwrap();
        assert_eq!(access(&document, Caller::of(SESSION), &arn(), Also::default()), expected, "{about}");
    }
    let needed = Also { rotation: Some(true), description: true, claim: true, deletion: true, ..Also::default() };
    let without = document(json!([only(json!(["kms:*Key", "kms:Put*", "kms:Get*", "kms:List*", "kms:Tag*", "kms:Cancel*"]))]));
    let also = ["kms:CreateAlias", "kms:EnableKeyRotation", "kms:ScheduleKeyDeletion", "kms:UpdateKeyDescription"];
    assert_eq!(access(&without, Caller::of(SESSION), &arn(), needed), some(&also));
    assert_eq!(access(&without, Caller::of(SESSION), &arn(), Also::default()), Access::Keeps);
    assert_eq!(access(&without, None, &arn(), needed), Access::Unknown(Why::Caller));
    let root = document(json!([allow(json!({ "AWS": ACCOUNT }))]));
    assert_eq!(access(&root, Caller::of(ROOT), &arn(), needed), Access::Keeps, "the root user needs no policy of IAM");
    let user = "arn:aws:iam::111122223333:user/team/keyward";
    assert_eq!(access(&document(json!([allow(json!({ "AWS": user }))])), Caller::of(user), &arn(), needed), Access::Keeps);
    let least = document(json!([only(json!([
        "kms:CancelKeyDeletion",
        "kms:DescribeKey",
        "kms:DisableKey",
        "kms:EnableKey",
        "kms:GetKeyPolicy",
        "kms:ListResourceTags",
        "kms:PutKeyPolicy",
        "kms:TagResource",
    ]))]));
    let none = Also::default();
    for (also, lost) in [
        (Also { rotation: Some(true), ..none }, &["kms:EnableKeyRotation", "kms:GetKeyRotationStatus"][..]),
        (Also { rotation: Some(false), ..none }, &["kms:DisableKeyRotation", "kms:GetKeyRotationStatus"]),
        (Also { on_demand: true, ..none }, &["kms:ListKeyRotations", "kms:RotateKeyOnDemand"]),
        (Also { description: true, ..none }, &["kms:UpdateKeyDescription"]),
        (Also { tags: true, ..none }, &["kms:UntagResource"]),
        (Also { claim: true, ..none }, &["kms:CreateAlias"]),
        (Also { aliases: true, ..none }, &["kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"]),
        (Also { revoking: true, ..none }, &["kms:ListGrants", "kms:RevokeGrant"]),
        (Also { grants: true, ..none }, &["kms:CreateGrant"]),
        (Also { primary: true, ..none }, &["kms:ReplicateKey", "kms:UpdatePrimaryRegion"]),
        (Also { deletion: true, ..none }, &["kms:ScheduleKeyDeletion"]),
        (Also { last_use: true, ..none }, &["kms:GetKeyLastUsage"]),
    ] {
        assert_eq!(access(&least, Caller::of(SESSION), &arn(), also), some(lost), "{also:?}");
    }
    for odd in ["", "keyward", "arn:aws:kms:eu-west-1:111122223333:key/1", "arn:aws:iam::1:user/x", "admin in domain root"] {
        assert_eq!(Caller::of(odd), None, "{odd}");
    }
}

#[test]
fn a_provider_refuses_access_of_others_and_names_the_statement() {
    let allow = |principal| using(principal, "kms:Decrypt");
    let condition = |operator: &str, key: &str, values: Value| json!({ operator: { key: values } });
    let star = |condition: Value| {
        let mut statement = allow(json!({ "AWS": "*" }));
        statement["Condition"] = condition;
        statement
    };
    for (statement, refused) in [
        (allow(json!({ "AWS": ROLE })), None),
        (allow(json!({ "AWS": ACCOUNT })), None),
        (allow(json!({ "AWS": [SESSION, "arn:aws:iam::444455556666:root", "arn:aws:iam::444455556666:user/x"] })), None),
        (allow(json!({ "AWS": [ROLE, "777788889999"] })), Some("account 777788889999")),
        (allow(json!({ "AWS": "arn:aws:iam::777788889999:role/keyward" })), Some("account 777788889999")),
        (allow(json!({ "AWS": "arn:aws:sts::777788889999:assumed-role/a/b" })), Some("account 777788889999")),
        (allow(json!({ "AWS": "AROAEXAMPLE" })), Some("AROAEXAMPLE, whose account is not known")),
        (allow(json!({ "AWS": "arn:aws:iam::*:root" })), Some("arn:aws:iam::*:root, whose account is not known")),
        (allow(json!({ "Service": "logs.eu-west-1.amazonaws.com" })), None),
        (allow(json!({ "Service": ["logs.eu-west-1.amazonaws.com", "s3.amazonaws.com"] })), Some("the service s3.amazonaws.com")),
        (allow(json!({ "AWS": ROLE, "Federated": "accounts.google.com" })), Some("the federated principal accounts.google.com")),
        (allow(json!({ "CanonicalUser": "79a5" })), Some("the canonical user 79a5")),
        (
            json!({ "Sid": "Use", "Effect": "Allow", "NotPrincipal": { "AWS": OTHER }, "Action": "kms:*", "Resource": "*" }),
            Some("everybody but some principals"),
        ),
        (allow(json!("*")), Some("everybody")),
        (star(condition("StringEquals", "kms:CallerAccount", json!(ACCOUNT))), None),
        (star(condition("stringEQUALS", "AWS:principalaccount", json!([ACCOUNT, OTHER]))), None),
        (star(condition("StringEquals", "kms:CallerAccount", json!([ACCOUNT, "777788889999"]))), Some("everybody")),
        (star(condition("StringEquals", "kms:CallerAccount", json!([]))), Some("everybody")),
        (star(condition("StringLike", "kms:CallerAccount", json!("*"))), Some("everybody")),
        (star(condition("StringNotEquals", "kms:CallerAccount", json!(ACCOUNT))), Some("everybody")),
        (star(condition("StringEqualsIfExists", "aws:PrincipalAccount", json!(ACCOUNT))), Some("everybody")),
        (star(condition("ForAllValues:StringEquals", "aws:PrincipalAccount", json!(ACCOUNT))), Some("everybody")),
        (star(condition("StringEquals", "aws:PrincipalOrgID", json!("o-1"))), Some("everybody")),
        (star(condition("StringEquals", "aws:SourceAccount", json!(ACCOUNT))), Some("everybody")),
        (star(condition("StringEquals", "kms:ViaService", json!("s3.eu-west-1.amazonaws.com"))), Some("everybody")),
        (json!({ "Sid": "Use", "Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*" }), None),
        (json!({ "Sid": "Use", "Effect": "Deny", "NotPrincipal": { "AWS": OTHER }, "Action": "kms:*", "Resource": "*" }), None),
    ] {
        let services = vec!["logs.eu-west-1.amazonaws.com".to_owned()];
        let rule = |from| AllowPolicies { from, accounts: vec![OTHER.into()], services: services.clone() };
        let document = document(json!([allow(json!({ "AWS": ROLE })), statement]));
        let asked = |from| Allowed { rule: &rule(from), account: ACCOUNT, caller: Caller::of(SESSION) }.refuses(&document);
        let expected = refused.map(|whom| format!("has statement Use, which gives access to {whom}"));
        assert_eq!(asked(PoliciesFrom::Accounts), expected, "{statement}");
        assert_eq!(asked(PoliciesFrom::Any), None);
        assert_eq!(asked(PoliciesFrom::None).as_deref(), Some("sets a key policy"));
    }
}

/// Who may use a key must not be able to destroy it past the guard, nor to give access to somebody who is not listed.
#[test]
fn a_provider_refuses_calls_past_the_guard_to_all_but_the_account_and_keyward() {
    let shop = || json!({ "AWS": "arn:aws:iam::111122223333:role/shop" });
    let grants = |condition: Value| {
        let mut statement = using(shop(), "kms:CreateGrant");
        statement["Condition"] = condition;
        statement
    };
    let told = |who: &str, action: &str| Some(format!("has statement Use, which lets {who} call {action}"));
    for (statement, refused) in [
        // AWS's default policy.
        (using(json!({ "AWS": ROOT }), "kms:*"), None),
        (using(json!({ "AWS": ACCOUNT }), "*"), None),
        (using(json!({ "AWS": [ROOT, ROLE] }), "kms:*"), None),
        (using(shop(), json!(["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"])), None),
        (using(shop(), "kms:*"), told("arn:aws:iam::111122223333:role/shop", "kms:CreateGrant")),
        (using(shop(), "KMS:schedule*"), told("arn:aws:iam::111122223333:role/shop", "kms:ScheduleKeyDeletion")),
        (using(shop(), "kms:Replicate*"), told("arn:aws:iam::111122223333:role/shop", "kms:ReplicateKey")),
        (using(shop(), "kms:Put*"), told("arn:aws:iam::111122223333:role/shop", "kms:PutKeyPolicy")),
        (using(shop(), "kms:Disable*"), told("arn:aws:iam::111122223333:role/shop", "kms:DisableKey")),
        (using(shop(), "kms:Delete*"), told("arn:aws:iam::111122223333:role/shop", "kms:DeleteImportedKeyMaterial")),
        (using(json!({ "AWS": [ROLE, "444455556666"] }), "kms:PutKeyPolicy"), told("444455556666", "kms:PutKeyPolicy")),
        (using(json!({ "AWS": SESSION }), "kms:*"), told(SESSION, "kms:CreateGrant")),
        (using(json!({ "Service": "logs.eu-west-1.amazonaws.com" }), "kms:*"), None),
        (
            json!({ "Sid": "Use", "Effect": "Allow", "Principal": shop(), "NotAction": "kms:Put*", "Resource": "*" }),
            told("arn:aws:iam::111122223333:role/shop", "kms:CreateGrant"),
        ),
        // As the console of AWS writes it for services such as EBS.
        (grants(json!({ "Bool": { "kms:GrantIsForAWSResource": "true" } })), None),
        (
            grants(json!({ "Bool": { "kms:GrantIsForAWSResource": "false" } })),
            told("arn:aws:iam::111122223333:role/shop", "kms:CreateGrant"),
        ),
        (
            grants(json!({ "BoolIfExists": { "kms:GrantIsForAWSResource": "true" } })),
            told("arn:aws:iam::111122223333:role/shop", "kms:CreateGrant"),
        ),
        (json!({ "Sid": "Use", "Effect": "Deny", "Principal": "*", "Action": "kms:ScheduleKeyDeletion", "Resource": "*" }), None),
    ] {
        let rule = AllowPolicies {
            from: PoliciesFrom::Accounts,
            accounts: vec![OTHER.into()],
            services: vec!["logs.eu-west-1.amazonaws.com".into()],
        };
        let document = document(json!([statement]));
        let refuses = |caller| Allowed { rule: &rule, account: ACCOUNT, caller }.refuses(&document);
        assert_eq!(refuses(Caller::of(SESSION)), refused, "{statement}");
    }
    // Who Keyward is for AWS is not known behind CipherTrust, so its role needs to be left to IAM there.
    let own = document(json!([using(json!({ "AWS": ROLE }), "kms:*")]));
    let rule = AllowPolicies { from: PoliciesFrom::Accounts, ..AllowPolicies::default() };
    assert_eq!(Allowed { rule: &rule, account: ACCOUNT, caller: Caller::of(SESSION) }.refuses(&own), None);
    assert!(Allowed { rule: &rule, account: ACCOUNT, caller: None }.refuses(&own).is_some());
}

/// The policy that AWS gives a key without one.
pub fn default() -> String {
    let statement = json!({ "Sid": "Enable IAM User Permissions", "Effect": "Allow", "Principal": { "AWS": ROOT }, "Action": "kms:*", "Resource": "*" });
    json!({ "Version": "2012-10-17", "Id": "key-default-1", "Statement": [statement] }).to_string()
}

/// A policy that lets Keyward do everything, and an application use the key.
pub fn declared() -> String {
    let app = json!({
        "Sid": "AllowUse", "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::111122223333:role/shop" },
        "Action": ["kms:Encrypt", "kms:Decrypt"], "Resource": "*",
    });
    json!({ "Version": "2012-10-17", "Statement": [allow(json!({ "AWS": ROLE })), app] }).to_string()
}

/// A policy that lets only another role use the key.
pub fn for_others() -> String {
    json!({ "Version": "2012-10-17", "Statement": [allow(json!({ "AWS": "arn:aws:iam::111122223333:role/shop" }))] }).to_string()
}

pub fn wanted(text: &str) -> WantedPolicy {
    WantedPolicy { text: text.into(), document: Document::read(text).unwrap() }
}

/// A key that has everything but the declared policy.
fn scene(policy: &str, found: Option<KeyPolicy>) -> Scene {
    Scene::of(State::Enabled).with(|s| {
        s.desired.key_policy = Some(wanted(policy));
        s.rules.allow.policies.from = PoliciesFrom::Any;
        s.rules.principal = Some(SESSION.into());
        s.key().policy = found;
    })
}

#[allow(clippy::unnecessary_wraps, reason = "it is what a read gives")]
fn text(policy: &str) -> Option<KeyPolicy> {
    Some(KeyPolicy::Text(policy.into()))
}

#[test]
fn a_policy_is_set_where_it_differs_and_only_there() {
    let respelled = declared().replace("kms:Encrypt", "KMS:encrypt").replace("arn:aws:iam::111122223333:root", ACCOUNT);
    for (found, expected) in [
        (text(&default()), "set the key policy"),
        (text(&declared()), "rest"),
        (text(&respelled), "rest"),
        (text("no JSON"), "set the key policy"),
        (Some(KeyPolicy::Untold), "rest"),
    ] {
        assert_eq!(brief(&scene(&declared(), found.clone()).plan()), expected, "{found:?}");
    }
    let news = scene(&declared(), Some(KeyPolicy::Untold)).with(|s| s.memory.status.applied.as_mut().unwrap().generation = 1);
    assert!(brief(&news.plan()) != "rest", "what is not told is set once");
    assert_eq!(brief(&scene(&declared(), None).with(|s| s.desired.key_policy = None).plan()), "rest", "absent: left alone");
    let disabled =
        Scene { desired: Desired { enabled: Some(false), ..scene(&declared(), None).desired }, ..scene(&declared(), text(&default())) }
            .with(|s| s.key().state = State::Disabled);
    assert_eq!(brief(&disabled.plan()), "set the key policy", "a disabled key has a policy too");
}

/// A facet that costs a request is read only if it is needed.
#[test]
fn a_policy_is_read_only_where_it_is_declared_and_can_be_set() {
    let lacks = |s: &Scene| {
        let declared = crate::domain::settings::declared_facets(&s.desired, &s.rules);
        let crate::domain::observed::Observed::Present(key) = &s.observed else { panic!("a key") };
        key.lacks(s.rules.limits(), declared).has(Facet::Policy)
    };
    let of = |change: fn(&mut Scene)| scene(&declared(), None).with(change);
    assert!(lacks(&of(|_| {})));
    assert!(!lacks(&of(|s| s.desired.key_policy = None)));
    assert!(!lacks(&of(|s| s.rules.allow.policies.from = PoliciesFrom::None)));
    assert!(!lacks(&of(|s| s.rules.provider = ProviderType::Huawei)));
    assert!(!lacks(&of(|s| s.key().state = State::PendingDeletion)));
    assert!(!lacks(&of(|s| s.key().unread = Facets::POLICY)));
    let watched = of(|s| {
        s.desired.policy = ManagementPolicy::Observe;
        s.rules.allow.policies.from = PoliciesFrom::None;
    });
    assert!(lacks(&watched), "reading gives nobody access");
    let news = of(|s| s.desired.generation += 1);
    assert_eq!(news.plan(), Plan::Read(Read::Facets));
}

#[test]
fn a_difference_that_the_policy_leaves_is_said() {
    let left = declared().replace("kms:Decrypt", "kms:Sign");
    for policy in [ManagementPolicy::Observe, ManagementPolicy::EnforceOnChange] {
        let s = scene(&declared(), text(&left)).with(|s| s.desired.policy = policy);
        let plan = s.plan();
        let Plan::Rest(rest) = &plan else { panic!("{plan:?}") };
        assert_eq!(rest.drift, ["in the key policy, statement AllowUse differs"], "{policy:?}");
        assert!(!rest.life_drifted);
        let said = status::status(&s.memory, &s.report(Conclusion::Planned(&plan)));
        let drifted = condition::find(&said.conditions, ConditionType::Drifted).unwrap();
        assert!(drifted.message.starts_with("in the key policy, statement AllowUse differs; "), "{}", drifted.message);
        assert!(!drifted.message.contains("kms:"), "nothing of the policy is shown: {}", drifted.message);
    }
    let deleted = declared().replace("arn:aws:iam::111122223333:role/shop", "AROAEXAMPLE");
    let Plan::Do(step) = scene(&declared(), text(&deleted)).plan() else { panic!("it is set") };
    let found = step.differences(scene(&declared(), text(&deleted)).key());
    let left: Vec<String> = found.iter().map(Difference::left).collect();
    assert_eq!(
        left,
        ["in the key policy, statement AllowUse differs", "in the key policy, AROAEXAMPLE is what is left of a principal that was deleted"]
    );
    assert_eq!(found[0].corrected(), "the key policy, in which statement AllowUse differs");
}

#[test]
fn what_may_not_be_set_is_refused_and_everything_else_is_done() {
    let other = json!({ "Statement": [allow(json!({ "AWS": ROLE })), { "Effect": "Allow", "Principal": { "AWS": OTHER }, "Action": "kms:Decrypt", "Resource": "*" }] });
    let none = |s: &mut Scene| s.rules.allow.policies.from = PoliciesFrom::None;
    let accounts = |s: &mut Scene| s.rules.allow.policies.from = PoliciesFrom::Accounts;
    let huawei = |s: &mut Scene| s.rules.provider = ProviderType::Huawei;
    let needs_more = |s: &mut Scene| s.desired.rotation = Some(WantedRotation::On(None));
    let few = json!({ "Statement": [{ "Effect": "Allow", "Principal": { "AWS": ROLE }, "Action": ["kms:*Key*", "kms:List*", "kms:Tag*", "kms:CreateAlias", "kms:RevokeGrant"], "NotResource": "x" }] });
    let no_rotation = json!({ "Statement": [allow(json!({ "AWS": ROLE })), { "Sid": "No", "Effect": "Deny", "Principal": "*", "Action": "kms:*Rotation*", "Resource": "*" }] });
    let any = |_: &mut Scene| {};
    type Change = fn(&mut Scene);
    let rows: [(&str, String, Change, Reason, &str); 6] = [
        (
            "none",
            declared(),
            none,
            Reason::PolicyNotAllowed,
            "spec.policy sets a key policy, which KeyProvider aws does not allow; see its spec.allow.policies",
        ),
        (
            "another account",
            other.to_string(),
            accounts,
            Reason::PolicyNotAllowed,
            "spec.policy has statement 2, which gives access to account 444455556666, which KeyProvider aws does not allow; see its spec.allow.policies",
        ),
        ("no policies", declared(), huawei, Reason::InvalidSpec, "spec.policy is set, but Huawei has no key policies; remove spec.policy"),
        (
            "itself",
            for_others(),
            any,
            Reason::PolicyWouldLockOut,
            "spec.policy does not allow the role keyward of account 111122223333 what Keyward needs on key \
             arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab: kms:CancelKeyDeletion, kms:CreateAlias, \
             kms:DescribeKey, kms:DisableKey, kms:EnableKey, kms:GetKeyPolicy, kms:ListGrants, kms:ListResourceTags, kms:PutKeyPolicy, kms:RevokeGrant, \
             kms:TagResource, kms:UpdateKeyDescription; \
             correct the policy, so that it allows them",
        ),
        (
            "what is declared",
            no_rotation.to_string(),
            needs_more,
            Reason::PolicyWouldLockOut,
            "spec.policy does not allow the role keyward of account 111122223333 what Keyward needs on key \
             arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab: kms:EnableKeyRotation, kms:GetKeyRotationStatus; \
             correct the policy, so that it allows them",
        ),
        ("nothing", few.to_string(), any, Reason::Synced, ""),
    ];
    for (about, policy, change, reason, message) in rows {
        let mut s = scene(&policy, text(&default())).with(change);
        s.desired.description = Some("order signing".into());
        let mut done = Vec::new();
        let plan = loop {
            match s.plan() {
                Plan::Do(step) => {
                    let key = s.key().clone().after(&step);
                    *s.key() = key;
                    done.push(step);
                }
                plan => break plan,
            }
        };
        let Plan::Rest(rest) = &plan else { panic!("{about}: {plan:?}") };
        assert!(done.iter().any(|step| step.part() == Part::Description), "{about}: {done:?}");
        let is_set = done.iter().any(|step| step.part() == Part::Policy);
        match &rest.refused {
            None => assert!(message.is_empty() && is_set, "{about}: {done:?}"),
            Some(refused) => assert_eq!((refused.reason, &*refused.message, is_set), (reason, message, false), "{about}"),
        }
        let said = status::status(&s.memory, &s.report(Conclusion::Planned(&plan)));
        let stalled = condition::find(&said.conditions, ConditionType::Stalled).map(|found| found.reason.clone());
        assert_eq!(stalled.as_deref(), (!message.is_empty()).then_some(reason.as_str()), "{about}");
    }
    let unborn = Scene::unbound(Searched::Everywhere).with(|s| s.desired.key_policy = Some(wanted(&declared())));
    let plan = unborn.plan();
    assert_eq!(note(&plan).0, Reason::PolicyNotAllowed, "no key is created for what is refused");
}

/// A policy whose only allow for Keyward's role is all but these actions, and that lets a principal use the key.
fn all_but(actions: &[&str], principal: &str) -> String {
    let keyward = json!({ "Sid": "Keyward", "Effect": "Allow", "Principal": { "AWS": ROLE }, "NotAction": actions, "Resource": "*" });
    let app = json!({ "Sid": "AllowUse", "Effect": "Allow", "Principal": { "AWS": principal }, "Action": "kms:Decrypt", "Resource": "*" });
    json!({ "Version": "2012-10-17", "Statement": [keyward, app] }).to_string()
}

/// What each object needs of the policy that it declares.
///
/// Shows S11.
#[test]
fn a_policy_is_not_set_that_takes_away_a_call_that_the_object_needs() {
    let refused = |action: &str, change: fn(&mut Scene)| {
        let mut s = scene(&all_but(&[action], ROLE), text(&default())).with(change);
        let key = s.key().clone();
        locked_out(&s.desired, &s.rules, &key)
    };
    let is_refused = |action: &str, change: fn(&mut Scene)| {
        refused(action, change)
            .is_some_and(|refusal| refusal.reason == Reason::PolicyWouldLockOut && refusal.message.contains(&format!(": {action}; ")))
    };
    type Change = fn(&mut Scene);
    let nothing: Change = |_| {};
    let adopted: Change = |s| s.desired.adopt = Some(arn());
    let rows: [(&[&str], Change, Change); 10] = [
        (&["kms:CreateAlias"], nothing, adopted),
        (&["kms:DeleteAlias", "kms:UpdateAlias"], |s| s.desired.aliases = ["alias/orders".to_owned()].into(), nothing),
        (&["kms:UntagResource"], |s| drop(s.desired.tags.insert("team".into(), "shop".into())), nothing),
        (&["kms:UntagResource"], |s| drop(s.rules.default_tags.insert("team".into(), "shop".into())), nothing),
        (&["kms:UntagResource"], |s| s.rules.default_tag_keys.extend(["team".to_owned()]), nothing),
        (&["kms:ListKeyRotations", "kms:RotateKeyOnDemand"], |s| s.desired.rotate = Some("now".into()), nothing),
        (
            &["kms:CreateGrant"],
            |s| s.rules.allow.grants = AllowGrants { principals: vec!["*".into()], operations: vec!["Decrypt".into()] },
            |s| s.rules.allow.grants = AllowGrants { principals: vec!["*".into()], operations: Vec::new() },
        ),
        (
            &["kms:ReplicateKey", "kms:UpdatePrimaryRegion"],
            |s| s.key().kind.multi_region = true,
            |s| {
                s.key().kind.multi_region = true;
                s.key().multi_region = Some(MultiRegion::Replica(arn()));
            },
        ),
        (&["kms:ScheduleKeyDeletion"], |s| s.desired.life = Life::Scheduled(7), |s| s.desired.deletion_policy = DeletionPolicy::Disable),
        (
            &["kms:GetKeyLastUsage"],
            |s| s.desired.deletion_policy = DeletionPolicy::Disable,
            |s| {
                s.desired.deletion_policy = DeletionPolicy::Delete;
                s.rules.guard.minimum_idle_days = 0;
            },
        ),
    ];
    for (actions, needs, does_not) in rows {
        for action in actions {
            assert!(is_refused(action, needs), "{action}");
            assert!(refused(action, does_not).is_none(), "{action}: {:?}", refused(action, does_not));
        }
    }
    let primary: Change = |s| {
        s.desired.primary = true;
        s.key().multi_region = Some(MultiRegion::Replica(arn()));
    };
    assert!(is_refused("kms:ReplicateKey", primary));
    let delete: Change = |s| s.desired.deletion_policy = DeletionPolicy::Delete;
    assert!(is_refused("kms:ScheduleKeyDeletion", delete) && is_refused("kms:GetKeyLastUsage", |s| s.desired.life = Life::Scheduled(7)));
    // Whatever the provider allows: grants may be older than its rules, or younger than the policy.
    assert!(is_refused("kms:ListGrants", nothing) && is_refused("kms:RevokeGrant", nothing));
}

/// A key that has a policy from before is not worse off: a change that takes nothing more away is made.
///
/// Shows S11.
#[test]
fn a_policy_that_takes_nothing_more_away_is_set_unless_the_key_could_not_be_kept_alive() {
    let (shop, bank) = ("arn:aws:iam::111122223333:role/shop", "arn:aws:iam::111122223333:role/bank");
    let plan = |declared: &[&str], found: &[&str]| scene(&all_but(declared, shop), text(&all_but(found, bank))).plan();
    let revoke = &["kms:RevokeGrant"][..];
    let Plan::Do(step) = plan(revoke, revoke) else { panic!("the other statement is corrected") };
    let told = format!("{step:?}");
    assert!(told.contains("it does not allow Keyward kms:RevokeGrant"), "{told}");
    let refused = |plan: Plan| matches!(plan, Plan::Rest(rest) if rest.refused.as_ref().is_some_and(|note| note.reason == Reason::PolicyWouldLockOut));
    assert!(refused(plan(revoke, &["kms:ListGrants"])), "it takes away another call");
    assert!(refused(plan(&["kms:EnableKey"], &["kms:EnableKey"])), "the key could not be kept alive");
    assert_eq!(brief(&scene(&all_but(revoke, shop), text(&all_but(revoke, shop))).plan()), "rest", "it is as declared");
    assert!(refused(scene(&all_but(revoke, shop), Some(KeyPolicy::Text("no JSON".into()))).plan()), "nothing is known of the present one");
}

/// The event names the statements, and says what is not certain.
#[test]
fn an_event_tells_which_statements_were_set() {
    let app_only = json!({ "Statement": [allow(json!({ "AWS": ROOT })), { "Sid": "AllowUse", "Effect": "Allow", "Principal": "*", "Action": "kms:Sign", "Resource": "*" }] });
    for (policy, found, expected) in [
        (
            declared(),
            app_only.to_string(),
            "set the key policy of KEY as declared; before that, Version differs, statement Use differs, statement AllowUse differs",
        ),
        (
            app_only.to_string(),
            declared(),
            "set the key policy of KEY as declared; before that, Version differs, statement Use differs, statement AllowUse differs; \
             the policy leaves it to the IAM policies of the account what Keyward may do",
        ),
    ] {
        let mut s = scene(&policy, text(&found));
        let Plan::Do(step) = s.plan() else { panic!("{:?}", s.plan()) };
        let found = vec![(step.clone(), step.differences(s.key()))];
        let about = About { desired: &s.desired, set_by: None, found: &found, created: None };
        let told = events(&s.memory.status, &s.memory.status, about, &[step]);
        let told: Vec<_> = told.into_iter().filter(|event| event.reason == "PolicyChanged").map(|event| event.note).collect();
        assert_eq!(told, [expected.replace("KEY", &arn())]);
    }
}

#[test]
fn the_principals_that_may_be_new_are_named() {
    let principals = |list: Value| document(json!([allow(json!({ "AWS": list }))]));
    let user = |name: &str| format!("arn:aws:iam::111122223333:user/{name}");
    let found = KeyPolicy::Text(json!({ "Statement": [allow(json!({ "AWS": [user("a"), user("b")] }))] }).to_string());
    for (declared, found, named) in [
        (json!([user("a"), user("c")]), Some(&found), Some(user("c"))),
        (json!([user("a")]), Some(&found), Some(user("a"))),
        (json!([user("a")]), None, Some(user("a"))),
        (json!([ACCOUNT, ROOT, "*"]), Some(&found), None),
        (
            json!([user("c"), user("d"), user("e"), user("f"), user("g")]),
            Some(&KeyPolicy::Untold),
            Some(format!("{}, {}, {} and 2 more", user("c"), user("d"), user("e"))),
        ),
    ] {
        assert_eq!(principals(declared).new_principals(found), named);
    }
}

/// The key's own policy may deny that its deletion is cancelled. A declared one is set then, and nothing else is.
///
/// Shows S11.
#[test]
fn a_policy_is_set_on_a_pending_key_only_if_it_may_help_to_cancel() {
    let pending = |found: Option<KeyPolicy>| scene(&declared(), found).with(|s| s.key().state = State::PendingDeletion);
    let step = |s: &mut Scene| {
        assert_eq!(brief(&s.plan()), if s.desired.life == Life::Live { "cancel the deletion" } else { "rest" }, "the cancel comes first");
        let key = s.key().clone();
        plan::policy_before_cancel(&s.situation(), &key).map(|step| step.to_string())
    };
    let sets = Some("set the key policy".to_owned());
    assert_eq!(step(&mut pending(text(&for_others()))), sets);
    assert_eq!(step(&mut pending(text(&declared()))), None, "it is as declared");
    let saves = |s: &mut Scene| s.desired.key_policy = Some(wanted(&all_but(&["kms:RevokeGrant"], ROLE)));
    assert_eq!(step(&mut pending(text(&default())).with(saves)), sets, "a key that can be saved is worth more than its other calls");
    assert_eq!(step(&mut pending(None)), None, "it was not read");
    type Change = fn(&mut Scene);
    let rows: [(&str, Change); 5] = [
        ("none is declared", |s| s.desired.key_policy = None),
        ("the provider does not allow it", |s| s.rules.allow.policies.from = PoliciesFrom::None),
        ("it would lock Keyward out", |s| s.desired.key_policy = Some(wanted(&for_others().replace("shop", "bank")))),
        ("the deletion is declared", |s| s.desired.life = Life::Scheduled(7)),
        ("the key is another's", |s| drop(s.tags().insert(mark::UID.into(), "u2".into()))),
    ];
    for (about, change) in rows {
        let mut s = pending(text(&for_others())).with(change);
        let key = s.key().clone();
        assert_eq!(plan::policy_before_cancel(&s.situation(), &key), None, "{about}");
    }
}
