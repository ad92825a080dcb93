//! What carries messages between pods. The seam: a [`Backend`] takes orders, and reports to a [`Sink`].
//!
//! Every implementation passes the same suite (`contract.rs`).

#[cfg(test)]
mod contract;
#[cfg(test)]
mod kept_contract;
mod memory;
mod redis;
mod remembered;
mod seam;

pub(super) use memory::Memory;
pub(super) use redis::Redis;
pub(super) use seam::{Asked, Backend, Inbound, Kept, Publish, Sink, Stamp, Taken};
