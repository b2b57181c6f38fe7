//! The verification of AWS Signature Version 4.
//!
//! The rules are those of the IAM User Guide, "Create a signed AWS API request". Time here is real time, never the double's.

mod canonical;

use axum::http::{HeaderMap, Uri};
use jiff::{SignedDuration, Timestamp};

/// How far a client's clock may differ.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// The content of an `Authorization` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) access_key: String,
    /// `YYYYMMDD`.
    pub(crate) date: String,
    pub(crate) region: String,
    pub(crate) service: String,
    pub(crate) signed_headers: Vec<String>,
    pub(crate) signature: String,
}

/// A request as it arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a str,
    pub(crate) uri: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// Why the signature of a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mistrust {
    /// No `Authorization` header.
    Missing,
    /// The header cannot be read, or a part of the request that signing needs is missing.
    Incomplete(String),
    /// It was signed with another secret, over another request, at another time or for another service.
    Invalid(String),
}

/// Reads the `Authorization` header.
pub(crate) fn claim(headers: &HeaderMap) -> Result<Claim, Mistrust> {
    let header = headers.get("authorization").ok_or(Mistrust::Missing)?;
    let text = header.to_str().map_err(|_| Mistrust::Incomplete("Authorization header is not ASCII".to_owned()))?;
    let incomplete = |part: &str| Mistrust::Incomplete(format!("Authorization header requires '{part}' parameter. Authorization={text}"));
    let rest = text.strip_prefix("AWS4-HMAC-SHA256").ok_or_else(|| incomplete("AWS4-HMAC-SHA256"))?;
    let part = |name: &str| {
        let mut parts = rest.split(',').filter_map(|part| part.trim().split_once('='));
        parts.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).ok_or_else(|| incomplete(name))
    };
    let credential = part("Credential")?;
    let scope: Vec<&str> = credential.split('/').collect();
    let [access_key, date, region, service, "aws4_request"] = scope.as_slice() else {
        return Err(incomplete("Credential"));
    };
    Ok(Claim {
        access_key: (*access_key).to_owned(),
        date: (*date).to_owned(),
        region: (*region).to_owned(),
        service: (*service).to_owned(),
        signed_headers: part("SignedHeaders")?.split(';').map(str::to_owned).collect(),
        signature: part("Signature")?,
    })
}

/// Verifies that `request` was signed with `secret`, for `service`, within five minutes of `now`.
pub(crate) fn verify(request: Signed<'_>, claim: &Claim, secret: &str, service: &str, now: Timestamp) -> Result<(), Mistrust> {
    let stamp = request.headers.get("x-amz-date").and_then(|value| value.to_str().ok());
    let stamp = stamp.ok_or_else(|| {
        Mistrust::Incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.".to_owned())
    })?;
    check_scope(claim, service, stamp)?;
    check_signed_headers(request.headers, claim)?;
    check_time(stamp, now)?;
    if canonical::signature(request, claim, secret, stamp) == claim.signature {
        Ok(())
    } else {
        Err(Mistrust::Invalid(
            "The request signature we calculated does not match the signature you provided. \
             Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
                .to_owned(),
        ))
    }
}

fn check_scope(claim: &Claim, service: &str, stamp: &str) -> Result<(), Mistrust> {
    if claim.service != service {
        return Err(Mistrust::Invalid(format!("Credential should be scoped to correct service: '{service}'. ")));
    }
    if !is_region(&claim.region) {
        return Err(Mistrust::Invalid(format!("Credential should be scoped to a valid region, not '{}'. ", claim.region)));
    }
    let date = stamp.get(..8).unwrap_or_default();
    if claim.date != date {
        return Err(Mistrust::Invalid(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{date}', from '{stamp}'.",
            claim.date
        )));
    }
    Ok(())
}

/// The `Host` header and every `X-Amz-*` header must be signed, so that nobody can change them.
fn check_signed_headers(headers: &HeaderMap, claim: &Claim) -> Result<(), Mistrust> {
    let must = headers.keys().map(axum::http::HeaderName::as_str).filter(|name| *name == "host" || name.starts_with("x-amz-"));
    for name in must.chain(["host"]) {
        if !claim.signed_headers.iter().any(|signed| signed == name) {
            return Err(Mistrust::Invalid(format!("'{name}' must be a 'SignedHeader' in the AWS Authorization.")));
        }
    }
    Ok(())
}

fn check_time(stamp: &str, now: Timestamp) -> Result<(), Mistrust> {
    let malformed = || Mistrust::Incomplete(format!("Date must be in ISO-8601 'basic format'. Got '{stamp}'."));
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", stamp).map_err(|_| malformed())?;
    let time = time.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| malformed())?.timestamp();
    let earliest = now - SKEW;
    let latest = now + SKEW;
    if time < earliest {
        return Err(Mistrust::Invalid(format!(
            "Signature expired: {stamp} is now earlier than {} ({} - 5 min.)",
            basic(earliest),
            basic(now)
        )));
    }
    if time > latest {
        return Err(Mistrust::Invalid(format!(
            "Signature not yet current: {stamp} is still later than {} ({} + 5 min.)",
            basic(latest),
            basic(now)
        )));
    }
    Ok(())
}

