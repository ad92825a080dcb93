//! What a topic with history has more than others: how far its subscribers have come, and for those who are catching up
//! a few of the last messages. Under the topic's lock.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use slab::Slab;

use super::backend::{Inbound, Kept, Stamp};
use super::fanout;
use super::listener::Listener;
use super::message::SubscriberId;
use crate::history::{Position, Retention, Sequence};
use crate::wire::Payload;

/// How many of the last messages are held for those who are catching up; who is further behind reads again.
const MAX_TAIL: usize = 128;

/// How many bytes of them.
const MAX_TAIL_BYTES: usize = 1024 * 1024;

/// What a message counts beside its payload: its names, and what a frame costs a queue.
const OVERHEAD: usize = 512;

/// A topic with history.
pub(super) struct Track {
    pub(super) retention: Retention,
    pub(super) sequence: Sequence<Message>,
    /// Who may ask for the tail.
    recovering: usize,
    /// The last messages that were delivered since somebody began to recover.
    tail: VecDeque<(u64, Message)>,
    tail_bytes: usize,
}

/// A message that owns what it consists of. One that nobody here can read has no content, and still its number.
#[derive(Debug)]
pub(super) struct Message(Option<Content>);

#[derive(Debug)]
struct Content {
    event: Box<str>,
    payload: Payload,
    exclude: Option<SubscriberId>,
    stamp: Option<Stamp>,
}

/// Subscribers that hear nothing more: to be dropped when the topic is unlocked, since what they own may do anything.
pub(super) type Detached = Vec<Listener>;

impl Message {
    /// A copy: the receiver may keep it, and a slice would keep the whole read buffer of the connection.
    pub(super) fn copy(message: &Inbound<'_>) -> Self {
        let payload = match &message.payload {
            Payload::Json(json) => Payload::Json(Bytes::copy_from_slice(json)),
            Payload::Binary(bytes) => Payload::Binary(Bytes::copy_from_slice(bytes)),
        };
        Self::of(message, payload)
    }

    /// What was read from a history: its bytes are nobody else's.
    pub(super) fn read(message: Option<&Inbound<'_>>) -> Self {
        message.map_or(Self(None), |message| Self::of(message, message.payload.clone()))
    }

    fn of(message: &Inbound<'_>, payload: Payload) -> Self {
        let event = (&*message.event).into();
        Self(Some(Content { event, payload, exclude: message.exclude, stamp: message.stamp.clone() }))
    }

    /// As [`size`].
    fn size(&self) -> usize {
        self.0.as_ref().map_or(0, |content| content.payload.bytes().len() + OVERHEAD)
    }

    /// Which publication it is.
    pub(super) fn stamp(&self) -> Option<&Stamp> {
        self.0.as_ref()?.stamp.as_ref()
    }

    /// As it would have come.
    pub(super) fn inbound<'a>(&'a self, topic: &'a str, epoch: &'a str, offset: u64) -> Option<Inbound<'a>> {
        let Content { event, payload, exclude, stamp } = self.0.as_ref()?;
        Some(Inbound {
            topic,
            event: (&**event).into(),
            payload: payload.clone(),
            exclude: *exclude,
            stamp: stamp.clone(),
            kept: Some(Kept { epoch, offset }),
        })
    }
}

/// What a message counts against limits, in bytes.
pub(super) fn size(message: &Inbound<'_>) -> usize {
    message.payload.bytes().len() + OVERHEAD
}

impl Track {
    pub(super) fn new(retention: Retention) -> Self {
        let (sequence, tail) = (Sequence::new(), VecDeque::new());
        Self { retention, sequence, recovering: 0, tail, tail_bytes: 0 }
    }

    /// Somebody begins to catch up.
    pub(super) fn begin_recovery(&mut self) {
        self.recovering += 1;
    }

    /// Somebody has caught up, or gone.
    pub(super) fn end_recovery(&mut self) {
        self.recovering -= 1;
        if self.recovering == 0 {
            self.forget_tail();
        }
    }

    /// Hands a message to the subscribers, and keeps it for those who are catching up. How many took it.
    pub(super) fn deliver(
        &mut self,
        subscribers: &Slab<Listener>,
        topic: &Arc<str>,
        offset: u64,
        message: &Inbound<'_>,
    ) -> usize {
        if self.recovering > 0 {
            self.tail_bytes += size(message);
            self.tail.push_back((offset, Message::copy(message)));
            while self.tail.len() > MAX_TAIL || self.tail_bytes > MAX_TAIL_BYTES {
                let Some((_, dropped)) = self.tail.pop_front() else { break };
                self.tail_bytes -= dropped.size();
            }
        }
        fanout::deliver(subscribers, topic, message)
    }

    /// Hands out some of what waited behind a gap that is filled by now. How many took it, and what it was.
    pub(super) fn deliver_parked(&mut self, subscribers: &Slab<Listener>, topic: &Arc<str>) -> (usize, Vec<Message>) {
        let Some(Position { epoch, .. }) = self.sequence.position().cloned() else { return (0, Vec::new()) };
        let mut delivered = 0;
        let mut parked = Vec::new();
        for (offset, message) in self.sequence.take_parked() {
            if let Some(message) = message.inbound(topic, epoch.as_str(), offset) {
                delivered += self.deliver(subscribers, topic, offset, &message);
            }
            parked.push(message);
        }
        (delivered, parked)
    }

    /// The messages between a position and where the subscribers are, if all of them are at hand and have no more than so
    /// many bytes. A single one may have more: any queue takes it.
    pub(super) fn missed_since(&self, at: &Position, most: usize) -> Option<impl Iterator<Item = (u64, &Message)>> {
        let delivered = self.sequence.position().filter(|delivered| delivered.epoch == at.epoch)?;
        let count = usize::try_from(delivered.offset.checked_sub(at.offset)?).ok()?;
        let skipped = self.tail.len().checked_sub(count)?;
        let bytes: usize = self.tail.iter().skip(skipped).map(|(_, message)| message.size()).sum();
        if count > 1 && bytes > most {
            return None;
        }
        // Numbers rise by one; a loss empties the tail.
        Some(self.tail.iter().skip(skipped).map(|(offset, message)| (*offset, message)))
    }

    /// Continuity is lost: those who need it are told, and hear nothing more.
    pub(super) fn lose(&mut self, subscribers: &mut Slab<Listener>) -> Detached {
        self.forget_tail();
        let keys: Vec<usize> = subscribers.iter().filter(|(_, s)| s.lost()).map(|(key, _)| key).collect();
        keys.into_iter().filter_map(|key| subscribers.try_remove(key)).collect()
    }

    pub(super) fn forget_tail(&mut self) {
        (self.tail, self.tail_bytes) = (VecDeque::new(), 0);
    }
}
