//! One test's part of the world: a namespace, a KMS, a provider for it; and the questions that tests ask of them.
//!
//! A scene is on the shared control plane, with the real program, or in memory, with an operator of its own in this process.

use std::path::Path;

use api_double::Write;
use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
use keyward::api::{ConditionType, FIELD_MANAGER, KeyProvider, ManagedKey, condition, key_provider::ProviderType};
use kms_double::{ACCOUNT, Credential, Double, Entry, KeyView, Options, Plant, SECRET_KEY};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::{
    control_plane::{self, ControlPlane},
    eventually,
    memory::{Hand, Memory, OPERATOR},
    operator::{self, CLUSTER, Post, WITHIN},
    vendor::{AWS, Vendor},
};

/// The field manager of a person with kubectl.
const PERSON: &str = "kubectl-client-side-apply";
/// The access key of a person at the KMS: of the operator's account, and told apart from the operator in the ledger.
const PERSON_ACCESS_KEY: &str = "AKIAPERSON7EXAMPLE00";
/// The operations that change nothing.
const READS: [&str; 27] = [
    "DescribeKey",
    "GetKeyLastUsage",
    "GetKeyPolicy",
    "GetKeyRotationStatus",
    "ListAliases",
    "ListGrants",
    "ListKeys",
    "ListKeyRotations",
    "ListResourceTags",
    "GetCallerIdentity",
    "AssumeRole",
    "login",
    "get-kms",
    "list-kms",
    "get-key",
    "list-keys",
    "list-rotations",
    "get-key-rotation-status",
    "refresh",
    "synchronize",
    "get-synchronization",
    "describe-key",
    "list-aliases",
    "list-tags",
    "filter-resources",
    "user-quotas",
    "user-instances",
];
/// A label of a scene's providers: which scene it is.
const SCENE: &str = "scene";
/// The Region of every provider.
pub const REGION: &str = "eu-west-1";

/// One test's part of the world.
pub struct Scene {
    place: Place,
    /// The operator of a scene that has one of its own. It ends before the KMS does.
    operator: Option<Hand>,
    pub client: Client,
    pub double: Double,
    pub vendor: &'static Vendor,
    /// Namespace of the test's objects.
    pub namespace: String,
    /// Name of the test's provider.
    pub provider: String,
    /// Namespace of the operator.
    pub operator_namespace: String,
    /// Log of the shared operator.
    log: Option<&'static Path>,
}

/// Where the API server is.
enum Place {
    Cluster(&'static ControlPlane),
    Memory(Memory),
}

impl Scene {
    /// A scene in memory, with an operator and a KMS of its own.
    pub async fn new(name: &str) -> Self {
        Self::with(name, Options::default(), json!({})).await
    }

    /// The same, with another KMS, and with `spec` laid over the provider's.
    pub async fn with(name: &str, options: Options, spec: Value) -> Self {
        Self::alone(&AWS, name, options, spec).await
    }

    /// The same for any KMS.
    pub async fn alone(vendor: &'static Vendor, name: &str, options: Options, spec: Value) -> Self {
        let memory = Memory::new().await;
        let mut scene = Self::within(&memory, vendor, name, options, spec).await;
        scene.operator = Some(memory.start());
        scene
    }

    /// A scene on the shared control plane, for the program that tests share, with a KMS of its own.
    pub async fn real(name: &str) -> Self {
        Self::real_with(name, Options::default(), json!({})).await
    }

    /// The same, with another KMS, and with `spec` laid over the provider's.
    pub async fn real_with(name: &str, options: Options, spec: Value) -> Self {
        let shared = operator::shared();
        let mut scene = Self::on(control_plane::shared(), &shared.post, name, options, spec).await;
        scene.log = Some(&shared.log);
        scene
    }

    /// A scene for any KMS: on the control plane for AWS, in memory for the others. What differs by KMS does not differ by API server.
    pub async fn of(vendor: &'static Vendor, name: &str, options: Options, spec: Value) -> Self {
        if vendor.provider == ProviderType::Aws {
            Self::real_with(name, options, spec).await
        } else {
            Self::alone(vendor, name, options, spec).await
        }
    }

    /// A scene in memory, for operators that the test starts.
    pub async fn within(memory: &Memory, vendor: &'static Vendor, name: &str, options: Options, spec: Value) -> Self {
        let namespace = memory.namespace(name).await;
        Self::begin(Place::Memory(memory.clone()), memory.client(), namespace, OPERATOR.into(), vendor, options, spec).await
    }

