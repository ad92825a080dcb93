use std::time::Duration;

use uuid::Uuid;

use super::location::Location;
use super::model::{Archived, Insertion, Member, Row};
use super::postgres::Postgres;
use super::sqlite::Sqlite;
use super::timestamp::Timestamp;

/// One of the two databases, which do the same.
pub(super) enum Engine {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// Calls the method of whichever it is.
macro_rules! either {
    ($engine:expr, $method:ident ( $($argument:expr),* )) => {
        match $engine {
            Engine::Sqlite(engine) => engine.$method($($argument),*).await,
            Engine::Postgres(engine) => engine.$method($($argument),*).await,
        }
    };
}

impl Engine {
    /// Connects when it is first asked for something; `acquire`: how long that may take.
    pub(super) fn new(location: Location, acquire: Duration) -> Self {
        match location {
            Location::Sqlite(options) => Self::Sqlite(Sqlite::new(*options, acquire)),
            Location::Postgres(options) => Self::Postgres(Postgres::new(*options, acquire)),
        }
    }

    pub(super) async fn ping(&self) -> sqlx::Result<()> {
        either!(self, ping())
    }

    /// Stores a message, unless its sender has sent it before.
    pub(super) async fn insert(&self, row: &Row<'_>) -> sqlx::Result<Insertion> {
        either!(self, insert(row))
    }

    /// The messages of a topic, the newest first.
    pub(super) async fn page(&self, topic: &str, before: Option<Uuid>, limit: u32) -> sqlx::Result<Vec<Archived>> {
        either!(self, page(topic, before, limit))
    }

    /// What a member is; none for who is no member.
    pub(super) async fn role(&self, topic: &str, user: &str) -> sqlx::Result<Option<String>> {
        either!(self, role(topic, user))
    }

    /// Adds a member, or gives one another role.
    pub(super) async fn add_member(&self, topic: &str, user: &str, role: &str, now: Timestamp) -> sqlx::Result<Member> {
        either!(self, add_member(topic, user, role, now))
    }

    /// Whether there was such a member.
    pub(super) async fn remove_member(&self, topic: &str, user: &str) -> sqlx::Result<bool> {
        either!(self, remove_member(topic, user))
    }

    /// The members of a topic in the order of their names' bytes, those after `after`.
    pub(super) async fn members(&self, topic: &str, after: &str, limit: u32) -> sqlx::Result<Vec<Member>> {
        either!(self, members(topic, after, limit))
    }
}
