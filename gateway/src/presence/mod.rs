//! Who is present in a topic, on all pods: tracked clients, the state that a client gets when it joins, and one diff for
//! each change.
//!
//! Called by `channel` (track, update, untrack, the state after a join), `http`, `doctor` and the commands. It sends diffs to this
//! pod's subscribers through `pubsub` and knows neither sockets nor channels.
//!
//! Invariants: a pod owns the truth about its own clients, and tells it again whenever the store has lost it; what a
//! client is shown comes from one replica per topic, so that its state and the next diff neither overlap nor leave a gap;
//! an update is one diff; nobody sees a leave of somebody who is still there because Redis lost data; what a dead pod
//! tracked is gone everywhere within a lease and a heartbeat.

#[cfg(feature = "bench")]
pub(crate) mod bench;
mod diff;
mod error;
mod hooks;
mod limits;
mod look_up;
mod metrics;
mod model;
mod record;
mod replica;
mod service;
mod store;
#[cfg(test)]
mod tests;
mod tracker;
mod truth;
mod watcher;

pub use diff::Diff;
pub use error::{PresenceError, Unavailable};
pub use hooks::Hooks;
pub use limits::fits;
pub use look_up::look_up;
pub use metrics::Metrics;
pub use model::{About, Census, Counts, Describe, Entry, Meta, Node, PhxRef, State, TrackedMeta};
pub use service::{Presence, Watch};
pub use store::{NOTIFY_SETTING, with_needed as with_needed_flags};
