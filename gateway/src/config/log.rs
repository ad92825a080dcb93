use tracing_subscriber::EnvFilter;

use super::error::ConfigError;
use super::print::Printer;
use super::section::Section;

pub(super) const KEYS: &[&str] = &["format", "level"];

/// `[log]`: what is written to standard error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// One line of text or one JSON object per event. Default text; `GATEWAY_LOG__FORMAT`.
    pub format: LogFormat,
    /// Which events: a level, or directives as `tracing_subscriber::EnvFilter` reads them
    /// (`info,gateway::pubsub=debug`). Default `info`; `GATEWAY_LOG__LEVEL`.
    pub level: String,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For log collectors.
    Json,
}

impl Log {
    pub(super) fn read(section: &Section) -> Result<Self, ConfigError> {
        let format = section.text_as("format", |text| match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err("must be \"text\" or \"json\"".to_owned()),
        })?;
        let level = section.text_as("level", check_level)?;
        Ok(Self { format: format.unwrap_or(LogFormat::Text), level: level.unwrap_or_else(|| "info".to_owned()) })
    }

    pub(super) fn print(&self, out: &mut Printer) {
        out.section("[log]");
        out.text(
            "format",
            match self.format {
                LogFormat::Text => "text",
                LogFormat::Json => "json",
            },
        );
        out.text("level", &self.level);
    }
}

/// `EnvFilter` takes any bare word for a module whose events are all wanted, so `inof` would silence the log; a bare
/// word must be a level here. Spans in brackets are left to `EnvFilter`: they may hold commas.
fn check_level(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let expected =
        "must be off, error, warn, info, debug or trace, or directives such as \"info,gateway::pubsub=debug\"";
    let bare_words_are_levels = text.contains('[')
        || text
            .split(',')
            .all(|part| part.contains('=') || LEVELS.iter().any(|level| part.trim().eq_ignore_ascii_case(level)));
    // On other text `EnvFilter` can panic: it cuts between bytes, not characters.
    if text.is_ascii() && bare_words_are_levels && EnvFilter::builder().parse(text).is_ok() {
        Ok(text.to_owned())
    } else {
        Err(expected.to_owned())
    }
}
