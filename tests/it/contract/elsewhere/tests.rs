//! `make contract` itself, and what it promises, tried on the double.

use std::{collections::BTreeSet, path::Path, pin::Pin, process::Stdio, time::Duration};

use aws_sdk_kms::{config::Credentials, types::KeySpec};
use kms_double::{ACCESS_KEY, ACCOUNT, Double, KeyState, KeyView, SECRET_KEY};

use super::{
    super::{
        CASES,
        case::{Case, Clock, runtime},
        kms::{ABROAD, HOME, Kms},
        outcome::{Answer, Outcome},
    },
    Run, Settings,
    fence::TAG,
    run,
    table::End,
};
use crate::support::double;

/// How many keys a run makes at most, as the question of `tests/contract/run` says.
const KEYS: usize = 400;

/// What `tests/contract/run` sets.
#[test]
#[ignore = "it runs where `make contract` points"]
fn the_suite_where_make_contract_points() {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (endpoint, account) = (set("CONTRACT_ENDPOINT"), set("CONTRACT_ACCOUNT"));
    assert!(endpoint.is_some() != account.is_some(), "tests/contract/run sets CONTRACT_ENDPOINT or CONTRACT_ACCOUNT");
    let findings = runtime().block_on(async {
        let real = endpoint.is_none();
        let settings = Settings {
            credentials: if real { of_the_environment().await } else { emulators(set("AWS_ACCESS_KEY_ID"), set("AWS_SECRET_ACCESS_KEY")) },
            endpoint,
            account,
            // Five CreateKey in a second are allowed, and others may need some.
            pace: Duration::from_millis(if real { 300 } else { 0 }),
            tries: if real { 3 } else { 1 },
            page: set("CONTRACT_PAGE").expect("tests/contract/run sets CONTRACT_PAGE").into(),
        };
        run(settings, CASES).await.unwrap_or_else(|why| panic!("{why}"))
    });
    println!("{}", findings.page());
    assert!(findings.left.is_empty(), "not everything is cleaned up: {:?}", findings.left);
}

/// The chain of AWS's tools: environment, profile, role of the machine.
async fn of_the_environment() -> Credentials {
    use aws_sdk_kms::config::ProvideCredentials as _;
    let config = aws_config::load_defaults(aws_sdk_kms::config::BehaviorVersion::latest()).await;
    config.credentials_provider().expect("credentials").provide_credentials().await.expect("credentials of the account")
}

/// An emulator takes any.
fn emulators(access_key: Option<String>, secret: Option<String>) -> Credentials {
    Credentials::new(access_key.unwrap_or_else(|| "test".into()), secret.unwrap_or_else(|| "test".into()), None, None, "contract suite")
}

fn settings(double: &Double, folder: &Path) -> Settings {
    Settings {
        endpoint: Some(double.endpoint()),
        account: None,
        credentials: emulators(Some(ACCESS_KEY.into()), Some(SECRET_KEY.into())),
        pace: Duration::ZERO,
        tries: 1,
        page: folder.join("contract").join("page.md"),
    }
}

/// The keys with the tag of the suite.
fn ours(double: &Double) -> Vec<KeyView> {
    double.keys().into_iter().filter(|key| key.tags.contains_key(TAG)).collect()
}

/// Each is tagged and pending, and has no alias.
fn assert_clean(double: &Double) {
    for key in ours(double) {
        assert!(matches!(key.state, KeyState::PendingDeletion | KeyState::PendingReplicaDeletion), "{key:?}");
        assert!(key.aliases.is_empty(), "{key:?}");
    }
}

