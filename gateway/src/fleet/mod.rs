//! What pods know of each other, and what follows from it: which version of messages they write, and whether this pod has
//! so many more connections than the others that it should send some of them away.
//!
//! Started by `app` where there is a Redis. Each pod decides for itself, from what the leases say (`presence`); there is no
//! leader, and no pod tells another what to do.
//!
//! Invariants: what decides is pure and is tried with many pods in `simulation.rs`; a version is written only when all pods
//! that live can read it; sockets are sent away slowly, the most idle first, never one that has just come, and not for
//! ever where it does not help.

mod balancer;
mod metrics;
mod shedder;
#[cfg(test)]
mod simulation;
mod version;
mod watch;

pub(crate) use metrics::FleetMetrics;
pub(crate) use watch::Fleet;
