//! What requests to Huawei Cloud may say: paths, members, names, tags, lists.

use std::collections::BTreeSet;

use kms_double::{HUAWEI_DOMAIN, HUAWEI_PROJECT, HUAWEI_REGION, HuaweiCredential};
use serde_json::{Value, json};

use crate::client::exchange;
use crate::huawei_client::{Huawei, start};

/// A grant of that key, with these members in the place of others.
fn grant(key: &str, over: Value) -> Value {
    let mut body = json!({ "key_id": key, "grantee_principal": "0d0466b00d0466b00d0466b00d0466b0", "operations": ["decrypt-data"] });
    let Value::Object(over) = over else { panic!("no object: {over}") };
    body.as_object_mut().unwrap().extend(over);
    body
}

/// The same request again makes another grant, because no document says otherwise.
#[tokio::test]
async fn grants_are_made_listed_page_by_page_and_revoked() {
    let (double, client) = start().await;
    let key = client.create("one").await;
    let full = json!({ "name": "keyward/a", "retiring_principal": "b", "grantee_principal_type": "domain", "operations": ["decrypt-data", "create-grant"] });
    let first = client.ok("create-grant", grant(&key, full.clone())).await["grant_id"].as_str().unwrap().to_owned();
    let second = client.ok("create-grant", grant(&key, full)).await["grant_id"].as_str().unwrap().to_owned();
    assert!(first != second && first.len() == 64);
    client.ok("create-grant", grant(&key, json!({}))).await;
    let page = client.ok("list-grants", json!({ "key_id": key, "limit": "2" })).await;
    assert_eq!((&page["truncated"], &page["total"], page["grants"].as_array().unwrap().len()), (&json!("true"), &json!(3), 2));
    let rest = client.ok("list-grants", json!({ "key_id": key, "limit": "2", "marker": page["next_marker"] })).await;
    assert_eq!((&rest["truncated"], &rest["next_marker"]), (&json!("false"), &json!("")));
    let all: Vec<&Value> = [&page, &rest].into_iter().flat_map(|page| page["grants"].as_array().unwrap()).collect();
    let shown = all.iter().find(|grant| grant["grant_id"] == first.as_str()).unwrap();
    assert_eq!((&shown["name"], &shown["retiring_principal"]), (&json!("keyward/a"), &json!("b")));
    assert_eq!(
        (&shown["grantee_principal_type"], &shown["grantee_principal"]),
        (&json!("domain"), &json!("0d0466b00d0466b00d0466b00d0466b0"))
    );
    assert_eq!(shown["operations"], json!(["decrypt-data", "create-grant"]));
    client.ok("revoke-grant", json!({ "key_id": key, "grant_id": first })).await;
    assert_eq!(double.grants(&key).unwrap().len(), 2);
    let quotas = client.kms("GET", "user-quotas", &Value::Null).await.json();
    assert_eq!(quotas["quotas"]["resources"][1], json!({ "type": "grant_per_CMK", "used": 2, "quota": 100 }));
    for _ in 2..100 {
        client.ok("create-grant", grant(&key, json!({}))).await;
    }
    assert_eq!(client.outcome("create-grant", grant(&key, json!({}))).await, "400 KMS.2404");
}

