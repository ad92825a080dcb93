//! What operators see: the log, and the registry of metrics.
//!
//! The log is set up by `cli` once at start; no other room does, they only emit `tracing` events. The registry is made by
//! `app`; every room has its own metrics and registers them there.

mod logging;
mod metrics;
mod trace;

pub use logging::{LoggingError, init, subscriber};
pub use metrics::registry;
pub(crate) use trace::TraceId;
