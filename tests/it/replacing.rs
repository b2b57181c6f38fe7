//! A key is replaced by another one, as `docs/replacing-a-key.md` says: its manifests are applied, its commands are run, and data is read at each step.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use aws_sdk_kms::{error::ProvideErrorMetadata, primitives::Blob};
use jiff::SignedDuration;
use keyward::api::ConditionType;
use kms_double::{ACCESS_KEY, KeyState, Options, SECRET_KEY};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    pages::{blocks, manifests},
    support::{
        eventually, localstack,
        operator::WITHIN,
        scene::{REGION, Scene, find, message},
    },
};

const PAGE: &str = include_str!("../../docs/replacing-a-key.md");
const ALIAS: &str = "alias/orders";

/// What applications have, and the page.
struct Story {
    scene: Scene,
    data: TempDir,
    manifests: Vec<Value>,
}

impl Story {
    async fn new(name: &str, options: Options) -> Self {
        let scene = Scene::real_with(name, options, json!({})).await;
        let manifests = manifests(PAGE);
        assert_eq!(manifests.len(), 6, "each is applied by its number");
        Self { scene, data: tempfile::tempdir().unwrap(), manifests }
    }

    /// Applies a manifest of the page: the first is number 0.
    async fn apply(&self, number: usize) {
        let mut manifest = self.manifests[number].clone();
        // The page names the namespace `shop`; the namespace and the provider of the scene have a number at their end.
        manifest["metadata"]["namespace"] = json!(self.scene.namespace);
        manifest["spec"]["providerRef"]["name"] = json!(self.scene.provider);
        self.scene.control_plane().kubectl_with(&["apply", "-f", "-"], &manifest.to_string()).await.expect("kubectl apply");
    }

    /// Runs commands of the page, in the folder of the data, as a person at the KMS of the scene. Gives what they print.
    async fn run(&self, commands: &str) -> String {
        let settings = format!(
            "cd '{}'; export PATH='{}':\"$PATH\" AWS_ENDPOINT_URL='{}' AWS_DEFAULT_REGION={REGION} AWS_ACCESS_KEY_ID={ACCESS_KEY} \
             AWS_SECRET_ACCESS_KEY={SECRET_KEY} AWS_EC2_METADATA_DISABLED=true AWS_CONFIG_FILE=/dev/null \
             AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_PAGER=\n",
            self.data.path().display(),
            localstack::programs().display(),
            self.scene.double.endpoint(),
        );
        let commands = commands.replace("-n shop", &format!("-n {}", self.scene.namespace));
        self.scene.control_plane().shell(&format!("{settings}{commands}")).await.expect("the commands of the page")
    }

    /// An application encrypts with the key that the alias names, and keeps the result.
    async fn write(&self, name: &str) {
        let sealed = self.scene.person().encrypt().key_id(ALIAS).plaintext(Blob::new(name)).send().await.unwrap();
        std::fs::write(self.path(name), sealed.ciphertext_blob.unwrap()).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.data.path().join(format!("{name}.encrypted"))
    }

    fn sealed(&self, name: &str) -> Blob {
        Blob::new(std::fs::read(self.path(name)).unwrap())
    }

    /// Everything that was written can be read.
    async fn reads(&self, names: &[&str]) {
        for name in names {
            let read = self.scene.person().decrypt().ciphertext_blob(self.sealed(name)).send().await;
            let read = read.unwrap_or_else(|error| panic!("{name} cannot be read: {error:?}"));
            assert_eq!(read.plaintext().unwrap().as_ref(), name.as_bytes());
        }
    }

