//! The errors of KMS, its gateway and IAM: code, HTTP status, message.
//!
//! Codes and statuses are those of the error code pages. Texts are similar to the real ones, but clients should not read them.

use serde_json::{Value, json};

/// A refused call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: String,
    pub(crate) status: u16,
    pub(crate) message: String,
}

/// Declares the codes with their properties.
macro_rules! codes {
    ($($name:ident $code:literal $status:literal $message:literal,)*) => {
        /// A documented error.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code { $($name,)* }

        impl Code {
            fn parts(self) -> (&'static str, u16, &'static str) {
                match self { $(Self::$name => ($code, $status, $message),)* }
            }
        }
    };
}

codes! {
    NoSuchApi "APIGW.0101" 404 "The API does not exist or has not been published in the environment",
    TooLarge "APIGW.0201" 413 "Request entity too large",
    NotAuthentic "APIGW.0301" 401 "Incorrect IAM authentication information",
    Throttled "APIGW.0308" 429 "The throttling threshold has been reached: policy user over ratelimit,limit:1000,time:1 second",
    Url "KMS.0201" 400 "Invalid request URL.",
    Json "KMS.0202" 400 "Invalid JSON format of the request message.",
    Missing "KMS.0204" 400 "Parameters missing in the request message.",
    KeyId "KMS.0205" 400 "Invalid key ID.",
    Sequence "KMS.0206" 400 "Invalid sequence number.",
    KeyGone "KMS.0207" 404 "The key does not exist.",
    KeyDisabled "KMS.0209" 400 "The key has been disabled.",
    KeyPending "KMS.0210" 400 "The key is in Scheduled deletion state and cannot be used.",
    DefaultKey "KMS.0211" 400 "Cannot perform this operation on Default Master Keys.",
    Method "KMS.0215" 405 "The request method is not supported.",
    NoToken "KMS.0301" 403 "The X-Auth-Token is null.",
    BadToken "KMS.0302" 403 "Invalid X-Auth-Token.",
    OldToken "KMS.0303" 403 "The X-Auth-Token has expired.",
    NotPermitted "KMS.0307" 403 "The user role has no permission to access the API.",
    Parameter "KMS.0308" 400 "Invalid parameter.",
    ExternalKey "KMS.0312" 400 "The operation is not supported for imported keys.",
    NotRotating "KMS.0313" 400 "The rotation of the key is not enabled.",
    KeyFrozen "KMS.0320" 400 "The key is frozen.",
    OtherProject "KMS.0321" 403 "The project of the request does not match that of the token.",
    RsaKey "KMS.0324" 400 "The operation is not supported for RSA keys.",
    AsymmetricKey "KMS.0325" 400 "The operation is not supported for asymmetric keys.",
    HmacKey "KMS.0341" 400 "The operation is not supported for HMAC keys.",
    ReplicaKey "KMS.0106" 400 "The replica key is read-only.",
    TagsEmpty "KMS.0401" 400 "Tag list cannot be empty.",
    MatchValue "KMS.0402" 400 "Invalid match value.",
    MatchKey "KMS.0403" 400 "Invalid match key.",
    Action "KMS.0404" 400 "Invalid action.",
    TagValue "KMS.0405" 400 "Invalid tag value.",
    TagKey "KMS.0406" 400 "Invalid tag key.",
    TagTwice "KMS.0407" 400 "Invalid tag list.",
    TagsFull "KMS.0409" 400 "The number of tags has reached the upper limit.",
    TagValueLength "KMS.0410" 400 "Invalid tag value length.",
    TagKeyLength "KMS.0411" 400 "Invalid tag key length.",
    TagGone "KMS.0416" 404 "The tag does not exist.",
    Offset "KMS.0417" 400 "Invalid offset.",
    Alias "KMS.1101" 400 "Invalid key alias.",
    Description "KMS.1103" 400 "Invalid key description.",
    AliasTaken "KMS.1104" 400 "The key alias already exists.",
    KeysFull "KMS.1105" 400 "The number of keys has reached the upper limit.",
    NotDisabled "KMS.1201" 400 "The key is not disabled.",
    NotEnabled "KMS.1301" 400 "The key is not enabled.",
    PendingDays "KMS.1401" 400 "Invalid value of pending_days.",
    AlreadyPending "KMS.1402" 400 "The key is already in Scheduled deletion state.",
    NotPending "KMS.1501" 400 "The key is not in Scheduled deletion state.",
    Limit "KMS.1601" 400 "Invalid value of limit.",
    Marker "KMS.1602" 400 "Invalid value of marker.",
    GrantAlone "KMS.2401" 400 "create-grant cannot be the only granted operation permission.",
    GrantPrincipal "KMS.2402" 400 "Invalid principal for creating/retiring a grant.",
    GrantsFull "KMS.2404" 400 "No more permissions can be granted for the CMK.",
    GrantGone "KMS.2501" 400 "The grant does not exist.",
    AlreadyRotating "KMS.2901" 400 "The rotation state of key is not disabled.",
    Interval "KMS.3001" 400 "Invalid value of rotation_interval.",
}

impl Failure {
    /// A documented error with its documented text.
    pub(crate) fn of(code: Code) -> Self {
        let (code, status, message) = code.parts();
        Self { code: code.to_owned(), status, message: message.to_owned() }
    }

    /// A documented error with details.
    pub(crate) fn because(code: Code, why: impl std::fmt::Display) -> Self {
        let failure = Self::of(code);
        Self { message: format!("{}: {why}", failure.message.trim_end_matches('.')), ..failure }
    }

    /// An error of IAM, whose only code is the HTTP status.
    pub(crate) fn iam(status: u16, message: &str) -> Self {
        Self { code: status.to_string(), status, message: message.to_owned() }
    }

    /// The body on the wire. The gateway's body is flat. The bodies of the service and of IAM are nested, with different member names.
    pub(crate) fn body(&self, service: Service, request_id: &str) -> Value {
        let Self { code, status, message } = self;
        if code.starts_with("APIG") {
            return json!({ "error_code": code, "error_msg": message, "request_id": request_id });
        }
        match service {
            Service::Kms => json!({ "error": { "error_code": code, "error_msg": message } }),
            Service::Iam => json!({ "error": { "code": status, "message": message, "title": title(*status) } }),
        }
    }
}

/// The service of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Kms,
    Iam,
}

impl Service {
    /// The name in the ledger.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kms => "huawei-kms",
            Self::Iam => "huawei-iam",
        }
    }
}

fn title(status: u16) -> &'static str {
    axum::http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sender_has_its_own_form() {
        let gateway = Failure::of(Code::NotAuthentic).body(Service::Kms, "r");
        assert_eq!(gateway["error_code"], "APIGW.0301");
        assert_eq!(gateway["request_id"], "r");
        let kms = Failure::because(Code::Parameter, "key_spec").body(Service::Kms, "r");
        assert_eq!(kms, json!({ "error": { "error_code": "KMS.0308", "error_msg": "Invalid parameter: key_spec" } }));
        let iam = Failure::iam(401, "no").body(Service::Iam, "r");
        assert_eq!(iam, json!({ "error": { "code": 401, "message": "no", "title": "Unauthorized" } }));
    }
}
