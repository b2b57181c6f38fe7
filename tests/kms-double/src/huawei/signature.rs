//! The verification of SDK-HMAC-SHA256. The canonical request is rebuilt only from the bytes on the wire.
//!
//! The signing key is the secret itself, without AWS's derivation by date, Region and service. Time is real time, never the double's, and a
//! parameter, so that recorded requests can be verified. The rules are those of Huawei Cloud's API request signing guide, and
//! `tests/vectors/huawei.json` has requests that its own client signed.

use aws_lc_rs::{digest, hmac};
use axum::http::{HeaderMap, Uri};
use jiff::{SignedDuration, Timestamp};

use super::percent;

/// How far a client's clock may differ.
const SKEW: SignedDuration = SignedDuration::from_mins(15);

/// The scheme of the `Authorization` header.
const SCHEME: &str = "SDK-HMAC-SHA256";

/// The time must always be signed. The client chooses the other signed headers: Huawei's client for Go does not sign `Host`.
const DATE: &str = "x-sdk-date";

/// The content of an `Authorization` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) access_key: String,
    signed_headers: Vec<String>,
    signature: String,
}

/// A request as it arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent<'a> {
    pub(crate) method: &'a str,
    pub(crate) uri: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// Why the signature of a request is refused, with the gateway's text.
pub(crate) type Mistrust = String;

impl Sent<'_> {
    /// The value of a header, if it is present and is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Reads an `Authorization` header.
pub(crate) fn claim(authorization: &str) -> Result<Claim, Mistrust> {
    let rest = authorization.strip_prefix(SCHEME).ok_or_else(|| format!("the authorization scheme is not {SCHEME}"))?;
    let part = |name: &str| {
        let mut parts = rest.split(',').filter_map(|part| part.trim().split_once('='));
        let found = parts.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned());
        found.filter(|value| !value.is_empty()).ok_or_else(|| format!("the authorization header has no {name}"))
    };
    Ok(Claim {
        access_key: part("Access")?,
        signed_headers: part("SignedHeaders")?.split(';').map(str::to_owned).collect(),
        signature: part("Signature")?,
    })
}

/// Verifies that `sent` was signed with `secret` within fifteen minutes of `now`.
pub(crate) fn verify(sent: Sent<'_>, claim: &Claim, secret: &str, now: Timestamp) -> Result<(), Mistrust> {
    if !claim.signed_headers.iter().any(|signed| signed == DATE) {
        return Err(format!("the header {DATE} is not signed"));
    }
    if let Some(absent) = claim.signed_headers.iter().find(|name| !sent.headers.contains_key(name.as_str())) {
        return Err(format!("the signed header {absent} is not there"));
    }
    let stamp = sent.header(DATE).unwrap_or_default();
    check_time(stamp, now)?;
    // Compared as text, so that upper-case digits are another signature, because every official signer writes lower-case digits.
    if signature(sent, claim, secret, stamp) == claim.signature { Ok(()) } else { Err("verify aksk signature fail".to_owned()) }
}

fn check_time(stamp: &str, now: Timestamp) -> Result<(), Mistrust> {
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", stamp).ok();
    let time = time.and_then(|time| time.to_zoned(jiff::tz::TimeZone::UTC).ok()).map(|time| time.timestamp());
    let time = time.ok_or_else(|| format!("X-Sdk-Date is not of the form YYYYMMDDTHHMMSSZ: {stamp}"))?;
    if time.duration_since(now).abs() > SKEW {
        return Err("verify aksk signature fail, the request time and the server time differ by more than 15 minutes".to_owned());
    }
    Ok(())
}

fn signature(sent: Sent<'_>, claim: &Claim, secret: &str, stamp: &str) -> String {
    let to_sign = format!("{SCHEME}\n{stamp}\n{}", sha256(canonical_request(sent, claim).as_bytes()));
    hex::encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), to_sign.as_bytes()))
}

fn canonical_request(sent: Sent<'_>, claim: &Claim) -> String {
    let headers: Vec<String> = claim.signed_headers.iter().map(|name| format!("{name}:{}", canonical_value(sent.headers, name))).collect();
    format!(
        "{}\n{}\n{}\n{}\n\n{}\n{}",
        sent.method,
        canonical_path(sent.uri.path()),
        canonical_query(sent.uri.query().unwrap_or_default()),
        headers.join("\n"),
        claim.signed_headers.join(";"),
        payload_hash(sent)
    )
}

