//! The rules of protocol sections 2 and 3 for one socket, as a pure state machine.

use std::collections::VecDeque;
use std::sync::Arc;

use super::limits::{SocketLimits, Usage, Verdict};
use crate::channel::{ChannelKey, Event, JoinRequest, Route, Router, Seat};
use crate::wire::{MAX_NAME, Message, Name, Payload, Reason, Ref};

/// How many messages may wait while a join callback runs before the client is not read any more.
const MAX_WAITING: usize = 64;

/// What is to be done about a message.
pub(super) enum Effect {
    /// The socket itself answers: ok with `{}`, or an error.
    Reply { join_ref: Ref, reference: Ref, topic: Name, error: Option<Reason> },
    /// The socket itself refuses a join.
    RefuseJoin { join_ref: Ref, reference: Ref, topic: Name, reason: Reason },
    /// A message was refused by the limits; without a reference nobody waits for an answer.
    Limited { join_ref: Ref, reference: Ref, topic: Name },
    /// A channel is joined.
    Join(JoinRequest),
    /// A channel gets a message.
    Message { key: ChannelKey, event: Box<str>, payload: Payload, reference: Ref },
    /// A channel is left.
    Leave { key: ChannelKey, reference: Ref },
    /// A channel makes place for a new join of its topic.
    Replace(ChannelKey),
}

/// How many bytes these messages may have.
const MAX_WAITING_BYTES: usize = 1024 * 1024;

struct Joined {
    seat: Arc<Seat>,
    leaving: bool,
}

/// Which topics a socket has joined, and what may happen next.
pub(super) struct Session {
    channels: Vec<Joined>,
    next_key: u32,
    max_channels: u32,
    /// Whether messages of an earlier join count, too, as clients of Supabase's dialect expect.
    overlooks_join_refs: bool,
    /// The join whose callback runs; the other messages of the socket wait for it (protocol 3.1).
    joining: Option<ChannelKey>,
    /// Most of the time there are none, which takes one word.
    waiting: Option<Box<Waiting>>,
    /// Nothing until the first message, and nothing without limits.
    usage: Option<Box<Usage>>,
}

/// Messages that wait for a join; never none.
#[derive(Default)]
struct Waiting {
    messages: VecDeque<Message>,
    bytes: usize,
}

/// The client sends so much that the connection ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flood;

impl Session {
    pub(super) fn new(max_channels: usize) -> Self {
        Self {
            channels: Vec::new(),
            next_key: 0,
            max_channels: u32::try_from(max_channels).unwrap_or(u32::MAX),
            overlooks_join_refs: false,
            joining: None,
            waiting: None,
            usage: None,
        }
    }

    /// Takes messages whatever join reference they name.
    pub(super) fn overlooking_join_refs(mut self, overlooks: bool) -> Self {
        self.overlooks_join_refs = overlooks;
        self
    }

    /// Passes a message through the limits, before anything else is done about it. Returns it, or nothing when it was
    /// refused, which is answered if the client waits for an answer.
    ///
    /// # Errors
    /// When the client goes on far over its limits.
    pub(super) fn limit(
        &mut self,
        message: Message,
        limits: &SocketLimits,
        now_ms: u64,
        effects: &mut Vec<Effect>,
    ) -> Result<Option<Message>, Flood> {
        let is_join = &*message.event == "phx_join";
        let is_exempt = is_heartbeat(&message) || &*message.event == "phx_leave";
        let (max_channels, usage) = (self.max_channels as usize, self.usage.get_or_insert_default());
        let verdict = if is_exempt {
            usage.exempt(limits, max_channels, now_ms)
        } else if is_join {
            usage.join(limits, max_channels, now_ms)
        } else {
            usage.message(limits, now_ms)
        };
        match verdict {
            Verdict::Fine => return Ok(Some(message)),
            Verdict::Refused => {}
            Verdict::Flood => return Err(Flood),
        }
        let Message { join_ref, reference, topic, .. } = message;
        let (join_ref, reference) = (short(join_ref), short(reference));
        effects.push(if is_join {
            Effect::RefuseJoin { join_ref, reference, topic, reason: Reason::RateLimited }
        } else {
            Effect::Limited { join_ref, reference, topic }
        });
        Ok(None)
    }

