use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use super::client::Client;
use super::outcome::{Info, Reply};
use super::seat::Seat;
use crate::outbox::Packet;
use crate::wire::{EncodeError, Name, Outgoing, Payload, Ref};

/// There is no message to reply to: none is being handled, or it came without a reference (row 135).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("there is no message with a reference to reply to")]
pub struct NoReference;

/// Reaches a channel, and its client, from other tasks. Clones are cheap. What is sent after the channel ended is
/// dropped or, if it is a frame, ignored by the client, since its join reference is no longer current.
#[derive(Clone)]
pub struct ChannelHandle {
    pub(super) client: Arc<Client>,
    pub(super) seat: Arc<Seat>,
}

impl ChannelHandle {
    /// Sends a message to the channel's [`super::Channel::handle_info`].
    pub fn send<T: Send + 'static>(&self, message: T) {
        self.client.inform(self.seat.key, Info::new(message));
    }

    /// Pushes an event to the client.
    ///
    /// # Errors
    /// When the version of the connection cannot carry it; see [`EncodeError`].
    pub fn push(&self, event: &str, payload: impl Into<Payload>) -> Result<(), EncodeError> {
        push(&self.client, &self.seat, event, &payload.into())
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.seat.topic
    }
}

impl fmt::Debug for ChannelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelHandle").field("topic", &self.seat.topic).finish_non_exhaustive()
    }
}

/// Answers one message, now or later, once or more often, from any task (rows 132-134).
#[derive(Clone, Debug)]
pub struct ReplyTo {
    pub(super) client: Arc<Client>,
    pub(super) seat: Arc<Seat>,
    pub(super) reference: Ref,
}

impl ReplyTo {
    /// Sends a reply.
    ///
    /// # Errors
    /// When the version of the connection cannot carry it; see [`EncodeError`].
    pub fn reply(&self, reply: &Reply) -> Result<(), EncodeError> {
        send_reply(&self.client, &self.seat, &self.reference, reply)
    }
}

pub(super) fn push(client: &Client, seat: &Seat, event: &str, payload: &Payload) -> Result<(), EncodeError> {
    queue(client, Outgoing::Push { join_ref: seat.push_ref(), topic: &seat.topic, event, payload, offset: None })
}

pub(super) fn send_reply(client: &Client, seat: &Seat, reference: &Ref, reply: &Reply) -> Result<(), EncodeError> {
    let (join_ref, topic) = (seat.push_ref(), &Name::from(&*seat.topic));
    queue(client, Outgoing::Reply { join_ref, reference, topic, status: reply.status(), response: &reply.response })
}

pub(super) fn queue(client: &Client, message: Outgoing<'_>) -> Result<(), EncodeError> {
    let packet = Packet::encode(client.encoding(), message)?;
    // A full outbox closes the connection by itself: its channels learn of it by their end.
    let _closing = client.outbox().push(packet);
    Ok(())
}
