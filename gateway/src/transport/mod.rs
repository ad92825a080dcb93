//! Bytes to and from clients: listeners, the handshake, the I/O of a WebSocket, long polling, and broadcasts by plain
//! requests.
//!
//! Built and started by `app`. Everything above bytes is `socket`'s.
//!
//! Invariants: an open connection is one task with no read buffer, no timer and no channel of its own; nothing a client
//! does, or fails to do, holds anything but its own connection; what a client says about its own address is never
//! believed, only what a trusted proxy says; a close frame is given time to arrive.

mod admission;
mod arrival;
mod closing;
mod connection;
mod forwarded;
mod handshake;
mod listener;
mod longpoll;
mod patience;
mod proxy_header;
mod refuse;
mod rest;
mod routes;
mod tcp;
mod tls;
mod write_queue;

pub use tls::TlsError;

pub(crate) use admission::Admission;
pub(crate) use arrival::Front;
pub(crate) use forwarded::TrustedProxies;
pub(crate) use listener::Listener;
pub(crate) use longpoll::LongPolls;
pub(crate) use rest::{RestMount, rest_routes};
pub(crate) use routes::{Acceptor, socket_routes};
pub(crate) use tls::Tls;