    /// Steps 1 to 5: the new key has the alias and the data, and the old one is disabled.
    async fn until_disabled(&self) {
        let scene = &self.scene;
        let [made, handed_over, encrypted_again, which] = blocks(PAGE, "sh").collect::<Vec<_>>().try_into().expect("the commands");
        self.apply(0).await;
        scene.until_ready("orders", "True", "Available").await;
        self.write("first").await;
        self.write("forgotten").await;

        self.apply(1).await;
        self.run(made).await;
        let (old, new) = (scene.key("orders").await.arn, scene.key("orders-2").await.arn);
        assert_ne!(old, new);
        self.reads(&["first", "forgotten"]).await;

        let (writer, stop) = write_on(scene);
        self.apply(2).await;
        let object = scene.until_ready("orders-2", "False", "AliasTaken").await;
        assert!(message(&object).contains("ManagedKey orders declares it"), "{}", message(&object));
        self.apply(3).await;
        self.run(handed_over).await;
        scene.until_ready("orders-2", "True", "Available").await;
        let seen = eventually("both keys were used", WITHIN, async || {
            let used = async |name| scene.key(name).await.last_use.is_some();
            if used("orders").await && used("orders-2").await { Ok(()) } else { Err("not yet") }
        });
        seen.await;
        stop.store(true, Ordering::Relaxed);
        writer.await.expect("no write failed and each was read back");
        assert_eq!((scene.calls("UpdateAlias").len(), scene.calls("DeleteAlias").len()), (1, 0), "it moved in one request");
        assert!(scene.key("orders-2").await.aliases.contains(&ALIAS.to_owned()));
        self.write("second").await;
        self.reads(&["first", "second", "forgotten"]).await;
        let by_alias = scene.person().decrypt().key_id(ALIAS).ciphertext_blob(self.sealed("first")).send().await;
        assert_eq!(by_alias.unwrap_err().code(), Some("IncorrectKeyException"), "as step 1 says");

        // Somebody overlooks a file.
        let (here, elsewhere) = (self.path("forgotten"), self.data.path().join("elsewhere"));
        std::fs::rename(&here, &elsewhere).unwrap();
        assert_eq!(self.keys(which).await, [&*old, &*new], "in the order of their names");
        self.run(encrypted_again).await;
        assert_eq!(self.keys(which).await, [&*new, &*new]);
        std::fs::rename(elsewhere, here).unwrap();
        self.reads(&["first", "second", "forgotten"]).await;

        self.apply(4).await;
        scene.until_ready("orders", "True", "Disabled").await;
        self.reads(&["first", "second"]).await;
        let forgotten = scene.person().decrypt().ciphertext_blob(self.sealed("forgotten")).send().await;
        assert_eq!(forgotten.unwrap_err().code(), Some("DisabledException"));
        self.apply(3).await;
        scene.until_ready("orders", "True", "Available").await;
        self.reads(&["forgotten"]).await;
        self.run(encrypted_again).await;
        self.apply(4).await;
        scene.until_ready("orders", "True", "Disabled").await;
        self.reads(&["first", "second", "forgotten"]).await;
        assert_eq!(scene.key("orders").await.state, KeyState::Disabled);
    }

    /// Which keys the data needs, as the command of the page says it.
    async fn keys(&self, which: &str) -> Vec<String> {
        self.run(which).await.lines().map(str::to_owned).collect()
    }
}

/// An application that goes on encrypting with the alias and reads back what it wrote. It ends with the first failure.
fn write_on(scene: &Scene) -> (tokio::task::JoinHandle<()>, Arc<AtomicBool>) {
    let (kms, stop) = (scene.person(), Arc::new(AtomicBool::new(false)));
    let writes = {
        let stop = Arc::clone(&stop);
        async move {
            while !stop.load(Ordering::Relaxed) {
                let sealed = kms.encrypt().key_id(ALIAS).plaintext(Blob::new("order")).send().await.unwrap();
                let read = kms.decrypt().set_ciphertext_blob(sealed.ciphertext_blob).send().await.unwrap();
                assert_eq!(read.plaintext().unwrap().as_ref(), b"order");
            }
        }
    };
    (tokio::spawn(writes), stop)
}

/// The clock of the KMS is behind, so the last use of the old key is long ago for Keyward.
#[tokio::test]
async fn a_key_is_replaced_as_the_page_says_and_all_data_can_be_read_at_each_step() {
    let behind = Options { clock_behind: SignedDuration::from_hours(24 * 8), ..Options::default() };
    let story = Story::new("replaced", behind).await;
    story.until_disabled().await;
    story.apply(5).await;
    story.scene.until_ready("orders", "True", "DeletionScheduled").await;
    let old = story.scene.key("orders").await;
    assert_eq!((old.state, old.pending_window_days), (KeyState::PendingDeletion, Some(30)));
    story.reads(&["first", "second", "forgotten"]).await;

    // The date passes, and nothing was lost.
    story.scene.double.advance(SignedDuration::from_hours(24 * 32)).unwrap();
    assert!(story.scene.double.key(&old.arn).is_none());
    story.reads(&["first", "second", "forgotten"]).await;
}

#[tokio::test]
async fn a_key_that_is_replaced_and_was_used_lately_is_held() {
    let story = Story::new("replaced-early", Options::default()).await;
    story.until_disabled().await;
    story.apply(5).await;
    let object = story.scene.until_ready("orders", "False", "KeyInUse").await;
    assert!(find(&object, ConditionType::DeletionHeld).is_some(), "{}", message(&object));
    assert!(story.scene.calls("ScheduleKeyDeletion").is_empty());
    // Step 3 again brings it back, and what only it can read is readable.
    story.apply(3).await;
    story.scene.until_ready("orders", "True", "Available").await;
}
