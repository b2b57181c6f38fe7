//! Reads Huawei's refusals.
//!
//! Only the code decides the kind, never Huawei's text. The gateway in front of the KMS answers in a form of its own, and so does IAM. A
//! "not found" of the gateway is about the path, and must never be taken for a deleted key.

use serde_json::Value;

use crate::{
    domain::failure::{
        Failure,
        FailureKind::{
            self, AliasTaken, Conflict, Credentials, Denied, Expired, Faulted, Invalid, NewPrincipal, NotFound, Quota, Throttled,
            Unavailable, Unknown, WrongAccount,
        },
    },
    kms::rest::{Answer, Refusal},
};

/// The kind of every known code, from the error codes of Huawei's and Open Telekom Cloud's API references. IAM's codes are HTTP statuses.
const CODES: &[(&str, FailureKind)] = &[
    ("KMS.0207", NotFound),
    ("APIG.0101", Invalid),
    ("APIGW.0101", Invalid),
    ("KMS.0106", Invalid),
    ("KMS.0201", Invalid),
    ("KMS.0202", Invalid),
    ("KMS.0203", Invalid),
    ("KMS.0204", Invalid),
    ("KMS.0205", Invalid),
    ("KMS.0206", Invalid),
    ("KMS.0211", Invalid),
    ("KMS.0215", Invalid),
    ("KMS.0308", Invalid),
    ("KMS.0312", Invalid),
    ("KMS.0319", Invalid),
    ("KMS.0324", Invalid),
    ("KMS.0325", Invalid),
    ("KMS.0338", Invalid),
    ("KMS.0341", Invalid),
    ("KMS.0401", Invalid),
    ("KMS.0402", Invalid),
    ("KMS.0403", Invalid),
    ("KMS.0404", Invalid),
    ("KMS.0405", Invalid),
    ("KMS.0406", Invalid),
    ("KMS.0407", Invalid),
    ("KMS.0408", Invalid),
    ("KMS.0410", Invalid),
    ("KMS.0411", Invalid),
    ("KMS.0412", Invalid),
    ("KMS.0413", Invalid),
    ("KMS.0414", Invalid),
    ("KMS.0415", Invalid),
    ("KMS.0417", Invalid),
    ("KMS.0418", Invalid),
    ("KMS.1101", Invalid),
    ("KMS.1103", Invalid),
    ("KMS.1401", Invalid),
    ("KMS.1601", Invalid),
    ("KMS.1602", Invalid),
    ("KMS.1603", Invalid),
    ("KMS.2401", Invalid),
    ("KMS.2502", Invalid),
    ("KMS.2701", Invalid),
    ("KMS.3001", Invalid),
    ("KMS.5022", Invalid),
    ("KMS.0209", Conflict),
    ("KMS.0210", Conflict),
    ("KMS.0313", Conflict),
    ("KMS.0416", Conflict),
    ("KMS.1201", Conflict),
    ("KMS.1301", Conflict),
    ("KMS.1402", Conflict),
    ("KMS.1501", Conflict),
    ("KMS.2403", Conflict),
    ("KMS.2501", Conflict),
    ("KMS.2901", Conflict),
    ("KMS.1104", AliasTaken),
    ("KMS.2402", NewPrincipal),
    ("403", Denied),
    ("KMS.0304", Denied),
    ("KMS.0305", Denied),
    ("KMS.0306", Denied),
    ("KMS.0307", Denied),
    ("KMS.0310", Denied),
    ("KMS.0314", Denied),
    ("KMS.0320", Denied),
    ("KMS.0326", Denied),
    ("KMS.0328", Denied),
    ("KMS.0330", Denied),
    ("401", Credentials),
    ("APIG.0301", Credentials),
    ("APIG.0303", Credentials),
    ("APIGW.0301", Credentials),
    ("APIGW.0303", Credentials),
    ("KMS.0301", Credentials),
    ("KMS.0302", Credentials),
    ("KMS.0303", Expired),
    ("KMS.0321", WrongAccount),
    ("KMS.0409", Quota),
    ("KMS.1105", Quota),
    ("KMS.1110", Quota),
    ("KMS.2404", Quota),
    ("KMS.2405", Quota),
    ("APIG.0308", Throttled),
    ("APIGW.0308", Throttled),
    ("KMS.0100", Faulted),
    ("KMS.0101", Faulted),
    ("KMS.0102", Faulted),
    ("KMS.0103", Faulted),
    ("KMS.0104", Unavailable),
    ("KMS.3805", Faulted),
    ("KMS.3806", Faulted),
    ("KMS.5012", Faulted),
    ("KMS.5021", Faulted),
];

