//! Gives each error of AWS its kind and its message.
//!
//! Only the code decides the kind, never AWS's text. A message names the key or alias, the cause and the next step. It is the same at every
//! try: no request ids, no times, no session names.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_kms::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;

use super::operation::Operation;
use crate::domain::failure::{
    Failure,
    FailureKind::{
        self, AliasTaken, Conflict, Credentials, Denied, Expired, Faulted, Invalid, NotFound, Policy, Quota, Throttled, Unavailable,
        Unknown,
    },
    Outcome,
};
use crate::kms::{
    messages::{About, Advice, Refused},
    names::NoAddress,
    sanitize::sanitize,
};
use crate::text::name;

/// The kind of every known code, from the error lists of the KMS and STS API references, their "Common Errors", and the list of throttling
/// codes in the AWS SDKs. The SDK has already removed `com.amazonaws.kms#` and `:http://…`.
const CODES: &[(&str, FailureKind)] = &[
    ("NotFoundException", NotFound),
    ("InvalidAliasNameException", Invalid),
    ("InvalidArnException", Invalid),
    ("InvalidGrantIdException", Invalid),
    ("InvalidMarkerException", Invalid),
    ("InvalidParameterCombination", Invalid),
    ("InvalidParameterValue", Invalid),
    ("MalformedPolicyDocument", Invalid),
    ("MalformedPolicyDocumentException", Policy),
    ("MissingParameter", Invalid),
    ("SerializationException", Invalid),
    ("TagException", Invalid),
    ("UnsupportedOperationException", Invalid),
    ("ValidationError", Invalid),
    ("ValidationException", Invalid),
    ("ConflictException", Conflict),
    ("DisabledException", Conflict),
    ("KMSInvalidStateException", Conflict),
    ("CloudHsmClusterInvalidConfigurationException", Conflict),
    ("CustomKeyStoreInvalidStateException", Conflict),
    ("CustomKeyStoreNotFoundException", Invalid),
    ("XksKeyAlreadyInUseException", Invalid),
    ("XksKeyInvalidConfigurationException", Invalid),
    ("XksKeyNotFoundException", Invalid),
    ("AlreadyExistsException", AliasTaken),
    ("AccessDenied", Denied),
    ("AccessDeniedException", Denied),
    ("NotAuthorized", Denied),
    ("OptInRequired", Denied),
    ("RegionDisabledException", Denied),
    ("AuthFailure", Credentials),
    ("ExpiredToken", Expired),
    ("ExpiredTokenException", Expired),
    ("IDPRejectedClaim", Credentials),
    ("IncompleteSignature", Credentials),
    ("IncompleteSignatureException", Credentials),
    ("InvalidAccessKeyId", Credentials),
    ("InvalidClientTokenId", Credentials),
    ("InvalidIdentityToken", Credentials),
    ("InvalidSignatureException", Credentials),
    ("InvalidToken", Credentials),
    ("MissingAuthenticationToken", Credentials),
    ("MissingAuthenticationTokenException", Credentials),
    ("RequestExpired", Credentials),
    ("RequestTimeTooSkewed", Credentials),
    ("SignatureDoesNotMatch", Credentials),
    ("UnrecognizedClientException", Credentials),
    ("LimitExceededException", Quota),
    ("PriorRequestNotComplete", Throttled),
    ("RequestLimitExceeded", Throttled),
    ("RequestThrottled", Throttled),
    ("RequestThrottledException", Throttled),
    ("SlowDown", Throttled),
    ("Throttling", Throttled),
    ("ThrottledException", Throttled),
    ("ThrottlingException", Throttled),
    ("TooManyRequestsException", Throttled),
    ("DependencyTimeoutException", Unavailable),
    ("IDPCommunicationError", Unavailable),
    ("InternalError", Unavailable),
    ("InternalFailure", Unavailable),
    ("InternalServerError", Unavailable),
    ("KMSInternalException", Faulted),
    ("KeyUnavailableException", Faulted),
    ("RequestTimeout", Unavailable),
    ("RequestTimeoutException", Unavailable),
    ("ServiceUnavailable", Unavailable),
    ("ServiceUnavailableException", Unavailable),
];

