//! The tables: whether they are there, and how they come to be. Pods may do this at the same time, and twice.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, query, query_scalar, raw_sql};
use tokio::time::timeout;

use super::error::OpenError;
use super::location::Location;
use super::schema::{Migration, POSTGRES, SQLITE};

/// How long a look at the tables may take.
const LOOK: Duration = Duration::from_secs(2);

/// How long one migration waits for another that is under way.
const TURN: Duration = Duration::from_secs(60);

/// How long to wait before SQLite is asked again for a lock that it does not wait for itself.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// Names our lock among the advisory locks of a Postgres database: "gateway" in ASCII.
const LOCK: i64 = 0x0067_6174_6577_6179;

const NOTES: &str = "CREATE TABLE IF NOT EXISTS gateway_migrations \
     (version bigint PRIMARY KEY, name text NOT NULL, applied_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP)";
const APPLIED: &str = "SELECT version FROM gateway_migrations ORDER BY version";
const NOTE: &str = "INSERT INTO gateway_migrations (version, name) VALUES ($1, $2)";

/// What a migration has done, or would do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Migrated {
    /// The steps, as the files are named.
    pub(crate) steps: Vec<String>,
    /// How many the database had before.
    pub(crate) before: usize,
}

/// What a database is.
#[derive(Debug)]
pub(crate) struct Facts {
    /// As it says itself.
    pub(crate) version: String,
    /// The steps that it lacks.
    pub(crate) pending: Vec<String>,
    /// Whether a newer version has changed its tables.
    pub(crate) is_newer: bool,
}

/// Brings the tables up to date; with `dry_run` it only says what it would do.
///
/// # Errors
/// When the database does not answer, or refuses.
pub(crate) async fn migrate(location: &Location, dry_run: bool) -> Result<Migrated, OpenError> {
    let applied = if dry_run {
        if location.missing_file().is_some() { Vec::new() } else { look(location).await?.0 }
    } else {
        let run = async {
            match location {
                Location::Sqlite(options) => run_sqlite(options).await,
                Location::Postgres(options) => run_postgres(&mut options.connect().await?).await,
            }
        };
        run.await.map_err(|error| unavailable(&error))?
    };
    Ok(Migrated { steps: missing(location, &applied), before: applied.len() })
}

/// Refuses a database without the tables of this version. One that is newer passes: migrations take nothing away that the
/// version before needs.
pub(super) async fn check_schema(location: &Location) -> Result<(), OpenError> {
    if let Some(file) = location.missing_file() {
        return Err(OpenError::Schema(format!("there is no file {}", file.display())));
    }
    let pending = missing(location, &look(location).await?.0);
    if pending.is_empty() { Ok(()) } else { Err(OpenError::Schema(format!("it lacks {}", pending.join(", ")))) }
}

/// Looks at a database, and changes nothing.
///
/// # Errors
/// When it does not answer.
pub(crate) async fn examine(location: &Location) -> Result<Facts, OpenError> {
    if let Some(file) = location.missing_file() {
        return Err(OpenError::Schema(format!("there is no file {}", file.display())));
    }
    let (applied, version) = look(location).await?;
    let newest = steps(location).last().map_or(0, |step| step.version);
    let is_newer = applied.iter().any(|version| *version > newest);
    Ok(Facts { version, pending: missing(location, &applied), is_newer })
}

fn steps(location: &Location) -> &'static [Migration] {
    match location {
        Location::Sqlite(_) => SQLITE,
        Location::Postgres(_) => POSTGRES,
    }
}

fn missing(location: &Location, applied: &[i64]) -> Vec<String> {
    let missing = steps(location).iter().filter(|step| !applied.contains(&step.version));
    missing.map(|step| format!("{:04}_{}", step.version, step.name)).collect()
}

fn unavailable(error: &sqlx::Error) -> OpenError {
    OpenError::Unavailable(error.to_string())
}

/// Which steps a database has had, and its version.
async fn look(location: &Location) -> Result<(Vec<i64>, String), OpenError> {
    let looking = async {
        match location {
            Location::Sqlite(options) => {
                let mut connection = options.connect().await?;
                let version = query_scalar("SELECT sqlite_version()").fetch_one(&mut connection).await?;
                let there = "SELECT count(*) > 0 FROM sqlite_master WHERE name = 'gateway_migrations'";
                let there: bool = query_scalar(there).fetch_one(&mut connection).await?;
                let applied = if there { query_scalar(APPLIED).fetch_all(&mut connection).await? } else { Vec::new() };
                connection.close().await?;
                Ok((applied, version))
            }
            Location::Postgres(options) => {
                let mut connection = options.connect().await?;
                let version = query_scalar("SHOW server_version").fetch_one(&mut connection).await?;
                let there = "SELECT to_regclass('gateway_migrations') IS NOT NULL";
                let there: bool = query_scalar(there).fetch_one(&mut connection).await?;
                let applied = if there { query_scalar(APPLIED).fetch_all(&mut connection).await? } else { Vec::new() };
                connection.close().await?;
                Ok((applied, version))
            }
        }
    };
    timeout(LOOK, looking)
        .await
        .map_err(|_| OpenError::Unavailable("no answer in time".to_owned()))?
        .map_err(|error| unavailable(&error))
}

/// Runs what is missing in a transaction that is open and has the lock; what there was before.
macro_rules! run_steps {
    ($transaction:expr, $steps:expr) => {{
        let mut transaction = $transaction;
        query(NOTES).execute(&mut *transaction).await?;
        let applied: Vec<i64> = query_scalar(APPLIED).fetch_all(&mut *transaction).await?;
        for step in $steps.iter().filter(|step| !applied.contains(&step.version)) {
            raw_sql(step.sql).execute(&mut *transaction).await?;
            query(NOTE).bind(step.version).bind(step.name).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(applied)
    }};
}

async fn run_postgres(connection: &mut PgConnection) -> sqlx::Result<Vec<i64>> {
    let mut transaction = connection.begin().await?;
    let limit = format!("{}ms", TURN.as_millis());
    // A pooler may hand on a connection with the time limit of `serve`'s statements; a migration takes as long as it takes.
    let settings = "SELECT set_config('lock_timeout', $1, true), set_config('statement_timeout', '0', true)";
    query(settings).bind(limit).execute(&mut *transaction).await?;
    query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await?;
    run_steps!(transaction, POSTGRES)
}

async fn run_sqlite(options: &SqliteConnectOptions) -> sqlx::Result<Vec<i64>> {
    let options = options.clone().create_if_missing(true).busy_timeout(TURN);
    // Who makes the file switches its journal, which SQLite refuses to wait for when two do it at once.
    let begun = tokio::time::Instant::now();
    loop {
        let attempt = async { run_sqlite_steps(options.connect().await?).await };
        match attempt.await {
            Err(sqlx::Error::Database(error)) if is_busy(&*error) && begun.elapsed() < TURN => {
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

async fn run_sqlite_steps(mut connection: SqliteConnection) -> sqlx::Result<Vec<i64>> {
    // The lock at once: a transaction that has read before it writes would fail.
    run_steps!(connection.begin_with("BEGIN IMMEDIATE").await?, SQLITE)
}

/// SQLITE_BUSY, and its kinds, which have it in the lowest byte.
fn is_busy(error: &dyn sqlx::error::DatabaseError) -> bool {
    error.code().and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == 5)
}
