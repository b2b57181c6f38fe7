//! Logs: JSON for machines, text for people. They always go to stderr, because stdout is for the output of a command.
//!
//! No Secret may get into the log. If kube's client cannot decode an answer, it logs the whole body at level WARN, and the body can be a
//! Secret. So this one source is always silent, whatever the log level is. The caller logs the error and its cause.
//!
//! At level TRACE, libraries log requests and answers as they are, with signatures, tokens and the answers to logins. So the level TRACE is for
//! Keyward's own lines only. The SDK of AWS logs its settings as Rust structures at level DEBUG, with the ids of access keys, so it is silent
//! at that level as well.
mod causes;
mod lines;

pub use self::causes::causes;

use std::io::IsTerminal;
use std::str::FromStr;

use tracing_subscriber::filter::{EnvFilter, FilterExt, LevelFilter, ParseError, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

/// The format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text if stderr is a terminal, otherwise JSON.
    Auto,
    /// Text for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Which lines are logged: a level such as `info`, or directives such as `info,keyward=debug`.
#[derive(Clone, Debug)]
pub struct LogLevel(String);

impl FromStr for LogLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = text.split(',').map(directive).collect::<Result<Vec<_>, _>>()?.join(",");
        filter(&known).map_err(|error| format!("{error}; {LEVELS}"))?;
        Ok(Self(known))
    }
}

const LEVELS: &str = "use error, warn, info, debug or trace, or directives such as info,keyward=debug";

/// One directive. Other common spellings of a level are accepted. A word that is not a level is refused, because the filter would use it as
/// a module name and silence all other modules.
fn directive(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.to_ascii_lowercase().as_str() {
        "" | "error" | "warn" | "info" | "debug" | "trace" | "off" => Ok(text.to_owned()),
        "warning" => Ok("warn".to_owned()),
        "err" | "fatal" | "critical" => Ok("error".to_owned()),
        _ if text.contains(['=', '[']) => Ok(text.to_owned()),
        _ => Err(format!("{text} is not a log level; {LEVELS}")),
    }
}

fn filter(directives: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).parse(directives)
}