    /// A scene for an operator of the test's own.
    pub async fn on(control_plane: &'static ControlPlane, post: &Post, name: &str, options: Options, spec: Value) -> Self {
        Self::at(control_plane, post, &AWS, name, options, spec).await
    }

    /// The same for any KMS.
    pub async fn at(
        control_plane: &'static ControlPlane,
        post: &Post,
        vendor: &'static Vendor,
        name: &str,
        options: Options,
        spec: Value,
    ) -> Self {
        let namespace = control_plane.namespace(name).await;
        let client = control_plane.client().await;
        Self::begin(Place::Cluster(control_plane), client, namespace, post.namespace.clone(), vendor, options, spec).await
    }

    async fn begin(
        place: Place,
        client: Client,
        namespace: String,
        operator_namespace: String,
        vendor: &'static Vendor,
        options: Options,
        spec: Value,
    ) -> Self {
        let double = Double::start(vendor.options(options)).await.unwrap();
        double.add_credential(Credential::new(PERSON_ACCESS_KEY, SECRET_KEY, ACCOUNT));
        let provider = namespace.clone();
        let scene = Self { place, operator: None, client, double, vendor, namespace, provider, operator_namespace, log: None };
        scene.secret_of(&scene.provider, vendor.secret(&scene.double)).await;
        scene.provide(&scene.provider, spec).await;
        scene
    }

    /// The control plane. A scene in memory has none.
    pub fn control_plane(&self) -> &'static ControlPlane {
        match &self.place {
            Place::Cluster(control_plane) => control_plane,
            Place::Memory(_) => panic!("{} has no control plane", self.namespace),
        }
    }

    /// Makes another namespace for the test's objects.
    pub async fn another_namespace(&self, prefix: &str) -> String {
        match &self.place {
            Place::Cluster(control_plane) => control_plane.namespace(prefix).await,
            Place::Memory(memory) => memory.namespace(prefix).await,
        }
    }

