//! What a real API server makes of grants: the fields, the columns, the rights of the operator, and a namespace that is deleted.

use keyward::api::ConditionType;
use kube::api::DeleteParams;

use super::{any, create, find, look, of_orders, reads, until_ready, with_key};
use crate::support::{eventually, operator::WITHIN, scene::Scene};

#[tokio::test]
async fn a_grant_on_a_real_control_plane_goes_with_its_namespace() {
    let scene = Scene::real_with("grants", kms_double::Options::default(), any()).await;
    with_key(&scene).await;
    create(&scene, "reader", reads(&["Decrypt"])).await;
    let grant = until_ready(&scene, "reader", "True", "Granted").await;
    assert_eq!(find(&grant, ConditionType::Synced).unwrap().status, "True");
    look(&scene, "reader").await;
    let kubectl = async |words: &[&str]| scene.control_plane().kubectl(words).await.expect("kubectl");
    let table = kubectl(&["get", "kgrant", "-n", &scene.namespace, "-o", "wide"]).await;
    let (head, row) = table.split_once('\n').unwrap();
    let columns: Vec<_> = head.split_whitespace().collect();
    assert_eq!(columns, ["NAME", "READY", "SYNCED", "KEY", "GRANTEE", "AGE", "GRANT-ID", "ARN", "REASON"]);
    assert!(row.contains("reader") && row.contains("True") && row.contains("orders") && row.contains("Granted"), "{table}");
    let by_key = kubectl(&["get", "keygrants", "-n", &scene.namespace, "--field-selector", "spec.keyRef.name=orders", "-o", "name"]).await;
    assert_eq!(by_key.trim(), "keygrant.keyward.dev/reader");
    let explained = kubectl(&["explain", "keygrant.spec.granteePrincipal"]).await;
    assert!(explained.contains("Who may use the key. At AWS the ARN of an account"), "{explained}");

    // The key's object has no finalizer and may go first. The grant is revoked all the same, and the key stays.
    let key = scene.key("orders").await.arn;
    assert_eq!(of_orders(&scene).await.len(), 1);
    let namespaces = kube::Api::<k8s_openapi::api::core::v1::Namespace>::all(scene.client.clone());
    namespaces.delete(&scene.namespace, &DeleteParams::default()).await.unwrap();
    let cluster = scene.control_plane();
    cluster.kubectl(&["delete", "managedkeys,keygrants", "--all", "-n", &scene.namespace, "--wait=false"]).await.expect("kubectl");
    eventually("the grant is gone with its namespace", WITHIN, async || {
        let left = super::api(&scene).get_opt("reader").await.unwrap();
        if left.is_none() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
    assert!(scene.double.grants(&key).unwrap().is_empty() && scene.double.key(&key).is_some());
}
