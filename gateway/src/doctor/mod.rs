//! What would go wrong later: looks at the surroundings that the configuration names, and says what to change.
//!
//! Called by the command `gateway doctor`, beside running pods or before the first one. A file per check; each asks in one
//! function and judges in another, which is pure. It serves nobody and changes no setting: it puts one key that lives for
//! seconds, and removes it.
//!
//! Invariants: each finding that is not `ok` says what to change; what cannot be found out is said to be unknown, and
//! never passes for `ok`; no secret stands in a finding.

mod buffers;
mod cluster;
mod database;
mod descriptors;
mod events;
mod eviction;
mod examine;
mod facts;
mod failover;
mod finding;
mod permissions;
mod role;
mod sentinel;
mod servers;
mod settings;
mod version;

pub(crate) use examine::examine;
pub(crate) use finding::Level;
