//! The values of the chart: `values.yaml` and its comments are the one source, of the reference in the chart's README and of its schema.

use std::fmt::Write;

use k8s_openapi::api::{
    apps::v1::DeploymentStrategy,
    core::v1::{
        Affinity, Container, EnvFromSource, EnvVar, HostAlias, LocalObjectReference, PodDNSConfig, PodSecurityContext, Probe,
        ResourceRequirements, SecurityContext, Toleration, TopologySpreadConstraint, Volume, VolumeMount,
    },
    networking::v1::{NetworkPolicyEgressRule, NetworkPolicyIngressRule},
};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// A value of the chart, as its comment says it.
#[derive(Clone, Debug)]
pub struct Described {
    /// The path, with dots.
    pub path: String,
    section: String,
    /// The type, if the default does not show it.
    kind: Option<String>,
    text: String,
    /// More of its schema.
    schema: Map<String, Value>,
    default: Value,
}

/// What `values.yaml` has.
pub struct Values {
    /// In their order.
    pub all: Vec<Described>,
    /// The sections, with the sentences below their headings.
    sections: Vec<(String, String)>,
    /// The schemas of objects that have values in them.
    parents: Vec<(String, Map<String, Value>)>,
    /// All of them, as YAML says them.
    pub defaults: Value,
}

impl Values {
    /// Reads them. A value without a description is an error.
    pub fn read() -> Self {
        let text = std::fs::read_to_string(crate::support::helm::chart().join("values.yaml")).unwrap();
        let mut found =
            Self { all: Vec::new(), sections: Vec::new(), parents: Vec::new(), defaults: serde_saphyr::from_str(&text).unwrap() };
        // The objects that enclose a line, with their indentations.
        let mut within: Vec<(usize, String)> = Vec::new();
        let (mut described, mut schema): (Option<String>, Map<String, Value>) = (None, Map::new());
        // Lines that are deeper belong to a value that is described as a whole.
        let mut whole: Option<usize> = None;
        for line in text.lines() {
            let indent = line.len() - line.trim_start().len();
            let body = line.trim_start();
            if let Some(name) = body.strip_prefix("# @section ") {
                found.sections.push((name.to_owned(), String::new()));
            } else if let Some(more) = body.strip_prefix("# @schema ") {
                schema = serde_json::from_str(more).unwrap_or_else(|error| panic!("{line}: {error}"));
            } else if let Some(text) = body.strip_prefix("# -- ") {
                described = Some(text.to_owned());
            } else if let Some(more) = body.strip_prefix("# ") {
                let into = described.as_mut().or(found.sections.last_mut().map(|(_, text)| text));
                if let Some(into) = into {
                    format!("{into} {more}").trim().clone_into(into);
                }
            } else if let Some((key, _)) = body.split_once(':')
                && key.bytes().all(|byte| byte.is_ascii_alphanumeric())
                && whole.is_none_or(|outer| indent <= outer)
            {
                whole = None;
                within.retain(|(outer, _)| *outer < indent);
                let path = within.iter().map(|(_, key)| key.as_str()).chain([key]).collect::<Vec<_>>().join(".");
                let schema = std::mem::take(&mut schema);
                let default = found.defaults.pointer(&format!("/{}", path.replace('.', "/"))).unwrap().clone();
                if let Some(text) = described.take() {
                    whole = Some(indent);
                    let kind = text.strip_prefix('(').and_then(|rest| rest.split_once(") "));
                    let (kind, text) = kind.map_or((None, text.clone()), |(kind, text)| (Some(kind.to_owned()), text.to_owned()));
                    let section = found.sections.last().unwrap_or_else(|| panic!("{path} is in no section")).0.clone();
                    found.all.push(Described { path, section, kind, text, schema, default });
                } else {
                    assert!(
                        default.as_object().is_some_and(|object| !object.is_empty()),
                        "{path} has no description: write `# -- …` above it"
                    );
                    found.parents.push((path, schema));
                    within.push((indent, key.to_owned()));
                }
            }
        }
        found
    }
}

/// The reference, which is the README of the chart.
pub fn page() -> String {
    let values = Values::read();
    let mut page = String::from(
        "# Keyward's Helm chart\n\n\
         Keyward is an operator that keeps the keys in your KMS as `ManagedKey` objects declare them. \
         [docs/install.md](../../docs/install.md) leads through an installation, an upgrade, and a move from or to kustomize.\n\n\
         A value that this page does not list is an error.\n",
    );
    for (section, text) in &values.sections {
        write!(page, "\n## {section}\n\n{text}{}| value | default | |\n|---|---|---|\n", if text.is_empty() { "" } else { "\n\n" })
            .unwrap();
        for Described { path, kind, text, default, .. } in values.all.iter().filter(|value| value.section == *section) {
            let default = match default {
                Value::Object(object) if !object.is_empty() => "see `values.yaml`".to_owned(),
                Value::Array(list) if !list.is_empty() => "see `values.yaml`".to_owned(),
                other => format!("`{other}`"),
            };
            let kind = kind.as_ref().map(|kind| format!(" ({kind})")).unwrap_or_default();
            writeln!(page, "| `{path}` | {default} | {}{kind} |", text.replace('|', "\\|")).unwrap();
        }
    }
    page
}