#[test]
fn every_case_holds_on_the_double_and_every_key_is_scheduled() {
    runtime().block_on(async {
        let (double, folder) = (double::start().await, tempfile::tempdir().unwrap());
        let settings = settings(&double, folder.path());
        let page = settings.page.clone();
        let findings = run(settings, CASES).await.unwrap();
        assert_eq!(findings.deviations(), [], "{}", findings.page());
        assert!(findings.left.is_empty(), "{:?}", findings.left);
        let not_run = findings.ends.iter().filter(|(.., end)| matches!(end, End::NotRun(_))).count();
        assert!(findings.ends.len() == CASES.len() && not_run * 4 < CASES.len(), "{not_run} of {}", CASES.len());
        assert_clean(&double);
        let keys = double.keys();
        assert_eq!(keys.len(), ours(&double).len(), "every key has the tag");
        assert!((KEYS / 2..=KEYS).contains(&keys.len()), "{} keys; correct the question of tests/contract/run", keys.len());
        assert_eq!(findings.pending, keys.len());
        let days: BTreeSet<_> =
            keys.iter().filter(|key| key.state == KeyState::PendingDeletion).map(|key| key.pending_window_days).collect();
        assert!(days.contains(&Some(7)), "{days:?}");
        let page = std::fs::read_to_string(page).unwrap();
        assert!(page.contains("0 deviate") && page.contains("| a clock that can be moved |") && !page.contains("Deviations"), "{page}");
    });
}

fn case(name: &'static str, drive: for<'a> fn(&'a Kms) -> Pin<Box<dyn Future<Output = Outcome> + 'a>>) -> &'static Case {
    Box::leak(Box::new(Case { name, source: "KMS API Reference, none", clock: Clock::Still, needs: None, localstack: None, drive }))
}

/// A key with an alias, a replica, and then what happens.
async fn make(kms: &Kms) -> Outcome {
    let key = kms.key().await?;
    kms.alias("alias/suite", &key).await?;
    let primary = kms.client.create_key().multi_region(true).send().await.accepted()?.key_metadata.unwrap();
    kms.client.replicate_key().key_id(primary.key_id()).replica_region(ABROAD).send().await.accepted()?;
    Ok(())
}

#[test]
fn a_case_that_panics_or_deviates_leaves_no_key_behind() {
    runtime().block_on(async {
        let (double, folder) = (double::start().await, tempfile::tempdir().unwrap());
        let settings = settings(&double, folder.path());
        let page = settings.page.clone();
        let cases = [
            case("panics", |kms| {
                Box::pin(async move {
                    make(kms).await?;
                    panic!("as some do")
                })
            }),
            case("deviates", |kms| {
                Box::pin(async move {
                    make(kms).await?;
                    kms.client.create_key().key_spec(KeySpec::from("NONE")).send().await.accepted().map(drop)
                })
            }),
            case("holds", |kms| Box::pin(make(kms))),
        ];
        let findings = run(settings, cases).await.unwrap();
        let deviations = findings.deviations();
        assert!(
            deviations.len() == 2 && deviations[0].1.contains("as some do") && deviations[1].1.contains("CreateKey was refused"),
            "{deviations:?}"
        );
        assert_clean(&double);
        assert_eq!((ours(&double).len(), findings.pending), (9, 9));
        let page = std::fs::read_to_string(page).unwrap();
        assert!(page.contains("| deviates | KMS API Reference, none | CreateKey was refused with ValidationException"), "{page}");
    });
}