    /// Writes a secret with credentials into the operator's namespace.
    pub async fn secret(&self, name: &str, access_key: &str, secret_key: &str) {
        self.secret_of(name, json!({ "AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret_key })).await;
    }

    /// The same with any values.
    pub async fn secret_of(&self, name: &str, values: Value) {
        let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": values });
        let api = Api::<k8s_openapi::api::core::v1::Secret>::namespaced(self.client.clone(), &self.operator_namespace);
        api.patch(name, &PatchParams::apply("tests").force(), &Patch::Apply(secret)).await.unwrap();
    }

    /// Writes a provider for this scene's KMS, with `spec` laid over.
    pub async fn provide(&self, name: &str, spec: Value) {
        let mut provider = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "KeyProvider", "metadata": { "name": name, "labels": { SCENE: self.provider } }, "spec": {
            "namespaces": { "from": "All" },
            "resyncSeconds": 30,
            // The double has no quotas, and its tests no time.
            "quotaSharePercent": 10_000,
        } });
        merge(&mut provider["spec"], self.vendor.spec(&self.double, &self.provider));
        merge(&mut provider["spec"], spec);
        let api = Api::<KeyProvider>::all(self.client.clone());
        api.patch(name, &PatchParams::apply("tests").force(), &Patch::Apply(provider)).await.unwrap();
    }

    /// The objects.
    pub fn keys(&self) -> Api<ManagedKey> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates an object.
    pub async fn create(&self, name: &str, spec: Value) -> ManagedKey {
        let mut spec = spec;
        if spec.get("providerRef").is_none() {
            spec["providerRef"] = json!({ "name": self.provider });
        }
        let object = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": { "name": name }, "spec": spec });
        let object: ManagedKey = serde_json::from_value(object).unwrap();
        let parameters = PostParams { field_manager: Some(PERSON.into()), ..PostParams::default() };
        self.keys().create(&parameters, &object).await.unwrap()
    }

    /// Changes an object as a person would.
    pub async fn patch(&self, name: &str, patch: Value) -> ManagedKey {
        let parameters = PatchParams { field_manager: Some(PERSON.into()), ..PatchParams::default() };
        self.keys().patch(name, &parameters, &Patch::Merge(patch)).await.unwrap()
    }

    /// Changes the spec of an object.
    pub async fn spec(&self, name: &str, spec: Value) -> ManagedKey {
        self.patch(name, json!({ "spec": spec })).await
    }

    /// Asks for a look now, and waits until it has been.
    pub async fn look(&self, name: &str) -> ManagedKey {
        let at = uuid::Uuid::new_v4().to_string();
        self.patch(name, json!({ "metadata": { "annotations": { (keyward::api::annotation::RECONCILE_REQUESTED_AT): at } } })).await;
        self.until(name, "it was looked at", |object| {
            object.status.as_ref().is_some_and(|status| status.last_handled_reconcile_at.as_deref() == Some(&at))
        })
        .await
    }

    /// Waits until an object says that it is paused, in which no look is made.
    pub async fn until_paused(&self, name: &str) -> ManagedKey {
        self.until(name, "paused", |object| find(object, ConditionType::Synced).is_some_and(|synced| synced.reason == "Paused")).await
    }

    /// Has a look made that nobody asked for, and waits until it has been; gives the requests that it took.
    pub async fn look_by_itself(&self, name: &str) -> usize {
        let all = self.operator_calls().len();
        // It changes what a round goes by, and asks for nothing.
        let token = uuid::Uuid::new_v4().to_string();
        self.patch(name, json!({ "metadata": { "annotations": { (keyward::api::annotation::CONFIRM_DELETION): token } } })).await;
        eventually(&format!("{name}: a look"), WITHIN, async || if self.operator_calls().len() > all { Ok(()) } else { Err("no request") })
            .await;
        // Looks at one object come one after the other, so the next that is asked for begins when this one has ended.
        self.look(name).await;
        let both = self.operator_calls().len();
        self.look(name).await;
        let asked = self.operator_calls().len() - both;
        both - all - asked
    }

    /// Looks so often that everything was read at least once: the state each time, the rest in turn.
    pub async fn look_at_all(&self, name: &str) -> ManagedKey {
        self.look(name).await;
        self.look(name).await;
        self.look(name).await
    }

    /// Puts an object back as a backup tool does: with its spec, labels and annotations, without its status, and with a new UID.
    pub async fn restore(&self, object: &ManagedKey) -> ManagedKey {
        let mut object = object.clone();
        object.status = None;
        object.metadata = kube::api::ObjectMeta {
            name: object.metadata.name,
            labels: object.metadata.labels,
            annotations: object.metadata.annotations,
            ..kube::api::ObjectMeta::default()
        };
        self.keys().create(&PostParams::default(), &object).await.unwrap()
    }

    /// Puts a manifest in an object's place, as `kubectl replace` does: what is not in it is gone, but for the status.
    pub async fn replace(&self, name: &str, spec: Value) {
        let mut spec = spec;
        spec["providerRef"] = json!({ "name": self.provider });
        let object = json!({ "apiVersion": "keyward.dev/v1alpha1", "kind": "ManagedKey", "metadata": { "name": name }, "spec": spec });
        let mut object: ManagedKey = serde_json::from_value(object).unwrap();
        eventually(&format!("{name} is replaced"), WITHIN, async || {
            object.metadata.resource_version = self.keys().get(name).await.unwrap().metadata.resource_version;
            self.keys().replace(name, &PostParams::default(), &object).await.map(drop)
        })
        .await;
    }

    /// Lays a patch over an object's status, which no user may do and a restored database does.
    pub async fn patch_status(&self, name: &str, status: Value) {
        let patch = Patch::Merge(json!({ "status": status }));
        self.keys().patch_status(name, &PatchParams::default(), &patch).await.unwrap();
    }

    /// Runs, as it stands, the command that a held deletion names.
    pub async fn confirm(&self, object: &ManagedKey) {
        let held = find(object, ConditionType::DeletionHeld).unwrap_or_else(|| panic!("not held: {}", describe(object)));
        let (_, command) = held.message.split_once("run: kubectl ").unwrap_or_else(|| panic!("no command in: {}", held.message));
        let mut words: Vec<&str> = command.split(' ').collect();
        let token = words.iter().position(|word| word.contains("confirm-deletion=")).expect("a token");
        words.truncate(token + 1);
        // A shell ends the command there as well.
        words[token] = words[token].trim_end_matches(';');
        self.annotate(&words).await;
    }

    /// Runs `kubectl annotate` with these words, as they stand in a message. In memory it does what kubectl would do.
    pub async fn annotate(&self, words: &[&str]) {
        if let Place::Cluster(control_plane) = &self.place {
            control_plane.kubectl(words).await.expect("the command in the message");
            return;
        }
        let ["annotate", "--overwrite", .., kind, name, annotation] = words else { panic!("no command: {words:?}") };
        let (annotation, value) = annotation.split_once('=').expect("a value");
        let patch = json!({ "metadata": { "annotations": { (annotation): value } } });
        match *kind {
            "managedkey" => _ = self.patch(name, patch).await,
            "keyprovider" => {
                let api = Api::<KeyProvider>::all(self.client.clone());
                api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
            }
            other => panic!("no kind: {other}"),
        }
    }

    /// Deletes an object.
    pub async fn delete(&self, name: &str) {
        self.keys().delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// Waits until an object is gone.
    pub async fn until_gone(&self, name: &str) {
        eventually(&format!("{name} is gone"), WITHIN, async || match self.keys().get_opt(name).await.unwrap() {
            None => Ok(()),
            Some(object) => Err(describe(&object)),
        })
        .await;
    }

    /// Waits until an object is as asked, and gives it.
    pub async fn until(&self, name: &str, what: &str, ask: impl Fn(&ManagedKey) -> bool) -> ManagedKey {
        eventually(&format!("{name}: {what}"), WITHIN, async || {
            let object = self.keys().get(name).await.unwrap();
            if ask(&object) { Ok(object) } else { Err(describe(&object)) }
        })
        .await
    }

    /// Waits until `Ready` has that status and reason, for the present spec.
    pub async fn until_ready(&self, name: &str, status: &str, reason: &str) -> ManagedKey {
        self.until(name, &format!("Ready={status} {reason}"), |object| {
            let ready = find(object, ConditionType::Ready);
            ready.is_some_and(|ready| {
                ready.status == status && ready.reason == reason && ready.observed_generation == object.metadata.generation
            })
        })
        .await
    }

    /// Waits until `Synced` has that status and reason.
    pub async fn until_synced(&self, name: &str, status: &str, reason: &str) -> ManagedKey {
        self.until(name, &format!("Synced={status} {reason}"), |object| {
            find(object, ConditionType::Synced).is_some_and(|synced| synced.status == status && synced.reason == reason)
        })
        .await
    }

    /// Waits until `Ready` of one of these has that status and reason.
    pub async fn until_any_ready(&self, names: &[String], status: &str, reason: &str) {
        eventually(&format!("one is Ready={status} {reason}"), WITHIN, async || {
            for object in self.keys().list(&kube::api::ListParams::default()).await.unwrap().items {
                let ready = find(&object, ConditionType::Ready).filter(|_| names.contains(&object.name_any()));
                if ready.is_some_and(|ready| ready.status == status && ready.reason == reason) {
                    return Ok(());
                }
            }
            Err("none is")
        })
        .await;
    }

    /// The key of an object, as the KMS has it.
    pub async fn key(&self, name: &str) -> KeyView {
        let object = self.keys().get(name).await.unwrap();
        let arn = object.status.and_then(|status| status.key_arn).unwrap_or_else(|| panic!("{name} has no key"));
        self.double.key(&arn).unwrap_or_else(|| panic!("the KMS has no {arn}"))
    }

    /// Somebody else puts the key of an object into another state, and the KMS shows it.
    pub async fn set_outside(&self, name: &str, state: kms_double::KeyState) {
        let key = self.key(name).await.key_id;
        self.double.set_state(&key, state).unwrap();
        self.show_outside();
    }

    /// Somebody else sets a tag of the key of an object, or removes it, and the KMS shows it.
    pub async fn tag_outside(&self, name: &str, tag: &str, value: Option<&str>) {
        // The look that follows a creation knows the key, and reads nothing in turn.
        self.look(name).await;
        let key = self.key(name).await.key_id;
        self.double.set_tag(&key, tag, value).unwrap();
        self.show_outside();
    }

    /// Somebody else switches rotation of the key of an object on, with that period, or off, and the KMS shows it.
    pub async fn rotation_outside(&self, name: &str, period_days: Option<u32>) {
        let key = self.key(name).await.key_id;
        self.double.set_rotation(&key, period_days).unwrap();
        self.show_outside();
    }

    /// Somebody else sets a tag of a key, by one of its aliases, or removes it, and the KMS shows it.
    pub fn tag_key_outside(&self, alias: &str, tag: &str, value: Option<&str>) {
        let keys = self.double.keys();
        let key = keys.iter().find(|key| key.aliases.iter().any(|known| known == alias)).unwrap_or_else(|| panic!("no key has {alias}"));
        self.double.set_tag(&key.arn, tag, value).unwrap();
        self.show_outside();
    }

    /// Somebody else makes a key, and the KMS shows it. Gives its id there.
    pub fn plant_outside(&self, alias: Option<&str>) -> String {
        let plant = Plant { alias: alias.map(str::to_owned), ..Plant::new(self.vendor.account, self.vendor.region) };
        let planted = self.double.plant(&plant).unwrap();
        self.show_outside();
        match self.vendor.provider {
            ProviderType::CipherTrust => self.double.ciphertrust_id(&planted.arn()).expect("it was just synchronised"),
            ProviderType::Aws | ProviderType::Huawei => planted.id,
        }
    }

    /// A KMS that answers from a copy makes it new.
    fn show_outside(&self) {
        self.double.ciphertrust_sync();
    }

    /// A person at the KMS, with the AWS SDK and credentials of the same account.
    pub fn person(&self) -> aws_sdk_kms::Client {
        self.person_in(REGION)
    }

    /// The same in another Region.
    pub fn person_in(&self, region: &'static str) -> aws_sdk_kms::Client {
        let credentials = Credentials::new(PERSON_ACCESS_KEY, SECRET_KEY, None, None, "tests");
        let config = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .endpoint_url(self.double.endpoint())
            .credentials_provider(credentials)
            .build();
        aws_sdk_kms::Client::from_conf(config)
    }

    /// A key that somebody else made.
    pub async fn foreign_key(&self) -> String {
        self.person().create_key().send().await.unwrap().key_metadata.and_then(|key| key.arn).unwrap()
    }

    /// Writes a tag on a key, as a person.
    pub async fn tag(&self, key: &str, tags: &[(&str, &str)]) {
        let tag = |(key, value): &(&str, &str)| aws_sdk_kms::types::Tag::builder().tag_key(*key).tag_value(*value).build().unwrap();
        self.person().tag_resource().key_id(key).set_tags(Some(tags.iter().map(tag).collect())).send().await.unwrap();
    }

    /// The operator's calls so far.
    pub fn operator_calls(&self) -> Vec<Entry> {
        let by_person = |entry: &Entry| entry.access_key.as_deref().is_none_or(|key| key == PERSON_ACCESS_KEY);
        self.double.ledger().into_iter().filter(|entry| !by_person(entry)).collect()
    }

    /// The operator's calls of one operation so far.
    pub fn calls(&self, operation: &str) -> Vec<Entry> {
        self.operator_calls().into_iter().filter(|entry| entry.operation == operation).collect()
    }

    /// What the operator wrote of an object so far, by the API server's own record: `object` or `status`.
    pub async fn writes(&self, name: &str) -> Vec<String> {
        let control_plane = match &self.place {
            Place::Cluster(control_plane) => control_plane,
            Place::Memory(memory) => {
                let ours = |write: &Write| write.manager == FIELD_MANAGER && write.namespace == self.namespace && write.name == name;
                let writes = memory.server.writes().into_iter().filter(|write| write.plural == "managedkeys" && ours(write));
                return writes.map(|write| if write.status { "status" } else { "object" }.into()).collect();
            }
        };
        // A write shows before its line is in the log. A read that came after it has its line later.
        let marker = uuid::Uuid::new_v4().to_string();
        self.keys().get_opt(&marker).await.unwrap();
        let log = eventually("the audit log", WITHIN, async || {
            let log = std::fs::read_to_string(&control_plane.audit_log).unwrap();
            if log.contains(&marker) { Ok(log) } else { Err("the last read is not in it") }
        })
        .await;
        // The last line may be half written.
        let entries = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let text = |entry: &Value, pointer: &str| entry.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let written = entries.filter(|entry| {
            text(entry, "/stage") == "ResponseComplete"
                && entry.pointer("/responseStatus/code").and_then(Value::as_u64).is_some_and(|code| code < 300)
                && ["patch", "update"].contains(&&*text(entry, "/verb"))
                && !text(entry, "/requestURI").contains("dryRun=")
                && text(entry, "/user/username").starts_with(&format!("system:serviceaccount:{}:", self.operator_namespace))
                && text(entry, "/objectRef/namespace") == self.namespace
                && text(entry, "/objectRef/name") == name
        });
        written
            .map(|entry| text(&entry, "/objectRef/subresource"))
            .map(|part| if part.is_empty() { "object".into() } else { part })
            .collect()
    }

    /// The number of the ledger's last entry.
    pub fn now(&self) -> u64 {
        self.double.ledger().last().map_or(0, |entry| entry.seq)
    }

    /// The operator's calls after that number that are no reads, whatever came of them.
    pub fn changes(&self, after: u64) -> Vec<String> {
        let change = |entry: &Entry| entry.seq > after && !READS.contains(&entry.operation.as_str());
        self.operator_calls().into_iter().filter(change).map(|entry| entry.operation).collect()
    }

    /// The alias by which a created key is found again.
    pub fn claim(&self, name: &str) -> String {
        format!("alias/keyward/{CLUSTER}/{}/{name}", self.namespace)
    }

    /// The reasons of an object's events, oldest first.
    pub async fn events(&self, name: &str) -> Vec<String> {
        self.events_in(&self.namespace, name).await.into_iter().map(|(reason, _)| reason).collect()
    }

    /// Reason and note of an object's events that stand in `namespace`, oldest first.
    pub async fn events_in(&self, namespace: &str, name: &str) -> Vec<(String, String)> {
        let api = Api::<k8s_openapi::api::events::v1::Event>::namespaced(self.client.clone(), namespace);
        let mut events = api.list(&kube::api::ListParams::default()).await.unwrap().items;
        events.sort_by_key(|event| event.event_time.clone().map(|time| time.0));
        events.retain(|event| {
            let object = event.regarding.as_ref();
            object.is_some_and(|object| object.name.as_deref() == Some(name) && object.namespace.as_deref() == Some(&self.namespace))
        });
        events.into_iter().map(|event| (event.reason.unwrap_or_default(), event.note.unwrap_or_default())).collect()
    }

    /// Waits until an object has had an event, and gives what it says.
    pub async fn until_event(&self, name: &str, reason: &str) -> String {
        eventually(&format!("{name}: event {reason}"), WITHIN, async || {
            let mut events = self.events_in(&self.namespace, name).await;
            match events.iter().rposition(|(found, _)| found == reason) {
                Some(at) => Ok(events.swap_remove(at).1),
                None => Err(format!("{events:?}")),
            }
        })
        .await
    }
}

impl Drop for Scene {
    /// The KMS ends with the test, and an operator that is shared should not go on asking for it.
    fn drop(&mut self) {
        if let Some(log) = self.log.filter(|_| std::thread::panicking()) {
            let text = std::fs::read_to_string(log).unwrap_or_default();
            let lines: Vec<_> = text.lines().filter(|line| line.contains(&*self.namespace)).collect();
            eprintln!("what the operator logged of {}:\n{}", self.namespace, lines[lines.len().saturating_sub(30)..].join("\n"));
        }
        drop(self.operator.take());
        // A test may have ended the control plane.
        let control_plane = match &self.place {
            Place::Cluster(control_plane) if control_plane.kubeconfig.exists() => *control_plane,
            Place::Cluster(_) | Place::Memory(_) => return,
        };
        let (namespace, scene) = (self.namespace.clone(), self.provider.clone());
        // The test's own runtime may be this very thread.
        let cleaned = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let client = control_plane.client().await;
                let everything = kube::api::ListParams::default();
                let keys = Api::<ManagedKey>::namespaced(client.clone(), &namespace);
                keys.delete_collection(&DeleteParams::default(), &everything).await.map(drop)?;
                let its_own = everything.labels(&format!("{SCENE}={scene}"));
                Api::<KeyProvider>::all(client).delete_collection(&DeleteParams::default(), &its_own).await.map(drop)
            })
        });
        if let Ok(Err(error)) = cleaned.join() {
            eprintln!("what is left of {}: {error}", self.namespace);
        }
    }
}

/// A condition of an object.
pub fn find(object: &ManagedKey, kind: ConditionType) -> Option<&k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition> {
    condition::find(&object.status.as_ref()?.conditions, kind)
}

/// The message of `Ready`.
pub fn message(object: &ManagedKey) -> &str {
    find(object, ConditionType::Ready).map_or("", |ready| &ready.message)
}

/// An object's status, for a test that gives up.
pub fn describe(object: &ManagedKey) -> String {
    format!("{} {}", object.name_any(), serde_json::to_string(&object.status).unwrap_or_default())
}

/// Lays one value over another, as a merge patch does.
pub fn merge(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                if value.is_null() {
                    base.remove(&key);
                } else {
                    merge(base.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (base, over) => *base = over,
    }
}