/// It is decoded as a whole before it is split, so a `%2F` becomes `/`. It ends in `/`, although the sent path does not.
fn canonical_path(path: &str) -> String {
    let decoded = percent::decode_bytes(path);
    let segments: Vec<String> = decoded.split(|byte| *byte == b'/').map(percent::encode).collect();
    let mut path = segments.join("/");
    if !path.ends_with('/') {
        path.push('/');
    }
    path
}

fn canonical_query(query: &str) -> String {
    let mut pairs = percent::pairs(query);
    pairs.sort();
    let pairs = pairs.iter().map(|(name, value)| format!("{}={}", percent::encode(name.as_bytes()), percent::encode(value.as_bytes())));
    pairs.collect::<Vec<_>>().join("&")
}

fn canonical_value(headers: &HeaderMap, name: &str) -> String {
    let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned());
    values.collect::<Vec<_>>().join(",")
}

/// A client may give the hash of a body itself, such as `UNSIGNED-PAYLOAD`. The value is used as it is.
fn payload_hash(sent: Sent<'_>) -> String {
    let stated = sent.header("x-sdk-content-sha256").filter(|_| !sent.body.is_empty());
    stated.map_or_else(|| sha256(sent.body), str::to_owned)
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};
    use serde_json::Value;

    use super::*;

    /// Verifies a recorded request at the time at which it was signed, plus `late`.
    fn verify_recorded(vector: &Value, late: SignedDuration) -> Result<(), Mistrust> {
        let text = |name: &str| vector[name].as_str().unwrap_or_default();
        let mut headers = HeaderMap::new();
        for pair in vector["headers_received"].as_array().unwrap() {
            let name: HeaderName = pair[0].as_str().unwrap().parse().unwrap();
            headers.append(name, HeaderValue::from_str(pair[1].as_str().unwrap()).unwrap());
        }
        let uri: Uri = text("request_target").parse().unwrap();
        let sent = Sent { method: text("method"), uri: &uri, headers: &headers, body: text("body").as_bytes() };
        let claim = claim(text("authorization")).unwrap();
        assert_eq!(claim.access_key, text("ak"));
        let signed = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text("x_sdk_date")).unwrap();
        let signed = signed.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
        verify(sent, &claim, text("sk"), signed + late)
    }

    fn recorded() -> Value {
        // It is read at run time and not included, because the double's source includes nothing from other folders.
        let file = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors/huawei.json")).unwrap();
        serde_json::from_slice(&file).unwrap()
    }

    #[test]
    fn takes_every_request_that_the_official_client_signed() {
        let recorded = recorded();
        let vectors = recorded["vectors"].as_array().unwrap();
        assert_eq!(vectors.len(), 45);
        for vector in vectors {
            assert_eq!(verify_recorded(vector, SignedDuration::ZERO), Ok(()), "{} {}", vector["id"], vector["name"]);
        }
    }

    #[test]
    fn refuses_every_request_that_was_altered() {
        let recorded = recorded();
        let cases = recorded["negative_cases"].as_array().unwrap();
        assert_eq!(cases.len(), 9);
        for case in cases {
            assert!(verify_recorded(case, SignedDuration::ZERO).is_err(), "{}", case["name"]);
        }
    }

    #[test]
    fn refuses_a_clock_that_is_off_by_more_than_fifteen_minutes() {
        let vector = &recorded()["vectors"][0];
        for seconds in [900, -900] {
            assert_eq!(verify_recorded(vector, SignedDuration::from_secs(seconds)), Ok(()));
        }
        for seconds in [901, -901] {
            assert!(verify_recorded(vector, SignedDuration::from_secs(seconds)).unwrap_err().contains("15 minutes"));
        }
    }

    #[test]
    fn insists_on_the_date_and_on_what_is_said_to_be_signed() {
        let uri = Uri::from_static("/");
        let mut headers = HeaderMap::new();
        headers.insert("x-sdk-date", "20240102T030405Z".parse().unwrap());
        let sent = Sent { method: "GET", uri: &uri, headers: &headers, body: b"" };
        let now = "2024-01-02T03:04:05Z".parse().unwrap();
        let refusal = |signed: &str| {
            let claim = claim(&format!("SDK-HMAC-SHA256 Access=AK, SignedHeaders={signed}, Signature=00")).unwrap();
            verify(sent, &claim, "sk", now).unwrap_err()
        };
        assert_eq!(refusal("host"), "the header x-sdk-date is not signed");
        assert_eq!(refusal("x-sdk-date"), "verify aksk signature fail");
        assert_eq!(refusal("host;x-sdk-date"), "the signed header host is not there");
        assert!(claim("Bearer x").is_err());
        assert!(claim("SDK-HMAC-SHA256 Access=AK, Signature=00").is_err());
    }
}
