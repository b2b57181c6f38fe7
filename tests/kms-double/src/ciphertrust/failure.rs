//! The errors of the API: HTTP status, number, name and text.
//!
//! Only a few numbers of names are known (9, 15, 16). The others are invented, and clients must not read them. A report about Thales's
//! Terraform provider shows how CCKM passes on a refusal by AWS: 400, `NCERRBadRequest: Bad HTTP request`, and then the action of CCKM,
//! AWS's exception and AWS's text. It is not documented whether this is one string or is divided between `codeDesc` and `message`, so a
//! test can choose ([`Wording`]).

use serde_json::{Value, json};

use super::operation::Operation;
use crate::aws;

/// Where the text of a refusal by AWS is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Wording {
    /// All in `codeDesc`.
    #[default]
    InCodeDesc,
    /// `codeDesc` has only the class, `message` has the rest.
    InMessage,
}

/// A refused call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: u16,
    /// The name in the ledger: AWS's exception if AWS refused, otherwise the name on the wire.
    pub(crate) code: String,
    pub(crate) text: String,
    /// Whether AWS refused.
    by_aws: bool,
}

impl Failure {
    pub(crate) fn new(status: u16, code: &str, text: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), text: text.into(), by_aws: false }
    }

    /// A value that CCKM itself refuses.
    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self::new(400, "NCERRInvalidParamValue", text)
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "NCERRResourceNotFound", "Resource not found")
    }

    pub(crate) fn unauthorized(text: impl Into<String>) -> Self {
        Self::new(401, "NCERRUnauthorized", text)
    }

    pub(crate) fn forbidden(operation: Operation) -> Self {
        Self::new(403, "NCERRForbidden", format!("permission for {} is denied", operation.name()))
    }

    pub(crate) fn conflict(text: impl Into<String>) -> Self {
        Self::new(409, "NCERRConflict", text)
    }

    /// An alias that CCKM already knows. AWS is not asked.
    pub(crate) fn alias_exists(name: &str) -> Self {
        Self::new(409, "NCERRKeyAlreadyExists", format!("a key with the alias {name} already exists"))
    }

    /// AWS refused the call of `operation`.
    pub(crate) fn of_aws(operation: Operation, failure: &aws::Failure) -> Self {
        let doing = match operation {
            Operation::CreateKey => "Creating",
            Operation::ScheduleDeletion => "Scheduling Deletion of",
            Operation::CancelDeletion => "Canceling Deletion of",
            Operation::GetKeyRotationStatus | Operation::ListRotations => "Reading",
            _ => "Updating",
        };
        let aws::Failure { code, message, .. } = failure;
        let text = format!("Error {doing} AWS Key : {code}: {message}");
        Self { status: 400, code: code.clone(), text, by_aws: true }
    }

    /// The error of a fault: an error of CCKM if the name is known, otherwise a refusal by AWS.
    pub(crate) fn injected(operation: Operation, status: u16, code: &str, message: &str) -> Self {
        if code.starts_with("NCERR") {
            return Self::new(status, code, message);
        }
        let failure = aws::Failure { code: code.to_owned(), status, message: message.to_owned() };
        Self { status, ..Self::of_aws(operation, &failure) }
    }

    /// The body on the wire.
    pub(crate) fn body(&self, wording: Wording) -> Value {
        const REFUSED: &str = "NCERRBadRequest: Bad HTTP request";
        let Self { code, text, .. } = self;
        match (self.by_aws, wording) {
            (false, _) => json!({ "code": number(code), "codeDesc": format!("{code}: {text}") }),
            (true, Wording::InCodeDesc) => json!({ "code": number("NCERRBadRequest"), "codeDesc": format!("{REFUSED}: {text}") }),
            (true, Wording::InMessage) => json!({ "code": number("NCERRBadRequest"), "codeDesc": REFUSED, "message": text }),
        }
    }
}

fn number(name: &str) -> u32 {
    match name {
        "NCERRUnauthorized" => 1,
        "NCERRForbidden" => 3,
        "NCERRInvalidParamValue" => 9,
        "NCERRBadRequest" => 15,
        "NCERRResourceNotFound" => 16,
        "NCERRConflict" => 17,
        "NCERRKeyAlreadyExists" => 18,
        _ => 2,
    }
}
