//! Marks on a key, tokens and annotations: whoever may tag the key or edit the object writes anything there.

use fastrand::Rng;

use super::super::fixtures::now;
use crate::{
    api::mark,
    domain::{
        deletion::{Intent, IntentMark, MAX_SEQ, Nonce, Word},
        memory::{self, Attempt, KeyRecord, Location},
        ownership::{self, Owner, OwnerMark, Ownership, Tags},
    },
    fuzz::{fuzz, one, text},
};

const INTENTS: [&str; 8] = [
    "1.1.live",
    "12.3.held-abcxyz",
    "12.3.held",
    "7.9.30",
    "9007199254740992.1.live",
    "9007199254740993.1.live",
    "1795000000.4.held-azazvt",
    "1.1.2147483647",
];

/// The parts of `<digits>.<digits>.held-<six letters>`: what a token can be made of, without the parser's help.
fn held(text: &str) -> Option<(&str, &str)> {
    let (seq, rest) = text.split_once('.')?;
    let (generation, word) = rest.split_once('.')?;
    let nonce = word.strip_prefix("held-")?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(seq) && digits(generation) && nonce.len() == 6 && nonce.bytes().all(|byte| byte.is_ascii_lowercase())).then_some((seq, nonce))
}

#[test]
fn intent_marks() {
    fuzz("intent_marks", |rng| {
        let text = text(rng, &INTENTS);
        let mark = IntentMark::read(&text);
        assert_eq!(
            mark.token("key-1"),
            mark.token("key-1").and(held(&text)).map(|(seq, nonce)| format!("key-1@{seq}-{nonce}")),
            "{text:?}"
        );
        let (own, floor) = (rng.bool().then(|| rng.i64(..)), rng.i64(..));
        if let Some(next) = mark.next_seq(own, floor) {
            assert!((1..=MAX_SEQ).contains(&next) && next > own.unwrap_or_default(), "{text:?} {own:?} {floor}: {next}");
        }
        match mark {
            IntentMark::Is(intent) => {
                assert_eq!(intent.to_string(), text, "a mark reads back as it stands on the key");
                let Intent { seq, generation, word } = intent;
                assert!((0..=MAX_SEQ).contains(&seq) && (0..=MAX_SEQ).contains(&generation), "{text:?}");
                assert!(!matches!(word, Word::Days(days) if days < 0), "{text:?}");
                assert_eq!(mark.is_live(generation, Some(seq)), text.split('.').next_back() == Some("live"), "{text:?}");
                assert!(!mark.is_live(generation, None) && !mark.is_live(generation, Some(seq + 1)), "{text:?}");
            }
            IntentMark::CountEnded => assert_eq!(mark.next_seq(own, floor), None, "{text:?}"),
            IntentMark::Malformed => {}
            IntentMark::Missing => panic!("{text:?} is there"),
        }
    });
}

#[test]
fn words_and_nonces() {
    fuzz("words_and_nonces", |rng| {
        let words = text(rng, &["live", "held", "held-abcxyz", "7", "1096"]);
        if let Ok(word) = words.parse::<Word>() {
            assert_eq!(word.to_string(), words);
        }
        let letters = text(rng, &["abcxyz", "azazvt"]);
        assert_eq!(
            letters.parse::<Nonce>().ok().map(|nonce| nonce.to_string()),
            (letters.len() == 6 && letters.bytes().all(|byte| byte.is_ascii_lowercase())).then_some(letters)
        );
        let nonce = Nonce::of(std::array::from_fn(|_| rng.u8(..)));
        let days = Word::Days(rng.i32(0..));
        let word = *one(rng, &[&Word::Live, &Word::Held(None), &Word::Held(Some(nonce)), &days]);
        let intent = Intent { seq: rng.i64(0..=MAX_SEQ), generation: rng.i64(0..=MAX_SEQ), word };
        assert_eq!(IntentMark::read(&intent.to_string()), IntentMark::Is(intent));
    });
}

fn owner() -> Owner {
    Owner { cluster: "prod".into(), namespace: "shop".into(), name: "orders.v2".into(), uid: "u1".into() }
}

#[test]
fn owner_marks() {
    let owner = owner();
    let (name, digest) = (owner.mark(), owner.mark_as(OwnerMark::Digest));
    fuzz("owner_marks", |rng| {
        let found = text(rng, &[&name, &digest, "shop.orders", "bank.pay"]);
        let is_ours = found == name || found == digest;
        assert_eq!(owner.is_marked(&found), is_ours, "{found:?}");
        assert!(!ownership::is_digest(&found) || found.len() == 43 && !found.contains('.'), "{found:?}");
        let intent = Intent { seq: 1, generation: 1, word: Word::Live };
        let mut tags: Tags = owner.marks(intent, *one(rng, &[&OwnerMark::Name, &OwnerMark::Digest]));
        let original = tags.clone();
        let key = original.keys().nth(rng.usize(..original.len())).cloned().unwrap_or_default();
        let value = text(rng, &[original[&key].as_str(), "", "shop.orders.v2"]);
        if rng.bool() {
            _ = tags.insert(key.clone(), value);
        } else {
            _ = tags.remove(&key);
        }
        let same = |mark: &str| tags.get(mark) == original.get(mark);
        let is_named = tags.get(mark::OWNER).is_some_and(|found| *found == name || *found == digest);
        let is_ours = same(mark::CLUSTER) && same(mark::UID) && is_named;
        assert_eq!(Ownership::of(&tags, &owner) == Ownership::Ours, is_ours, "{tags:?}");
    });
}

#[test]
fn annotations() {
    const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234";
    fuzz("annotations", |rng: &mut Rng| {
        let record = text(rng, &[&KeyRecord::text("shop", "orders.v2", ARN), &KeyRecord::text("bank", "pay", "kms:r:a:KeyId:1"), ARN]);
        match KeyRecord::read(&record, "shop", "orders.v2") {
            KeyRecord::Own(key) => assert_eq!(KeyRecord::text("shop", "orders.v2", &key), record),
            KeyRecord::Of(other) => assert!(other != "shop/orders.v2" && record.starts_with(&format!("{other}/")), "{record:?}: {other}"),
            KeyRecord::Unreadable => assert!(!record.starts_with("shop/orders.v2/") || record == "shop/orders.v2/", "{record:?}"),
        }
        let attempt = text(rng, &[&format!("a1/111122223333/eu-west-1/{}", now()), "x"]);
        match Attempt::read(&attempt, Some(now())) {
            Some(Attempt::At { id, account, region, time }) => {
                assert!(attempt.starts_with(&format!("{id}/{account}/{region}/")), "{attempt:?}");
                let written = Attempt::At { id, account, region, time };
                assert_eq!(Attempt::read(&written.to_string(), Some(now())), Some(written), "{attempt:?}");
            }
            Some(Attempt::Unreadable) => {}
            // Void only by a time that can be read.
            None => assert!(attempt.parse::<Attempt>().is_ok(), "{attempt:?}"),
        }
        match memory::location(&text(rng, &[ARN, "kms:r:a:KeyId:1"])) {
            Some(Location::Aws { account, region }) => assert!(!account.contains(':') && !region.contains(':')),
            Some(Location::Huawei { region }) => assert!(!region.contains(':')),
            None => {}
        }
    });
}
