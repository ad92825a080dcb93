use std::fmt;

use super::name::{MAX_NAME, Name};
use super::payload::Payload;
use super::reference::Ref;

/// Whether a frame is text or binary on the transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// UTF-8 text.
    Text,
    /// Bytes.
    Binary,
}

/// A message from a client.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Names the join that the client believes is current.
    pub join_ref: Ref,
    /// Names this message; a reply repeats it.
    pub reference: Ref,
    /// The conversation.
    pub topic: Name,
    /// What is meant.
    pub event: Box<str>,
    /// What is carried.
    pub payload: Payload,
}

impl Message {
    /// Whether the topic, the event or a reference is over [`MAX_NAME`] bytes.
    pub fn has_oversized_name(&self) -> bool {
        let longest = self.topic.bare().len().max(self.event.len()).max(self.reference.len()).max(self.join_ref.len());
        longest > MAX_NAME
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The payload may hold secrets (row 94).
        f.debug_struct("Message")
            .field("join_ref", &self.join_ref)
            .field("reference", &self.reference)
            .field("topic", &self.topic)
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}

/// A message to a client, borrowed from whoever sends it.
#[derive(Debug, Clone, Copy)]
pub enum Outgoing<'a> {
    /// From a channel to its client: `[join_ref, null, topic, event, payload]`, with an offset as of a broadcast.
    Push {
        /// The channel's.
        join_ref: &'a Ref,
        /// The channel's.
        topic: &'a str,
        /// What is meant.
        event: &'a str,
        /// An object or bytes.
        payload: &'a Payload,
        /// That of the message for which it stands, where there is one.
        offset: Option<u64>,
    },
    /// The answer to one message: `[join_ref, ref, topic, "phx_reply", {status, response}]`.
    Reply {
        /// As the message is answered: the channel's, or null from the socket itself.
        join_ref: &'a Ref,
        /// The message's.
        reference: &'a Ref,
        /// The message's.
        topic: &'a Name,
        /// `ok`, `error`, or a word of the channel's own.
        status: &'a str,
        /// Any JSON, or bytes.
        response: &'a Payload,
    },
    /// The end of a channel, `phx_close` or `phx_error`, which carries the join reference twice.
    Ended {
        /// The channel's, or null when it was joined with null.
        join_ref: &'a Ref,
        /// The channel's.
        topic: &'a str,
        /// `phx_close` or `phx_error`.
        event: &'a str,
        /// `{}` or a reason.
        payload: &'a Payload,
    },
    /// To every subscriber: `[null, null, topic, event, payload]`. With an offset, connections that asked for offsets get
    /// `"o:<offset>"` as the reference: no client takes that for a heartbeat's (protocol 7.5).
    Broadcast {
        /// The topic it was sent to.
        topic: &'a str,
        /// What is meant.
        event: &'a str,
        /// An object or bytes.
        payload: &'a Payload,
        /// Its place in the history of the topic, where there is one.
        offset: Option<u64>,
    },
}

#[cfg(test)]
mod tests;
