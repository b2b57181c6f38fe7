//! The reference pages in Markdown: every field with its bounds from the schema, and every condition and reason from its enum.
//!
//! They are made from the types that the API server and the controller use, so they cannot differ from them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool, ValidationRule,
};

use crate::api::{ConditionType, Reason, condition::EVENTS};

/// The page of one kind.
#[must_use]
pub fn kind_page(crd: &CustomResourceDefinition) -> String {
    let names = &crd.spec.names;
    let mut page = Vec::new();
    for version in &crd.spec.versions {
        let Some(schema) = version.schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref()) else { continue };
        let api = format!("{}/{}", crd.spec.group, version.name);
        page.push(format!("# {}\n\n{}\n\n", names.kind, text(schema)));
        page.push(format!("`apiVersion: {api}`, `kind: {}`, {}.\n", names.kind, scope(&crd.spec.scope)));
        let short = names.short_names.iter().flatten().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let groups = names.categories.iter().flatten().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        page.push(format!("`kubectl get {}`, short name {short}, category {groups}.\n", names.plural));

        page.push("\n| column | from | |\n|---|---|---|\n".to_owned());
        for column in version.additional_printer_columns.iter().flatten() {
            let wide = if column.priority.unwrap_or_default() > 0 { "with `-o wide`" } else { "" };
            page.push(format!("| {} | {} | {wide} |\n", column.name.to_uppercase(), code(&column.json_path)));
        }
        let selectable: Vec<_> =
            version.selectable_fields.iter().flatten().map(|field| code(field.json_path.trim_start_matches('.'))).collect();
        if !selectable.is_empty() {
            page.push(format!("\n`--field-selector` accepts {}.\n", selectable.join(", ")));
        }
        section(&mut page, "", "", schema);
    }
    page.concat()
}

/// The page of conditions and reasons.
#[must_use]
pub fn conditions_page() -> String {
    let mut page = vec!["# Conditions and reasons\n\n## Conditions\n\n| type | meaning |\n|---|---|\n".to_owned()];
    for (kind, meaning) in ConditionType::ALL {
        page.push(format!("| `{}` | {} |\n", kind.as_str(), cell(meaning)));
    }
    page.push("\nA `KeyProvider` has `Ready`, `Reconciling`, `Stalled` and `DeletionsStopped`.\n\n## Reasons\n\n| reason | meaning |\n|---|---|\n".to_owned());
    for (reason, meaning) in Reason::ALL {
        page.push(format!("| `{}` | {} |\n", reason.as_str(), cell(meaning)));
    }
    page.push("\n## Events\n\n| reason | meaning |\n|---|---|\n".to_owned());
    page.extend(EVENTS.iter().map(|(reason, meaning)| format!("| `{reason}` | {} |\n", cell(meaning))));
    page.concat()
}

/// The rules of an object, the table of its fields, and then the same for each object inside it.
fn section(page: &mut Vec<String>, path: &str, about: &str, schema: &JSONSchemaProps) {
    let mut inner = Vec::new();
    if !path.is_empty() {
        page.push(format!("\n## {path}\n\n{about}\n"));
        rules(page, schema);
        page.push("\n| field | type | default | allowed | |\n|---|---|---|---|---|\n".to_owned());
    }
    for (name, field) in schema.properties.iter().flatten() {
        let field_path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if !path.is_empty() {
            let required = schema.required.iter().flatten().any(|required| required == name);
            let default = match &field.default {
                Some(JSON(value)) => code(&value.to_string()),
                None if required => "required".into(),
                None => String::new(),
            };
            page.push(format!("| `{name}` | {} | {default} | {} | {} |\n", kind(field), allowed(field), cell(&text(field))));
        }
        match (&field.properties, &field.items) {
            (Some(_), _) => inner.push((field_path, text(field), field)),
            (None, Some(JSONSchemaPropsOrArray::Schema(item))) if item.properties.is_some() => {
                inner.push((format!("{field_path}[]"), text(field), item));
            }
            _ => {}
        }
    }
    if path.is_empty() {
        rules(page, schema);
    }
    for (field_path, about, field) in inner {
        section(page, &field_path, &about, field);
    }
}

