//! What is told of a `KeyProvider`: what `kubectl describe keyprovider aws` shows, by the code that writes its status and the adapter's own failures.

use std::{fmt::Write as _, time::Duration};

use jiff::Timestamp;
use keyward::{
    api::{
        KeyProvider, KeyProviderStatus,
        condition::seconds,
        key_provider::{DeletionBook, IdentityStatus},
    },
    domain::{
        deletion::budget::{self, Answer},
        event::Event,
        failure::Failure,
        ownership::Owner,
        pending::{self, Change},
        provider::{self, Unusable},
    },
    kms::{
        Kms,
        aws::{AwsCredentials, AwsKms},
    },
};
use kms_double::{ACCESS_KEY, Double, Fault, FaultAction, Options, SECRET_KEY};
use serde_json::{Value, json};

use super::{ACCOUNT, ARN, REGION, conditions, posted, settings};

/// What is told of a situation.
pub(super) struct Told {
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    pub(super) status: KeyProviderStatus,
    pub(super) events: Vec<Event>,
}

/// A status as `kubectl describe` prints it.
pub(super) fn describe(status: &KeyProviderStatus, events: &[Event]) -> String {
    let mut text = format!("Status:\n  Conditions:\n{}", conditions(&status.conditions));
    if let Some(IdentityStatus { account, region, principal }) = &status.identity {
        write!(text, "  Identity:\n    Account:    {account}\n    Principal:  {principal}\n    Region:     {region}\n").unwrap();
    }
    if !status.pending_deletions.is_empty() {
        text.push_str("  Pending Deletions:\n");
    }
    for pending in &status.pending_deletions {
        let date = pending.date.as_ref().map(|date| format!("    Date:    {}\n", date.0)).unwrap_or_default();
        write!(text, "{date}    Key:     {}\n    Owner:   {}\n    Rescue:  {}\n", pending.key, pending.owner, pending.rescue).unwrap();
    }
    text + &posted(events)
}

/// The provider of the page, with `spec.aws` and a status laid over.
fn aws(spec: &Value, status: Option<KeyProviderStatus>) -> KeyProvider {
    let mut aws = json!({ "region": REGION, "credentialsSecretRef": { "name": "aws" } });
    crate::support::scene::merge(&mut aws, spec.clone());
    let object = json!({
        "apiVersion": "keyward.dev/v1alpha1", "kind": "KeyProvider", "metadata": { "name": "aws", "generation": 1 },
        "spec": { "type": "AWS", "aws": aws, "namespaces": { "from": "All" } },
    });
    let mut provider: KeyProvider = serde_json::from_value(object).unwrap();
    provider.status = status;
    provider
}

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn identity(account: &str) -> IdentityStatus {
    IdentityStatus { account: account.into(), region: REGION.into(), principal: format!("arn:aws:iam::{account}:user/keyward") }
}

/// What a round that ended with that says of the provider.
fn refused(provider: &KeyProvider, unusable: Unusable) -> KeyProviderStatus {
    let unusable = unusable.tried_again("aws", Duration::from_mins(10));
    provider::status(provider, Err(&unusable), None, now(), "abcdef")
}

fn accepted() -> KeyProviderStatus {
    provider::status(&aws(&json!({}), None), Ok(()), Some(identity(ACCOUNT)), now(), "abcdef")
}

/// What AWS's adapter says when it asks whose credentials these are.
fn asked(secret: &str, endpoint: Option<&str>, fault: Option<FaultAction>) -> Failure {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let double = Double::start(Options::default()).await.unwrap();
        if let Some(action) = fault {
            double.inject(Fault::on("GetCallerIdentity", action));
        }
        let mut settings = settings(endpoint.unwrap_or(&double.endpoint()));
        settings.credentials =
            AwsCredentials::Keys { access_key_id: ACCESS_KEY.into(), secret_access_key: secret.into(), session_token: None };
        AwsKms::new(settings).unwrap().identity().await.unwrap_err()
    })
}

/// The object of a pending key is gone.
fn with_pending() -> KeyProviderStatus {
    let owner = Owner { cluster: "prod".into(), namespace: "shop".into(), name: "orders".into(), uid: "u".into() };
    let date = "2026-12-22T09:00:00Z".parse().unwrap();
    let entry = pending::gone(ARN, Some(seconds(date)), &owner, "CancelKeyDeletion", None).unwrap();
    assert_eq!(entry.date, Some(seconds(date)));
    pending::changed(&accepted(), [&Change::Gone(entry)]).status
}

/// The id of a stop.
const TRIP: &str = "5c2f6f0e-6f0f-4d38-9d55-0a3c1f1e7b52";

