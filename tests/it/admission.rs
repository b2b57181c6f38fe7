//! What the API server accepts, and what a person reads when it does not.
//!
//! Everything is tried on a real API server: a rule that reads well can be too costly, never run, or lock out whoever has to cancel a deletion.

// Tables are as long as what they list, and a value in a row stands where it is used.
#![allow(clippy::too_many_lines, clippy::needless_pass_by_value)]

mod key_grant;
mod key_provider;
mod kubectl;
mod managed_key;
mod policies;
mod rights;
mod status;
mod stored;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

/// One attempt, and a part of the message that a person reads if it is refused.
struct Row {
    about: &'static str,
    write: Write,
    refused: Option<&'static str>,
}

/// What is written.
enum Write {
    /// A new object.
    Create(Value),
    /// A merge patch to an object that is there.
    Patch { object: Value, status: Value, patch: Value },
    /// A merge patch to its status.
    Status { object: Value, status: Value, patch: Value },
}

fn passes(about: &'static str, write: Write) -> Row {
    Row { about, write, refused: None }
}

fn refused(about: &'static str, write: Write, message: &'static str) -> Row {
    Row { about, write, refused: Some(message) }
}

/// Tries each row and reports all that came out otherwise.
async fn try_all(api: &Api<DynamicObject>, rows: &[Row]) {
    let mut wrong = Vec::new();
    for Row { about, write, refused } in rows {
        match (attempt(api, write).await, refused) {
            (Ok(_), None) => {}
            (Err(said), Some(message)) if said.contains(message) => {}
            (Ok(_), Some(message)) => wrong.push(format!("{about}: passed, expected: {message}")),
            (Err(said), _) => wrong.push(format!("{about}: {said}\n    expected: {}", refused.unwrap_or("to pass"))),
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

/// Each attempt is a dry run. It passes through all of admission, and nothing is stored.
async fn attempt(api: &Api<DynamicObject>, write: &Write) -> Result<DynamicObject, String> {
    let dry = PatchParams { dry_run: true, ..PatchParams::default() };
    let result = match write {
        Write::Create(object) => api.create(&PostParams { dry_run: true, ..PostParams::default() }, &dynamic(object)).await,
        Write::Patch { object, status, patch } => {
            let name = store(api, object, status).await;
            api.patch(&name, &dry, &Patch::Merge(patch)).await
        }
        Write::Status { object, status, patch } => {
            let name = store(api, object, status).await;
            api.patch_status(&name, &dry, &Patch::Merge(patch)).await
        }
    };
    result.map_err(|error| match error {
        kube::Error::Api(status) => status.message,
        other => panic!("{other}"),
    })
}

/// Stores an object and its status, and says its name.
async fn store(api: &Api<DynamicObject>, object: &Value, status: &Value) -> String {
    let stored = api.create(&PostParams::default(), &dynamic(object)).await.unwrap_or_else(|error| panic!("{object}: {error}"));
    let name = stored.name_any();
    if !status.is_null() {
        let patch = Patch::Merge(json!({ "status": status }));
        api.patch_status(&name, &PatchParams::default(), &patch).await.unwrap_or_else(|error| panic!("{status}: {error}"));
    }
    name
}

fn dynamic(object: &Value) -> DynamicObject {
    serde_json::from_value(object.clone()).unwrap()
}

/// `base` with a JSON merge patch (RFC 7396) on it.
fn with(mut base: Value, patch: Value) -> Value {
    fn merge(base: &mut Value, patch: Value) {
        let Value::Object(patch) = patch else { return *base = patch };
        if !base.is_object() {
            *base = json!({});
        }
        for (name, value) in patch {
            merge(&mut base[name], value);
        }
    }
    merge(&mut base, patch);
    base
}

/// Each rule, and each bound inside `spec`, is refused in at least one row: a new one without a row fails here.
fn assert_complete(crd: &CustomResourceDefinition, rows: &[Row]) {
    let refused: Vec<_> = rows.iter().filter_map(|row| row.refused).collect();
    let said = |text: &str| refused.iter().any(|message| message.contains(text));
    let mut missing = Vec::new();
    let root = crd.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap();
    nodes("", root, &mut |path, schema| {
        for rule in schema.x_kubernetes_validations.iter().flatten() {
            // A message that is put together is known by its first part.
            let start = rule.message.clone().or_else(|| rule.message_expression.as_ref()?.split('\'').nth(1).map(str::to_owned)).unwrap();
            if !said(start.trim()) {
                missing.push(format!("{path}: {start}"));
            }
        }
        let JSONSchemaProps { max_length, min_length, maximum, minimum, max_items, min_items, max_properties, pattern, enum_, .. } = schema;
        let starts_with_spec = path.starts_with("spec.") && !path.contains(".selector.");
        let bounds = [
            (max_length.is_some() && pattern.is_none(), "Too long"),
            (min_length.is_some() && pattern.is_none(), "should be at least"),
            (pattern.is_some(), "should match"),
            (maximum.is_some(), "should be less than or equal to"),
            (minimum.is_some(), "should be greater than or equal to"),
            (max_items.is_some(), "must have at most"),
            (min_items.is_some(), "should have at least"),
            (max_properties.is_some(), "must have at most"),
            (enum_.is_some(), "Unsupported value"),
        ];
        for (_, what) in bounds.iter().filter(|(there, _)| *there && starts_with_spec) {
            if !refused.iter().any(|message| message.starts_with(&format!("{path}: ")) && message.contains(what)) {
                missing.push(format!("{path}: {what}"));
            }
        }
    });
    let kind = &crd.spec.names.kind;
    assert!(
        missing.is_empty(),
        "add a row that is refused to the rows of {kind} in tests/it/admission, for each of:\n{}",
        missing.join("\n")
    );
}

/// Calls `visit` with each node of a schema and its path as the API server writes it: the first item of a list, the key `k` of a map.
fn nodes(path: &str, schema: &JSONSchemaProps, visit: &mut dyn FnMut(&str, &JSONSchemaProps)) {
    visit(path, schema);
    for (name, property) in schema.properties.iter().flatten() {
        let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        nodes(&inner, property, visit);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        nodes(&format!("{path}[0]"), items, visit);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
        nodes(&format!("{path}.k"), values, visit);
    }
}
