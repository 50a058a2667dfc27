//! Where log lines go.

use std::fmt;
use std::io::{self, IsTerminal};

use thiserror::Error;
use tracing::{Level, Metadata, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{ParseError, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use super::fields::HumanFields;

/// Lines that may wait for a slow reader of standard error. Beyond that they are dropped and counted: logging must not stop calls.
const WAITING_LINES: usize = 16_384;

/// The form of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LogFormat {
    /// For people: time (UTC), level, text, fields.
    #[default]
    Human,
    /// One JSON object a line, with the fields beside `timestamp`, `level`, `target` and `message`.
    Json,
}

/// Why there is no log.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoggingError {
    /// The filter cannot be read.
    #[error(
        "the log level {filter:?} cannot be read ({source}); expected error, warn, info, debug, trace or off, \
         or a list such as \"info,sipward::transport=debug\""
    )]
    Filter {
        /// As given.
        filter: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// Something has set up logging before.
    #[error("logging is set up already: {0}")]
    Twice(#[from] TryInitError),
}

/// Keep it until the end: dropping it writes out what waits.
pub struct Logging {
    dropped: ErrorCounter,
    _worker: WorkerGuard,
}

impl fmt::Debug for Logging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logging").field("dropped_lines", &self.dropped.dropped_lines()).finish_non_exhaustive()
    }
}

impl Logging {
    /// Shows in `metrics` how many lines were dropped.
    pub fn show_in(&self, metrics: &crate::metrics::Metrics) {
        let dropped = self.dropped.clone();
        let help = "Log lines that were dropped because standard error was not read fast enough.";
        metrics.counter("log_lines_dropped", help, move || dropped.dropped_lines() as u64);
    }
}

/// Starts logging to standard error, for the whole process. `filter` is a level, or a list of levels by module.
///
/// # Errors
/// The filter cannot be read, or logging has been started before.
pub fn start_logging(format: LogFormat, filter: &str) -> Result<Logging, LoggingError> {
    let filter = parse(filter)?;
    let ansi = format == LogFormat::Human && io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let (writer, worker) = to_background(io::stderr());
    let dropped = writer.error_counter();
    subscriber(format, filter, ansi, writer).try_init()?;
    Ok(Logging { dropped, _worker: worker })
}

fn to_background(writer: impl io::Write + Send + 'static) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default().lossy(true).buffered_lines_limit(WAITING_LINES).thread_name("log").finish(writer)
}

fn parse(filter: &str) -> Result<EnvFilter, LoggingError> {
    EnvFilter::try_new(filter).map_err(|source| LoggingError::Filter { filter: filter.to_owned(), source })
}

/// Whatever the filter says: beyond `info` sled shows the contents of its pages, and so hashes of passwords.
fn is_fit_to_show(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO || !metadata.target().starts_with("sled")
}

pub(super) fn subscriber<W>(
    format: LogFormat,
    filter: EnvFilter,
    ansi: bool,
    writer: W,
) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(ansi).with_writer(writer);
    let fit = filter_fn(is_fit_to_show);
    match format {
        LogFormat::Human => Box::new(builder.with_target(false).compact().fmt_fields(HumanFields).finish().with(fit)),
        LogFormat::Json => {
            let json = builder.json().flatten_event(true).with_current_span(false).with_span_list(false);
            Box::new(json.finish().with(fit))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_filter_is_named_with_what_is_expected() {
        let error = parse("sipward=loud").unwrap_err().to_string();
        assert!(error.contains("\"sipward=loud\"") && error.contains("expected error, warn, info"), "{error}");
        for good in ["info", "off", "info,sipward::transport=debug"] {
            assert!(parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_reader_that_does_not_read_costs_lines_and_not_time() {
        struct Stuck(std::sync::mpsc::Receiver<()>);
        impl io::Write for Stuck {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let _ = self.0.recv();
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (release, stuck) = std::sync::mpsc::channel();
        let (mut writer, worker) = to_background(Stuck(stuck));
        for _ in 0..WAITING_LINES + 100 {
            io::Write::write_all(&mut writer, b"line\n").unwrap();
        }
        let dropped = writer.error_counter().dropped_lines();
        assert!((90..=100).contains(&dropped), "{dropped}");
        let metrics = crate::metrics::Metrics::new();
        Logging { dropped: writer.error_counter(), _worker: worker_of_nothing() }.show_in(&metrics);
        assert!(metrics.text().contains(&format!("sipward_log_lines_dropped_total {dropped}\n")));
        drop(release);
        drop(worker);
    }

    fn worker_of_nothing() -> WorkerGuard {
        to_background(io::sink()).1
    }
}