/// The codes that are about the state of a custom key store, and not about that of a key.
const STORES: [&str; 2] = ["CloudHsmClusterInvalidConfigurationException", "CustomKeyStoreInvalidStateException"];

/// The kind of a code; `None` if it is not known.
pub(super) fn kind(code: &str) -> Option<FailureKind> {
    CODES.iter().find(|(known, _)| *known == code).map(|(_, kind)| *kind)
}

/// Whether it can help to send the same request again at once. The SDK would take `LimitExceededException` for throttling and repeat it.
/// For credentials the SDK decides: it corrects a wrong clock and sends again.
pub(super) fn repeatable(code: &str) -> bool {
    kind(code).is_none_or(|kind| matches!(kind, Credentials | Expired) || !kind.verdict().stalled)
}

/// What is known of a request.
#[derive(Debug)]
pub(super) struct Context<'a> {
    /// The operation.
    pub(super) operation: Operation,
    /// The key, alias or role; empty for the whole account.
    pub(super) subject: &'a str,
    /// The Region.
    pub(super) region: &'a str,
    /// The host that the request went to; empty if it was not sent.
    pub(super) host: &'a str,
    /// Whether an attempt may have taken effect.
    pub(super) outcome: Outcome,
}

impl Context<'_> {
    const fn about(&self) -> About<'_> {
        About { name: "AWS", operation: self.operation.as_str(), subject: self.subject }
    }

    /// A failure with this message.
    pub(super) fn failure(&self, kind: FailureKind, message: String) -> Failure {
        self.about().failure(kind, self.outcome, message)
    }

    /// The failure for an answer that lacks something required.
    pub(super) fn unusable(&self, why: &dyn std::fmt::Display) -> Failure {
        self.failure(Unknown, self.about().unusable(why))
    }

    /// The failure for an error of the SDK.
    pub(super) fn classify<E>(&self, error: SdkError<E, HttpResponse>) -> Failure
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let (kind, message) = match &error {
            SdkError::ServiceError(refused) => self.refused(refused.err().meta(), refused.raw().status().as_u16()),
            SdkError::TimeoutError(_) => {
                (Unavailable, format!("{} did not answer {} in time; it is tried again", self.host(), self.request()))
            }
            SdkError::DispatchFailure(failed) => match cause::<Failure>(&error) {
                // Assuming the role failed. That failure has its own message.
                Some(failure) => (failure.kind, failure.message.clone()),
                None => match cause::<CredentialsError>(&error) {
                    Some(credentials) => self.without_credentials(credentials),
                    None => (Unavailable, self.unreached(&error, failed.is_timeout())),
                },
            },
            SdkError::ResponseError(_) => {
                (Unknown, format!("cannot read what {} answered to {}; check that the endpoint is one of AWS", self.host(), self.request()))
            }
            _ => (Unknown, format!("cannot make the request {}; see the log", self.request())),
        };
        // The SDK would log AWS's answer as a Rust structure.
        let source: Box<dyn Error + Send + Sync> = match &error {
            SdkError::ServiceError(refused) => Box::new(Answered::new(kind, refused.err().meta(), refused.raw().status().as_u16())),
            _ => Box::new(error),
        };
        Failure { source: Some(source), ..self.failure(kind, message) }
    }

    /// Why there is no connection.
    fn unreached(&self, error: &(dyn Error + 'static), is_late: bool) -> String {
        let host = self.host();
        match cause::<NoAddress>(error) {
            Some(none) => format!("nothing was sent to AWS: {none}; correct the endpoint or the DNS"),
            None if is_late => format!("cannot connect to {host} in time; check the endpoint and the network"),
            None => format!("cannot reach {host}, or lost the connection to it; check the endpoint, its certificate and the network"),
        }
    }

    fn refused(&self, answer: &aws_sdk_kms::error::ErrorMetadata, status: u16) -> (FailureKind, String) {
        let code = answer.code().unwrap_or_default();
        // AWS KMS says that a key does not exist with HTTP 400. With another status the code is that of another service or of a proxy.
        let known = kind(code).filter(|kind| *kind != NotFound || status == 400);
        let kind = known.unwrap_or(match status {
            429 => Throttled,
            500.. => Unavailable,
            _ => Unknown,
        });
        let text = answer.message().unwrap_or_default();
        if kind == Unknown && self::kind(code) == Some(NotFound) {
            let message = format!(
                "{} answers {} with {code} and HTTP {status}, which AWS KMS does not do; check that the endpoint is one of AWS KMS",
                self.host(),
                self.request()
            );
            return (kind, message);
        }
        if STORES.contains(&code) {
            let message = format!(
                "the custom key store does not take {}: {}; connect it; it is tried again",
                self.request(),
                sanitize(text).trim_end_matches('.')
            );
            return (kind, message);
        }
        let refused = Refused { kind, code: answer.code().filter(|code| !code.is_empty()), text, status, host: self.host() };
        (kind, self.about().refused(&refused, &Answer { context: self, code, text }))
    }

    fn permission(&self) -> &'static str {
        match self.operation {
            Operation::AssumeRole => {
                "allow it to the base credentials in their policy and in the trust policy of the role, and check externalId"
            }
            Operation::CreateKey | Operation::ListKeys => "allow it in the policy of Keyward's role",
            _ => "allow it in the policy of Keyward's role and in the key's policy",
        }
    }

    fn without_credentials(&self, error: &CredentialsError) -> (FailureKind, String) {
        match error {
            CredentialsError::CredentialsNotLoaded(_) => {
                (Credentials, "no AWS credentials were found; set credentialsSecretRef, or give the pod a role".to_owned())
            }
            CredentialsError::ProviderTimedOut(_) => {
                (Unavailable, "the source of the AWS credentials does not answer; it is tried again".to_owned())
            }
            CredentialsError::InvalidConfiguration(_) => (
                Credentials,
                "the AWS credentials of the environment are not complete; check the variables and files that begin with AWS_".to_owned(),
            ),
            _ => match cause::<AssumeRoleWithWebIdentityError>(error) {
                Some(refused) => self.without_web_identity(refused.code().unwrap_or_default()),
                None => (Credentials, "the AWS credentials cannot be read from the environment; see the log for what was tried".to_owned()),
            },
        }
    }

    fn without_web_identity(&self, code: &str) -> (FailureKind, String) {
        let kind = kind(code).unwrap_or(Unknown);
        let advice = match kind {
            Denied => "check the trust policy of the role and the service account it names",
            Faulted | Unavailable | Throttled => "it is tried again",
            _ => "check the annotation of the service account and the identity provider in IAM",
        };
        (kind, format!("AWS answers AssumeRoleWithWebIdentity in {} with {code}; {advice}", self.region))
    }

    fn request(&self) -> String {
        self.about().request()
    }

    fn host(&self) -> &str {
        if self.host.is_empty() { "AWS" } else { self.host }
    }
}

