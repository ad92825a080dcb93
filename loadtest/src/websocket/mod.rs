//! WebSocket (RFC 6455), as much of it as a load tool needs, for both sides.
//!
//! The fleet uses it as a client, the floor as a server. It does no I/O: bytes come in as slices and go out as vectors.
//! It never fragments, never compresses, and refuses both from the other side in plain words.

mod frame;
mod handshake;

pub(crate) use frame::{Opcode, append_frame, parse_frame, unmask};
pub(crate) use handshake::{accept_response, check_response, head_end, key_of_request, request};