#[tokio::test]
async fn what_a_request_says_is_checked_as_documented() {
    let (_double, client) = start().await;
    let key = client.create("one").await;
    let rsa = client.create_with(json!({ "key_alias": "rsa", "key_spec": "RSA_2048" })).await;
    let elliptic = client.create_with(json!({ "key_alias": "ec", "key_spec": "EC_P256" })).await;
    let mac = client.create_with(json!({ "key_alias": "mac", "key_spec": "HMAC_256" })).await;
    let named = |name: &str| json!({ "key_alias": name });
    let cases = [
        ("create-key", json!({}), "400 KMS.0204"),
        ("create-key", json!({ "key_alias": 7 }), "400 KMS.0202"),
        ("create-key", named(""), "400 KMS.1101"),
        ("create-key", named("a b"), "400 KMS.1101"),
        ("create-key", named(&"x".repeat(256)), "400 KMS.1101"),
        ("create-key", named("x/default"), "400 KMS.1101"),
        ("create-key", named("one"), "400 KMS.1104"),
        ("create-key", json!({ "key_alias": "a", "key_description": "x".repeat(256) }), "400 KMS.1103"),
        ("create-key", json!({ "key_alias": "a", "key_spec": "AES_128" }), "400 KMS.0308"),
        ("create-key", json!({ "key_alias": "a", "key_usage": "SIGN_VERIFY" }), "400 KMS.0308"),
        ("create-key", json!({ "key_alias": "a", "origin": "hsm" }), "400 KMS.0308"),
        ("create-key", json!({ "key_alias": "a", "sequence": "1" }), "400 KMS.0206"),
        ("describe-key", json!({}), "400 KMS.0204"),
        ("describe-key", json!({ "key_id": 1 }), "400 KMS.0202"),
        ("describe-key", json!({ "key_id": "garbage" }), "400 KMS.0205"),
        ("describe-key", json!({ "key_id": key.to_uppercase() }), "400 KMS.0205"),
        ("describe-key", json!({ "key_id": "0d0466b0-e727-4d9c-b35d-f84bb474a37f" }), "404 KMS.0207"),
        ("describe-key", json!({ "key_id": "alias/none" }), "404 KMS.0207"),
        ("disable-key", json!({ "key_id": "alias/one" }), "400 KMS.0205"),
        ("schedule-key-deletion", json!({ "pending_days": "7" }), "400 KMS.0204"),
        ("schedule-key-deletion", json!({ "key_id": 1, "pending_days": "7" }), "400 KMS.0202"),
        ("schedule-key-deletion", json!({ "key_id": key.to_uppercase(), "pending_days": "7" }), "400 KMS.0205"),
        ("schedule-key-deletion", json!({ "key_id": "alias/one", "pending_days": "7" }), "400 KMS.0205"),
        ("schedule-key-deletion", json!({ "key_id": key }), "400 KMS.0204"),
        ("update-key-alias", json!({ "key_id": key, "key_alias": "rsa" }), "400 KMS.1104"),
        ("update-key-alias", json!({ "key_id": key, "key_alias": "x/default" }), "400 KMS.1101"),
        ("update-key-description", json!({ "key_id": key, "key_description": "x".repeat(256) }), "400 KMS.1103"),
        ("update-key-description", json!({ "key_id": key }), "400 KMS.0204"),
        ("update-key-rotation-interval", json!({ "key_id": key, "rotation_interval": "90" }), "400 KMS.0202"),
        ("update-key-rotation-interval", json!({ "key_id": key, "rotation_interval": 29 }), "400 KMS.3001"),
        ("update-key-rotation-interval", json!({ "key_id": key, "rotation_interval": 366 }), "400 KMS.3001"),
        ("update-key-rotation-interval", json!({ "key_id": key, "rotation_interval": 90 }), "400 KMS.0313"),
        ("disable-key-rotation", json!({ "key_id": key }), "400 KMS.0313"),
        ("enable-key-rotation", json!({ "key_id": rsa }), "400 KMS.0324"),
        ("enable-key-rotation", json!({ "key_id": elliptic }), "400 KMS.0325"),
        ("rotate-on-demand", json!({ "key_id": mac }), "400 KMS.0341"),
        ("create-grant", grant(&key, json!({ "operations": ["create-grant"] })), "400 KMS.2401"),
        ("create-grant", grant(&key, json!({ "operations": [] })), "400 KMS.0308"),
        ("create-grant", grant(&key, json!({ "operations": ["Decrypt"] })), "400 KMS.0308"),
        ("create-grant", grant(&key, json!({ "operations": "decrypt-data" })), "400 KMS.0202"),
        ("create-grant", grant(&key, json!({ "grantee_principal": "arn:aws:iam::1:root" })), "400 KMS.2402"),
        ("create-grant", grant(&key, json!({ "retiring_principal": "a".repeat(65) })), "400 KMS.2402"),
        ("create-grant", grant(&key, json!({ "grantee_principal_type": "role" })), "400 KMS.0308"),
        ("create-grant", grant(&key, json!({ "name": "a b" })), "400 KMS.0308"),
        ("create-grant", json!({ "key_id": key, "operations": ["decrypt-data"] }), "400 KMS.0204"),
        ("list-grants", json!({ "key_id": key, "limit": "101" }), "400 KMS.1601"),
        ("list-grants", json!({ "key_id": key, "marker": "?" }), "400 KMS.1602"),
        ("revoke-grant", json!({ "key_id": key }), "400 KMS.0204"),
        ("revoke-grant", json!({ "key_id": key, "grant_id": "x" }), "400 KMS.0308"),
        ("revoke-grant", json!({ "key_id": key, "grant_id": "0".repeat(64) }), "400 KMS.2501"),
        ("list-keys", json!({ "limit": 2 }), "400 KMS.0202"),
        ("list-keys", json!({ "limit": "0" }), "400 KMS.1601"),
        ("list-keys", json!({ "limit": "1001" }), "400 KMS.1601"),
        ("list-keys", json!({ "marker": "?" }), "400 KMS.1602"),
        ("list-keys", json!({ "key_state": "6" }), "400 KMS.0308"),
        ("list-keys", json!({ "key_spec": "AES_128" }), "400 KMS.0308"),
        ("aliases", json!({ "key_id": key, "alias": "extra" }), "400 KMS.1101"),
        ("aliases", json!({ "key_id": key, "alias": "alias/one" }), "400 KMS.1104"),
        ("alias/associate", json!({ "target_key_id": key, "alias": "alias/none" }), "404 KMS.0207"),
        ("alias/associate", json!({ "target_key_id": key, "alias": "alias/rsa" }), "400 KMS.0308"),
        ("resource_instances/action", json!({ "action": "find" }), "400 KMS.0404"),
        ("resource_instances/action", json!({ "action": "filter", "offset": "-1" }), "400 KMS.0417"),
        ("resource_instances/action", json!({ "action": "filter", "matches": [{ "key": "name", "value": "x" }] }), "400 KMS.0403"),
        ("resource_instances/action", json!({ "action": "filter", "matches": [{ "key": "resource_name", "value": "" }] }), "400 KMS.0402"),
    ];
    for (operation, body, expected) in cases {
        assert_eq!(client.outcome(operation, body.clone()).await, expected, "{operation} {body}");
    }
    let own_name = json!({ "key_id": key, "aliases": ["alias/one"] });
    assert_eq!(client.kms("DELETE", "aliases", &own_name).await.outcome(), "400 KMS.0308");
}

