//! The bodies are those of Thales's documentation, of the same key at three times, without its policy.

use serde_json::{Value, json};

use super::*;

const ARN: &str = "arn:aws:kms:ap-south-1:123456789012:key/623321f4-a7d4-4d52-89bf-a9f26a29360e";

fn sample(updated_at: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut row = json!({
        "id": "baf58871-2503-4d13-a84a-339aeb8fdfaf",
        "uri": "kylo:kylo:cckm:aws-key:baf58871-2503-4d13-a84a-339aeb8fdfaf",
        "account": "kylo:kylo:admin:accounts:kylo",
        "application": "ncryptify:gemalto:admin:apps:kylo",
        "devAccount": "ncryptify:gemalto:admin:accounts:gemalto",
        "createdAt": "2020-11-05T06:35:42.443457Z",
        "updatedAt": updated_at,
        "kms_id": "0b90f8de-8617-498d-ad63-ca18eb717ae7",
        "kms": "kms",
        "synced_at": "2020-11-05T06:38:27.581643Z",
        "rotation_status": "",
        "cloud_name": "aws",
        "key_type": "symmetric",
        "basic_view_enabled": false,
        "region": "ap-south-1",
        "gone": false,
        "key_material_origin": "native",
        "aws_param": {
            "AWSAccountId": "123456789012",
            "Arn": ARN,
            "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "Description": "key-description",
            "Enabled": false,
            "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
            "KeyID": "623321f4-a7d4-4d52-89bf-a9f26a29360e",
            "KeyManager": "CUSTOMER",
            "KeyState": "Disabled",
            "KeyUsage": "ENCRYPT_DECRYPT",
            "Origin": "AWS_KMS",
            "CreationDate": "2020-11-05T06:35:29Z",
            "Policy": { "Id": "key-default-1" },
            "Alias": ["alias/aws-test-key"],
            "Tags": [{ "TagKey": "key", "TagValue": "value" }],
            "KeyRotationEnabled": false,
        },
    });
    change(&mut row);
    row
}

fn scheduled() -> Value {
    sample("2020-11-05T06:48:43.972188229Z", |row| {
        row["aws_param"]["KeyState"] = json!("PendingDeletion");
        row["aws_param"]["DeletionDate"] = json!("2020-11-12T06:48:43.971985424Z");
    })
}

fn cancelled() -> Value {
    sample("2020-11-05T06:49:27.754975314Z", |_| {})
}

