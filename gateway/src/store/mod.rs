//! The database: archived messages, and who is a member of which topic. The only room that knows SQL.
//!
//! Opened by `app` and by the commands; `builtin` stores and asks, `http` reads and edits, `doctor` looks. SQLite and
//! Postgres pass one suite (`contract.rs`). It broadcasts nothing and knows no connection of a client.
//!
//! Invariants: every call ends within two seconds, and at once while the database is known to be away; nothing waits for
//! another call but for a place among the pool's connections; a connection that was left in the middle of something is
//! closed and never used again; a message that one sender calls by one name is stored once. No password stands in an error.

#[cfg(test)]
mod contract;
mod engine;
mod error;
mod health;
mod ids;
mod lease;
mod location;
mod metrics;
mod migrate;
mod model;
mod postgres;
mod schema;
mod service;
mod sqlite;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
mod timestamp;

pub use error::{OpenError, StoreError};
pub use model::{Archived, Insertion, Member, NewMessage, Source};
pub use service::Store;
pub use timestamp::Timestamp;

pub(crate) use location::Location;
pub(crate) use metrics::Metrics;
pub(crate) use migrate::{Facts, Migrated, examine, migrate};
pub(crate) use model::MAX_ROLE;
