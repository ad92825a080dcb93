//! Many client connections in one thread.
//!
//! Scenarios open connections, queue messages and call [`Fleet::turn`], which hands every event to their [`Handler`].
//! One thread and one shared read buffer: a connection costs its socket and some 100 bytes, a delivery one `read` and no
//! allocation, so that the tool stays behind the server it measures. A scenario never touches a socket, and the fleet never
//! judges what it carries, apart from answering pings and sending the heartbeats that keep connections alive.
//!
//! Ids count up from 0 and are never used again.

mod connection;
mod event_loop;
mod flooder;
mod heartbeat;
mod open;
mod ramp;
mod source;

pub(crate) use event_loop::{ConnectionId, Event, Fleet, FleetConfig, Handler};
pub(crate) use flooder::{FloodOutcome, Flooder};
pub(crate) use open::open;
pub(crate) use ramp::{JOIN_REF, Ramp, RampResult, connection_error, join_text, numbered, open_and_join};
pub(crate) use source::{ensure_descriptors, raise_descriptor_limit};
