//! Figures: latency, loss and order, pace, memory and CPU of processes.
//!
//! Nothing here knows sockets or scenarios. Times are nanoseconds unless a name says otherwise.

mod flights;
mod latency;
mod pace;
mod process;
mod rss;
mod sequence;
mod spread;

pub(crate) use flights::Flights;
pub(crate) use latency::{Latency, LatencySummary};
pub(crate) use pace::Pace;
pub(crate) use process::{CpuMeter, CpuUse, pin_process, pin_self, resident_bytes};
pub(crate) use rss::Settling;
pub(crate) use sequence::{Integrity, Sequence};
pub(crate) use spread::Spread;
