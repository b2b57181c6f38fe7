//! The double as the AWS Controllers for Kubernetes see it: their real controller for KMS, on the control plane, makes and deletes a key, an alias and a
//! grant.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use kms_double::{ACCESS_KEY, KeyState, SECRET_KEY};
use serde_json::{Value, json};

use crate::support::{control_plane::shared, double, eventually, operator::WITHIN};

const REGION: &str = "eu-west-1";

/// A process that ends with this one, because it reads a pipe that only we hold open.
struct Controller(std::process::Child);

impl Drop for Controller {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        if let Err(error) = self.0.wait() {
            eprintln!("the controller: {error}");
        }
    }
}

#[tokio::test]
#[ignore = "its controller takes minutes to build; `make wire` runs it"]
async fn ack_s_controller_leads_a_key_an_alias_and_a_grant_through_their_lives_on_the_double() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ack/build");
    let made = Command::new(&script).stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
    assert!(made.status.success(), "{}: {}", script.display(), made.status);
    let folder = String::from_utf8(made.stdout).unwrap();
    let folder = Path::new(folder.trim());

    let (cluster, double) = (shared(), double::start().await);
    let namespace = cluster.namespace("ack").await;
    cluster.kubectl(&["apply", "--server-side", "-f", folder.join("crds").to_str().unwrap()]).await.expect("the CRDs");
    let _controller = start(&folder.join("controller"), cluster.kubeconfig.to_str().unwrap(), &namespace, &double.endpoint());

    let apply = async |kind: &str, name: &str, spec: Value| {
        let object = json!({ "apiVersion": "kms.services.k8s.aws/v1alpha1", "kind": kind, "metadata": { "name": name, "namespace": namespace }, "spec": spec });
        cluster.kubectl_with(&["apply", "-f", "-"], &object.to_string()).await.expect("kubectl apply");
    };
    let get = async |kind: &str| -> Value {
        let text = cluster
            .kubectl(&["get", &format!("{kind}.kms.services.k8s.aws"), "orders", "-n", &namespace, "-o", "json"])
            .await
            .expect("kubectl get");
        serde_json::from_str(&text).unwrap()
    };
    let synced = async |kind: &str| {
        eventually(&format!("{kind} is synced"), WITHIN, async || {
            let object = get(kind).await;
            let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let is = conditions.iter().any(|known| known["type"] == "ACK.ResourceSynced" && known["status"] == "True");
            if is { Ok(object) } else { Err(format!("{conditions:?}")) }
        })
        .await
    };

    let tags = json!([{ "tagKey": "team", "tagValue": "shop" }]);
    apply("Key", "orders", json!({ "description": "order signing", "enableKeyRotation": true, "tags": tags })).await;
    let object = synced("key").await;
    let id = object["status"]["keyID"].as_str().unwrap().to_owned();
    let key = double.key(&id).unwrap();
    assert_eq!(
        (&*key.description, &*key.tags["team"], key.rotation.enabled, key.state),
        ("order signing", "shop", true, KeyState::Enabled)
    );
    apply("Alias", "orders", json!({ "name": "alias/orders", "targetKeyRef": { "from": { "name": "orders" } } })).await;
    synced("alias").await;
    assert_eq!(double.key(&id).unwrap().aliases, ["alias/orders"]);
    let reader = "arn:aws:iam::111122223333:role/reader";
    apply(
        "Grant",
        "orders",
        json!({ "keyRef": { "from": { "name": "orders" } }, "granteePrincipal": reader, "operations": ["Decrypt"], "name": "orders" }),
    )
    .await;
    synced("grant").await;
    let grants = double.grants(&id).unwrap();
    assert!(grants.len() == 1 && grants[0].terms.grantee == reader, "{grants:?}");

    let delete = async |kind: &str| {
        cluster
            .kubectl(&["delete", &format!("{kind}.kms.services.k8s.aws"), "orders", "-n", &namespace, "--timeout=60s"])
            .await
            .expect("kubectl delete");
    };
    delete("grant").await;
    assert!(double.grants(&id).unwrap().is_empty());
    delete("alias").await;
    assert!(double.key(&id).unwrap().aliases.is_empty());
    delete("key").await;
    let key = double.key(&id).unwrap();
    assert_eq!((key.state, key.pending_window_days), (KeyState::PendingDeletion, Some(7)));
    let unknown: Vec<_> = double.ledger().into_iter().filter(|entry| entry.result.contains("UnknownOperation")).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

fn start(controller: &Path, kubeconfig: &str, namespace: &str, endpoint: &str) -> Controller {
    let run = r#""$@" </dev/null & pid=$!; cat >/dev/null; kill "$pid"; wait "$pid" || true"#;
    let mut command = Command::new("bash");
    command.args(["-c", run, "bash"]).arg(controller).args([
        &format!("--aws-region={REGION}"),
        &format!("--aws-endpoint-url={endpoint}"),
        &format!("--aws-identity-endpoint-url={endpoint}"),
        "--allow-unsafe-aws-endpoint-urls",
        &format!("--watch-namespace={namespace}"),
        "--metrics-addr=0",
        "--log-level=info",
    ]);
    command.env_clear().envs([
        ("PATH", std::env::var("PATH").unwrap().as_str()),
        ("KUBECONFIG", kubeconfig),
        ("HOME", "/nonexistent"),
        ("AWS_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]);
    Controller(command.stdin(Stdio::piped()).spawn().unwrap())
}