/// A run that is killed cleans nothing up. The next one finds the keys by their tag.
#[test]
fn what_a_run_left_that_was_killed_is_scheduled_by_the_next() {
    runtime().block_on(async {
        let (double, folder) = (double::start().await, tempfile::tempdir().unwrap());
        let mut killed = Run::begin(settings(&double, folder.path())).await.unwrap();
        let hangs = case("hangs", |kms| {
            Box::pin(async move {
                make(kms).await?;
                std::future::pending().await
            })
        });
        let driven = killed.drive([hangs]);
        let made = async {
            while ours(&double).len() < 3 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! { () = driven => panic!("it hangs"), () = made => {} }
        drop(killed);
        assert!(ours(&double).iter().any(|key| key.state == KeyState::Enabled && !key.aliases.is_empty()));
        // It comes before the first case, or that would find the name of its alias taken.
        let findings = run(settings(&double, folder.path()), [case("again", |kms| Box::pin(make(kms)))]).await.unwrap();
        assert_eq!((findings.deviations(), findings.pending, &findings.left), (Vec::new(), 6, &Vec::new()));
        assert_clean(&double);
    });
}

/// Its keys are found by a tag that is theirs, and the aliases of the suite may have the names of others.
#[test]
fn what_was_there_before_is_left_alone() {
    runtime().block_on(async {
        let (double, folder) = (double::start().await, tempfile::tempdir().unwrap());
        let person = super::broom(&settings(&double, folder.path()), HOME);
        let theirs = person.create_key().send().await.unwrap().key_metadata.unwrap().key_id;
        for alias in ["alias/suite", "alias/theirs"] {
            person.create_alias().alias_name(alias).target_key_id(&theirs).send().await.unwrap();
        }
        let cases = [
            case("takes their alias", |kms| Box::pin(make(kms))),
            case("removes their alias", |kms| {
                Box::pin(async move { kms.client.delete_alias().alias_name("alias/theirs").send().await.accepted().map(drop) })
            }),
            case("schedules their key", |kms| {
                Box::pin(async move {
                    let key = kms.client.describe_key().key_id("alias/theirs").send().await.accepted()?.key_metadata.unwrap();
                    kms.client.schedule_key_deletion().key_id(key.key_id()).send().await.accepted().map(drop)
                })
            }),
        ];
        let sent = double.ledger().len();
        let findings = run(settings(&double, folder.path()), cases).await.unwrap();
        for (name, seen) in findings.deviations() {
            assert!(seen.contains("was there before this run"), "{name}: {seen}");
        }
        assert_eq!(findings.deviations().len(), 3);
        let key = double.key(&theirs).unwrap();
        assert_eq!((key.state, key.aliases), (KeyState::Enabled, vec!["alias/suite".to_owned(), "alias/theirs".to_owned()]));
        let about_theirs = |entry: &kms_double::Entry| entry.changed && entry.params.to_string().contains(&theirs);
        assert!(!double.ledger()[sent..].iter().any(about_theirs));
    });
}

#[test]
fn another_account_than_was_named_gets_no_request() {
    runtime().block_on(async {
        let (double, folder) = (double::start().await, tempfile::tempdir().unwrap());
        let other = Settings { account: Some("999988887777".into()), ..settings(&double, folder.path()) };
        let why = run(other, CASES).await.unwrap_err();
        assert!(why.contains(&format!("of account {ACCOUNT}, and not of 999988887777")), "{why}");
        assert!(double.ledger().iter().all(|entry| entry.operation == "GetCallerIdentity"));
    });
}

/// Nobody pays for keys that he did not agree to.
#[test]
fn make_contract_asks_first_and_says_what_it_makes_and_costs() {
    let ask = |settings: &[(&str, &str)], answer: &str| {
        let mut run = std::process::Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract/run"));
        run.env_remove("CONTRACT_YES").env_remove("ENDPOINT").env_remove("ACCOUNT").envs(settings.iter().copied());
        let mut run = run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(run.stdin.as_mut().unwrap(), answer.as_bytes()).unwrap();
        let output = run.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for answer in ["", "no\n", "y\n", "\n"] {
        let (status, said) = ask(&[("ACCOUNT", ACCOUNT)], answer);
        assert_eq!(status, Some(1), "{answer:?}: {said}");
        for words in [&format!("up to {KEYS} keys"), "USD", TAG, "7 days", HOME, ABROAD, &format!("account {ACCOUNT}"), "nothing was done"]
        {
            assert!(said.contains(words), "{words}: {said}");
        }
    }
    for wrong in [&[][..], &[("ACCOUNT", ACCOUNT), ("ENDPOINT", "http://127.0.0.1:1")], &[("ACCOUNT", "production")]] {
        let (status, said) = ask(wrong, "yes\n");
        assert!(status == Some(2) && said.contains("make contract"), "{wrong:?}: {said}");
    }
}
