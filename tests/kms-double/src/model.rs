//! The models of answers from the vendors' own clients, and the check of the double's answers against them.
//!
//! The models are not part of the double. The program in `KMS_DOUBLE_MODELS` extracts them from botocore and from Huawei Cloud's SDK, and
//! prints the name of its file. Under cargo the variable is set for every process. A double with the models checks each of its answers. If
//! an answer did not match, the double panics when it is dropped, so that the test fails.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;

/// The variable with the program. Empty: no check.
const PROGRAM: &str = "KMS_DOUBLE_MODELS";

/// Errors that any operation of KMS may answer. They are on AWS's page of common errors, or in recordings of users, but in no model.
const COMMON_KMS: [&str; 10] = [
    "AccessDeniedException",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "SerializationException",
    "ThrottlingException",
    "UnknownOperationException",
    "UnrecognizedClientException",
    "ValidationException",
];

/// The same for STS.
const COMMON_STS: [&str; 9] = [
    "AccessDenied",
    "ExpiredToken",
    "IncompleteSignature",
    "InvalidAction",
    "InvalidClientTokenId",
    "MissingAuthenticationToken",
    "SignatureDoesNotMatch",
    "Throttling",
    "ValidationError",
];

/// The models of the services.
#[derive(Debug, Deserialize)]
pub struct Models {
    kms: Service,
    sts: Service,
    huawei: Service,
}

/// One service.
#[derive(Debug, Deserialize)]
struct Service {
    operations: BTreeMap<String, Operation>,
    shapes: BTreeMap<String, Shape>,
}

/// The answer of an operation. Without `output` it has no body.
#[derive(Debug, Deserialize)]
struct Operation {
    output: Option<String>,
    errors: BTreeMap<String, Error>,
}

#[derive(Debug, Deserialize)]
struct Error {
    status: u16,
    shape: String,
}

/// The shape of a value. Members and elements refer to their shapes by name.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Shape {
    Structure {
        members: BTreeMap<String, String>,
        #[serde(default)]
        required: Vec<String>,
    },
    List {
        member: String,
    },
    Map {
        member: String,
    },
    String {
        #[serde(default, rename = "enum")]
        values: Vec<String>,
        min: Option<usize>,
        max: Option<usize>,
    },
    Blob,
    Timestamp,
    Integer,
    Long,
    Double,
    Boolean,
    Any,
}

/// The format of scalars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scalars {
    /// In the JSON type of their shape. Times are numbers.
    Typed,
    /// As text, as in XML.
    Text,
    /// In any JSON type with the same meaning.
    Any,
}

/// What is wrong with an answer, as a sentence.
type Verdict = Result<(), String>;