/// The gateway has no such path: the endpoint is wrong, or the Region has no such operation.
pub(super) const NO_SUCH_PATH: &[&str] = &["APIG.0101", "APIGW.0101"];
/// Huawei does not rotate the key, because of its origin, its kind, or its own key store.
pub(super) const NOT_ROTATED: &[&str] = &["KMS.0312", "KMS.0319", "KMS.0324", "KMS.0325", "KMS.0338", "KMS.0341"];
/// Rotation is on already.
pub(super) const ROTATED_ALREADY: &[&str] = &["KMS.2901"];
/// The key has no grant with this id.
pub(super) const NO_SUCH_GRANT: &[&str] = &["KMS.2501"];
/// Rotation is not on.
pub(super) const ROTATED_NO_MORE: &[&str] = &["KMS.0313"];

/// Reads an answer that is no success.
pub(super) fn refusal(answer: &Answer) -> Refusal {
    let body = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    let error = body.get("error").filter(|error| error.is_object()).unwrap_or(&body);
    let member = |names: [&str; 2]| names.iter().find_map(|name| text(error.get(*name)?));
    let code = member(["error_code", "code"]);
    let kind = kind(code.as_deref(), answer.status);
    Refusal { kind, code, text: member(["error_msg", "message"]).unwrap_or_default() }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn kind(code: Option<&str>, status: u16) -> FailureKind {
    let known = code.and_then(|code| CODES.iter().find(|(known, _)| *known == code)).map(|(_, kind)| *kind);
    known.unwrap_or(match status {
        401 if code.is_some() => Credentials,
        429 => Throttled,
        500.. => Unavailable,
        _ => Unknown,
    })
}

/// Whether Huawei refused with one of these codes.
pub(super) fn says(failure: &Failure, codes: &[&str]) -> bool {
    let refusal = failure.source.as_ref().and_then(|source| source.downcast_ref::<Refusal>());
    refusal.and_then(|refusal| refusal.code.as_deref()).is_some_and(|code| codes.contains(&code))
}

/// What a person can do if the credentials are not accepted.
pub(super) fn credentials(refusal: &Refusal, with_token: bool) -> &'static str {
    match (with_token, refusal.code.as_deref()) {
        (true, _) => {
            "IAM's token is refused; correct username, password and domain in the secret, or the project or Region of the provider"
        }
        (false, Some("KMS.0301" | "KMS.0302" | "KMS.0303")) => {
            "the security token is missing, wrong or has expired; correct securityToken in the secret"
        }
        (false, Some("APIGW.0303" | "APIG.0303")) => {
            "the clock of this machine is more than 15 minutes off, or the access key is not known; \
                                                      correct the clock, or accessKey in the secret"
        }
        (false, _) => {
            "the access key is not known, its secret does not belong to it, or the clock of this machine is more than 15 minutes off; \
             correct accessKey and secretKey in the secret, or the clock"
        }
    }
}

