//! Signs requests with an access key: SDK-HMAC-SHA256, as Huawei's API signing guide and its SDKs have it.
//!
//! The signature depends only on the request; there is no clock here. Path, query and body must be exactly those that are sent, or Huawei
//! refuses the signature. The caller chooses the signed headers, and must leave out those that proxies change, such as `User-Agent`.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The name of the algorithm, in the header and in the signed text.
const ALGORITHM: &str = "SDK-HMAC-SHA256";
/// The header with the time of the request.
pub(super) const DATE: &str = "x-sdk-date";
/// The header with a digest to use for the body.
const CONTENT_DIGEST: &str = "x-sdk-content-sha256";

/// A request to be signed.
#[derive(Clone, Debug)]
pub(super) struct Signable<'a> {
    /// The HTTP method.
    pub(super) method: &'a str,
    /// The path as it is sent.
    pub(super) path: &'a str,
    /// The query as it is sent; empty if there is none.
    pub(super) query: &'a str,
    /// Exactly the signed headers. They must include `host` and `x-sdk-date`.
    pub(super) headers: Vec<(String, String)>,
    /// The body as it is sent.
    pub(super) body: &'a [u8],
}

/// The value of `Authorization`.
pub(super) fn authorization(request: &Signable<'_>, access_key: &str, secret_key: &str) -> String {
    let signature = signature(&string_to_sign(request), secret_key);
    format!("{ALGORITHM} Access={access_key}, SignedHeaders={}, Signature={signature}", names(&sorted(request)))
}

/// The query of a request, in the form in which it is sent and signed.
pub(super) fn query(pairs: &[(&'static str, String)]) -> String {
    let mut pairs: Vec<_> =
        pairs.iter().map(|(name, value)| format!("{}={}", encoded(name.as_bytes()), encoded(value.as_bytes()))).collect();
    pairs.sort_unstable();
    pairs.join("&")
}

fn signature(string_to_sign: &str, secret_key: &str) -> String {
    // HMAC accepts keys of every length.
    let mac = Hmac::<Sha256>::new_from_slice(secret_key.as_bytes()).map(|mac| mac.chain_update(string_to_sign).finalize().into_bytes());
    mac.map(hex::encode).unwrap_or_default()
}

fn string_to_sign(request: &Signable<'_>) -> String {
    let date = sorted(request).into_iter().find(|(name, _)| name == DATE).map(|(_, value)| value).unwrap_or_default();
    format!("{ALGORITHM}\n{date}\n{}", hex::encode(Sha256::digest(canonical(request))))
}

fn canonical(request: &Signable<'_>) -> String {
    let headers = sorted(request);
    let lines = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect::<Vec<_>>().concat();
    let told = headers.iter().find(|(name, _)| name == CONTENT_DIGEST).map(|(_, value)| value.clone());
    let digest = told.filter(|_| !request.body.is_empty()).unwrap_or_else(|| hex::encode(Sha256::digest(request.body)));
    let (method, path, query) = (request.method, canonical_path(request.path), canonical_query(request.query));
    format!("{method}\n{path}\n{query}\n{lines}\n{}\n{digest}", names(&headers))
}

/// The signed headers by name, in lower case, their values without blanks at the ends.
fn sorted(request: &Signable<'_>) -> Vec<(String, String)> {
    let mut headers: Vec<_> =
        request.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned())).collect();
    headers.sort_unstable();
    headers
}

fn names(headers: &[(String, String)]) -> String {
    headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";")
}

/// The path decoded, with each segment encoded again, and with a slash at its end that the sent path does not have.
fn canonical_path(path: &str) -> String {
    let path = decoded(path).split(|byte| *byte == b'/').map(encoded).collect::<Vec<_>>().join("/");
    if path.ends_with('/') { path } else { path + "/" }
}

