//! `CipherTrust`: each action in each state, what requests may say, and the requests of Thales's own client byte for byte.

use kms_double::{CIPHERTRUST_KMS, Double, Entry, KeyState, Origin, Plant, RotationKind};
use serde_json::{Value, json};

use crate::ciphertrust_client::{Client, id, start};
use crate::client::REGION;

const STATES: [KeyState; 8] = [
    KeyState::Enabled,
    KeyState::Disabled,
    KeyState::PendingDeletion,
    KeyState::PendingReplicaDeletion,
    KeyState::PendingImport,
    KeyState::Unavailable,
    KeyState::Creating,
    KeyState::Updating,
];

/// AWS's table through CCKM: Y works, D `DisabledException`, I `KMSInvalidStateException`, U `UnsupportedOperationException`.
const CELLS: &str = "
    enable                  Y Y I I I Y I I
    disable                 Y Y I I I Y I I
    schedule-deletion       Y Y I I Y Y Y I
    cancel-deletion         I I Y Y I I I I
    enable-auto-rotation    Y D I I U U I Y
    disable-auto-rotation   Y D I I U U I Y
    get-key-rotation-status Y Y Y Y U U Y Y
    rotate-material         Y D I I I U I Y
    rotations               Y Y Y Y Y U Y Y
    add-alias               Y Y I I Y Y Y Y
    delete-alias            Y Y Y Y Y Y Y Y
    add-tags                Y Y I I Y Y Y Y
    remove-tags             Y Y I I Y Y Y Y
    update-description      Y Y I I Y Y Y Y
    policy                  Y Y Y Y Y Y Y Y
    replicate-key           Y D I I I U I I
    update-primary-region   Y D I I I U I Y
";

#[tokio::test]
async fn every_action_does_in_every_state_what_aws_s_table_says() {
    let (double, client) = start().await;
    let mut cells = 0;
    for row in CELLS.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let mut words = row.split_whitespace();
        let action = words.next().unwrap();
        for (state, word) in STATES.into_iter().zip(words) {
            let (arn, body) = prepare(&double, &client, action, state).await;
            let key = double.ciphertrust_id(&arn).unwrap();
            let seen = double.ledger().last().unwrap().seq;
            let reply = match action {
                "rotations" => client.get(&format!("keys/{key}/rotations")).await,
                _ => client.act(&key, action, body).await,
            };
            let exception = match word {
                "Y" => "OK",
                "D" => "DisabledException",
                "I" => "KMSInvalidStateException",
                "U" => "UnsupportedOperationException",
                other => panic!("no such cell: {other}"),
            };
            // Keys of earlier cells leave Creating and Updating by themselves, which has entries too.
            let entries = double.ledger_after(seen);
            let ours = |entry: &&Entry| entry.service == "ciphertrust" && entry.key.as_deref() == Some(&*arn);
            let entry = entries.iter().find(ours).unwrap_or_else(|| panic!("{action} on {state:?} is not in {entries:?}"));
            assert_eq!((entry.result.as_str(), entry.state_before), (exception, Some(state)), "{action} on {state:?}: {reply:?}");
            if word == "Y" {
                assert_eq!(reply.status, 200, "{action} on {state:?}: {reply:?}");
            } else {
                let text = reply.json()["codeDesc"].as_str().unwrap().to_owned();
                assert_eq!(reply.status, 400);
                assert!(text.starts_with("NCERRBadRequest: ") && text.contains(&format!("{exception}: {arn}")), "{text}");
                assert!(!entry.took_effect && !entry.changed, "{entry:?}");
                assert_eq!(double.key(&arn).unwrap().state, state);
            }
            cells += 1;
        }
    }
    assert_eq!(cells, 17 * 8);
}