/// A refusal by AWS, as the messages need it.
struct Answer<'a> {
    context: &'a Context<'a>,
    code: &'a str,
    text: &'a str,
}

impl Advice for Answer<'_> {
    /// AWS's text names the kind of policy that denies, and says whether the deny is explicit: then no allow helps.
    fn denied(&self) -> String {
        let context = self.context;
        let subject = if context.subject.is_empty() { "the account".into() } else { name(context.subject) };
        let denied = format!("{} on {subject}", context.operation.action());
        let Some(why) = because(self.text) else { return format!("{denied}; {}", context.permission()) };
        let way_out = match context.operation {
            _ if why.starts_with("with an explicit deny") => "an allow does not help, so have that policy changed",
            Operation::AssumeRole => context.permission(),
            _ if why.contains("resource-based") => "allow it in the key's policy",
            _ if why.contains("identity-based") => "allow it in the policy of Keyward's role",
            _ => "have it allowed there",
        };
        format!("{denied}, {why}; {way_out}")
    }

    fn credentials(&self) -> &'static str {
        match self.code {
            "ExpiredToken" | "ExpiredTokenException" => "they have expired; put new ones into the secret, or give the pod a role",
            "UnrecognizedClientException" | "InvalidClientTokenId" | "InvalidAccessKeyId" => {
                "the access key or the session token is not known; correct AWS_ACCESS_KEY_ID and AWS_SESSION_TOKEN"
            }
            "InvalidSignatureException" | "SignatureDoesNotMatch" => {
                "the secret does not belong to the access key, the Region is not the endpoint's, or the clock is wrong; correct AWS_SECRET_ACCESS_KEY or the provider"
            }
            "RequestExpired" | "RequestTimeTooSkewed" => "the clock of this machine is wrong",
            _ => "correct the secret, or give the pod a role",
        }
    }

    fn quota(&self) -> &'static str {
        match self.context.operation {
            Operation::CreateKey => "the quota of keys in this account and Region",
            Operation::CreateAlias | Operation::UpdateAlias => "the quota of aliases of a key (50), or of an account",
            Operation::CreateGrant => "the quota of grants of a key (50,000)",
            Operation::TagResource => "the quota of tags of a key (50)",
            _ => "a quota of the account",
        }
    }

    fn region(&self) -> Option<&str> {
        Some(self.context.region)
    }
}

