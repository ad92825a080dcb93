//! Who owns the tasks of the process, how they are told to stop, and when the pod is ready.
//!
//! Every task is spawned here, so that a stop can wait for all of them; `clippy.toml` bans `tokio::spawn` elsewhere.

mod readiness;
mod signals;
mod tasks;

pub use readiness::{Latch, Readiness};
pub use signals::StopSignals;
pub use tasks::Tasks;