/// Sorted by name, then by value.
fn canonical_query(query: &str) -> String {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (encoded(&decoded(name)), encoded(&decoded(value)))
    };
    let mut pairs: Vec<_> = query.split('&').filter(|text| !text.is_empty()).map(pair).collect();
    pairs.sort_unstable();
    pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// Percent-encoded, except for the unreserved characters of RFC 3986 (2.3).
fn encoded(bytes: &[u8]) -> String {
    let one = |byte: &u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    bytes.iter().map(one).collect()
}

/// A percent-encoded text, decoded. A percent sign that encodes nothing stays as it is.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let byte = after.get(..2).filter(|_| *first == b'%').and_then(|digits| hex::decode(digits).ok()?.first().copied());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Requests that Huawei's own SDK signed, and some that were tampered with; `made_by` in the file says how.
    fn recorded() -> Value {
        serde_json::from_str(include_str!("../../../tests/vectors/huawei.json")).unwrap()
    }

    fn text<'a>(vector: &'a Value, member: &str) -> &'a str {
        vector[member].as_str().unwrap_or_default()
    }

    /// The names in `SignedHeaders` of a request as it was received.
    fn signed(vector: &Value) -> Vec<String> {
        let names = text(vector, "authorization").split("SignedHeaders=").nth(1).unwrap().split(',').next().unwrap();
        names.split(';').map(str::to_owned).collect()
    }

    fn received(vector: &Value) -> Signable<'_> {
        let (path, query) = text(vector, "request_target").split_once('?').unwrap_or((text(vector, "request_target"), ""));
        let names = signed(vector);
        let headers = vector["headers_received"].as_array().unwrap().iter();
        let headers = headers.map(|pair| (pair[0].as_str().unwrap().to_owned(), pair[1].as_str().unwrap().to_owned()));
        let headers = headers.filter(|(name, _)| names.contains(&name.to_ascii_lowercase())).collect();
        Signable { method: text(vector, "method"), path, query, headers, body: text(vector, "body").as_bytes() }
    }

    #[test]
    fn every_recorded_request_is_signed_byte_for_byte() {
        let recorded = recorded();
        let vectors = recorded["vectors"].as_array().unwrap();
        assert_eq!(vectors.len(), 45);
        for vector in vectors {
            let (request, id) = (received(vector), &vector["id"]);
            assert_eq!(canonical(&request), text(vector, "canonical_request"), "{id}");
            assert_eq!(string_to_sign(&request), text(vector, "string_to_sign"), "{id}");
            assert_eq!(signature(&string_to_sign(&request), text(vector, "sk")), text(vector, "signature"), "{id}");
            assert_eq!(authorization(&request, text(vector, "ak"), text(vector, "sk")), text(vector, "authorization"), "{id}");
        }
    }

    #[test]
    fn a_changed_request_has_another_signature() {
        let recorded = recorded();
        let cases = recorded["negative_cases"].as_array().unwrap();
        assert_eq!(cases.len(), 9);
        for case in cases {
            let signature = signature(&string_to_sign(&received(case)), text(case, "sk"));
            assert!(!text(case, "authorization").ends_with(&format!("Signature={signature}")), "{}", case["name"]);
        }
    }

    #[test]
    fn a_query_is_sent_as_it_is_signed() {
        let query = query(&[("marker", "a b+c/d~e*f=g&h".into()), ("key_id", "0d04".into()), ("empty", String::new())]);
        assert_eq!(query, "empty=&key_id=0d04&marker=a%20b%2Bc%2Fd~e%2Af%3Dg%26h");
        assert_eq!(canonical_query(&query), query);
    }

    #[test]
    fn an_invalid_escape_is_kept_as_it_is() {
        assert_eq!(decoded("100%"), b"100%");
        assert_eq!(decoded("%zz%41"), b"%zzA");
        assert_eq!(canonical_path("/"), "/");
        assert_eq!(canonical_path("/a%2fb/c d"), "/a/b/c%20d/");
    }
}