    /// Counts a frame that was no message, for a dialect that overlooks those.
    ///
    /// # Errors
    /// As [`Session::limit`].
    pub(super) fn overlook(&mut self, limits: &SocketLimits, now_ms: u64) -> Result<(), Flood> {
        match self.usage.get_or_insert_default().message(limits, now_ms) {
            Verdict::Fine | Verdict::Refused => Ok(()),
            Verdict::Flood => Err(Flood),
        }
    }

    /// What a message from the client leads to.
    pub(super) fn on_message(&mut self, message: Message, router: &Router, effects: &mut Vec<Effect>) {
        if is_heartbeat(&message) {
            // Answered at any time, so that a slow join does not look like a dead link (design ruling 1).
            let Message { reference, topic, .. } = message;
            effects.push(Effect::Reply { join_ref: Ref::Null, reference, topic, error: None });
        } else if self.joining.is_some() {
            let waiting = self.waiting.get_or_insert_default();
            waiting.bytes += message.payload.bytes().len();
            waiting.messages.push_back(message);
        } else {
            self.handle(message, router, effects);
        }
    }

    /// What follows from what happened to the channels, all of it: a message that waited for a join must not be meant for
    /// a channel that has ended since.
    pub(super) fn on_events(
        &mut self,
        events: impl IntoIterator<Item = Event>,
        router: &Router,
        effects: &mut Vec<Effect>,
    ) {
        for event in events {
            let (Event::Ended(key) | Event::JoinCallbackDone(key)) = event;
            if self.joining == Some(key) {
                self.joining = None;
            }
            if matches!(event, Event::Ended(_)) {
                self.channels.retain(|channel| channel.seat.key != key);
            }
        }
        while self.joining.is_none() {
            let Some(message) = self.next_waiting() else { break };
            self.handle(message, router, effects);
        }
    }

    /// Whether a join callback runs, for which the other messages wait.
    pub(super) fn is_joining(&self) -> bool {
        self.joining.is_some()
    }

    /// The connection is gone: what still waits is never handled. A join among it would outlive its connection.
    pub(super) fn close(&mut self) {
        self.waiting = None;
    }

    /// The channel that has joined a topic.
    pub(super) fn channel(&self, topic: &str) -> Option<ChannelKey> {
        self.channels.iter().find(|channel| &*channel.seat.topic == topic).map(|channel| channel.seat.key)
    }

    /// The topics that are joined, or being joined.
    pub(super) fn topics(&self) -> impl Iterator<Item = &str> {
        self.channels.iter().map(|channel| &*channel.seat.topic)
    }

    /// Whether so much waits that the client should not be read.
    pub(super) fn is_congested(&self) -> bool {
        let is_much = |waiting: &Waiting| waiting.messages.len() >= MAX_WAITING || waiting.bytes >= MAX_WAITING_BYTES;
        self.waiting.as_deref().is_some_and(is_much)
    }

    fn next_waiting(&mut self) -> Option<Message> {
        let waiting = self.waiting.as_mut()?;
        let message = waiting.messages.pop_front()?;
        waiting.bytes -= message.payload.bytes().len();
        if waiting.messages.is_empty() {
            self.waiting = None;
        }
        Some(message)
    }

    fn handle(&mut self, message: Message, router: &Router, effects: &mut Vec<Effect>) {
        if message.has_oversized_name() {
            return effects.push(refused_name(message));
        }
        let Name::Text(topic) = &message.topic else {
            return effects.push(unmatched(message));
        };
        let current = self.channels.iter().position(|channel| *channel.seat.topic == **topic);
        match &*message.event {
            "phx_join" => match router.find(topic) {
                Some(route) => self.join(message, Arc::clone(route), current, effects),
                None => {
                    let Message { reference, topic, .. } = message;
                    let (join_ref, reason) = (Ref::Null, Reason::UnmatchedTopic);
                    effects.push(Effect::RefuseJoin { join_ref, reference, topic, reason });
                }
            },
            "phx_leave" => self.leave(message, current, effects),
            _ => match current {
                Some(index) => self.channel_message(message, index, effects),
                None => effects.push(unmatched(message)),
            },
        }
    }

