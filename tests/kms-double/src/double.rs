//! The double as a server inside a process.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::routing::{get, post};
use jiff::{SignedDuration, Timestamp};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::ciphertrust::{Authority, CiphertrustUser, TlsListener};
use crate::fault::Fault;
use crate::form::Form;
use crate::huawei::{HuaweiCredential, HuaweiIdentities, HuaweiProject, HuaweiUser};
use crate::identity::{self, Credential, Role, WebIdentity};
use crate::key_store::KeyStore;
use crate::ledger::Entry;
use crate::model::Models;
use crate::state::Shared;
use crate::wire::{Cut, CuttableListener};
use crate::world::{Grant, GrantTerms, KeyRef, KeyState, KeyView};
use crate::{admin, aws, ciphertrust, huawei};

/// The options of a double. Use [`Options::default`] and change what you need.
#[derive(Clone, Debug)]
pub struct Options {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Refuses calls above AWS's default request quotas. Off by default.
    pub quotas: bool,
    /// How long, in real time, reads show the state before a change. Zero by default.
    pub read_lag: Duration,
    /// How long Creating, Updating and an on-demand rotation last on the double's clock. 5 s by default.
    pub settling: SignedDuration,
    /// How much later than its deletion date a key is deleted; AWS says up to 24 hours. Zero by default.
    pub deletion_delay: SignedDuration,
    /// How far the double's clock starts behind the real time, so that a date one week ahead on it can be in the past for a client. Zero by
    /// default.
    pub clock_behind: SignedDuration,
    /// Other forms of answers that the documents allow. None by default.
    pub forms: Vec<Form>,
    /// Whether each answer is checked against the vendors' models, if the environment names them; see [`crate::Models`]. On by default.
    pub checked: bool,
    /// The access keys. By default one each of accounts 111122223333 and 444455556666.
    pub credentials: Vec<Credential>,
    /// The roles that can be assumed. By default the role `keyward` of each account.
    pub roles: Vec<Role>,
    /// Serves `CipherTrust` too, over TLS. Off by default.
    pub ciphertrust: bool,
    /// The port of `CipherTrust` on 127.0.0.1; 0 takes a free one.
    pub ciphertrust_port: u16,
    /// How long `CipherTrust` takes, in real time, to read back from AWS. 20 ms by default.
    pub refresh_delay: Duration,
    /// The identities of Huawei Cloud. By default two accounts with a project in eu-west-101 each.
    pub huawei: HuaweiIdentities,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            quotas: false,
            read_lag: Duration::ZERO,
            settling: SignedDuration::from_secs(5),
            deletion_delay: SignedDuration::ZERO,
            clock_behind: SignedDuration::ZERO,
            forms: Vec::new(),
            checked: true,
            credentials: vec![
                Credential::new(identity::ACCESS_KEY, identity::SECRET_KEY, identity::ACCOUNT),
                Credential::new(identity::SECOND_ACCESS_KEY, identity::SECOND_SECRET_KEY, identity::SECOND_ACCOUNT),
            ],
            roles: [identity::ACCOUNT, identity::SECOND_ACCOUNT]
                .map(|account| Role::new(&format!("arn:aws:iam::{account}:role/keyward")))
                .to_vec(),
            ciphertrust: false,
            ciphertrust_port: 0,
            refresh_delay: Duration::from_millis(20),
            huawei: HuaweiIdentities::default(),
        }
    }
}

/// A running double. It stops when it is dropped: it accepts no new connection, closes idle ones, and cuts calls that hang.
#[derive(Debug)]
pub struct Double {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    servers: Vec<JoinHandle<()>>,
    ciphertrust: Option<Ciphertrust>,
}

/// Where `CipherTrust` is served, and the certificate authority that clients must trust.
#[derive(Debug)]
struct Ciphertrust {
    address: SocketAddr,
    ca_pem: String,
}

