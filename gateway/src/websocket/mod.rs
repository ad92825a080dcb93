//! A WebSocket server codec, sans-I/O (RFC 6455, and RFC 7692 in [`deflate`]): bytes from a client become events, answers become bytes.
//!
//! Called by `transport`, which owns the socket, the read buffer and the limits, by `outbox` for the headers of outgoing
//! frames, and by the route of the upgrade for [`handshake`]. It never reads, writes, waits, logs or decides what a close
//! means for a session.
//!
//! Invariants: an idle [`Decoder`] owns no memory besides its 16 bytes. What a client announces is never allocated before
//! it arrives. A whole message is copied once, out of the caller's buffer. After a close frame or an error nothing more is
//! decoded. However the bytes are cut into reads, the events and the error are the same. No bytes make it panic.
//!
//! A compressed message is kept as it arrives and inflated when it is whole, so what inflates it belongs to the thread and
//! not to the connection.

mod client_frame;
mod close;
mod decoder;
pub mod deflate;
mod error;
pub mod frames;
pub mod handshake;
mod header;
mod limits;
mod mask;
mod open_message;

#[cfg(test)]
mod tests;

pub use close::CloseFrame;
pub use decoder::{Decoder, Event};
pub use error::ProtocolError;
pub use header::{FrameHeader, MessageKind};
pub use limits::Limits;
