//! The format of a line: one flat JSON object, or text. Each line within a span has the fields of the span, such as the object of a round.
//!
//! An error is logged with its causes, and nothing is logged as a Rust structure, so that a reader need not know the source. Texts of others are
//! [made safe to show](crate::text), so that none of them looks like a line of its own.

use std::{borrow::Cow, fmt};

use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::{JsonFields, Writer},
        time::{FormatTime, SystemTime},
    },
    registry::{LookupSpan, Scope},
};

use super::causes;
use crate::text::shown;

/// The fields of an event or a span, in order.
#[derive(Default)]
struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    fn of(record: &impl RecordFields) -> Self {
        let mut fields = Self::default();
        record.record(&mut fields);
        fields
    }

    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.push((field.name(), value.into()));
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, causes(value));
    }

    /// Values with `Display` come here as well.
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

/// One flat JSON object per line: time, level, target, the fields of the spans, the fields and message of the event. If two have the same
/// name, the inner one wins.
pub(super) struct Flat;

impl<S> FormatEvent<S, JsonFields> for Flat
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn format_event(&self, context: &FmtContext<'_, S, JsonFields>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut line = Map::from_iter([
            ("timestamp".to_owned(), Value::from(time)),
            ("level".to_owned(), Value::from(event.metadata().level().as_str())),
            ("target".to_owned(), Value::from(event.metadata().target())),
        ]);
        for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
            // kube's own spans only repeat the fields of ours.
            if span.metadata().target().starts_with("keyward")
                && let Some(fields) = span.extensions().get::<FormattedFields<JsonFields>>()
                && let Ok(Value::Object(fields)) = serde_json::from_str(&fields.fields)
            {
                line.extend(fields);
            }
        }
        line.extend(Fields::of(&event).0.into_iter().map(|(name, value)| (name.to_owned(), value)));
        for value in line.values_mut() {
            if let Value::String(text) = value
                && let Cow::Owned(safe) = shown(text)
            {
                *text = safe;
            }
        }
        writeln!(writer, "{}", Value::Object(line))
    }
}

/// The fields of a line of text: the message, then the others as `name=value`.
pub(super) struct Plain;

impl<'writer> FormatFields<'writer> for Plain {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut first = true;
        for (name, value) in Fields::of(&fields).0 {
            if !std::mem::take(&mut first) {
                writer.write_char(' ')?;
            }
            match (name, value) {
                ("message", Value::String(text)) => write!(writer, "{}", shown(&text))?,
                (name, value) => write!(writer, "{name}={}", shown(&value.to_string()))?,
            }
        }
        Ok(())
    }
}
