use thiserror::Error;

/// Why the database did not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum StoreError {
    /// It is away, too slow, or refuses. The outcome of a write is unknown: it may have happened.
    #[error("the database is away or too slow")]
    Unavailable,
    /// A name holds the character U+0000, which Postgres cannot store. Nothing was stored.
    #[error("a name holds a character that cannot be stored")]
    Unstorable,
}

/// Why a database cannot be used.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The URL is not one of a database.
    #[error("`database.url` {0}")]
    Url(String),
    /// It does not answer, or lets nobody in.
    #[error("the database does not answer; see `database.url`: {0}")]
    Unavailable(String),
    /// It has not the tables that this version needs.
    #[error("the database is not as this version needs it ({0}): run `gateway migrate`")]
    Schema(String),
    /// Metrics of one name twice.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// What a look at a server says that takes no writes.
pub(super) const READ_ONLY: &str = "the server is read-only";

/// Whether the server takes no writes: a standby, or one that was the primary (read_only_sql_transaction).
pub(super) fn is_read_only(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code == "25006"),
        sqlx::Error::Protocol(text) => text == READ_ONLY,
        _ => false,
    }
}

/// What went wrong inside, told apart by what it says about the database.
#[derive(Debug, Error)]
pub(super) enum Failure {
    /// It did not answer in time.
    #[error("no answer in time")]
    Timeout,
    /// What the driver says.
    #[error(transparent)]
    Driver(#[from] sqlx::Error),
}

impl Failure {
    /// Whether the database itself seems to be away, and the next call would fare no better.
    pub(super) fn is_outage(&self) -> bool {
        let Self::Driver(error) = self else { return true };
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(error) => error.code().is_some_and(|code| is_outage(&code)),
            _ => false,
        }
    }
}

/// By the code of the database. Postgres has five characters: 08 is the connection, 25006 a server that takes no writes, 28
/// authorization, 3D no such database, 53 resources, 57014 a statement that took too long, 57P shutdown and start. SQLite has a
/// number, whose lowest byte is the kind: 5 busy, 10 input and output, 14 cannot open.
fn is_outage(code: &str) -> bool {
    if code.len() == 5 {
        return ["08", "25006", "28", "3D", "53", "57014", "57P"].iter().any(|class| code.starts_with(class));
    }
    code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 10 | 14))
}