impl Models {
    /// The models, if the environment names the program. The program runs once per process.
    pub(crate) fn of_environment() -> anyhow::Result<Option<&'static Self>> {
        static MODELS: OnceLock<Result<Option<Models>, String>> = OnceLock::new();
        let models = MODELS.get_or_init(|| match std::env::var(PROGRAM) {
            Ok(program) if !program.is_empty() => Self::ask(&program).map(Some).map_err(|error| format!("{PROGRAM}={program}: {error:#}")),
            _ => Ok(None),
        });
        models.as_ref().map(Option::as_ref).map_err(|error| anyhow::anyhow!("{error}"))
    }

    fn ask(program: &str) -> anyhow::Result<Self> {
        let asked = Command::new(program).stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("it does not start")?;
        anyhow::ensure!(asked.status.success(), "it ended with {}", asked.status);
        let file = String::from_utf8(asked.stdout)?;
        let file = Path::new(file.trim());
        let read = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        serde_json::from_slice(&read).with_context(|| format!("{} is no model", file.display()))
    }

    /// The names of the operations of AWS KMS.
    pub fn kms_operations(&self) -> impl Iterator<Item = &str> {
        self.kms.operations.keys().map(String::as_str)
    }

    /// Whether AWS KMS can give this answer to `operation`; if not, why.
    pub fn check_kms(&self, operation: &str, status: u16, body: &str) -> Verdict {
        let told = |why: String| format!("{operation} answered {status} {body}, but botocore's model of kms says otherwise: {why}");
        if status == 200 {
            let Some(known) = self.kms.operations.get(operation) else {
                return Err(told("there is no such operation".to_owned()));
            };
            return match &known.output {
                None if body.is_empty() => Ok(()),
                None => Err(told("the operation has no output".to_owned())),
                Some(output) => parse(body).and_then(|answer| self.kms.check(output, &answer, "the answer", Scalars::Typed)).map_err(told),
            };
        }
        parse(body)
            .and_then(|answer| self.kms.check_error(operation, status, text(&answer, "__type")?, &COMMON_KMS, Some(&answer)))
            .map_err(told)
    }

    /// Whether STS can give this answer to `operation`; if not, why.
    pub fn check_sts(&self, operation: &str, status: u16, body: &str) -> Verdict {
        let told = |why: String| format!("{operation} answered {status} {body}, but botocore's model of sts says otherwise: {why}");
        let document = roxmltree::Document::parse(body).map_err(|error| told(error.to_string()))?;
        let root = document.root_element();
        if status == 200 {
            let known = self.sts.operations.get(operation).ok_or_else(|| told("there is no such operation".to_owned()))?;
            let result = child(root, &format!("{operation}Result")).map_err(told)?;
            child(root, "ResponseMetadata").and_then(|metadata| child_text(metadata, "RequestId")).map_err(told)?;
            let output = known.output.as_deref().unwrap_or_default();
            return self.sts.check(output, &tree(result), "the answer", Scalars::Text).map_err(told);
        }
        let code = child(root, "Error").and_then(|error| child_text(error, "Code")).map_err(told)?;
        self.sts.check_error(operation, status, &code, &COMMON_STS, None).map_err(told)
    }

    /// Whether Huawei Cloud KMS can give this answer to a request with this method and path; if not, why. `any_scalars`: numbers, booleans
    /// and text are interchangeable.
    pub fn check_huawei(&self, line: &str, status: u16, body: &str, any_scalars: bool) -> Verdict {
        let told = |why: String| format!("{line} answered {status} {body}, but the classes of Huawei's SDK say otherwise: {why}");
        if status >= 300 {
            // The SDK has no class for errors. It reads these members, from the body or from its member `error`.
            let answer = parse(body).map_err(told)?;
            let error = answer.get("error").unwrap_or(&answer);
            return text(error, "error_code").and_then(|_| text(error, "error_msg")).map(|_| ()).map_err(told);
        }
        let template = self.huawei.operations.iter().filter(|(template, _)| fits(template, line));
        // The template with the fewest parameters: `kms/tags` must not match `kms/{key_id}`.
        let known = template.min_by_key(|(template, _)| template.matches('{').count());
        let (template, known) = known.ok_or_else(|| told("there is no such operation".to_owned()))?;
        let output = known.output.as_deref().unwrap_or_default();
        if body.is_empty() {
            let empty = matches!(self.huawei.shapes.get(output), Some(Shape::Structure { members, .. }) if members.is_empty());
            return if empty || template.ends_with("/update-primary-region") { Ok(()) } else { Err(told("it has a body".to_owned())) };
        }
        let answer = parse(body).map_err(told)?;
        // By default two answers have the form of the documents; see `Form::HuaweiSdkTypes`.
        let by_documents = template.ends_with("/{resource_instances}/action");
        let scalars = if any_scalars || by_documents { Scalars::Any } else { Scalars::Typed };
        let output = match (self.huawei.shapes.get(output), &answer) {
            (Some(Shape::List { member }), Value::Object(_)) if template.ends_with("/aliases") => member,
            _ => output,
        };
        self.huawei.check(output, &answer, "the answer", scalars).map_err(told)
    }
}

/// Whether a template of the SDK, with parameters in braces, matches a request's method and path.
fn fits(template: &str, line: &str) -> bool {
    let (template, line): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), line.split('/').collect());
    let same = |(part, segment): (&&str, &&str)| part == segment || (part.starts_with('{') && !segment.is_empty());
    template.len() == line.len() && template.iter().zip(&line).all(same)
}

impl Service {
    fn check_error(&self, operation: &str, status: u16, code: &str, common: &[&str], body: Option<&Value>) -> Verdict {
        let modelled = self.operations.get(operation).and_then(|known| known.errors.get(code));
        match modelled {
            Some(error) if error.status != status => Err(format!("{code} has the status {}", error.status)),
            Some(error) => body.map_or(Ok(()), |body| {
                let members = body.as_object().into_iter().flatten().filter(|(name, _)| *name != "__type");
                let members = members.map(|(name, value)| (name.clone(), value.clone())).collect();
                self.check(&error.shape, &Value::Object(members), code, Scalars::Typed)
            }),
            None if common.contains(&code) => Ok(()),
            None => Err(format!("{code} is none of its errors")),
        }
    }