/// The part of a denial that names the kind of policy, such as `because no identity-based policy allows the kms:TagResource action`. The
/// part before it names the caller's session, which changes with every restart.
fn because(text: &str) -> Option<String> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let at = [" because ", " with an explicit deny "].iter().filter_map(|words| text.find(words)).min()?;
    Some(sanitize(text.get(at..)?).trim_end_matches('.').to_owned())
}

/// AWS's answer, for the log.
#[derive(Debug, thiserror::Error)]
#[error("AWS answered {status} {code}: {text} (request {id})")]
pub(super) struct Answered {
    status: u16,
    code: String,
    text: String,
    id: String,
}

impl Answered {
    /// Whether it is the error of that code.
    pub(super) fn is(&self, code: &str) -> bool {
        self.code == code
    }

    fn new(kind: FailureKind, answer: &aws_sdk_kms::error::ErrorMetadata, status: u16) -> Self {
        let told = |text: Option<&str>| text.unwrap_or("none").to_owned();
        // AWS repeats the headers of a request whose signature is wrong, and one of them is the session token.
        let text = answer.message().filter(|_| !kind.is_of_credentials());
        Self { status, code: told(answer.code()), text: told(text), id: told(answer.extra("aws_request_id")) }
    }
}

/// The first error of that type among the causes of `error`.
fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    std::iter::successors(error.source(), |error| (*error).source()).find_map(<dyn Error>::downcast_ref)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(operation: Operation) -> Context<'static> {
        Context { operation, subject: "key-1", region: "eu-west-1", host: "kms.eu-west-1.amazonaws.com", outcome: Outcome::Refused }
    }

    fn refused(code: &str, status: u16, text: &str) -> (FailureKind, String) {
        let answer = aws_sdk_kms::error::ErrorMetadata::builder().code(code).message(text).build();
        context(Operation::DescribeKey).refused(&answer, status)
    }

    /// The codes that `aws-sdk-kms` models for the operations called, and those that KMS and STS send beside them.
    #[test]
    fn every_code_has_its_kind() {
        let table = [
            (NotFound, "NotFoundException"),
            (
                Invalid,
                "CustomKeyStoreNotFoundException XksKeyAlreadyInUseException XksKeyInvalidConfigurationException XksKeyNotFoundException",
            ),
            (
                Invalid,
                "InvalidAliasNameException InvalidArnException InvalidGrantIdException InvalidMarkerException MalformedPolicyDocument TagException \
                 UnsupportedOperationException ValidationException ValidationError SerializationException InvalidParameterValue \
                 InvalidParameterCombination MissingParameter",
            ),
            (Policy, "MalformedPolicyDocumentException"),
            (
                Conflict,
                "KMSInvalidStateException DisabledException ConflictException CustomKeyStoreInvalidStateException \
                 CloudHsmClusterInvalidConfigurationException",
            ),
            (AliasTaken, "AlreadyExistsException"),
            (Denied, "AccessDeniedException AccessDenied NotAuthorized OptInRequired RegionDisabledException"),
            (
                Credentials,
                "UnrecognizedClientException InvalidClientTokenId InvalidSignatureException SignatureDoesNotMatch \
                 IncompleteSignature IncompleteSignatureException MissingAuthenticationToken MissingAuthenticationTokenException InvalidAccessKeyId \
                 AuthFailure RequestExpired RequestTimeTooSkewed InvalidToken InvalidIdentityToken IDPRejectedClaim",
            ),
            (Expired, "ExpiredTokenException ExpiredToken"),
            (Quota, "LimitExceededException"),
            (
                Throttled,
                "ThrottlingException Throttling ThrottledException TooManyRequestsException RequestLimitExceeded RequestThrottled \
                 RequestThrottledException SlowDown PriorRequestNotComplete",
            ),
            (Faulted, "KMSInternalException KeyUnavailableException"),
            (
                Unavailable,
                "DependencyTimeoutException InternalFailure InternalError InternalServerError \
                 ServiceUnavailable ServiceUnavailableException RequestTimeout RequestTimeoutException IDPCommunicationError",
            ),
        ];
        let mut seen = Vec::new();
        for (expected, codes) in table {
            for code in codes.split_whitespace() {
                assert_eq!(kind(code), Some(expected), "{code}");
                seen.push(code);
            }
        }
        for (code, _) in CODES {
            assert!(seen.contains(code), "{code} is in CODES; add it to the table of this test");
        }
        assert_eq!(seen.len(), CODES.len(), "a code is in CODES twice");
    }

    /// Shows S7.
    #[test]
    fn what_is_not_known_is_unknown_unless_the_status_tells() {
        assert_eq!(refused("BrandNewException", 400, "").0, Unknown);
        assert_eq!(refused("BrandNewException", 503, "").0, Unavailable);
        assert_eq!(refused("BrandNewException", 429, "").0, Throttled);
        assert_eq!(refused("", 404, "").0, Unknown);
        // Another service, or a proxy: KMS has this code with 400 alone.
        assert_eq!(refused("NotFoundException", 400, "").0, NotFound);
        for (status, kind) in [(404, Unknown), (200, Unknown), (403, Unknown), (410, Unknown), (500, Unavailable)] {
            assert_eq!(refused("NotFoundException", status, "").0, kind, "{status}");
        }
        assert!(
            refused("NotFoundException", 404, "")
                .1
                .contains("kms.eu-west-1.amazonaws.com answers DescribeKey on key-1 with NotFoundException and HTTP 404")
        );
        assert_eq!(kind("notfoundexception"), None);
    }

    #[test]
    fn a_used_up_quota_is_never_repeated_at_once_and_throttling_is() {
        assert!(!repeatable("LimitExceededException"));
        assert!(!repeatable("AccessDeniedException"));
        assert!(repeatable("ThrottlingException"));
        assert!(repeatable("KMSInternalException"));
        assert!(repeatable("InvalidSignatureException"), "the SDK corrects a clock that is off");
        assert!(repeatable("BrandNewException"));
    }

    /// What people read; whoever changes a sentence changes it here, too.
    #[test]
    fn sentences_say_what_failed_and_what_to_do() {
        let cases = [
            ("NotFoundException", "AWS has no key key-1 (DescribeKey); a change made moments ago may not be visible yet"),
            ("InvalidArnException", "AWS does not accept DescribeKey on key-1: text of AWS"),
            ("KMSInvalidStateException", "the state of the key does not allow DescribeKey on key-1; it is looked at again"),
            (
                "AccessDeniedException",
                "AWS denies kms:DescribeKey on key-1; allow it in the policy of Keyward's role and in the key's policy",
            ),
            (
                "ExpiredTokenException",
                "AWS does not accept the credentials of DescribeKey on key-1: they have expired; put new ones into the secret, or give the pod a role",
            ),
            (
                "UnrecognizedClientException",
                "AWS does not accept the credentials of DescribeKey on key-1: the access key or the session token is not known; correct AWS_ACCESS_KEY_ID and AWS_SESSION_TOKEN",
            ),
            (
                "InvalidSignatureException",
                "AWS does not accept the credentials of DescribeKey on key-1: the secret does not belong to the access key, the Region is not the endpoint's, or the clock is wrong; correct AWS_SECRET_ACCESS_KEY or the provider",
            ),
            (
                "LimitExceededException",
                "AWS refuses DescribeKey on key-1: a quota of the account is used up (LimitExceededException); remove what is not needed, or ask for more",
            ),
            ("ThrottlingException", "AWS throttles DescribeKey in eu-west-1; it is tried again, more slowly"),
            ("KMSInternalException", "AWS answers DescribeKey on key-1 with KMSInternalException; it is tried again"),
            ("Odd", "AWS answers DescribeKey on key-1 with the unknown code Odd; nothing is changed because of it"),
            (
                "",
                "kms.eu-west-1.amazonaws.com answers DescribeKey on key-1 with HTTP 400 and no code of AWS; check that the endpoint is one of AWS",
            ),
        ];
        for (code, sentence) in cases {
            assert_eq!(refused(code, 400, "text of AWS").1, sentence);
        }
    }

    /// Which policy it is stands in AWS's answer alone; who called is another session after every restart.
    #[test]
    fn a_denial_says_which_policy_it_is_and_not_which_session() {
        let denied = |session: &str, why: &str| {
            let text = format!(
                "User: arn:aws:sts::111122223333:assumed-role/keyward/{session} is not authorized to perform: kms:DescribeKey on resource: \
                 arn:aws:kms:eu-west-1:111122223333:key/key-1 {why}"
            );
            refused("AccessDeniedException", 400, &text).1
        };
        for (why, told) in [
            (
                "because no identity-based policy allows the kms:DescribeKey action",
                "because no identity-based policy allows the kms:DescribeKey action; allow it in the policy of Keyward's role",
            ),
            (
                "because no resource-based policy allows the kms:DescribeKey action.",
                "because no resource-based policy allows the kms:DescribeKey action; allow it in the key's policy",
            ),
            (
                "because no VPC endpoint policy allows the kms:DescribeKey action",
                "because no VPC endpoint policy allows the kms:DescribeKey action; have it allowed there",
            ),
            (
                "with an explicit deny in a service control policy",
                "with an explicit deny in a service control policy; an allow does not help, so have that policy changed",
            ),
            (
                "with an explicit deny in a resource-based policy (Service: Kms, Request ID: 1111)",
                "with an explicit deny in a resource-based policy; an allow does not help, so have that policy changed",
            ),
        ] {
            let first = denied("1764000000", why);
            assert!(first.starts_with("AWS denies kms:DescribeKey on key-1, "), "{first}");
            let said = first.replace(" (Service: Kms", "");
            assert!(said.ends_with(told), "{said}");
            assert_eq!(first, denied("1764999999", why), "another session");
        }
    }

    #[test]
    fn sentences_are_the_same_at_every_try() {
        for (code, _) in CODES {
            let first = refused(code, 400, "window is 3 (Service: Kms, Status Code: 400, Request ID: 11111111-aaaa)").1;
            let second = refused(code, 400, "window is 3 (Service: Kms, Status Code: 400, Request ID: 22222222-bbbb)").1;
            assert_eq!(first, second, "{code}");
            assert!(!first.contains("1111"), "{first}");
        }
        assert_eq!(sanitize("a\n  b (RequestId: 1-2)"), "a b");
        assert_eq!(sanitize("RequestId: 1-2"), "");
        assert_eq!(sanitize(&"ä".repeat(1000)).chars().count(), 400);
    }

    #[test]
    fn missing_credentials_are_told_apart() {
        let context = context(Operation::DescribeKey);
        let (kind, sentence) = context.without_credentials(&CredentialsError::not_loaded_no_source());
        assert_eq!(
            (kind, sentence.as_str()),
            (Credentials, "no AWS credentials were found; set credentialsSecretRef, or give the pod a role")
        );
        assert_eq!(context.without_credentials(&CredentialsError::provider_timed_out(std::time::Duration::ZERO)).0, Unavailable);
        assert_eq!(context.without_credentials(&CredentialsError::invalid_configuration("half a key")).0, Credentials);
        let web = |code: &str| {
            let error = AssumeRoleWithWebIdentityError::generic(aws_sdk_kms::error::ErrorMetadata::builder().code(code).build());
            context.without_credentials(&CredentialsError::provider_error(error))
        };
        assert_eq!(web("AccessDenied").0, Denied);
        assert_eq!(web("InvalidIdentityToken").0, Credentials);
        assert_eq!(
            web("IDPCommunicationError"),
            (Unavailable, "AWS answers AssumeRoleWithWebIdentity in eu-west-1 with IDPCommunicationError; it is tried again".into())
        );
    }
}
