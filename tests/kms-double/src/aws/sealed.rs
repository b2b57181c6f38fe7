//! Tokens that say something about a key and have a seal. So the double stores none, and takes none that it did
//! not give.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::world::{Key, KeyRef, World};

const SEAL: usize = 32;

/// A token for one purpose, in base64.
pub(super) fn mint(key: &Key, purpose: &str, said: &Value) -> String {
    let body = json!({ "key": key.at.arn(), "purpose": purpose, "said": said }).to_string();
    STANDARD.encode([&seal(&key.at, body.as_bytes()), body.as_bytes()].concat())
}

/// The key of a token, and what it says. None for a token that was never given, was given for another purpose, or whose key is gone.
pub(super) fn open(world: &World, purpose: &str, token: &str) -> Option<(KeyRef, Value)> {
    let bytes = STANDARD.decode(token).ok()?;
    let (tag, body) = bytes.split_at_checked(SEAL)?;
    let opened: Value = serde_json::from_slice(body).ok()?;
    let at = KeyRef::of_arn(opened.get("key")?.as_str()?)?;
    let key = world.key(&at)?;
    let given = seal(&key.at, body) == tag && opened.get("purpose")?.as_str()? == purpose;
    given.then(|| opened.get("said").cloned()).flatten().map(|said| (at, said))
}

/// The seal proves only that the double made it, not who asked.
fn seal(at: &KeyRef, body: &[u8]) -> Vec<u8> {
    let secret = hmac::Key::new(hmac::HMAC_SHA256, format!("kms-double {}", at.arn()).as_bytes());
    hmac::sign(&secret, body).as_ref().to_vec()
}