/// A key in that state that CCKM knows, and the body of the action.
async fn prepare(double: &Double, client: &Client, action: &str, state: KeyState) -> (String, Value) {
    let origin = match state {
        KeyState::PendingImport => Origin::External,
        KeyState::Unavailable => Origin::AwsCloudHsm,
        _ => Origin::AwsKms,
    };
    let alias = format!("{action}-{state:?}");
    let multi_region = matches!(action, "replicate-key" | "update-primary-region");
    let plant = Plant {
        origin,
        multi_region,
        state: Some(KeyState::Enabled),
        alias: (action == "delete-alias").then(|| format!("alias/{alias}")),
        ..Plant::new(kms_double::ACCOUNT, REGION)
    };
    let arn = double.plant(&plant).unwrap().arn();
    double.ciphertrust_sync();
    if action == "update-primary-region" && origin == Origin::AwsKms {
        let key = double.ciphertrust_id(&arn).unwrap();
        client.done(&key, "replicate-key", json!({ "replica_region": "us-east-1" })).await;
        double.resume(&arn.replace(REGION, "us-east-1")).unwrap();
    }
    double.set_state(&arn, state).unwrap();
    let body = match action {
        "schedule-deletion" => json!({ "days": 7 }),
        "add-alias" | "delete-alias" => json!({ "alias": alias }),
        "add-tags" => json!({ "tags": [{ "tag_key": "k", "tag_value": "v" }] }),
        "remove-tags" => json!({ "tags": ["k"] }),
        "update-description" => json!({ "description": "d" }),
        "policy" => json!({ "key_admins": ["alice"] }),
        "replicate-key" => json!({ "replica_region": "us-east-1" }),
        "update-primary-region" => json!({ "PrimaryRegion": "us-east-1" }),
        _ => Value::Null,
    };
    (arn, body)
}

#[tokio::test]
async fn what_a_body_says_is_checked() {
    let (double, client) = start().await;
    let key = id(&client.create(json!({ "Alias": "first" })).await);
    let cases = [
        ("schedule-deletion", Value::Null, "NCERRInvalidParamValue: days is required"),
        ("schedule-deletion", json!({}), "NCERRInvalidParamValue: days"),
        ("schedule-deletion", json!({ "days": null }), "NCERRInvalidParamValue: days"),
        ("schedule-deletion", json!({ "days": "7" }), "NCERRInvalidParamValue: days"),
        ("schedule-deletion", json!({ "days": 7.5 }), "NCERRInvalidParamValue: days"),
        ("schedule-deletion", json!({ "days": 6 }), "NCERRInvalidParamValue: days"),
        ("schedule-deletion", json!({ "days": 31 }), "NCERRInvalidParamValue: days"),
        ("enable-auto-rotation", json!({ "rotation_period_in_days": "90" }), "NCERRInvalidParamValue: rotation_period"),
        ("enable-auto-rotation", json!({ "rotation_period_in_days": 89 }), "ValidationException"),
        ("enable-auto-rotation", json!({ "rotation_period_in_days": 2561 }), "ValidationException"),
        ("add-alias", json!({}), "NCERRInvalidParamValue: alias is required"),
        ("add-alias", json!({ "alias": "first" }), "AlreadyExistsException"),
        ("add-alias", json!({ "alias": "aws/x" }), "InvalidAliasNameException"),
        ("delete-alias", json!({ "alias": "none" }), "NotFoundException"),
        ("add-tags", json!({}), "NCERRInvalidParamValue: tags is required"),
        ("add-tags", json!({ "tags": [{ "TagKey": "k", "TagValue": "v" }] }), "NCERRInvalidParamValue: tags[].tag_key"),
        ("add-tags", json!({ "tags": [{ "tag_key": "aws:k", "tag_value": "v" }] }), "TagException"),
        ("remove-tags", json!({ "tags": [{ "tag_key": "k" }] }), "NCERRInvalidParamValue: tags"),
        ("update-description", json!({}), "NCERRInvalidParamValue: description is required"),
        ("update-description", json!({ "description": 1 }), "NCERRInvalidParamValue: description"),
        ("policy", json!({}), "NCERRInvalidParamValue: policy is required"),
        ("policy", json!({ "policy": { "Version": "2012-10-17" } }), "MalformedPolicyDocumentException"),
        ("policy", json!({ "policy": { "a": 1 }, "key_users": ["u"] }), "NCERRInvalidParamValue"),
        ("replicate-key", json!({ "replica_region": "mars-1" }), "NCERRInvalidParamValue: region mars-1"),
        ("replicate-key", json!({ "replica_region": "us-east-1" }), "UnsupportedOperationException"),
        ("update-primary-region", json!({}), "NCERRInvalidParamValue: PrimaryRegion is required"),
    ];
    for (action, body, text) in cases {
        let (status, found) = client.refused(&key, action, body.clone()).await;
        assert!(status == 400 && found.contains(text), "{action} {body}: {status} {found}");
    }
    let broken = client.send("POST", &format!("/api/v1/cckm/aws/keys/{key}/disable"), "{").await.unwrap();
    assert_eq!(broken.status, 400);
    assert_eq!(double.keys()[0].state, KeyState::Enabled);
    assert_eq!(client.refused(&key, "explode", Value::Null).await.0, 404);
}

