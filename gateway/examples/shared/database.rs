//! The database of an example, through sqlx: SQLite in memory, unless `DATABASE_URL` names a file or a PostgreSQL. The
//! statements of the examples are understood by both.

use std::time::Duration;

use gateway::config::process_environment;
use sqlx::AnyPool;
use sqlx::any::{AnyPoolOptions, install_default_drivers};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::shared::AnyError;

/// Connects as the environment says, and makes the tables that are missing.
pub(crate) async fn connect(schema: &'static [&'static str]) -> Result<AnyPool, AnyError> {
    let url = process_environment().find(|(name, _)| name == "DATABASE_URL").map(|(_, url)| url);
    open(url.as_deref(), schema).await
}

/// Without a URL, in memory.
pub(crate) async fn open(url: Option<&str>, schema: &'static [&'static str]) -> Result<AnyPool, AnyError> {
    install_default_drivers();
    let options = AnyPoolOptions::new().acquire_timeout(Duration::from_secs(5));
    let pool = match url {
        Some(url) => options.max_connections(8).connect(url).await?,
        // Each connection to memory would be a database of its own, which lives as long as the connection.
        None => options.max_connections(1).idle_timeout(None).max_lifetime(None).connect("sqlite::memory:").await?,
    };
    for statement in schema {
        let made = sqlx::query(*statement).execute(&pool).await;
        // Pods that start at once may both make a table: the one that is late fails, and then finds it made.
        if made.is_err() {
            sqlx::query(*statement).execute(&pool).await?;
        }
    }
    Ok(pool)
}

/// Whether both databases can store a text, or look for it: PostgreSQL has no U+0000.
pub(crate) fn can_hold(text: &str) -> bool {
    !text.contains('\0')
}

/// The time as clients get it: `2026-01-31T12:00:00.123Z`.
pub(crate) fn now() -> String {
    let now = OffsetDateTime::now_utc();
    let milliseconds = now.replace_millisecond(now.millisecond()).unwrap_or(now);
    milliseconds.format(&Rfc3339).unwrap_or_default()
}
