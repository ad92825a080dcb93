use std::fmt;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

use super::error::OpenError;

/// How long SQLite waits for another process that writes.
pub(super) const BUSY: Duration = Duration::from_millis(1500);

/// Where a database is, and how it is spoken to.
#[derive(Clone)]
pub(crate) enum Location {
    /// A file of this machine.
    Sqlite(Box<SqliteConnectOptions>),
    /// A server.
    Postgres(Box<PgConnectOptions>),
}

impl Location {
    /// # Errors
    /// When the URL is not one of a database. The message holds no part of it.
    pub(crate) fn parse(url: &str) -> Result<Self, OpenError> {
        let wrong = |error: sqlx::Error| OpenError::Url(format!("cannot be used: {error}"));
        if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url).map_err(wrong)?;
            let options = options
                .journal_mode(SqliteJournalMode::Wal)
                // What was answered is on the disk.
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(BUSY)
                .disable_statement_logging();
            return Ok(Self::Sqlite(Box::new(options)));
        }
        let options = PgConnectOptions::from_str(url).map_err(wrong)?;
        Ok(Self::Postgres(Box::new(options.application_name("gateway").disable_statement_logging())))
    }

    /// The file of SQLite that is missing, if it is.
    pub(super) fn missing_file(&self) -> Option<PathBuf> {
        let Self::Sqlite(options) = self else { return None };
        let file = options.get_filename();
        (!file.exists()).then(|| file.to_owned())
    }

    /// What it is called.
    pub(crate) fn engine(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.engine())
    }
}