#[tokio::test]
async fn a_creation_is_checked_and_leaves_nothing_behind_when_refused() {
    let (double, client) = start().await;
    let body = |region: &str, aws: Value| json!({ "kms": CIPHERTRUST_KMS, "region": region, "aws_param": aws });
    let here = |aws: Value| body(REGION, aws);
    client.create(json!({ "Alias": "known" })).await;
    double.plant(&Plant { alias: Some("alias/hidden".to_owned()), ..Plant::new(kms_double::ACCOUNT, REGION) }).unwrap();
    let cases = [
        (json!({ "region": REGION }), 400, "kms is required"),
        (json!({ "kms": "unknown", "region": REGION }), 404, "NCERRResourceNotFound"),
        (json!({ "kms": CIPHERTRUST_KMS }), 400, "region is required"),
        (body("mars-1", json!({})), 400, "region mars-1"),
        (here(json!({ "Alias": "known" })), 409, "NCERRKeyAlreadyExists"),
        (here(json!({ "Alias": "hidden" })), 400, "AlreadyExistsException"),
        (here(json!({ "Alias": "a b" })), 400, "ValidationException"),
        (here(json!({ "Alias": ["a"] })), 400, "NCERRInvalidParamValue: Alias"),
        (here(json!({ "CustomerMasterKeySpec": "RSA_1024" })), 400, "ValidationException"),
        (here(json!({ "Tags": [{ "tag_key": "k", "tag_value": "v" }] })), 400, "NCERRInvalidParamValue: Tags[].TagKey"),
        (here(json!({ "Policy": { "Version": "2012-10-17" } })), 400, "MalformedPolicyDocumentException"),
    ];
    for (body, status, text) in cases {
        let reply = client.post("/api/v1/cckm/aws/keys", body.clone()).await;
        assert!(reply.status == status && reply.text.contains(text), "{body}: {reply:?}");
    }
    assert_eq!(double.keys().len(), 2);

    // What Thales's provider sends for what is not set.
    let nothing =
        json!({ "Alias": "", "Description": null, "Tags": null, "Policy": {}, "KeyUsage": "", "Origin": null, "MultiRegion": false });
    let made =
        client.post("/api/v1/cckm/aws/keys/", json!({ "kms": CIPHERTRUST_KMS, "region": REGION, "aws_param": nothing, "key_users": [] }));
    let made = made.await.json();
    assert_eq!((&made["aws_param"]["Alias"], &made["aws_param"]["Description"]), (&json!([]), &json!("")));
    // The same alias in another Region is another alias; the kms may be given by its id.
    let other = json!({ "kms": made["kms_id"], "region": "us-east-1", "aws_param": { "Alias": "known" }, "key_admins": ["alice"], "key_users_roles": ["app"] });
    let other = client.post("/api/v1/cckm/aws/keys", other).await.json();
    assert_eq!((&other["key_admins"], &other["key_users_roles"]), (&json!(["alice"]), &json!(["app"])));
    assert_eq!(other["aws_param"]["Policy"]["Statement"].as_array().unwrap().len(), 3);
    let external = client.create(json!({ "Origin": "EXTERNAL" })).await;
    assert_eq!((&external["aws_param"]["KeyState"], &external["key_material_origin"]), (&json!("PendingImport"), &json!("unknown")));
}

