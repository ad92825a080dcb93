//! The orderly stop: the pod says that it is not ready, still takes clients until the balancers know, and then sends
//! those that it has elsewhere, a few at a time.
//!
//! Called by `app` when the gateway is told to stop. It closes connections through the registry of `socket` and waits for
//! their tasks; what a connection does when it is closed stands in `transport`.
//!
//! Invariants: whatever happens, the stop is over at its deadline; nobody is closed twice; what the pod's clients had
//! tracked is taken back, or handed over, before the way to Redis is given up.

mod batches;
mod metrics;
mod schedule;
mod stop;

pub(crate) use metrics::DrainMetrics;
pub(crate) use stop::Stop;
