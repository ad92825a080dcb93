//! Bytes to and from clients: listeners, the handshake, and the I/O of a WebSocket.
//!
//! Built and started by `app`. Everything above bytes is `socket`'s.
//!
//! Invariants: an open connection is one task with no read buffer, no timer and no channel of its own; nothing a client
//! does, or fails to do, holds anything but its own connection; a close frame is given time to arrive.

mod closing;
mod connection;
mod handshake;
mod listener;
mod routes;
mod write_queue;

pub(crate) use listener::Listener;
pub(crate) use routes::{Acceptor, socket_routes};
