//! One client connection, whatever carries it.
//!
//! `transport` brings bytes and frames; here they become a [`Session`]'s messages, and effects on channels. The
//! [`Socket`] trait is where an application decides who may connect.
//!
//! Invariants: the session is a pure state machine (no socket, clock or Redis inside); the [`Driver`] performs its
//! effects and is the same for every transport; a connection ends in one place, for one [`CloseReason`], which gives the
//! close code, the metric's label and what clients make of it. What another dialect than Phoenix' changes stands in a file
//! of its name.

#[cfg(feature = "bench")]
pub(crate) mod bench;
mod bucket;
mod close;
mod connect;
mod driver;
mod limits;
mod metrics;
mod mount;
mod params;
mod refusals;
mod registry;
mod session;
mod supabase;
mod sweep;

pub use close::CloseReason;
pub use connect::{Accepted, ConnectError, ConnectInfo, Socket};
pub use mount::{Mount, Refusal};
pub use params::Params;

pub(crate) use bucket::{Bucket, Rate};
pub(crate) use driver::{Driver, Services};
pub(crate) use limits::SocketLimits;
pub(crate) use metrics::{ConnectResult, SocketMetrics};
pub(crate) use refusals::report_refusals;
pub(crate) use registry::{Entry, Registration, Registry, WeakEntry};
pub(crate) use supabase::{SYSTEM, TooManyMessages};
pub(crate) use sweep::sweep;