fn rotated() -> Value {
    sample("2020-11-05T06:53:53.800412319Z", |row| {
        row["aws_param"]["KeyState"] = json!("Enabled");
        row["aws_param"]["Enabled"] = json!(true);
        row["aws_param"]["KeyRotationEnabled"] = json!(true);
    })
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn row(value: &Value) -> Row {
    serde_json::from_value(value.clone()).unwrap()
}

fn read(value: &Value) -> Result<Key, Unusable> {
    row(value).key(at("2020-11-05T06:48:44Z"))
}

/// A sample with one member changed, by the path of its names; `Null` is a member that is null.
fn with(path: &[&str], to: Value) -> Value {
    sample("2020-11-05T06:49:27Z", |row| {
        let (last, parents) = path.split_last().unwrap();
        let parent = parents.iter().fold(row, |at, name| &mut at[*name]);
        parent[*last] = to;
    })
}

#[test]
fn every_member_is_converted() {
    let expected = Key {
        id: "baf58871-2503-4d13-a84a-339aeb8fdfaf".into(),
        arn: ARN.into(),
        account: "123456789012".into(),
        region: "ap-south-1".into(),
        state: State::Disabled,
        deletion_date: None,
        kind: KeyTemplate::default(),
        customer_managed: true,
        multi_region: None,
        description: Some("key-description".into()),
        creation_time: Some(at("2020-11-05T06:35:29Z")),
        age: Some(SignedDuration::from_secs(616)),
        name: None,
        rotation: Some(Rotation::default()),
        rotations: None,
        tags: Some(Tags::from([("key".to_owned(), "value".to_owned())])),
        aliases: Some(vec!["alias/aws-test-key".into()]),
        policy: Some(KeyPolicy::Text(r#"{"Id":"key-default-1"}"#.into())),
        unread: Facets::NONE,
    };
    assert_eq!(read(&cancelled()).unwrap(), expected);
    let pending =
        Key { state: State::PendingDeletion, deletion_date: Some(at("2020-11-12T06:48:43Z")), rotation: None, ..expected.clone() };
    assert_eq!(read(&scheduled()).unwrap(), pending);
    // It tells no period, so what AWS says is asked for.
    assert_eq!(read(&rotated()).unwrap(), Key { state: State::Enabled, rotation: None, ..expected });
}

#[test]
fn a_write_makes_a_row_no_newer() {
    assert_eq!(row(&scheduled()).synced_at(), row(&rotated()).synced_at());
    assert_eq!(row(&with(&["synced_at"], Value::Null)).synced_at(), Ok(at("2020-11-05T06:35:42.443457Z")));
    let mut never = with(&["synced_at"], json!(""));
    never["createdAt"] = Value::Null;
    assert_eq!(row(&never).synced_at(), Err(missing("synced_at")));
}

#[test]
fn age_is_in_whole_seconds_and_never_below_none() {
    let age = |now: &str| row(&cancelled()).age(at(now)).unwrap().as_secs();
    assert_eq!(age("2020-11-05T06:38:28.581642Z"), 0);
    assert_eq!(age("2020-11-05T06:38:28.581643Z"), 1);
    assert_eq!(age("2020-11-05T06:37:28Z"), 0);
    assert_eq!(age("2020-11-05T05:38:27Z"), i64::MAX, "an hour ahead of the clock: nobody knows how old it is");
}

#[test]
fn only_a_later_reading_of_aws_counts_as_one() {
    let newer = |from: &str, now: &str| row(&cancelled()).is_newer(at(from), at(now)).unwrap();
    let now = "2020-11-05T07:00:00Z";
    assert!(newer("2020-11-05T06:38:27Z", now));
    assert!(!newer("2020-11-05T06:38:27.581643Z", now));
    assert!(!newer("2020-11-05T06:50:00Z", now), "another node's earlier row");
    assert!(newer("2021-01-01T00:00:00Z", now), "that clock was wrong");
}

#[test]
fn every_state_is_read_and_no_other_is_guessed() {
    let names =
        ["Creating", "Enabled", "Disabled", "PendingDeletion", "PendingImport", "PendingReplicaDeletion", "Unavailable", "Updating"];
    let states = names.map(|name| row(&with(&["aws_param", "KeyState"], json!(name))).state().unwrap());
    assert_eq!(states, State::ALL);
    for other in ["Dreaming", "enabled"] {
        assert_eq!(read(&with(&["aws_param", "KeyState"], json!(other))), Err(Unusable(format!("its KeyState is {other}"))));
    }
    assert_eq!(read(&with(&["aws_param", "KeyState"], Value::Null)), Err(missing("KeyState")));
}

#[test]
fn a_value_outside_aws_param_counts_only_if_there_is_none_inside() {
    let mut outside = scheduled();
    outside["key_state"] = json!("Enabled");
    outside["deletion_date"] = json!("2030-01-01T00:00:00Z");
    assert_eq!(read(&outside).unwrap(), read(&scheduled()).unwrap());
    outside["key_state"] = json!("PendingDeletion");
    outside["aws_param"]["KeyState"] = Value::Null;
    outside["aws_param"]["DeletionDate"] = json!("");
    let key = read(&outside).unwrap();
    assert_eq!((key.state, key.deletion_date), (State::PendingDeletion, Some(at("2030-01-01T00:00:00Z"))));
}

#[test]
fn a_deletion_date_is_told_only_while_pending() {
    for (state, told) in [("PendingDeletion", true), ("Disabled", false), ("PendingReplicaDeletion", false)] {
        let mut dated = scheduled();
        dated["aws_param"]["KeyState"] = json!(state);
        assert_eq!(read(&dated).unwrap().deletion_date.is_some(), told, "{state}");
    }
}

#[test]
fn a_missing_or_unfit_member_is_named() {
    for (path, member) in [(&["id"][..], "id"), (&["aws_param", "Arn"], "Arn")] {
        for absent in [Value::Null, json!("")] {
            assert_eq!(read(&with(path, absent)), Err(missing(member)));
        }
    }
    for (path, to) in [
        (&["id"][..], json!("../kms")),
        (&["region"], json!("eu-west-1")),
        (&["aws_param", "AWSAccountId"], json!("111122223333")),
        (&["aws_param", "Arn"], json!("623321f4")),
        (&["aws_param", "KeyManager"], json!("ROBOT")),
        (&["aws_param", "CreationDate"], json!("yesterday")),
        (&["synced_at"], json!("yesterday")),
    ] {
        assert!(read(&with(path, to.clone())).is_err(), "{path:?} {to}");
    }
}

#[test]
fn what_may_be_missing_may_be_null_and_what_is_new_is_passed_over() {
    let mut bare = sample("2020-11-05T06:49:27Z", |_| {});
    for member in [
        "AWSAccountId",
        "Description",
        "CreationDate",
        "Alias",
        "Tags",
        "KeyRotationEnabled",
        "MultiRegion",
        "KeyManager",
        "KeyUsage",
        "Origin",
    ] {
        bare["aws_param"][member] = Value::Null;
    }
    bare["region"] = Value::Null;
    bare["gone"] = Value::Null;
    bare["aws_param"]["KeyId"] = json!("the newer spelling");
    bare["aws_param"]["Brand"] = json!({ "new": [1] });
    let key = read(&bare).unwrap();
    assert_eq!((key.account.as_str(), key.region.as_str(), key.description), ("123456789012", "ap-south-1", None));
    assert_eq!(
        (key.kind.spec.as_str(), key.kind.usage.as_str(), key.kind.origin.as_str()),
        ("SYMMETRIC_DEFAULT", "", ""),
        "nothing is guessed"
    );
    assert!(key.customer_managed, "AWS lets nobody mark a key of its own");
    assert_eq!((key.tags, key.aliases, key.rotation), (Some(Tags::new()), Some(Vec::new()), None));
    assert!(!row(&bare).is_gone() && row(&with(&["gone"], json!(true))).is_gone());
}

#[test]
fn rotation_is_told_where_the_row_has_all_of_it() {
    let mut whole = rotated();
    whole["aws_param"]["RotationPeriodInDays"] = json!(365);
    whole["aws_param"]["NextRotationDate"] = json!("2021-11-05T06:53:53.8Z");
    let rotation = Rotation { enabled: true, period_days: Some(365), next: Some(at("2021-11-05T06:53:53Z")), ..Rotation::default() };
    assert_eq!(read(&whole).unwrap().rotation, Some(rotation));
    whole["aws_param"]["RotationPeriodInDays"] = json!(0);
    assert_eq!(read(&whole).unwrap().rotation, None);
    let status = |value: Value| serde_json::from_value::<RotationStatus>(value).unwrap().read();
    let live =
        json!({ "KeyId": ARN, "KeyRotationEnabled": true, "NextRotationDate": "2021-11-05T06:53:53.8Z", "RotationPeriodInDays": 365 });
    assert_eq!(status(live), Ok(rotation));
    assert_eq!(status(json!({ "KeyRotationEnabled": false, "RotationPeriodInDays": 0 })), Ok(Rotation::default()));
    assert_eq!(status(json!({})), Err(missing("KeyRotationEnabled")));
}

#[test]
fn a_multi_region_key_is_told_by_its_id_where_nothing_else_tells() {
    let told = |id: &str, told: Option<bool>| {
        let row = sample("2020-11-05T06:48:43Z", |row| {
            row["aws_param"]["Arn"] = json!(format!("arn:aws:kms:ap-south-1:123456789012:key/{id}"));
            row["aws_param"]["KeyID"] = json!(id);
            row["aws_param"]["MultiRegion"] = json!(told);
        });
        read(&row).unwrap().kind.multi_region
    };
    let (mrk, other) = ("mrk-1234abcd12ab34cd56ef1234567890ab", "623321f4-a7d4-4d52-89bf-a9f26a29360e");
    assert!(told(mrk, None) && !told(other, None) && told(other, Some(true)));
}

#[test]
fn primaries_list_their_replicas_and_replicas_their_primary() {
    let configured = |configuration: Value| {
        let mut row = with(&["aws_param", "MultiRegion"], json!(true));
        row["aws_param"]["MultiRegionConfiguration"] = configuration;
        read(&row).map(|key| key.multi_region)
    };
    let primary = json!({ "Arn": ARN, "Region": "ap-south-1" });
    let replicas = json!([{ "Arn": "a", "Region": "us-east-1" }]);
    assert_eq!(
        configured(json!({ "MultiRegionKeyType": "PRIMARY", "PrimaryKey": primary, "ReplicaKeys": null })),
        Ok(Some(MultiRegion::Primary(Vec::new())))
    );
    assert_eq!(
        configured(json!({ "MultiRegionKeyType": "PRIMARY", "PrimaryKey": primary, "ReplicaKeys": replicas })),
        Ok(Some(MultiRegion::Primary(vec!["a".into()])))
    );
    assert_eq!(
        configured(json!({ "MultiRegionKeyType": "REPLICA", "PrimaryKey": primary, "ReplicaKeys": replicas })),
        Ok(Some(MultiRegion::Replica(ARN.into())))
    );
    assert!(configured(json!({ "MultiRegionKeyType": "CHIEF" })).is_err());
    for untold in [json!({}), json!(null), json!({ "MultiRegionKeyType": "REPLICA" })] {
        assert_eq!(configured(untold), Ok(None), "it is not told");
    }
}