impl Double {
    /// Starts a double on 127.0.0.1, served by the runtime of the caller.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let (listener, address) = bind(options.port, "--port").await?;
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::new(Shared::new(&options, stopped)?);
        // Both vendors use this path: AWS is called with POST, and Huawei Cloud lists its versions with GET.
        let router = admin::router().merge(huawei::router()).route("/", get(huawei::serve).fallback(aws::serve));
        let router = router.fallback(aws::serve).with_state(Arc::clone(&shared));
        let service = router.into_make_service_with_connect_info::<Cut>();
        let until = Arc::clone(&shared);
        let server = axum::serve(CuttableListener(listener), service).with_graceful_shutdown(async move { until.stopped().await });
        let server = tokio::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the double stopped serving");
            }
        });
        let mut double = Self { servers: vec![server], shared, address, stop, ciphertrust: None };
        if options.ciphertrust {
            double.serve_ciphertrust(options.ciphertrust_port).await?;
        }
        Ok(double)
    }

    async fn serve_ciphertrust(&mut self, port: u16) -> anyhow::Result<()> {
        let (listener, address) = bind(port, "--ciphertrust-port").await?;
        let authority = Authority::new()?;
        // AWS and Huawei Cloud are served there too, for clients that must trust an authority or use a proxy.
        let router = huawei::router().route("/", post(aws::serve)).fallback(ciphertrust::serve).with_state(Arc::clone(&self.shared));
        let service = router.into_make_service_with_connect_info::<Cut>();
        let until = Arc::clone(&self.shared);
        let listener = TlsListener::new(listener, &authority);
        let server = axum::serve(listener, service).with_graceful_shutdown(async move { until.stopped().await });
        self.servers.push(tokio::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the double stopped serving CipherTrust");
            }
        }));
        self.ciphertrust = Some(Ciphertrust { address, ca_pem: authority.pem });
        Ok(())
    }

    /// Stops the double and waits until its port is free and its calls are answered or cut. It waits at most 5 s for a client that does not
    /// send the rest of its request.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
        for mut server in std::mem::take(&mut self.servers) {
            match tokio::time::timeout_at(deadline, &mut server).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "the double did not stop in order"),
                Err(_) => server.abort(),
            }
        }
    }

    /// The URL for clients, such as `http://127.0.0.1:4599`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of `CipherTrust`, as `https://127.0.0.1:4600`. Empty unless [`Options::ciphertrust`] is set.
    #[must_use]
    pub fn ciphertrust_endpoint(&self) -> String {
        self.ciphertrust.as_ref().map(|appliance| format!("https://{}", appliance.address)).unwrap_or_default()
    }

    /// The certificate of the authority that signed `CipherTrust`'s. Empty unless [`Options::ciphertrust`] is set.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        self.ciphertrust.as_ref().map(|appliance| appliance.ca_pem.as_str()).unwrap_or_default()
    }

    /// Moves the double's clock ahead, and does everything that is due by then. Returns the new time.
    pub fn advance(&self, by: SignedDuration) -> anyhow::Result<Timestamp> {
        let mut inner = self.shared.lock();
        inner.clock.advance(by)?;
        Ok(inner.pass_time())
    }

    /// The time on the double's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.shared.lock().pass_time()
    }

    /// Every entry of the ledger.
    #[must_use]
    pub fn ledger(&self) -> Vec<Entry> {
        self.ledger_after(0)
    }

    /// The entries of the ledger with a number above `seq`.
    #[must_use]
    pub fn ledger_after(&self, seq: u64) -> Vec<Entry> {
        let mut inner = self.shared.lock();
        inner.pass_time();
        inner.ledger.after(seq).to_vec()
    }

    /// The models that answers are checked against, if they are.
    #[must_use]
    pub fn models(&self) -> Option<&'static Models> {
        self.shared.lock().models
    }

    /// The answers so far that do not match the models, as sentences. If there are any when the double is dropped, it panics, unless they
    /// were taken.
    #[must_use]
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.lock().violations)
    }

    /// Adds a fault rule after the existing ones.
    pub fn inject(&self, fault: Fault) {
        self.shared.lock().faults.add(fault);
    }

    /// Removes all rules for faults.
    pub fn clear_faults(&self) {
        self.shared.lock().faults.clear();
    }

    /// Every key, in its current state.
    #[must_use]
    pub fn keys(&self) -> Vec<KeyView> {
        let mut inner = self.shared.lock();
        inner.pass_time();
        inner.world.all_keys().map(|key| KeyView::of(&inner.world, key)).collect()
    }

    /// The key with this ARN or id, or with a reference that ends in the id after a slash or colon. If the id is in several Regions, the
    /// first one.
    #[must_use]
    pub fn key(&self, arn_or_id: &str) -> Option<KeyView> {
        self.keys().into_iter().find(|key| key.at().is_named_by(arn_or_id))
    }

    /// The grants of a key, by id.
    pub fn grants(&self, arn_or_id: &str) -> anyhow::Result<Vec<Grant>> {
        admin::grants(&mut self.shared.lock(), arn_or_id)
    }

    /// Adds `count` grants with these terms to a key, as another person. So a test need not send 50,000 calls to reach the quota.
    pub fn plant_grants(&self, arn_or_id: &str, terms: &GrantTerms, count: usize) -> anyhow::Result<()> {
        admin::plant_grants(&mut self.shared.lock(), arn_or_id, terms, count)
    }

    /// Puts a key into a state that calls cannot cause, such as Unavailable.
    pub fn set_state(&self, arn_or_id: &str, state: KeyState) -> anyhow::Result<()> {
        admin::set_state(&mut self.shared.lock(), arn_or_id, state)
    }

    /// Sets or removes a tag of a key as another person, in every state of the key.
    pub fn set_tag(&self, arn_or_id: &str, tag: &str, value: Option<&str>) -> anyhow::Result<()> {
        admin::set_tag(&mut self.shared.lock(), arn_or_id, tag, value)
    }

    /// Switches automatic rotation of a key on or off as another person. The period begins now.
    pub fn set_rotation(&self, arn_or_id: &str, period_days: Option<u32>) -> anyhow::Result<()> {
        admin::set_rotation(&mut self.shared.lock(), arn_or_id, period_days)
    }

    /// Deletes a user or role of IAM, as another person. Key policies show its unique id from then on, and AWS accepts neither in a policy.
    pub fn delete_principal(&self, arn: &str, id: &str) {
        admin::delete_principal(&mut self.shared.lock(), arn, id);
    }

    /// Sets an alias, with its prefix, to a key as another person, even if it belongs to another key.
    pub fn point_alias(&self, alias: &str, arn_or_id: &str) -> anyhow::Result<()> {
        admin::point_alias(&mut self.shared.lock(), alias, arn_or_id)
    }

    /// Ends the state Unavailable, Creating or Updating of a key. The key gets the state that follows.
    pub fn resume(&self, arn_or_id: &str) -> anyhow::Result<()> {
        admin::resume(&mut self.shared.lock(), arn_or_id)
    }

    /// Creates a key that calls cannot create, such as a key that AWS manages.
    pub fn plant(&self, plant: &admin::Plant) -> anyhow::Result<KeyRef> {
        admin::plant(&mut self.shared.lock(), plant)
    }

    /// Adds a custom key store, which no call can make here, and returns its id.
    pub fn plant_key_store(&self, store: &KeyStore) -> anyhow::Result<String> {
        store.plant(&mut self.shared.lock())
    }

    /// Adds or replaces an access key.
    pub fn add_credential(&self, credential: Credential) {
        self.shared.lock().identities.put_credential(credential);
    }

    /// Replaces the policies that deny the deletion of keys. They apply to calls of `CipherTrust` to AWS, too.
    pub fn set_denials(&self, denials: Vec<aws::Denial>) {
        self.shared.lock().denials = denials;
    }

    /// Removes an access key. False if it was not known.
    #[must_use]
    pub fn remove_credential(&self, access_key: &str) -> bool {
        self.shared.lock().identities.remove_credential(access_key)
    }

    /// Adds or replaces a token of a cluster's issuer.
    pub fn add_web_identity(&self, identity: WebIdentity) {
        self.shared.lock().identities.put_web_identity(identity);
    }

    /// Adds or replaces a role.
    pub fn add_role(&self, role: Role) {
        self.shared.lock().identities.put_role(role);
    }

    /// Every secret that the double ever issued: bearer and refresh tokens of `CipherTrust`, tokens of Huawei Cloud's IAM, and secret keys and
    /// tokens of AWS's sessions.
    #[must_use]
    pub fn issued(&self) -> Vec<String> {
        let inner = self.shared.lock();
        [&inner.appliance.sessions.issued, &inner.huawei.issued, &inner.identities.issued].into_iter().flatten().cloned().collect()
    }

    /// Lets `CipherTrust` read every key of every kms object from AWS at once. It finds new keys, and sees which are gone.
    pub fn ciphertrust_sync(&self) {
        ciphertrust::synchronize_all(&mut self.shared.lock(), &self.shared);
    }

    /// The `CipherTrust` id of the key with this ARN, if it knows the key. If several domains have it, that of the root domain.
    #[must_use]
    pub fn ciphertrust_id(&self, arn: &str) -> Option<String> {
        let inner = self.shared.lock();
        inner.appliance.rows.iter().find(|row| row.at.arn() == arn).map(|row| row.id.clone())
    }

    /// How long new refreshes and synchronizations take, in real time. With None they never end.
    pub fn set_refresh_delay(&self, delay: Option<Duration>) {
        self.shared.lock().appliance.refresh_delay = delay;
    }

    /// Whether the text of a refusal by AWS is in the member `message` of `CipherTrust`'s errors, and not in `codeDesc`.
    pub fn set_ciphertrust_text_in_message(&self, in_message: bool) {
        self.shared.lock().appliance.set_text_in_message(in_message);
    }

    /// Adds or replaces a user of `CipherTrust`. Existing tokens stay valid.
    pub fn put_ciphertrust_user(&self, user: CiphertrustUser) {
        self.shared.lock().appliance.put_user(user);
    }

    /// Removes a user of `CipherTrust`. False if it was not known. Its bearer tokens stay valid until they expire.
    #[must_use]
    pub fn remove_ciphertrust_user(&self, username: &str) -> bool {
        self.shared.lock().appliance.remove_user(username)
    }

    /// Ends every bearer and refresh token of `CipherTrust`, as a restart of the appliance does.
    pub fn kill_ciphertrust_tokens(&self) {
        self.shared.lock().appliance.sessions.forget();
    }

    /// Removes every kms object of `CipherTrust` and adds it again with its name. It has another id, and no keys until the next
    /// synchronization.
    pub fn readd_ciphertrust_kms(&self) {
        self.shared.lock().appliance.readd_kms();
    }

    /// Adds or replaces a project of Huawei Cloud.
    pub fn add_huawei_project(&self, project: HuaweiProject) {
        self.shared.lock().huawei.put_project(project);
    }

    /// Adds or replaces an access key of Huawei Cloud.
    pub fn add_huawei_credential(&self, credential: HuaweiCredential) {
        self.shared.lock().huawei.put_credential(credential);
    }

    /// Removes an access key of Huawei Cloud. False if it was not known.
    #[must_use]
    pub fn remove_huawei_credential(&self, access_key: &str) -> bool {
        self.shared.lock().huawei.remove_credential(access_key)
    }

    /// Adds an IAM user of Huawei Cloud, or changes its password or rights, which ends its tokens.
    pub fn add_huawei_user(&self, user: HuaweiUser) {
        self.shared.lock().huawei.put_user(user);
    }
}

/// Takes a port on loopback. `option` is the option that selects another port.
async fn bind(port: u16, option: &str) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(wanted).await.with_context(|| format!("{wanted} cannot be bound; choose another {option}"))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

impl Drop for Double {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        let violations = self.take_violations();
        // A test that failed already reports this; a second panic would end the process.
        let fine = violations.is_empty() || std::thread::panicking();
        assert!(fine, "the KMS double gave {} wrong answers: {}", violations.len(), violations.join("; "));
    }
}
