//! What a Phoenix Channels client says and hears: the address of a server, topics, and messages in both versions.
//!
//! Pure data, no I/O. It follows the public protocol only, so any Phoenix server can stand at the other end.

mod endpoint;
mod message;
mod topic;

pub(crate) use endpoint::{Endpoint, EndpointError, Endpoints};
pub(crate) use message::{Message, Outgoing, Vsn, decode, encode};
pub(crate) use topic::TopicPattern;
