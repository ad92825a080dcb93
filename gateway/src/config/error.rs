use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

/// Where a value was given, so that a message can name the place to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The configuration file, with the line (from 1) when it is known.
    File {
        /// The path as given to `--config`.
        path: Arc<Path>,
        /// The line, counted from 1.
        line: Option<usize>,
    },
    /// An environment variable, by name.
    Environment(String),
    /// A command-line flag, as written (`--listen`).
    Flag(&'static str),
    /// Nobody set it.
    Default,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line: Some(line) } => write!(f, "{}:{line}", path.display()),
            Self::File { path, line: None } => write!(f, "{}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(flag) => f.write_str(flag),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Why a configuration was refused. The process ends with exit code 78.
///
/// No variant carries the text of a secret: messages are printed on terminals and kept in logs.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// `serve` or `check` without a file: a gateway must not be open by accident.
    #[error("a configuration file is needed: give one with --config FILE (only `gateway dev` runs without)")]
    NoFile,
    /// The file, or a file that holds a secret, can't be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{place}: not valid TOML: {message}")]
    Syntax {
        /// The file and line.
        place: Place,
        /// What the parser expected. Never a piece of the file: it could hold a secret.
        message: String,
    },
    /// No such setting.
    #[error("{place}: unknown key `{}`; did you mean `{nearest}`?", key.escape_debug())]
    UnknownKey {
        /// The key as the user would write it.
        key: String,
        /// The known key that looks most like it.
        nearest: String,
        /// Where it stands.
        place: Place,
    },
    /// A known setting with a value that it can't have.
    #[error("{place}: `{key}` {problem}")]
    Invalid {
        /// The full key.
        key: String,
        /// What is wrong and what is expected; reads on after the key.
        problem: String,
        /// Where it stands.
        place: Place,
    },
    /// Every setting is fine alone, but not with the others.
    #[error("{0}")]
    Conflict(String),
}