fn basic(time: Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// The pattern of a Region's name in the service model.
pub(crate) fn is_region(text: &str) -> bool {
    let mut parts: Vec<&str> = text.split('-').collect();
    let number = parts.pop().unwrap_or_default();
    let words = parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase()));
    words && (2..=3).contains(&parts.len()) && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key pair of AWS's published test suite for Signature Version 4.
    const SUITE_SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    /// Method, URI, signed headers, headers other than host and date, body, signature.
    type Case = (&'static str, &'static str, &'static [&'static str], &'static [(&'static str, &'static str)], &'static str, &'static str);

    const PLAIN: &[&str] = &["host", "x-amz-date"];
    const FORM: &[&str] = &["content-type", "host", "x-amz-date"];
    const FORM_HEADER: &[(&str, &str)] = &[("content-type", "application/x-www-form-urlencoded")];

    fn suite_claim(signed: &[&str], signature: &str) -> Claim {
        Claim {
            access_key: "AKIDEXAMPLE".to_owned(),
            date: "20150830".to_owned(),
            region: "us-east-1".to_owned(),
            service: "service".to_owned(),
            signed_headers: signed.iter().map(|&name| name.to_owned()).collect(),
            signature: signature.to_owned(),
        }
    }

    fn suite_headers(more: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")].iter().chain(more) {
            headers.insert(*name, value.parse().unwrap());
        }
        headers
    }

    fn suite_time() -> Timestamp {
        "2015-08-30T12:36:00Z".parse().unwrap()
    }

    /// Cases `get-vanilla`, `get-vanilla-query-order-key-case`, `post-vanilla` and `post-x-www-form-urlencoded` of the suite.
    #[test]
    fn agrees_with_the_published_test_suite() {
        let cases: [Case; 4] = [
            ("GET", "/", PLAIN, &[], "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            ("GET", "/?Param2=value2&Param1=value1", PLAIN, &[], "", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
            ("POST", "/", PLAIN, &[], "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            ("POST", "/", FORM, FORM_HEADER, "Param1=value1", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
        ];
        for (method, uri, signed, more, body, signature) in cases {
            let headers = suite_headers(more.iter().map(|&(name, value)| (name, value)).collect::<Vec<_>>().leak());
            let uri: Uri = uri.parse().unwrap();
            let request = Signed { method, uri: &uri, headers: &headers, body: body.as_bytes() };
            let claim = suite_claim(signed, signature);
            assert_eq!(verify(request, &claim, SUITE_SECRET, "service", suite_time()), Ok(()), "{method} {uri}");
            assert!(matches!(verify(request, &claim, "wrong", "service", suite_time()), Err(Mistrust::Invalid(_))));
        }
    }

    #[test]
    fn refuses_a_clock_that_is_off_by_more_than_five_minutes() {
        let headers = suite_headers(&[]);
        let uri = Uri::from_static("/");
        let request = Signed { method: "GET", uri: &uri, headers: &headers, body: b"" };
        let claim = suite_claim(&["host", "x-amz-date"], "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
        let at = |seconds: i64| verify(request, &claim, SUITE_SECRET, "service", suite_time() + SignedDuration::from_secs(seconds));
        assert_eq!(at(300), Ok(()));
        assert_eq!(at(-300), Ok(()));
        let late = "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T124101Z - 5 min.)";
        assert_eq!(at(301), Err(Mistrust::Invalid(late.to_owned())));
        let early = "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T123059Z + 5 min.)";
        assert_eq!(at(-301), Err(Mistrust::Invalid(early.to_owned())));
    }

    #[test]
    fn refuses_another_service_and_unsigned_headers() {
        let headers = suite_headers(&[("x-amz-target", "TrentService.ListKeys")]);
        let uri = Uri::from_static("/");
        let request = Signed { method: "GET", uri: &uri, headers: &headers, body: b"" };
        let claim = suite_claim(&["host", "x-amz-date"], "0");
        let refusal = |service: &str| match verify(request, &claim, SUITE_SECRET, service, suite_time()) {
            Err(Mistrust::Invalid(message)) => message,
            other => panic!("{other:?}"),
        };
        assert!(refusal("kms").contains("correct service: 'kms'"));
        assert!(refusal("service").contains("'x-amz-target' must be a 'SignedHeader'"));
    }

    #[test]
    fn reads_the_header_in_either_spacing() {
        let read = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("authorization", text.parse().unwrap());
            claim(&headers)
        };
        let tight =
            read("AWS4-HMAC-SHA256 Credential=AK/20150830/us-east-1/kms/aws4_request,SignedHeaders=host;x-amz-date,Signature=ab").unwrap();
        let wide = read("AWS4-HMAC-SHA256 Credential=AK/20150830/us-east-1/kms/aws4_request, SignedHeaders=host;x-amz-date, Signature=ab")
            .unwrap();
        assert_eq!(tight, wide);
        assert_eq!(tight.region, "us-east-1");
        assert!(matches!(read("Bearer x"), Err(Mistrust::Incomplete(_))));
        assert_eq!(claim(&HeaderMap::new()), Err(Mistrust::Missing));
    }

    #[test]
    fn knows_a_region_by_its_shape() {
        for region in ["eu-west-1", "us-gov-east-1", "ap-southeast-12"] {
            assert!(is_region(region), "{region}");
        }
        for other in ["", "aws-global", "eu-west", "EU-WEST-1", "eu--1", "a-b-c-d-1", "eu-west-1a"] {
            assert!(!is_region(other), "{other}");
        }
    }
}