/// The messages of a node's rules. The messages of its fields' rules are in the table of the fields.
fn rules(page: &mut Vec<String>, schema: &JSONSchemaProps) {
    let sentences: Vec<_> = schema.x_kubernetes_validations.iter().flatten().map(sentence).collect();
    if !sentences.is_empty() {
        page.push(format!("\nRefused with:\n\n{}\n", sentences.iter().map(|text| format!("- {text}")).collect::<Vec<_>>().join("\n")));
    }
}

fn sentence(rule: &ValidationRule) -> String {
    match (&rule.message, &rule.message_expression) {
        (Some(message), _) => message.clone(),
        (None, Some(expression)) => expression.split(" + ").map(spoken).collect(),
        (None, None) => code(&rule.rule),
    }
}

/// A part of a message expression: a text as it is, or otherwise the field that it uses.
fn spoken(part: &str) -> String {
    let quoted = part.strip_prefix('\'').and_then(|part| part.strip_suffix('\''));
    quoted.map_or_else(|| code(part.trim_start_matches("oldSelf.").trim_start_matches("self.")), str::to_owned)
}

fn scope(scope: &str) -> &'static str {
    if scope == "Namespaced" { "namespaced" } else { "cluster-scoped" }
}

fn kind(field: &JSONSchemaProps) -> String {
    let name = field.type_.as_deref().unwrap_or("any");
    match (&field.items, &field.additional_properties) {
        (Some(JSONSchemaPropsOrArray::Schema(item)), _) => format!("list of {}", kind(item)),
        (_, Some(JSONSchemaPropsOrBool::Schema(value))) => format!("map of {}", kind(value)),
        _ if field.format.as_deref() == Some("date-time") => "time".into(),
        _ => name.into(),
    }
}

/// The bounds in words, then the messages of the field's own rules.
fn allowed(field: &JSONSchemaProps) -> String {
    let mut words = Vec::new();
    if let Some(values) = &field.enum_ {
        words.push(values.iter().map(|JSON(value)| code(value.as_str().unwrap_or_default())).collect::<Vec<_>>().join(", "));
    }
    words.extend(between(field.minimum, field.maximum, ""));
    words.extend(between(field.min_length, field.max_length, " characters"));
    words.extend(between(field.min_items, field.max_items, " items"));
    words.extend(between(field.min_properties, field.max_properties, " entries"));
    words.extend(field.pattern.as_deref().map(code));
    // The rules of an object are in its own section.
    if field.properties.is_none() {
        words.extend(field.x_kubernetes_validations.iter().flatten().map(sentence));
    }
    match (&field.items, &field.additional_properties) {
        (Some(JSONSchemaPropsOrArray::Schema(inner)), _) | (_, Some(JSONSchemaPropsOrBool::Schema(inner)))
            if inner.properties.is_none() =>
        {
            let inner = allowed(inner);
            words.extend((!inner.is_empty()).then(|| format!("each: {inner}")));
        }
        _ => {}
    }
    cell(&words.join("; "))
}

fn between<N: std::fmt::Display>(least: Option<N>, most: Option<N>, unit: &str) -> Option<String> {
    match (least, most) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}{unit}")),
        (None, Some(most)) => Some(format!("at most {most}{unit}")),
        (Some(least), None) => Some(format!("at least {least}{unit}")),
        (None, None) => None,
    }
}

fn text(schema: &JSONSchemaProps) -> String {
    schema.description.clone().unwrap_or_default()
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

/// Text for a cell of a table.
fn cell(text: &str) -> String {
    text.trim().replace('|', "\\|").replace('\n', " ")
}