#[tokio::test]
async fn only_the_id_of_the_row_leads_to_a_key() {
    let (_double, client) = start().await;
    let made = client.create(json!({})).await;
    assert_eq!(id(&made).len(), 32);
    let names = [made["aws_param"]["KeyID"].clone(), made["aws_param"]["Arn"].clone(), made["uri"].clone()];
    for name in names.iter().map(|name| name.as_str().unwrap()) {
        for name in [name.to_owned(), name.replace('/', "%2F")] {
            let reply = client.get(&format!("keys/{name}")).await;
            assert_eq!((reply.status, reply.json()), (404, json!({ "code": 16, "codeDesc": "NCERRResourceNotFound: Resource not found" })));
            assert_eq!(client.refused(&name, "schedule-deletion", json!({ "days": 7 })).await.0, 404);
        }
    }
    assert_eq!(client.key(&format!("{}/", id(&made))).await, made);
}

#[tokio::test]
async fn what_an_action_changes_shows_in_its_reply() {
    let (double, client) = start().await;
    let key = id(&client.create(json!({ "Alias": "a" })).await);
    let aws = async |action: &str, body: Value| client.done(&key, action, body).await["aws_param"].clone();
    assert_eq!(aws("add-alias", json!({ "alias": "b" })).await["Alias"], json!(["alias/a", "alias/b"]));
    assert_eq!(aws("delete-alias", json!({ "alias": "a" })).await["Alias"], json!(["alias/b"]));
    let tag = |name: &str, value: &str| json!({ "tag_key": name, "tag_value": value });
    aws("add-tags", json!({ "tags": [tag("k", "v"), tag("e", "")] })).await;
    let tagged = aws("add-tags", json!({ "tags": [tag("k", "w")] })).await;
    assert_eq!(tagged["Tags"], json!([{ "TagKey": "e", "TagValue": "" }, { "TagKey": "k", "TagValue": "w" }]));
    assert_eq!(aws("remove-tags", json!({ "tags": ["e", "none"] })).await["Tags"].as_array().unwrap().len(), 1);
    assert_eq!(aws("update-description", json!({ "description": "d" })).await["Description"], "d");
    assert_eq!(aws("update-description", json!({ "description": "" })).await["Description"], "");

    for (body, period) in [(json!({ "rotation_period_in_days": 90 }), 90), (json!({ "rotation_period_in_days": 0 }), 365), (json!({}), 365)]
    {
        let rotating = aws("enable-auto-rotation", body).await;
        assert_eq!((&rotating["KeyRotationEnabled"], &rotating["RotationPeriodInDays"]), (&json!(true), &json!(period)));
    }
    let status = client.done(&key, "get-key-rotation-status", Value::Null).await;
    assert_eq!((&status["RotationPeriodInDays"], status["NextRotationDate"].is_string()), (&json!(365), true));
    // While deletion is pending AWS says that rotation is off.
    let pending = aws("schedule-deletion", json!({ "days": 30 })).await;
    assert_eq!((&pending["KeyRotationEnabled"], pending.get("RotationPeriodInDays")), (&json!(false), None));
    assert_eq!(aws("cancel-deletion", Value::Null).await["KeyRotationEnabled"], true);
    aws("enable", Value::Null).await;
    assert_eq!(aws("disable-auto-rotation", Value::Null).await["KeyRotationEnabled"], false);

    aws("rotate-material", Value::Null).await;
    assert!(client.done(&key, "get-key-rotation-status", json!({})).await["OnDemandRotationStartDate"].is_string());
    double.advance(jiff::SignedDuration::from_secs(10)).unwrap();
    assert_eq!(double.keys()[0].rotation.rotated[0].kind, RotationKind::OnDemand);
    let rotations = client.get(&format!("keys/{key}/rotations")).await.json();
    assert_eq!((&rotations["total"], &rotations["resources"][1]["aws_param"]["RotationType"]), (&json!(2), &json!("ON_DEMAND")));
    let current = client.get(&format!("keys/{key}/rotations?KeyMaterialState=CURRENT&limit=-1")).await.json();
    assert_eq!(current["resources"][0], rotations["resources"][1]);

    let policy = json!({ "Statement": [{ "Effect": "Allow", "Principal": { "AWS": "*" }, "Action": "kms:*", "Resource": "*" }] });
    for body in [json!({ "policy": policy }), json!({ "Policy": policy })] {
        assert_eq!(aws("policy", body).await["Policy"], policy);
    }
    let verify = |alias: &str| json!({ "alias": alias, "region": REGION, "kms": CIPHERTRUST_KMS });
    assert_eq!(client.post("/api/v1/cckm/aws/alias/verify", verify("free")).await.status, 200);
    assert_eq!(client.post("/api/v1/cckm/aws/alias/verify", verify("b")).await.status, 409);
}

