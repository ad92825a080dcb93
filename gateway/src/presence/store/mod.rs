//! Where presences of all pods meet. The seam: a [`Store`] takes and gives records, and reports changes to its [`Events`].
//!
//! Every implementation passes the same suite (`contract.rs`).

#[cfg(test)]
mod contract;
mod ledger;
mod memory;
mod redis;
mod seam;

#[cfg(test)]
pub(super) use ledger::Ledger;
pub(super) use memory::Memory;
pub use redis::{NOTIFY_SETTING, with_needed};
pub(super) use redis::{Redis, live_records, server_time};
pub(super) use seam::{Events, Reap, Store, StoreError, Work};