#[tokio::test]
async fn a_sequence_is_optional_and_has_36_bytes() {
    let (_double, client) = start().await;
    let key = client.create("one").await;
    let schedule = |sequence: &str| json!({ "key_id": key, "pending_days": "7", "sequence": sequence });
    assert_eq!(client.outcome("schedule-key-deletion", schedule("919c82d4")).await, "400 KMS.0206");
    let scheduled = client.ok("schedule-key-deletion", schedule("919c82d4-8046-4722-9094-35c3c6524cff")).await;
    assert_eq!(scheduled, json!({ "key_id": key, "key_state": "4" }), "it does not come back");
}

#[tokio::test]
async fn errors_are_one_object_with_a_code_and_a_text() {
    let (double, client) = start().await;
    let key = client.create("one").await;
    double.add_huawei_credential(HuaweiCredential { allow: Some(Vec::new()), ..HuaweiCredential::new("AKNARROW", "s", HUAWEI_PROJECT) });
    let schedule = |key: &str, days: &str| json!({ "key_id": key, "pending_days": days });
    for (client, body, status, code) in [
        (&client, schedule(&key, "6"), 400, "KMS.1401"),
        (&client.signing_as("AKNARROW", "s"), schedule(&key, "7"), 403, "KMS.0307"),
        (&client, schedule("0d0466b0-e727-4d9c-b35d-f84bb474a37f", "7"), 404, "KMS.0207"),
    ] {
        let refused = client.post("schedule-key-deletion", body).await;
        let text = refused.json()["error"]["error_msg"].clone();
        assert!(text.as_str().is_some_and(|text| !text.is_empty()), "{refused:?}");
        assert_eq!((refused.status, refused.json()), (status, json!({ "error": { "error_code": code, "error_msg": text } })));
    }
}

