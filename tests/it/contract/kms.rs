//! What a case is given: a KMS of its own, on one of the servers.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use aws_sdk_kms::{
    Client,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig, timeout::TimeoutConfig},
    operation::create_key::{CreateKeyOutput, builders::CreateKeyFluentBuilder},
    types::{KeyMetadata, KeyState, Tag},
};
use jiff::SignedDuration;
use kms_double::Double;

use super::{
    case::Clock,
    elsewhere::Fence,
    outcome::{Answer, Mismatch, Outcome},
};
use crate::support::{double, localstack::LocalStack};

/// The Region in which a case works unless it says otherwise.
pub(super) const HOME: &str = "eu-central-1";
/// A second Region, for what must not be seen there and for replicas.
pub(super) const ABROAD: &str = "us-west-2";

/// The name of the role that can be assumed.
const ROLE: &str = "keyward";

/// What an operation that takes a key ID or key ARN may answer to an alias.
///
/// The documents do not say which error it is: a name that is no key ID is an unknown key, and the ARN of an alias is no key ARN.
pub(super) const NO_ALIAS: &[&str] = &["NotFoundException", "InvalidArnException", "ValidationException"];

/// A server, and two accounts on it that no other case uses.
pub(super) struct Kms {
    server: Server,
    /// `None`: AWS itself.
    endpoint: Option<String>,
    owner: Account,
    /// A server that is not ours has none.
    stranger: Option<Account>,
    /// The owner's client in [`HOME`].
    pub(super) client: Client,
}

enum Server {
    Double(Double),
    LocalStack(&'static LocalStack, Clock),
    Elsewhere(Fence),
}

/// An account and credentials that may do everything in it.
struct Account {
    /// Twelve digits.
    number: String,
    credentials: Credentials,
}

/// A key as a caller can name it.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) arn: String,
}

impl Kms {
    /// A double of the case's own, with the two accounts that it has.
    pub(super) async fn on_double() -> Self {
        let account = |number: &str, access_key, secret| Account {
            number: number.to_owned(),
            credentials: Credentials::new(access_key, secret, None, None, "contract suite"),
        };
        let owner = account(kms_double::ACCOUNT, kms_double::ACCESS_KEY, kms_double::SECRET_KEY);
        let stranger = account(kms_double::SECOND_ACCOUNT, kms_double::SECOND_ACCESS_KEY, kms_double::SECOND_SECRET_KEY);
        let double = double::start().await;
        Self::new(Some(double.endpoint()), Server::Double(double), owner, Some(stranger))
    }

    /// Fresh accounts on a `LocalStack`, which takes an access key of twelve digits for an account's number.
    pub(super) fn on_localstack(server: &'static LocalStack, clock: Clock) -> Self {
        static ACCOUNTS: AtomicU32 = AtomicU32::new(1);
        let fresh = || {
            let number = format!("{:012}", 300_000_000_000 + u64::from(ACCOUNTS.fetch_add(1, Ordering::Relaxed)));
            let credentials = Credentials::new(&number, "not-checked", None, None, "contract suite");
            Account { number, credentials }
        };
        Self::new(Some(server.endpoint.clone()), Server::LocalStack(server, clock), fresh(), Some(fresh()))
    }

    /// The account of these credentials, on a server that is not ours; no endpoint: AWS itself.
    pub(super) async fn elsewhere(endpoint: Option<String>, credentials: Credentials, fence: Fence) -> Result<Self, String> {
        let owner = Account { number: String::new(), credentials };
        let mut kms = Self::new(endpoint, Server::Elsewhere(fence), owner, None);
        let asked = kms.sts(kms.credentials()).get_caller_identity().send().await;
        let caller = asked.map_err(|error| format!("GetCallerIdentity: {}", aws_sdk_kms::error::DisplayErrorContext(error)))?;
        kms.owner.number = caller.account.ok_or("GetCallerIdentity names no account")?;
        Ok(kms)
    }

    fn new(endpoint: Option<String>, server: Server, owner: Account, stranger: Option<Account>) -> Self {
        let client = client(endpoint.as_deref(), HOME, owner.credentials.clone(), &server);
        Self { server, endpoint, owner, stranger, client }
    }

    fn other(&self) -> &Account {
        self.stranger.as_ref().expect("a row whose case uses another account says that it `needs` two")
    }

    /// Lets days pass on the server's clock. A row whose case does so has to say that it `moves the clock`.
    pub(super) async fn pass_days(&self, days: i64) -> Outcome {
        match &self.server {
            Server::Double(double) => double.advance(SignedDuration::from_hours(24 * days)).map(drop).map_err(Mismatch::new),
            Server::Elsewhere(_) | Server::LocalStack(_, Clock::Still) => {
                Err(Mismatch::new("its row does not say that it `moves the clock`"))
            }
            Server::LocalStack(localstack, Clock::Moved) => localstack.pass_days(days).await.map_err(Mismatch::new),
        }
    }

