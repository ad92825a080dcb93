//! The log: events of `tracing`, one line each, on standard error. Standard output stays free for what commands print.

use std::fmt::{self, Write as _};
use std::io::IsTerminal as _;

use thiserror::Error;
use tracing::Subscriber;
use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::{FormatFields, MakeWriter};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Log, LogFormat};

/// Why there is no log.
#[derive(Debug, Error)]
pub enum LoggingError {
    /// `log.level` is no level and no list of directives. A loaded configuration has been checked for this.
    #[error("`log.level` can't be used: {0}")]
    Level(#[from] ParseError),
    /// The process has a log already.
    #[error("the log is set up already")]
    AlreadySet,
}

/// Sends all further events of this process to standard error, as `log` says.
///
/// # Errors
/// The level can't be used, or the process has a log already.
pub fn init(log: &Log) -> Result<(), LoggingError> {
    let colors = std::io::stderr().is_terminal();
    subscriber(log, colors, std::io::stderr)?.try_init().map_err(|_| LoggingError::AlreadySet)
}

/// The log as a value, with any writer: lets tests and programs on the library read what was logged.
///
/// # Errors
/// The level can't be used.
pub fn subscriber<W>(log: &Log, colors: bool, writer: W) -> Result<Box<dyn Subscriber + Send + Sync>, LoggingError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse(&log.level)?;
    let builder = tracing_subscriber::fmt().with_writer(writer).with_env_filter(filter);
    Ok(match log.format {
        LogFormat::Text => Box::new(builder.with_ansi(colors).fmt_fields(escaped_fields()).finish()),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).with_current_span(false).finish()),
    })
}

/// `name=value` pairs with all control characters escaped.
///
/// The formatter of `tracing_subscriber` lets a line feed in a `%` field through, so a client could forge a line.
fn escaped_fields() -> impl for<'w> FormatFields<'w> + Send + Sync + 'static {
    debug_fn(|writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug| {
        if field.name() != "message" {
            write!(writer, "{}=", field.name())?;
        }
        write!(Escaping(writer), "{value:?}")
    })
    .delimited(" ")
}

/// Passes text on with its control characters, and the other two line ends of Unicode, written as escapes.
struct Escaping<'a, 'w>(&'a mut Writer<'w>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let special = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        for piece in text.split_inclusive(special) {
            match piece.chars().next_back().filter(|c| special(*c)) {
                Some(last) => write!(self.0, "{}{}", &piece[..piece.len() - last.len_utf8()], last.escape_default())?,
                None => self.0.write_str(piece)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, level: &str, event: impl FnOnce()) -> String {
        let lines = Lines::default();
        let log = Log { format, level: level.to_owned() };
        let writer = lines.clone();
        let subscriber = subscriber(&log, false, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, event);
        String::from_utf8(lines.0.lock().clone()).unwrap()
    }

    const EVIL: &str = "a\n2026 ERROR forged\r\t\u{1b}[31m\u{7f}\u{9b}\u{2028}b\0";

    fn evil_event() {
        let span = tracing::info_span!("connection", id = %EVIL);
        let _entered = span.enter();
        tracing::info!(display = %EVIL, debug = ?EVIL, plain = EVIL, number = 7, "said {EVIL}");
    }

    #[test]
    fn a_value_cannot_forge_a_line_or_steer_the_terminal() {
        let text = logged(LogFormat::Text, "info", evil_event);
        assert_eq!(text.matches('\n').count(), 1, "{text:?}");
        assert!(text.ends_with('\n'));
        assert!(!text.trim_end_matches('\n').contains(|c: char| c.is_control() || c == '\u{2028}'), "{text:?}");
        assert!(text.contains(r"said a\n2026 ERROR forged\r\t\u{1b}[31m"), "{text}");
        assert!(text.contains(r"connection{id=a\n2026"), "{text}");
        assert!(text.contains("number=7"), "{text}");
    }

    #[test]
    fn json_is_one_object_per_line() {
        let text = logged(LogFormat::Json, "info", evil_event);
        assert_eq!(text.lines().count(), 1);
        let event: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(event["message"], format!("said {EVIL}"));
        assert_eq!(event["display"], EVIL);
        assert_eq!(event["number"], 7);
        assert_eq!(event["spans"][0]["id"], EVIL);
    }

    #[test]
    fn the_level_filters() {
        let events = || {
            tracing::info!("quiet");
            tracing::warn!("loud");
        };
        let text = logged(LogFormat::Text, "warn", events);
        assert!(text.contains("loud") && !text.contains("quiet"), "{text}");
        let text = logged(LogFormat::Text, "off,gateway=info", events);
        assert!(text.contains("loud") && text.contains("quiet"), "{text}");
    }

    #[test]
    fn a_bad_level_is_an_error() {
        let log = Log { format: LogFormat::Text, level: "a=b=c=".to_owned() };
        assert!(matches!(subscriber(&log, false, std::io::sink), Err(LoggingError::Level(_))));
    }
}