    fn join(&mut self, message: Message, route: Arc<Route>, current: Option<usize>, effects: &mut Vec<Effect>) {
        // A second join of the topic first frees the place of the channel that it replaces (protocol 3.2, 3.3).
        let replaced = current.map(|index| self.channels.swap_remove(index));
        let Message { join_ref, reference, topic, payload: params, .. } = message;
        if let Some(old) = &replaced {
            effects.push(Effect::Replace(old.seat.key));
        }
        if self.channels.len() >= self.max_channels as usize {
            let reason = Reason::TooManyChannels;
            return effects.push(Effect::RefuseJoin { join_ref, reference, topic, reason });
        }
        let key = ChannelKey(self.next_key);
        self.next_key = self.next_key.wrapping_add(1);
        let topic: Arc<str> = match topic {
            Name::Text(topic) | Name::Other(topic) => topic.into(),
        };
        self.joining = Some(key);
        if self.channels.is_empty() {
            // Most sockets join one topic: room for four would cost every connection.
            self.channels.reserve_exact(1);
        }
        let seat = Seat::new(key, topic, join_ref, &reference);
        self.channels.push(Joined { seat: Arc::clone(&seat), leaving: false });
        let replaces = replaced.map(|old| old.seat);
        effects.push(Effect::Join(JoinRequest { seat, route, reference, params, replaces }));
    }

    fn leave(&mut self, message: Message, current: Option<usize>, effects: &mut Vec<Effect>) {
        let Message { join_ref, reference, topic, .. } = message;
        let Some(channel) = current.map(|index| &mut self.channels[index]) else {
            return effects.push(Effect::Reply { join_ref, reference, topic, error: None });
        };
        // Another join reference: the client raced its own rejoin (row 120).
        if channel.is_current(&join_ref) && !channel.leaving {
            channel.leaving = true;
            effects.push(Effect::Leave { key: channel.seat.key, reference });
        }
    }

    fn channel_message(&self, message: Message, index: usize, effects: &mut Vec<Effect>) {
        let channel = &self.channels[index];
        // Stale, or sent after the leave: dropped without an answer (rows 126, 3.5).
        let counts = self.overlooks_join_refs || channel.is_current(&message.join_ref);
        if counts && !channel.leaving {
            let Message { event, payload, reference, .. } = message;
            effects.push(Effect::Message { key: channel.seat.key, event, payload, reference });
        }
    }
}

impl Joined {
    fn is_current(&self, join_ref: &Ref) -> bool {
        join_ref.is_null() || join_ref == self.seat.join_ref()
    }
}

fn is_heartbeat(message: &Message) -> bool {
    &*message.event == "heartbeat" && message.topic.as_str() == Some("phoenix")
}

/// The join reference of this answer is always null (row 104).
fn unmatched(message: Message) -> Effect {
    let Message { reference, topic, .. } = message;
    Effect::Reply { join_ref: Ref::Null, reference, topic, error: Some(Reason::UnmatchedTopic) }
}

/// A name that no binary frame could carry back. The answer has the references of the message, as every answer to a join
/// has that a client is to know for its own (protocol 2.2).
fn refused_name(message: Message) -> Effect {
    let Message { join_ref, reference, topic, event, .. } = message;
    let (join_ref, reference) = (short(join_ref), short(reference));
    if &*event == "phx_join" {
        return Effect::RefuseJoin { join_ref, reference, topic, reason: Reason::TooLarge };
    }
    Effect::Reply { join_ref, reference, topic, error: Some(Reason::TooLarge) }
}

/// A reference that is too long is not echoed.
fn short(reference: Ref) -> Ref {
    if reference.len() > MAX_NAME { Ref::Null } else { reference }
}

#[cfg(test)]
mod tests;