/// Starts logging for the whole process. A second call is an error.
pub fn start(format: LogFormat, level: &LogLevel) -> anyhow::Result<()> {
    let terminal = std::io::stderr().is_terminal();
    let text = match format {
        LogFormat::Auto => terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    tracing_subscriber::registry().with(lines(text, terminal, &level.0, std::io::stderr)?).try_init()?;
    Ok(())
}

fn lines<W>(text: bool, colour: bool, directives: &str, to: W) -> Result<Box<dyn Layer<Registry> + Send + Sync>, ParseError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // This is a filter of its own and not one more directive, because a more specific directive of the user would win.
    let safe = filter_fn(|metadata| {
        let target = metadata.target();
        let most = match () {
            () if target.starts_with("keyward") => LevelFilter::TRACE,
            () if target.starts_with("kube_client::client") => LevelFilter::OFF,
            () if target.starts_with("aws_") => LevelFilter::INFO,
            () => LevelFilter::DEBUG,
        };
        *metadata.level() <= most
    });
    // Errors that end the process, or stop it from working, are logged at every log level.
    let grave = filter_fn(|metadata| metadata.target().starts_with("keyward") && *metadata.level() == tracing::Level::ERROR);
    let chosen = filter(directives)?.and(safe).or(grave);
    let layer = tracing_subscriber::fmt::layer().with_writer(to);
    Ok(if text {
        layer.with_ansi(colour).fmt_fields(lines::Plain).with_filter(chosen).boxed()
    } else {
        layer.fmt_fields(JsonFields::new()).event_format(lines::Flat).with_filter(chosen).boxed()
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::text::shown;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What is logged with these directives.
    fn logged(text: bool, directives: &str, log: impl FnOnce()) -> String {
        let sink = Sink::default();
        let writer = sink.clone();
        let layer = lines(text, false, directives, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        String::from_utf8(sink.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn what_cannot_be_decoded_is_never_logged() {
        for directives in ["info", "trace", "kube_client=trace", "kube_client::client=trace", "kube_client::client[request]=trace"] {
            let lines = logged(false, directives, || {
                let span = tracing::info_span!("request");
                let _entered = span.enter();
                tracing::warn!(target: "kube_client::client", "c2VjcmV0");
                tracing::error!("said");
            });
            assert!(!lines.contains("c2VjcmV0"), "{directives}: {lines}");
        }
    }

    /// Whatever library logs it, by `tracing` or by `log`: the levels are the same.
    #[test]
    fn a_library_logs_nothing_at_trace() {
        for directives in ["trace", "aws_smithy_runtime=trace", "hyper_util=trace,aws_smithy_runtime::client[request]=trace"] {
            let lines = logged(false, directives, || {
                tracing::trace!(target: "aws_smithy_runtime::client::orchestrator", "x-amz-security-token: hush");
                tracing::debug!(target: "aws_smithy_runtime::client::orchestrator::endpoints", "access_key_id: hush");
                tracing::trace!(target: "hyper_util::client", "hush");
                tracing::trace!("our own");
                tracing::debug!(target: "hyper_util::client", "connecting");
                tracing::warn!(target: "aws_config", "a profile is wrong");
            });
            assert!(!lines.contains("hush"), "{directives}: {lines}");
            assert_eq!(lines.contains("our own"), directives == "trace", "{directives}: {lines}");
            assert_eq!(lines.contains("connecting"), !directives.starts_with("aws"), "{directives}: {lines}");
            assert_eq!(lines.contains("a profile is wrong"), directives == "trace", "{directives}: {lines}");
        }
    }

    #[test]
    fn json_lines_are_flat_and_say_what_their_spans_say() {
        let line = logged(false, "info", || {
            let outer = tracing::info_span!(target: "reconciling", "kube's", object.ref = "ManagedKey/orders");
            let _outer = outer.enter();
            let round = tracing::info_span!("round", kind = "ManagedKey", name = "orders", key = "none yet");
            let _round = round.enter();
            let call = tracing::info_span!("kms", operation = "CreateKey", failure = tracing::field::Empty);
            let _call = call.enter();
            call.record("failure", "Throttled");
            tracing::info!(key = "1234", duration = 0.25, "created");
        });
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        for (field, expected) in [
            ("message", "created"),
            ("key", "1234"),
            ("kind", "ManagedKey"),
            ("name", "orders"),
            ("operation", "CreateKey"),
            ("failure", "Throttled"),
            ("level", "INFO"),
        ] {
            assert_eq!(line[field], expected, "{line}");
        }
        assert_eq!(line["duration"], 0.25);
        assert!(line["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')) && line.get("object.ref").is_none(), "{line}");
    }

    #[test]
    fn an_error_is_told_with_its_causes_and_without_structures() {
        #[derive(Debug, thiserror::Error)]
        #[error("the API server did not take the status")]
        struct Outer(#[source] Box<kube::Error>);
        let status = kube::core::Status::failure("managedkeys is forbidden", "Forbidden").with_code(403);
        let error = Outer(Box::new(kube::Error::Api(status.boxed())));
        for text in [true, false] {
            let line = logged(text, "info", || tracing::warn!(error = &error as &dyn std::error::Error, "a round did not end"));
            assert!(
                line.contains("a round did not end") && line.contains("managedkeys is forbidden") && !line.contains("Status"),
                "{line}"
            );
        }
    }

    #[test]
    fn no_text_of_others_looks_like_a_line_of_its_own() {
        let text = "no\n{\"level\":\"ERROR\",\"message\":\"forged\"}\u{1b}[2K\u{9b}2J\u{202e}\u{2028}\" name=\"bank";
        for format in [true, false] {
            let logged = logged(format, "info", || {
                let round = tracing::info_span!("round", kind = "ManagedKey", name = text);
                let _round = round.enter();
                tracing::warn!(alias = text, said = %text, "{text}");
            });
            let line = logged.strip_suffix('\n').unwrap();
            assert_eq!(shown(line), line, "{line}");
            assert!(line.contains("forged") && line.contains("\\u{202e}"), "{line}");
            if !format {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!((&line["level"], &line["name"]), (&"WARN".into(), &shown(text).as_ref().into()));
            }
        }
    }

    #[test]
    fn a_cause_is_told_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("{0}")]
        struct Layer(&'static str, #[source] Option<Box<Layer>>);
        let over = |text, layer| Layer(text, Some(Box::new(layer)));
        let error = over("client error (Connect)", over("tcp connect error", over("tcp connect error", Layer("refused", None))));
        assert_eq!(causes(&error), "client error (Connect): tcp connect error: refused");
    }

    #[test]
    fn the_level_chooses() {
        assert!(logged(true, "debug", || tracing::debug!("detail")).contains("detail"));
        assert_eq!(logged(true, "info", || tracing::debug!("detail")), "");
        assert!(logged(true, "", || tracing::info!("usual")).contains("usual"));
        "info,keyward=loud".parse::<LogLevel>().unwrap_err();
    }

    #[test]
    fn an_unknown_log_level_is_refused_and_no_level_hides_errors() {
        for (word, level) in [("warning", "warn"), ("WARNING", "warn"), ("fatal", "error"), ("info,keyward=debug", "info,keyward=debug")] {
            assert_eq!(word.parse::<LogLevel>().unwrap().0, level);
        }
        for word in ["verbose", "keyward", "info,loud", "3.5"] {
            let error = word.parse::<LogLevel>().unwrap_err();
            assert!(error.contains("use error, warn, info"), "{word}: {error}");
        }
        for directives in ["off", "other=trace", "keyward=off", "error"] {
            assert!(logged(true, directives, || tracing::error!("the end")).contains("the end"), "{directives}");
            assert_eq!(logged(true, directives, || tracing::warn!("by the way")), "", "{directives}");
        }
    }
}
