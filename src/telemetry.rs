//! Logs: JSON for machines, text for people, always on stderr, as stdout is for what a command prints.
//!
//! It must never let a Secret into the log. kube's client logs the whole body of an answer that it cannot decode, at
//! level WARN; such a body can be a Secret. That one source is held at ERROR, whatever level is asked for.
use std::io::IsTerminal;
use std::str::FromStr;

use tracing_subscriber::filter::{EnvFilter, FilterExt, LevelFilter, ParseError, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text if stderr is a terminal, else JSON.
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Which log lines there are: `info`, or directives such as `info,keyward=debug`.
#[derive(Clone, Debug)]
pub struct LogLevel(String);

impl FromStr for LogLevel {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        filter(text).map(|_| Self(text.to_owned()))
    }
}

fn filter(directives: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).parse(directives)
}

/// Starts logging, for the whole process; the second time it is an error.
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
    // A filter of its own and not one more directive: a directive of the user could be more exact and win.
    let safe = filter_fn(|metadata| !metadata.target().starts_with("kube_client::client") || *metadata.level() <= tracing::Level::ERROR);
    let chosen = filter(directives)?.and(safe);
    let layer = tracing_subscriber::fmt::layer().with_writer(to);
    Ok(if text {
        layer.with_ansi(colour).with_filter(chosen).boxed()
    } else {
        layer.json().flatten_event(true).with_span_list(false).with_filter(chosen).boxed()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // A test says what it expects by panicking.
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

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
        assert!(logged(false, "info", || tracing::error!(target: "kube_client::client", "down")).contains("down"));
    }

    #[test]
    fn json_lines_are_flat_and_name_their_span() {
        let line = logged(false, "info", || {
            let span = tracing::info_span!("reconcile", object = "orders");
            let _entered = span.enter();
            tracing::info!(key = "1234", "created");
        });
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        for (pointer, expected) in [("/message", "created"), ("/key", "1234"), ("/span/object", "orders")] {
            assert_eq!(line.pointer(pointer).and_then(|value| value.as_str()), Some(expected), "{line}");
        }
    }

    #[test]
    fn the_level_chooses() {
        assert!(logged(true, "debug", || tracing::debug!("detail")).contains("detail"));
        assert_eq!(logged(true, "info", || tracing::debug!("detail")), "");
        assert!(logged(true, "", || tracing::info!("usual")).contains("usual"));
        "info,keyward=loud".parse::<LogLevel>().unwrap_err();
    }
}