#[tokio::test]
async fn an_alias_of_another_key_is_not_taken_away() {
    let (double, client) = start().await;
    let key = id(&client.create(json!({ "Alias": "a" })).await);
    client.create(json!({ "Alias": "b" })).await;
    assert_eq!(client.refused(&key, "delete-alias", json!({ "alias": "b" })).await.0, 400);
    assert!(double.keys().iter().any(|key| key.aliases == ["alias/b"]));
}

#[tokio::test]
async fn rotate_makes_another_key_that_takes_over_the_alias() {
    let (double, client) = start().await;
    let old = client.create(json!({ "Alias": "a", "Tags": [{ "TagKey": "k", "TagValue": "v" }] })).await;
    let new = client.done(&id(&old), "rotate", json!({ "description": "z" })).await;
    assert_ne!((&new["id"], &new["aws_param"]["KeyID"]), (&old["id"], &old["aws_param"]["KeyID"]));
    assert_eq!(
        (&new["rotated_from"], &new["aws_param"]["Alias"], &new["aws_param"]["Description"]),
        (&old["id"], &json!(["alias/a"]), &json!("z"))
    );
    assert_eq!(new["aws_param"]["Tags"], old["aws_param"]["Tags"]);
    let left = client.key(&id(&old)).await;
    assert_eq!(
        (&left["rotated_to"], &left["aws_param"]["Alias"], &left["aws_param"]["KeyState"]),
        (&new["id"], &json!([]), &json!("Enabled"))
    );
    let newest = client.done(&id(&new), "rotate", json!({ "retain_alias": true })).await;
    assert_eq!(newest["aws_param"]["Alias"], json!(["alias/a"]));
    let kept = client.key(&id(&new)).await["aws_param"]["Alias"][0].as_str().unwrap().to_owned();
    assert!(kept.starts_with("alias/a-rotated-"), "{kept}");
    assert_eq!(double.keys().len(), 3);
    client.done(&id(&old), "schedule-deletion", json!({ "days": 7 })).await;
    assert!(client.refused(&id(&old), "rotate", json!({})).await.1.contains("KMSInvalidStateException"));
    assert_eq!(double.keys().len(), 3);
}