    /// Whether `value` has the shape of this name. `at` says where the value is.
    fn check(&self, shape: &str, value: &Value, at: &str, scalars: Scalars) -> Verdict {
        let Some(known) = self.shapes.get(shape) else {
            return Err(format!("{at} is of {shape}, which is no shape"));
        };
        let is = |right: bool, what: &str| if right { Ok(()) } else { Err(format!("{at} is {value}, and has to be {what}")) };
        match (known, value) {
            (Shape::Any, _) => Ok(()),
            (Shape::Structure { members, required }, Value::Object(given)) => {
                if let Some(missing) = required.iter().find(|name| !given.contains_key(*name)) {
                    return Err(format!("{at} has no {missing}, which {shape} requires"));
                }
                given.iter().try_for_each(|(name, value)| match members.get(name) {
                    Some(member) => self.check(member, value, &format!("{name} of {at}"), scalars),
                    None => Err(format!("{at} has {name}, which {shape} does not have")),
                })
            }
            // An element without content in XML.
            (Shape::Structure { members, required }, Value::String(text)) if scalars == Scalars::Text && text.is_empty() => {
                is(required.is_empty() || members.is_empty(), "an object")
            }
            (Shape::List { member }, Value::Array(elements)) => {
                elements.iter().try_for_each(|element| self.check(member, element, &format!("an element of {at}"), scalars))
            }
            (Shape::Map { member }, Value::Object(given)) => {
                given.iter().try_for_each(|(name, value)| self.check(member, value, &format!("{name} of {at}"), scalars))
            }
            (Shape::String { values, min, max }, Value::String(text)) => {
                let length = text.chars().count();
                is(
                    min.is_none_or(|min| length >= min) && max.is_none_or(|max| length <= max),
                    &format!("of {min:?} to {max:?} characters"),
                )?;
                is(values.is_empty() || values.contains(text), &format!("one of {values:?}"))
            }
            (Shape::String { .. }, _) => is(scalars == Scalars::Any && (value.is_number() || value.is_boolean()), "text"),
            (Shape::Blob, _) => is(value.is_string(), "a blob in base64"),
            (Shape::Timestamp, Value::String(text)) => is(scalars == Scalars::Text && text.parse::<jiff::Timestamp>().is_ok(), "a time"),
            (Shape::Timestamp | Shape::Double, _) => is(value.is_number(), "a number"),
            (Shape::Integer | Shape::Long, Value::String(text)) => {
                is(scalars != Scalars::Typed && text.parse::<i64>().is_ok(), "a whole number")
            }
            (Shape::Integer | Shape::Long, _) => is(value.is_i64() || value.is_u64(), "a whole number"),
            (Shape::Boolean, Value::String(text)) => {
                is(scalars != Scalars::Typed && matches!(text.as_str(), "true" | "false"), "true or false")
            }
            (Shape::Boolean, _) => is(value.is_boolean(), "true or false"),
            (Shape::Structure { .. } | Shape::Map { .. }, _) => is(false, "an object"),
            (Shape::List { .. }, _) => is(false, "a list"),
        }
    }
}

/// The namespace of STS's documents.
const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// An element of STS as JSON: an object if it has children, otherwise text. It has only lists of `member` elements.
fn tree(node: roxmltree::Node<'_, '_>) -> Value {
    let children: Vec<_> = node.children().filter(roxmltree::Node::is_element).collect();
    if children.is_empty() {
        return Value::from(node.text().unwrap_or_default());
    }
    if children.iter().all(|child| child.tag_name().name() == "member") {
        return children.into_iter().map(tree).collect();
    }
    Value::Object(children.into_iter().map(|child| (child.tag_name().name().to_owned(), tree(child))).collect())
}

fn child<'a, 'i>(node: roxmltree::Node<'a, 'i>, name: &str) -> Result<roxmltree::Node<'a, 'i>, String> {
    node.children().find(|child| child.has_tag_name((NAMESPACE, name))).ok_or_else(|| format!("it has no {name}"))
}

fn child_text(node: roxmltree::Node<'_, '_>, name: &str) -> Result<String, String> {
    child(node, name)?.text().map(str::to_owned).ok_or_else(|| format!("{name} is empty"))
}

fn parse(body: &str) -> Result<Value, String> {
    serde_json::from_str(body).map_err(|error| format!("the body is no JSON: {error}"))
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str, String> {
    value.get(name).and_then(Value::as_str).ok_or_else(|| format!("it has no text {name}"))
}