#[tokio::test]
async fn the_gateway_knows_which_paths_there_are() {
    let (double, client) = start().await;
    let project = client.project.clone();
    for target in ["/v1.0/{p}/kms/rotate-key", "/v1.0/{p}/kms/describe-key/", "/v1.0", "/v2/{p}/kms/describe-key", "/v3/users"] {
        let refused = client.send("POST", &target.replace("{p}", &project), "{}").await.unwrap();
        assert_eq!(refused.outcome(), "404 APIGW.0101", "{target}");
        assert!(refused.json().get("error").is_none());
    }
    assert_eq!(client.kms("GET", "create-key", &Value::Null).await.outcome(), "405 KMS.0215");
    for body in ["{", "[]"] {
        let refused = client.send("POST", &format!("/v1.0/{project}/kms/list-keys"), body).await.unwrap();
        assert_eq!(refused.outcome(), "400 KMS.0202", "{body}");
    }
    // Twelve megabytes are taken, of which nearly all are of no interest; more are not.
    let body = json!({ "filler": "x".repeat(11 * 1024 * 1024) });
    assert_eq!(client.outcome("list-keys", body).await, "OK");
    let headers = [("authorization", "SDK-HMAC-SHA256 x")];
    let body = "x".repeat(12 * 1024 * 1024 + 1);
    let (status, body) = exchange(double.address(), "POST", &format!("/v1.0/{project}/kms/list-keys"), &headers, &body).await.unwrap();
    assert!(status == 413 && body.contains("APIGW.0201"), "{status} {body}");

    let (status, versions) = exchange(double.address(), "GET", "/", &[], "").await.unwrap();
    assert_eq!(status, 200);
    let versions: Value = serde_json::from_str(&versions).unwrap();
    assert_eq!(versions["versions"][0]["id"], "v1.0");
    // The root is AWS's as well.
    let (status, body) = exchange(double.address(), "POST", "/", &[], "{}").await.unwrap();
    assert!(status == 400 && body.contains("MissingAuthenticationToken"), "{status} {body}");
}

#[tokio::test]
async fn a_key_has_one_name_of_its_own_and_may_have_aliases() {
    let (double, client) = start().await;
    let key = client.create("first").await;
    let other = client.create("other").await;
    let renamed = client.ok("update-key-alias", json!({ "key_id": key, "key_alias": "second" })).await;
    assert_eq!(renamed, json!({ "key_info": { "key_id": key, "key_alias": "second" } }));
    client.ok("update-key-alias", json!({ "key_id": key, "key_alias": "second" })).await;
    assert_eq!(client.outcome("describe-key", json!({ "key_id": "alias/first" })).await, "404 KMS.0207");
    client.create("first").await;
    let described = client.ok("update-key-description", json!({ "key_id": key, "key_description": "" })).await;
    assert_eq!(described, json!({ "key_info": { "key_id": key, "key_description": "" } }));

    let made = client.ok("aliases", json!({ "key_id": key, "alias": "alias/extra" })).await;
    let urn = format!("kms:{HUAWEI_REGION}:{HUAWEI_DOMAIN}:alias/extra");
    assert_eq!((&made["key_id"], &made["alias"], &made["alias_urn"]), (&json!(key), &json!("alias/extra"), &json!(urn)));
    assert!(made["create_time"].is_string() && made["update_time"].is_string());
    assert_eq!(double.key(&key).unwrap().aliases, ["alias/extra", "alias/second"]);
    for name in ["alias/extra", "alias/second", urn.as_str()] {
        let described = client.describe(name).await;
        assert_eq!((&described["key_id"], &described["key_alias"]), (&json!(key), &json!("second")), "{name}");
    }
    for index in 0..3 {
        client.ok("aliases", json!({ "key_id": other, "alias": format!("alias/more-{index}") })).await;
    }
    let list = async |query: &str| client.kms("GET", &format!("aliases{query}"), &Value::Null).await.json();
    let of_key = list(&format!("?key_id={key}")).await;
    assert_eq!(of_key["aliases"].as_array().unwrap().len(), 1, "the own name is not among them");
    assert_eq!(of_key["page_info"], json!({ "next_marker": "", "current_count": 1 }));
    let first = list("?limit=3").await;
    assert_eq!(first["page_info"]["current_count"], 3);
    let rest = list(&format!("?limit=3&marker={}", first["page_info"]["next_marker"].as_str().unwrap())).await;
    assert_eq!(rest["aliases"][0]["alias"], "alias/more-2");

    let moved = client.ok("alias/associate", json!({ "target_key_id": other, "alias": "alias/extra" })).await;
    assert_eq!((&moved["key_id"], &moved["create_time"]), (&json!(other), &made["create_time"]));
    let not_its = json!({ "key_id": key, "aliases": ["alias/extra"] });
    assert_eq!(client.kms("DELETE", "aliases", &not_its).await.outcome(), "400 KMS.0308");
    let its = json!({ "key_id": other, "aliases": ["alias/extra", "alias/more-0"] });
    let gone = client.kms("DELETE", "aliases", &its).await;
    assert_eq!((gone.status, gone.body.as_str()), (204, ""));
    assert_eq!(list("").await["page_info"]["current_count"], 2);
}

