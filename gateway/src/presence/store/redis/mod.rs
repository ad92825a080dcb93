//! Pods that share a Redis: a hash for each topic, changed by scripts, whose keyspace events wake those who watch it.
//!
//! A lease says that a pod lives; it is renewed with every heartbeat, which also probes every server: does it report
//! changes, has it lost its data, is it the one it was. What a dead pod left is dropped by one of the others.
//!
//! Invariants: a pod whose lease has ended writes nothing, and begins anew under another name if the others have taken it
//! for dead; nothing that is lost without a word (events, data) stays unnoticed longer than a heartbeat.

mod encoding;
mod heartbeat;
mod incoming;
mod lease;
mod listing;
mod nodes;
mod notify;
mod reaper;
mod store;
#[cfg(test)]
mod tests;

pub(in crate::presence) use listing::{live_records, server_time};
pub use notify::{NOTIFY_SETTING, with_needed};
pub(in crate::presence) use store::Redis;
