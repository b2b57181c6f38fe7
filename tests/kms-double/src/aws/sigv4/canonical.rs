//! The canonical form of a request and its signature.

use aws_lc_rs::{digest, hmac};
use axum::http::HeaderMap;

use super::{Claim, Signed};

/// The signature that `request` must have.
pub(super) fn signature(request: Signed<'_>, claim: &Claim, secret: &str, stamp: &str) -> String {
    let canonical = canonical_request(request, &claim.signed_headers);
    let Claim { date, region, service, .. } = claim;
    let to_sign = format!("AWS4-HMAC-SHA256\n{stamp}\n{date}/{region}/{service}/aws4_request\n{}", sha256(canonical.as_bytes()));
    let date_key = mac(format!("AWS4{secret}").as_bytes(), date);
    let region_key = mac(date_key.as_ref(), region);
    let service_key = mac(region_key.as_ref(), service);
    let signing_key = mac(service_key.as_ref(), "aws4_request");
    hex::encode(mac(signing_key.as_ref(), &to_sign))
}

fn canonical_request(request: Signed<'_>, signed_headers: &[String]) -> String {
    let headers: Vec<String> = signed_headers.iter().map(|name| format!("{name}:{}", canonical_values(request.headers, name))).collect();
    format!(
        "{}\n{}\n{}\n{}\n\n{}\n{}",
        request.method,
        encode(request.uri.path(), true),
        canonical_query(request.uri.query().unwrap_or_default()),
        headers.join("\n"),
        signed_headers.join(";"),
        sha256(request.body)
    )
}

/// The values of a header, each with single spaces, joined by commas.
fn canonical_values(headers: &HeaderMap, name: &str) -> String {
    let values = headers.get_all(name).iter().map(|value| {
        let value = String::from_utf8_lossy(value.as_bytes());
        value.split_whitespace().collect::<Vec<_>>().join(" ")
    });
    values.collect::<Vec<_>>().join(",")
}

/// Sorted by name and then by value. Each is decoded and encoded again, so that all spellings of a query are equal.
fn canonical_query(query: &str) -> String {
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut pairs: Vec<(String, String)> =
        pairs.map(|(name, value)| (encode(&decode(name), false), encode(&decode(value), false))).collect();
    pairs.sort();
    pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn decode(text: &str) -> String {
    crate::aws::form::percent_decode(text)
}

/// Percent-encodes all characters except the unreserved ones.
fn encode(text: &str, keep_slash: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (keep_slash && byte == b'/') {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push_str(&hex::encode_upper([byte]));
        }
    }
    encoded
}

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}