#[tokio::test]
async fn a_replica_is_creating_until_it_is_there_and_a_primary_moves() {
    let (double, client) = start().await;
    let primary = client.create(json!({ "MultiRegion": true, "Alias": "a" })).await;
    let body = json!({ "replica_region": "us-east-1", "aws_param": { "Alias": "a", "Description": "r", "Tags": [{ "TagKey": "k", "TagValue": "v" }] } });
    let replica = client.done(&id(&primary), "replicate-key", body).await;
    let aws = &replica["aws_param"];
    assert_eq!((&replica["region"], &aws["KeyState"], &aws["Alias"]), (&json!("us-east-1"), &json!("Creating"), &json!(["alias/a"])));
    assert_eq!(aws["KeyID"], primary["aws_param"]["KeyID"]);
    assert_eq!(client.list("multi_region=true&multi_region_key_type=PRIMARY").await.len(), 1);
    let config = &client.key(&id(&primary)).await["aws_param"]["MultiRegionConfiguration"].clone();
    assert_eq!(config["ReplicaKeys"][0]["Region"], "us-east-1");
    double.advance(jiff::SignedDuration::from_secs(10)).unwrap();
    assert_eq!(client.key(&id(&replica)).await["aws_param"]["KeyState"], "Enabled");

    let pending = client.done(&id(&primary), "schedule-deletion", json!({ "days": 7 })).await;
    assert_eq!((&pending["aws_param"]["KeyState"], pending["aws_param"].get("DeletionDate")), (&json!("PendingReplicaDeletion"), None));
    client.done(&id(&primary), "cancel-deletion", Value::Null).await;
    client.done(&id(&primary), "enable", Value::Null).await;

    let (_, text) = client.refused(&id(&replica), "update-primary-region", json!({ "PrimaryRegion": REGION })).await;
    assert!(text.contains("UnsupportedOperationException"), "{text}");
    let moved = client.done(&id(&primary), "update-primary-region", json!({ "PrimaryRegion": "us-east-1" })).await;
    assert_eq!(moved["aws_param"]["KeyState"], "Updating");
    double.advance(jiff::SignedDuration::from_secs(10)).unwrap();
    let kind = |key: Value| key["aws_param"]["MultiRegionConfiguration"]["MultiRegionKeyType"].clone();
    assert_eq!([kind(client.key(&id(&primary)).await), kind(client.key(&id(&replica)).await)], [json!("REPLICA"), json!("PRIMARY")]);
    assert_eq!(client.key(&id(&primary)).await["aws_param"]["KeyState"], "Enabled");
}

/// Requests as Thales's Ansible collection was seen to send them: path after the key's id, and body.
const RECORDED: [(&str, &str); 10] = [
    ("disable", ""),
    ("enable", ""),
    ("enable-auto-rotation", ""),
    ("add-alias", r#"{"alias": "x"}"#),
    ("add-tags", r#"{"tags": [{"tag_key": "k", "tag_value": "v"}]}"#),
    ("remove-tags", r#"{"tags": ["k"]}"#),
    ("update-description", r#"{"description": "d"}"#),
    ("schedule-deletion", r#"{"days": 7}"#),
    ("cancel-deletion", ""),
    ("replicate-key", r#"{"replica_region": "us-east-1"}"#),
];

#[tokio::test]
async fn the_recorded_requests_of_thales_s_client_are_taken() {
    let (double, client) = start().await;
    let made = client.create(json!({ "MultiRegion": true })).await;
    let key = id(&made);
    let last = [("update-primary-region", r#"{"PrimaryRegion": "us-east-1"}"#), ("rotate", r#"{"description": "z"}"#)];
    for (action, body) in RECORDED.into_iter().chain(last) {
        let login = r#"{"grant_type":"password","username":"keyward","password":"Example-Pass-1"}"#;
        let request = format!(
            "POST /api/v1/auth/tokens HTTP/1.1\r\nAccept-Encoding: identity\r\nContent-Length: {}\r\nHost: 127.0.0.1\r\n\
             Content-Type: application/json\r\nConnection: close\r\n\r\n{login}",
            login.len()
        );
        let reply = client.raw(&request).await.unwrap();
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
        let token = reply.json()["jwt"].as_str().unwrap().to_owned();
        if action == "replicate-key" {
            client.done(&key, "enable", Value::Null).await;
        }
        let request = format!(
            "POST /api/v1/cckm/aws/keys/{key}/{action} HTTP/1.1\r\nAccept-Encoding: identity\r\nContent-Length: {}\r\nHost: 127.0.0.1\r\n\
             Content-Type: application/json; charset=utf-8\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let reply = client.raw(&request).await.unwrap();
        assert_eq!(reply.status, 200, "{action}: {reply:?}");
        assert!(reply.json()["id"].is_string(), "{action}: that client demands an id");
        double.advance(jiff::SignedDuration::from_secs(10)).unwrap();
    }
}