    /// The number of the account that the case works in.
    pub(super) fn account(&self) -> &str {
        &self.owner.number
    }

    /// The same account in another Region.
    pub(super) fn in_region(&self, region: &'static str) -> Client {
        client(self.endpoint.as_deref(), region, self.owner.credentials.clone(), &self.server)
    }

    /// What the owner signs with.
    pub(super) fn credentials(&self) -> Credentials {
        self.owner.credentials.clone()
    }

    /// The number of the other account.
    pub(super) fn stranger_account(&self) -> &str {
        &self.other().number
    }

    /// A role of the other account that the owner may assume.
    pub(super) fn role_of_stranger(&self) -> String {
        format!("arn:aws:iam::{}:role/{ROLE}", self.other().number)
    }

    /// STS, called with these credentials.
    pub(super) fn sts(&self, credentials: Credentials) -> aws_sdk_sts::Client {
        let mut config = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(HOME))
            .credentials_provider(credentials)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts());
        config.set_endpoint_url(self.endpoint.clone());
        aws_sdk_sts::Client::from_conf(config.build())
    }

    /// Another account, in the same Region.
    pub(super) fn stranger(&self) -> Client {
        self.with_credentials(self.other().credentials.clone())
    }

    /// A client with these credentials, in the same Region.
    pub(super) fn with_credentials(&self, credentials: Credentials) -> Client {
        client(self.endpoint.as_deref(), HOME, credentials, &self.server)
    }

    /// A symmetric encryption key with default settings.
    pub(super) async fn key(&self) -> Outcome<Key> {
        created(self.client.create_key()).await
    }

    /// A key that was disabled.
    pub(super) async fn disabled_key(&self) -> Outcome<Key> {
        let key = self.key().await?;
        self.client.disable_key().key_id(&key.id).send().await.accepted()?;
        Ok(key)
    }

    /// A key whose deletion is scheduled with the shortest window.
    pub(super) async fn pending_key(&self) -> Outcome<Key> {
        let key = self.key().await?;
        self.schedule(&key, 7).await?;
        Ok(key)
    }

    /// Schedules the deletion of a key.
    pub(super) async fn schedule(&self, key: &Key, window: i32) -> Outcome {
        self.client.schedule_key_deletion().key_id(&key.id).pending_window_in_days(window).send().await.accepted()?;
        Ok(())
    }

    /// Gives a key an alias.
    pub(super) async fn alias(&self, name: &str, key: &Key) -> Outcome {
        self.client.create_alias().alias_name(name).target_key_id(&key.id).send().await.accepted()?;
        Ok(())
    }

    /// The state that `DescribeKey` tells in [`HOME`].
    pub(super) async fn state(&self, key: &Key) -> Outcome<KeyState> {
        state(&self.client, key).await
    }

    /// What `DescribeKey` says in [`HOME`].
    pub(super) async fn describe(&self, key: &Key) -> Outcome<KeyMetadata> {
        describe(&self.client, key).await
    }
}

/// What `DescribeKey` says to this client.
pub(super) async fn describe(client: &Client, key: &Key) -> Outcome<KeyMetadata> {
    let described = client.describe_key().key_id(&key.id).send().await.accepted()?;
    described.key_metadata.ok_or_else(|| Mismatch::new("DescribeKey answered no KeyMetadata"))
}

/// The key that a `CreateKey` makes.
pub(super) async fn created(create: CreateKeyFluentBuilder) -> Outcome<Key> {
    let metadata = metadata_of(create.send().await.accepted()?)?;
    Ok(Key { id: metadata.key_id().to_owned(), arn: metadata.arn().unwrap_or_default().to_owned() })
}

/// What `CreateKey` says of the new key.
pub(super) fn metadata_of(created: CreateKeyOutput) -> Outcome<KeyMetadata> {
    created.key_metadata.ok_or_else(|| Mismatch::new("CreateKey answered no KeyMetadata"))
}

/// The state that `DescribeKey` tells this client.
pub(super) async fn state(client: &Client, key: &Key) -> Outcome<KeyState> {
    let described = describe(client, key).await?;
    described.key_state.ok_or_else(|| Mismatch::new("DescribeKey answered no KeyState"))
}

/// A tag.
pub(super) fn tag(key: impl Into<String>, value: impl Into<String>) -> Tag {
    Tag::builder().tag_key(key).tag_value(value).build().expect("a tag has a key and a value")
}

/// A client that asks once: a case is about one answer, and the SDK would repeat what it takes for throttling.
fn client(endpoint: Option<&str>, region: &'static str, credentials: Credentials, server: &Server) -> Client {
    let mut config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .credentials_provider(credentials)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts());
    config.set_endpoint_url(endpoint.map(str::to_owned));
    if let Server::Elsewhere(fence) = server {
        config = config.interceptor(fence.at(region));
    }
    Client::from_conf(config.build())
}

/// Long enough for a busy machine, short enough to end.
fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().operation_timeout(Duration::from_mins(1)).build()
}
