use std::fmt::Display;
use std::process::ExitCode;

use thiserror::Error;

use crate::app::StartError;
use crate::config::ConfigError;
use crate::redis::SettingsError;
use crate::store::OpenError;
use crate::telemetry::LoggingError;

/// Why a command failed; each has its exit code (design 2.1).
#[derive(Debug, Error)]
pub(super) enum Failure {
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Unavailable(String),
    #[error("{0}")]
    Configuration(String),
}

impl Failure {
    pub(super) fn unavailable(error: impl Display) -> Self {
        Self::Unavailable(error.to_string())
    }

    /// As in `sysexits.h`.
    pub(super) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) => 64,
            Self::Unavailable(_) => 69,
            Self::Configuration(_) => 78,
        })
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Configuration(error.to_string())
    }
}

impl From<LoggingError> for Failure {
    fn from(error: LoggingError) -> Self {
        Self::Configuration(error.to_string())
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self::Configuration(error.to_string())
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            // The tables may be on their way: a pod that is started again comes up once they are there.
            OpenError::Unavailable(_) | OpenError::Schema(_) => Self::Unavailable(error.to_string()),
            OpenError::Url(_) | OpenError::Metrics(_) => Self::Configuration(error.to_string()),
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Listen(..) => Self::Unavailable(error.to_string()),
            StartError::Database(error) => error.into(),
            StartError::Redis(_)
            | StartError::Webhooks(_)
            | StartError::Auth(_)
            | StartError::Tls(_)
            | StartError::RepeatedJob(_)
            | StartError::Metrics(_) => Self::Configuration(error.to_string()),
        }
    }
}