/// What a person can do about a refusal for which the general message would be misleading.
pub(super) fn advice(failure: &Failure) -> Option<&'static str> {
    const ADVICE: &[(&[&str], &str)] = &[
        (NO_SUCH_PATH, "the endpoint has no such operation; correct spec.huawei.endpoint, or do without it where the Region lacks it"),
        (&["KMS.0321"], "the project is not one of these credentials; correct spec.huawei.projectId, the Region or the secret"),
        (&["KMS.0310", "KMS.0320", "KMS.0328"], "the key or the service is frozen; pay what is overdue at Huawei"),
        (&["KMS.2404", "KMS.2405"], "the key, or the principal, has as many grants as Huawei allows; revoke some, or ask Huawei for more"),
        (&["KMS.0314"], "the account has not passed real-name authentication; complete it at Huawei"),
        (&["KMS.0211"], "it is a default key, which belongs to a service of Huawei; name a key of your own"),
    ];
    ADVICE.iter().find(|(codes, _)| says(failure, codes)).map(|(_, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use reqwest::header::HeaderMap;
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: HeaderMap::new(), body: body.into() }
    }

    fn read(status: u16, body: &Value) -> Refusal {
        refusal(&answer(status, &body.to_string()))
    }

    #[test]
    fn all_three_forms_are_read() {
        let kms = read(404, &json!({ "error": { "error_code": "KMS.0207", "error_msg": "no such key" } }));
        assert_eq!(kms, Refusal { kind: NotFound, code: Some("KMS.0207".into()), text: "no such key".into() });
        let gateway = read(401, &json!({ "error_code": "APIGW.0301", "error_msg": "verify aksk signature fail", "request_id": "1" }));
        assert_eq!((gateway.kind, gateway.code.as_deref()), (Credentials, Some("APIGW.0301")));
        let iam = read(401, &json!({ "error": { "code": 401, "title": "Unauthorized", "message": "wrong" } }));
        assert_eq!(iam, Refusal { kind: Credentials, code: Some("401".into()), text: "wrong".into() });
        assert_eq!(read(403, &json!({ "error": { "code": 403, "message": "no" } })).kind, Denied);
    }

    #[test]
    fn only_the_kms_says_that_a_key_is_gone() {
        assert_eq!(read(404, &json!({ "error_code": "APIGW.0101", "error_msg": "The API does not exist" })).kind, Invalid);
        assert_eq!(read(404, &json!({ "error": { "code": 404, "message": "not found" } })).kind, Unknown);
        assert_eq!(read(404, &json!({ "error": { "error_code": "KMS.9999" } })).kind, Unknown);
        for body in ["", "<html>not found</html>", "{}", "[]", "{\"error\":\"KMS.0207\"}"] {
            let refusal = refusal(&answer(404, body));
            assert_eq!((refusal.kind, refusal.code), (Unknown, None), "{body}");
        }
    }

    #[test]
    fn what_is_not_known_is_unknown_unless_the_status_tells() {
        let unheard = json!({ "error": { "error_code": "KMS.9999", "error_msg": "?" } });
        for (status, kind) in [(400, Unknown), (403, Unknown), (404, Unknown), (401, Credentials), (429, Throttled), (500, Unavailable)] {
            assert_eq!(read(status, &unheard).kind, kind, "{status}");
        }
        assert_eq!(refusal(&answer(401, "<html>")).kind, Unknown, "a proxy that wants to be told a password is no KMS");
        assert_eq!(read(504, &json!({ "error_code": "APIGW.0201" })).kind, Unavailable);
        assert_eq!(read(400, &json!({ "error_code": "APIGW.0201" })).kind, Unknown);
    }

    /// The codes of the reference, class by class.
    #[test]
    fn every_code_has_its_kind() {
        let table = [
            (NotFound, "KMS.0207"),
            (
                Invalid,
                "APIGW.0101 APIG.0101 KMS.0106 KMS.0201 KMS.0202 KMS.0203 KMS.0204 KMS.0205 KMS.0206 KMS.0211 KMS.0215 KMS.0308 KMS.0312 KMS.0319 \
                 KMS.0324 KMS.0325 KMS.0338 KMS.0341 KMS.0401 KMS.0402 KMS.0403 KMS.0404 KMS.0405 KMS.0406 KMS.0407 KMS.0408 KMS.0410 KMS.0411 KMS.0412 \
                 KMS.0413 KMS.0414 KMS.0415 KMS.0417 KMS.0418 KMS.1101 KMS.1103 KMS.1401 KMS.1601 KMS.1602 KMS.1603 KMS.2401 KMS.2502 KMS.2701 KMS.3001 KMS.5022",
            ),
            (Conflict, "KMS.0209 KMS.0210 KMS.0313 KMS.0416 KMS.1201 KMS.1301 KMS.1402 KMS.1501 KMS.2403 KMS.2501 KMS.2901"),
            (AliasTaken, "KMS.1104"),
            (NewPrincipal, "KMS.2402"),
            (Denied, "403 KMS.0304 KMS.0305 KMS.0306 KMS.0307 KMS.0310 KMS.0314 KMS.0320 KMS.0326 KMS.0328 KMS.0330"),
            (Credentials, "401 APIGW.0301 APIGW.0303 APIG.0301 APIG.0303 KMS.0301 KMS.0302"),
            (Expired, "KMS.0303"),
            (WrongAccount, "KMS.0321"),
            (Quota, "KMS.0409 KMS.1105 KMS.1110 KMS.2404 KMS.2405"),
            (Throttled, "APIGW.0308 APIG.0308"),
            (Faulted, "KMS.0100 KMS.0101 KMS.0102 KMS.0103 KMS.3805 KMS.3806 KMS.5012 KMS.5021"),
            (Unavailable, "KMS.0104"),
        ];
        let mut seen = BTreeSet::new();
        for (expected, codes) in table {
            for code in codes.split_whitespace() {
                assert_eq!(kind(Some(code), 400), expected, "{code}");
                assert!(seen.insert(code), "{code} stands in the test twice");
            }
        }
        assert_eq!(seen, CODES.iter().map(|(code, _)| *code).collect(), "a code of the table is not tested");
        assert_eq!(seen.len(), CODES.len(), "a code stands in the table twice");
        assert_eq!(kind(Some("kms.0207"), 404), Unknown);
    }

    #[test]
    fn advice_is_about_what_can_be_put_right() {
        let refused = |code: &str| read(401, &json!({ "error_code": code, "error_msg": "" }));
        assert!(credentials(&refused("APIGW.0301"), false).contains("clock"));
        assert!(credentials(&refused("KMS.0303"), false).contains("securityToken"));
        assert!(credentials(&refused("KMS.0303"), true).contains("password"));
    }
}