async fn tag(client: &Huawei, key: &str, name: &str, value: &str) -> String {
    client.kms("POST", &format!("{key}/tags"), &json!({ "tag": { "key": name, "value": value } })).await.outcome()
}

#[tokio::test]
async fn tags_have_their_limits() {
    let (_double, client) = start().await;
    let key = client.create("tagged").await;
    for (name, value, expected) in [
        ("owner", "a", "OK"),
        ("owner", "b", "OK"),
        ("", "a", "400 KMS.0411"),
        (&"k".repeat(37), "a", "400 KMS.0411"),
        ("k", &"v".repeat(44), "400 KMS.0410"),
        ("k*", "a", "400 KMS.0406"),
        ("k\u{1}", "a", "400 KMS.0406"),
        ("k", "a=b", "400 KMS.0405"),
    ] {
        assert_eq!(tag(&client, &key, name, value).await, expected, "{name:?} {value:?}");
    }
    let list = async || client.kms("GET", &format!("{key}/tags"), &Value::Null).await.json();
    assert_eq!(list().await, json!({ "tags": [{ "key": "owner", "value": "b" }], "existTagsNum": 1 }));
    let batch = async |action: &str, tags: Value| {
        client.kms("POST", &format!("{key}/tags/action"), &json!({ "action": action, "tags": tags })).await.outcome()
    };
    let many = |count: usize| -> Value { (0..count).map(|index| json!({ "key": format!("k{index}"), "value": "v" })).collect() };
    assert_eq!(batch("create", many(20)).await, "400 KMS.0409");
    assert_eq!(batch("create", many(19)).await, "OK");
    assert_eq!(tag(&client, &key, "one-more", "").await, "400 KMS.0409");
    assert_eq!(batch("create", json!([])).await, "400 KMS.0401");
    assert_eq!(batch("create", json!([{ "key": "a" }, { "key": "a" }])).await, "400 KMS.0407");
    assert_eq!(batch("replace", many(1)).await, "400 KMS.0404");
    assert_eq!(batch("delete", many(25)).await, "OK", "what is not there is not missed");
    let delete = async |name: &str| client.kms("DELETE", &format!("{key}/tags/{name}"), &Value::Null).await.outcome();
    assert_eq!(delete("owner").await, "OK");
    assert_eq!(delete("owner").await, "404 KMS.0416");
    assert_eq!(list().await["existTagsNum"], 0);
    assert_eq!(client.kms("GET", "not-a-key/tags", &Value::Null).await.outcome(), "400 KMS.0205");
}