/// The status after more deletions than `maxPerHour`.
fn stopped(known: &KeyProvider) -> KeyProviderStatus {
    let book = (0..10).fold(DeletionBook::default(), |book, number| {
        let Answer::Room(entry) = budget::check(Some(&book), 10, &format!("key-{number}"), now(), TRIP) else { panic!("there is room") };
        entry.book().clone()
    });
    let Answer::Trips(book) = budget::check(Some(&book), 10, "one-more", now(), TRIP) else { panic!("there is no room") };
    let mut provider = known.clone();
    provider.status = Some(KeyProviderStatus { deletions: Some(book), ..accepted() });
    provider::status(&provider, Ok(()), Some(identity(ACCOUNT)), now(), TRIP)
}

/// The event once a person resumed them.
fn resumed(known: &KeyProvider) -> Vec<Event> {
    let mut provider = known.clone();
    provider.status = Some(stopped(known));
    provider::turned(&provider, &accepted()).into_iter().collect()
}

pub(super) fn situations() -> Vec<Told> {
    let (plain, known) = (aws(&json!({}), None), aws(&json!({}), Some(accepted())));
    let error = |code: &str, status| FaultAction::Error { code: code.into(), status, message: String::new() };
    let told = |title, about, status| Told { title, about, status, events: Vec::new() };
    let (stopped, resumed) = (stopped(&known), resumed(&known));
    vec![
        Told {
            title: "All deletions through the provider are stopped",
            about: "More than `maxPerHour` were asked for within an hour. Only the command lifts the stop, and each deletion that it held needs its own token after that.",
            events: provider::turned(&known, &stopped).into_iter().collect(),
            status: stopped,
        },
        {
            let mut none = known.clone();
            none.spec.deletion_guard.max_per_hour = 0;
            told(
                "maxPerHour of the provider is 0",
                "It stops all deletions until it is raised and they are resumed.",
                provider::status(&none, Ok(()), Some(identity(ACCOUNT)), now(), TRIP),
            )
        },
        Told {
            title: "Deletions through the provider were resumed",
            about: "A person ran the command.",
            events: resumed,
            status: accepted(),
        },
        told("The provider can be used", "The account is pinned: from now on Keyward refuses credentials of another account.", accepted()),
        told(
            "The provider's Secret does not exist",
            "Keyward reads Secrets in the operator's own namespace. It continues as soon as the Secret exists.",
            refused(&plain, provider::no_secret("aws", "keyward-system")),
        ),
        told(
            "The provider's Secret lacks a key",
            "The key may have another spelling. [keyprovider.md](reference/keyprovider.md) lists the keys for each KMS.",
            refused(&plain, provider::lacks("aws", "AWS_SECRET_ACCESS_KEY")),
        ),
        told(
            "AWS refuses the credentials",
            "The access key, or its secret, is not what AWS has.",
            refused(&plain, asked("wrong", None, None).into()),
        ),
        told(
            "The credentials have expired",
            "Credentials of a session expire. Keyward reads the Secret again when it changes.",
            refused(&known, asked(SECRET_KEY, None, Some(error("ExpiredToken", 403))).into()),
        ),
        told(
            "The provider's KMS cannot be reached",
            "A wrong endpoint, a network policy or an outage look like this. Keys that were Ready stay so for twice the provider's `resyncSeconds`.",
            refused(&known, asked(SECRET_KEY, Some("http://127.0.0.1:1"), None).into()),
        ),
        told("The provider's endpoint is not a URL", "Nothing is sent.", refused(&plain, no_url())),
        told(
            "The credentials belong to another account than the declared one",
            "Keyward reads no key: in a wrong account every key would look deleted.",
            refused(&aws(&json!({ "accountId": "999999999999" }), None), other_account(&json!({ "accountId": "999999999999" }), None)),
        ),
        told(
            "The credentials belong to another account than before",
            "The first success pins the account. It cannot be changed, because the keys of one account are not in another.",
            {
                let first = KeyProviderStatus { identity: Some(identity("444455556666")), ..accepted() };
                refused(&aws(&json!({}), Some(first.clone())), other_account(&json!({}), Some(first)))
            },
        ),
        told(
            "A key is pending deletion, and its object is gone",
            "Alerts continue until the deletion is cancelled or the key is deleted. `Rescue` says what to do.",
            with_pending(),
        ),
    ]
}

fn no_url() -> Unusable {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { AwsKms::new(settings("kms.example.com")).unwrap_err() }).into()
}

fn other_account(spec: &Value, status: Option<KeyProviderStatus>) -> Unusable {
    provider::right_account(&aws(spec, status), ACCOUNT).unwrap_err()
}
