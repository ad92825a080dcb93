//! Phoenix frames: what stands on the wire between a client and the gateway.
//!
//! Called by `socket` (decoding, replies, pushes) and by `pubsub` (broadcasts, encoded once for all subscribers). Pure:
//! no I/O, no clock, no knowledge of sockets or channels. The layouts are those of `phoenix` 1.8: version 1 is a JSON
//! object, version 2 a JSON array or, for binary payloads, a length-prefixed binary frame.
//!
//! Invariants: a reference is echoed with the JSON type it came with; payloads pass through unparsed; what
//! [`Encoding::encode`] writes is compact JSON.

mod binary;
mod dialect;
mod encoding;
mod error;
mod json;
mod message;
mod name;
mod payload;
mod reason;
mod reference;
mod reserved;
mod supabase;
mod user_broadcast;
mod v1;
mod v2;
mod vsn;

pub use dialect::Dialect;
pub use encoding::{Compression, Encoding};
pub use error::{DecodeError, EncodeError};
pub use message::{Message, Opcode, Outgoing};
pub use name::{MAX_NAME, Name};
pub use payload::{Payload, PayloadError};
pub use reason::Reason;
pub use reference::Ref;
pub use reserved::is_reserved_event;
pub(crate) use reserved::{TOKEN_EXPIRING, is_closed_to_clients};
pub(crate) use supabase::{is_private_topic, private_topic, topic_on_the_wire};
pub(crate) use user_broadcast::{BROADCAST, Content, UserBroadcast};
pub use vsn::{UnsupportedVsn, Vsn};