/// The schema. Nothing that it does not name is allowed, down to the fields of pods.
pub fn schema() -> String {
    let values = Values::read();
    let mut generator = SchemaSettings::draft07().into_generator();
    let mut root = json!({ "type": "object", "additionalProperties": false, "properties": {} });
    for (path, more) in &values.parents {
        let mut object = json!({ "type": "object", "additionalProperties": false, "properties": {} });
        object.as_object_mut().unwrap().extend(more.clone());
        insert(&mut root, path, object);
    }
    for Described { path, kind, text, schema, default, .. } in &values.all {
        let mut found = match kind {
            Some(kind) => of_kind(kind, &mut generator),
            None => match default {
                Value::Bool(_) => json!({ "type": "boolean" }),
                Value::Number(_) => json!({ "type": "integer" }),
                Value::String(_) => json!({ "type": "string" }),
                _ => panic!("{path} needs a type: write `# -- (list of strings) …`"),
            },
        };
        let found_fields = found.as_object_mut().unwrap();
        found_fields.extend(schema.clone());
        found_fields.insert("description".into(), text.clone().into());
        insert(&mut root, path, found);
    }
    let mut definitions = Value::Object(generator.take_definitions(true));
    close(&mut definitions);
    let fields = root.as_object_mut().unwrap();
    fields.insert("definitions".into(), definitions);
    fields.insert("$schema".into(), "http://json-schema.org/draft-07/schema#".into());
    fields.insert("$comment".into(), "generated by `make generate` from values.yaml; do not edit".into());
    format!("{}\n", serde_json::to_string_pretty(&root).unwrap())
}

/// Puts the schema of a value into that of its object.
fn insert(root: &mut Value, path: &str, schema: Value) {
    let pointer = path.split('.').flat_map(|key| ["/properties/", key]).collect::<String>();
    let (object, key) = pointer.rsplit_once('/').unwrap();
    root.pointer_mut(object).unwrap().as_object_mut().unwrap().insert(key.to_owned(), schema);
}

/// The schema of what a description names in brackets.
fn of_kind(kind: &str, generator: &mut SchemaGenerator) -> Value {
    macro_rules! one_of {
        ($($kind:ident),*) => {
            match kind.rsplit(['/', ' ']).next().unwrap() {
                $(stringify!($kind) => generator.subschema_for::<$kind>().to_value(),)*
                _ => panic!("`({kind})`: this type is not known"),
            }
        };
    }
    match kind {
        "map of strings" => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        "list of strings" => json!({ "type": "array", "items": { "type": "string" } }),
        "list of objects" => json!({ "type": "array", "items": { "type": ["object", "string"] } }),
        "int or string" => json!({ "type": ["integer", "string"] }),
        _ => {
            let item = one_of!(
                Affinity,
                Container,
                DeploymentStrategy,
                EnvFromSource,
                EnvVar,
                HostAlias,
                LocalObjectReference,
                NetworkPolicyEgressRule,
                NetworkPolicyIngressRule,
                PodDNSConfig,
                PodSecurityContext,
                Probe,
                ResourceRequirements,
                SecurityContext,
                Toleration,
                TopologySpreadConstraint,
                Volume,
                VolumeMount
            );
            if kind.starts_with("list of ") { json!({ "type": "array", "items": item }) } else { item_of_its_own(&item) }
        }
    }
}

/// A reference alone would have its description and bounds ignored.
fn item_of_its_own(item: &Value) -> Value {
    json!({ "allOf": [item] })
}

/// Lets no object of a Kubernetes type have a field that the type lacks, and leaves out what nobody reads in an editor.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            // The name of a field may be `description` too; then it is an object.
            for unread in ["description", "format"] {
                if fields.get(unread).is_some_and(Value::is_string) {
                    fields.remove(unread);
                }
            }
            if fields.remove("x-kubernetes-int-or-string").is_some() {
                fields.insert("type".into(), json!(["number", "string"]));
            }
            if fields.get("properties").is_some_and(Value::is_object) && !fields.contains_key("additionalProperties") {
                fields.insert("additionalProperties".into(), false.into());
            }
            fields.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// Whether a schema lets an object have any field; then `at` is in the list.
fn open(at: &str, schema: &Value, found: &mut Vec<String>) {
    if let Some(fields) = schema.as_object() {
        let object = fields
            .get("type")
            .is_some_and(|kind| *kind == "object" || kind.as_array().is_some_and(|kinds| kinds.contains(&"object".into())));
        let closed = fields.get("additionalProperties").is_some_and(|more| *more == false || more.is_object());
        if object && !closed {
            found.push(at.to_owned());
        }
        for (name, inner) in fields {
            open(&format!("{at}/{name}"), inner, found);
        }
    }
    for inner in schema.as_array().into_iter().flatten() {
        open(at, inner, found);
    }
}

/// A mistyped value is an error, at any depth.
#[test]
fn no_value_is_open() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    let mut found = Vec::new();
    open("", &schema, &mut found);
    // The managed fields of an object, which nobody writes; the manifests of others, and the global values of other charts.
    found.sort();
    assert_eq!(
        found,
        ["/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1", "/properties/extraObjects/items", "/properties/global"]
    );
}