#[tokio::test]
async fn keys_are_found_by_tag_and_name_and_told_in_numbers() {
    let (_double, client) = start().await;
    let (a, b) = (client.create("orders/a").await, client.create("orders/b").await);
    let other = client.create_with(json!({ "key_alias": "other", "key_spec": "RSA_2048" })).await;
    for (key, name, value) in [(&a, "team", "x"), (&b, "team", "y"), (&other, "team", "x"), (&a, "env", "test")] {
        assert_eq!(tag(&client, key, name, value).await, "OK");
    }
    client.ok("schedule-key-deletion", json!({ "key_id": a, "pending_days": "7" })).await;
    let find = async |more: Value| {
        let mut body = json!({ "action": "filter" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let found = client.ok("resource_instances/action", body).await;
        let ids = found["resources"].as_array().unwrap().iter().map(|resource| resource["resource_id"].as_str().unwrap().to_owned());
        (ids.collect::<BTreeSet<_>>(), found)
    };
    let set = |keys: &[&String]| keys.iter().map(|key| (*key).clone()).collect::<BTreeSet<_>>();
    assert_eq!(find(json!({})).await.0, set(&[&a, &b, &other]));
    assert_eq!(find(json!({ "tags": [{ "key": "team", "values": ["x"] }] })).await.0, set(&[&a, &other]));
    assert_eq!(find(json!({ "tags": [{ "key": "team", "values": ["x", "y"] }, { "key": "env", "values": [] }] })).await.0, set(&[&a]));
    let by_name = json!({ "matches": [{ "key": "resource_name", "value": "orders" }] });
    let (ids, found) = find(by_name).await;
    assert_eq!((ids, &found["total_count"]), (set(&[&a, &b]), &json!(2)));
    assert_eq!(find(json!({ "limit": "2", "offset": "2" })).await.0.len(), 1);
    let count = client.ok("resource_instances/action", json!({ "action": "count", "tags": [{ "key": "team", "values": ["x"] }] })).await;
    assert_eq!(count, json!({ "total_count": 2 }));

    let resource = found["resources"].as_array().unwrap().iter().find(|resource| resource["resource_id"] == json!(a)).unwrap();
    assert_eq!(resource["resource_name"], "orders/a");
    assert_eq!(resource["tags"], json!([{ "key": "env", "value": "test" }, { "key": "team", "value": "x" }]));
    let details = &resource["resource_detail"];
    for member in ["key_state", "default_key_flag", "creation_date", "scheduled_deletion_date", "key_type"] {
        assert!(details[member].is_number(), "{member}: {details}");
    }
    assert_eq!(client.describe(&a).await["scheduled_deletion_date"], details["scheduled_deletion_date"].to_string());
    let tags = client.kms("GET", "tags", &Value::Null).await.json();
    assert_eq!(tags, json!({ "tags": [{ "key": "env", "values": ["test"] }, { "key": "team", "values": ["x", "y"] }] }));
}

#[tokio::test]
async fn keys_are_listed_in_pages_by_spec_and_state() {
    let (_double, client) = start().await;
    let mut keys = Vec::new();
    for index in 0..5 {
        keys.push(client.create(&format!("k{index}")).await);
    }
    keys.sort();
    let rsa = client.create_with(json!({ "key_alias": "rsa", "key_spec": "RSA_2048" })).await;
    let mut listed: Vec<String> = Vec::new();
    let mut body = json!({ "limit": "2" });
    loop {
        let page = client.ok("list-keys", body.clone()).await;
        let ids: Vec<String> = serde_json::from_value(page["keys"].clone()).unwrap();
        let details: Vec<&str> = page["key_details"].as_array().unwrap().iter().map(|key| key["key_id"].as_str().unwrap()).collect();
        assert_eq!(ids, details);
        assert_eq!(page["total"], 5);
        listed.extend(ids);
        if page["truncated"] == "false" {
            assert_eq!(page["next_marker"], "");
            break;
        }
        assert_eq!(page["truncated"], "true");
        body["marker"] = page["next_marker"].clone();
    }
    assert_eq!(listed, keys);
    assert_eq!(client.ok("list-keys", json!({ "key_spec": "RSA_2048" })).await["keys"], json!([rsa]));
    assert_eq!(client.ok("list-keys", json!({ "key_spec": "ALL" })).await["total"], 6);
    client.ok("disable-key", json!({ "key_id": keys[0] })).await;
    assert_eq!(client.ok("list-keys", json!({ "key_state": "3" })).await["keys"], json!([keys[0]]));
    assert_eq!(client.kms("GET", "user-instances", &Value::Null).await.json(), json!({ "instance_num": 6 }));
    let quotas = client.kms("GET", "user-quotas", &Value::Null).await.json();
    assert_eq!(quotas["quotas"]["resources"][0], json!({ "type": "CMK", "used": 6, "quota": 100 }));
    assert_eq!(client.project, HUAWEI_PROJECT);
}
