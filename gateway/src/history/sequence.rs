//! How far the subscribers of a topic have come, and what waits behind a gap. Pure: who owns one hears the live
//! messages, asks the store when it says so, and delivers what it hands out.
//!
//! A live message carries its epoch and offset, so it is the next one, a known one, or one behind a gap. Only a reading
//! of the store can say that another epoch has begun, or that a gap cannot be filled: then continuity is lost, which is
//! reported before anything behind the loss is handed out.

use std::collections::VecDeque;

use super::page::Limit;
use super::position::{Epoch, Position};

/// How much is handed out at a time, so that its subscribers can take it before the next comes. A page of the store and
/// what was parked behind it may come together: twice the bytes, a quarter of an outbox of the usual size.
pub const CHUNK: Limit = Limit { messages: 32, bytes: 128 * 1024 };

/// How many messages wait behind a gap; what comes beyond that is read from the store in its turn.
const MAX_PARKED: usize = 256;

/// How many bytes of them.
const MAX_PARKED_BYTES: usize = 1024 * 1024;

/// Where one topic's subscribers are. `M` is a message.
#[derive(Debug)]
pub struct Sequence<M> {
    /// The last message that was handed out. None until the store was read for the first time.
    delivered: Option<Position>,
    /// The highest offset heard of in this epoch.
    latest: u64,
    /// Something may be missing that the reading under way does not bring.
    wanted: bool,
    reading: Option<Asked>,
    /// Messages of this epoch behind a gap, as they came.
    parked: VecDeque<(u64, usize, M)>,
    parked_bytes: usize,
}

/// What was known when a reading began.
#[derive(Debug, Clone, Copy)]
struct Asked {
    after: u64,
    latest: u64,
}

/// What to do with a live message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the next one, and counts as delivered; then come those of [`Sequence::take_parked`].
    Next,
    /// It was delivered.
    Known,
    /// Something is missing before it: it may be parked, and the store is to be read.
    Early,
    /// As [`Verdict::Early`], but it cannot be parked: the reading brings it.
    Elsewhere,
}

/// What a reading of the store has brought.
#[derive(Debug, PartialEq, Eq)]
pub struct Caught<M> {
    /// Some messages before these cannot be had, or another epoch has begun.
    pub lost: bool,
    /// In order, to be delivered now; they count as delivered.
    pub messages: Vec<(u64, M)>,
}

impl<M> Sequence<M> {
    /// Nothing is known yet: the store is to be read.
    pub fn new() -> Self {
        let parked = VecDeque::new();
        Self { delivered: None, latest: 0, wanted: true, reading: None, parked, parked_bytes: 0 }
    }

    /// The last message that was delivered.
    pub fn position(&self) -> Option<&Position> {
        self.delivered.as_ref()
    }

    /// A live message has come.
    pub fn heard(&mut self, epoch: &str, offset: u64) -> Verdict {
        let Some(delivered) = self.delivered.as_mut().filter(|delivered| delivered.epoch.as_str() == epoch) else {
            // Or it is late, from a server that was the primary. The store knows.
            self.wanted = true;
            return Verdict::Elsewhere;
        };
        self.latest = self.latest.max(offset);
        if offset <= delivered.offset {
            Verdict::Known
        } else if offset == delivered.offset + 1 {
            delivered.offset = offset;
            Verdict::Next
        } else {
            self.wanted = true;
            Verdict::Early
        }
    }

    /// Keeps an early message until the gap before it is filled, if there is room; else the store has to bring it.
    pub fn park(&mut self, offset: u64, size: usize, message: M) {
        if self.parked.len() < MAX_PARKED && self.parked_bytes + size <= MAX_PARKED_BYTES {
            self.parked_bytes += size;
            self.parked.push_back((offset, size, message));
        }
    }

    /// The parked messages that are the next ones, a [`CHUNK`] at most; they count as delivered.
    pub fn take_parked(&mut self) -> Vec<(u64, M)> {
        self.take_some_parked(CHUNK.messages)
    }

    fn take_some_parked(&mut self, most: usize) -> Vec<(u64, M)> {
        let before = self.parked_bytes;
        let mut taken = Vec::new();
        while taken.len() < most && before - self.parked_bytes < CHUNK.bytes {
            let Some(next) = self.next_parked() else { break };
            taken.push(next);
        }
        taken
    }

    fn next_parked(&mut self) -> Option<(u64, M)> {
        let delivered = self.delivered.as_mut()?;
        // What is known by now, as it came twice or was read, goes first.
        while let Some((_, size, _)) = self.parked.pop_front_if(|(offset, ..)| *offset <= delivered.offset) {
            self.parked_bytes -= size;
        }
        let next = self.parked.iter().position(|(offset, ..)| *offset == delivered.offset + 1)?;
        let (offset, size, message) = self.parked.remove(next)?;
        self.parked_bytes -= size;
        delivered.offset = offset;
        Some((offset, message))
    }

    /// Whether there are messages behind those that were delivered.
    pub fn is_behind(&self) -> bool {
        self.position().is_some_and(|delivered| delivered.offset < self.latest)
    }

    /// Messages may have been missed, and perhaps none comes that would show it.
    pub fn doubt(&mut self) {
        self.wanted = true;
    }

    /// The position behind which the store is to be read, if it is to be read now. Nobody else reads until
    /// [`Sequence::end_reading`], before which comes [`Sequence::caught`] or [`Sequence::failed`]. The first reading asks
    /// for the position alone.
    pub fn begin_reading(&mut self) -> Option<(Option<Epoch>, u64)> {
        if self.reading.is_some() || !(self.wanted || self.is_behind()) {
            return None;
        }
        self.wanted = false;
        let (epoch, after) = match &self.delivered {
            Some(Position { epoch, offset }) => (Some(epoch.clone()), *offset),
            None => (None, u64::MAX),
        };
        self.reading = Some(Asked { after, latest: self.latest });
        Some((epoch, after))
    }

    /// The store could not be read.
    pub fn failed(&mut self) {
        self.wanted = true;
    }

    /// Who reads has handed out what came of it.
    pub fn end_reading(&mut self) {
        self.reading = None;
    }

    /// The store was read: where its stream was, and the messages behind what was asked for, from the start of the
    /// stream if that is of another epoch. What was parked and is next by now is among what is handed out, if the page
    /// leaves room in a [`CHUNK`]; [`Sequence::take_parked`] has the rest.
    pub fn caught(&mut self, position: Position, messages: Vec<(u64, M)>) -> Caught<M> {
        let mut caught = Caught { lost: false, messages: Vec::new() };
        let asked = self.reading;
        let Some(delivered) = &mut self.delivered else {
            // What came before was never anybody's here.
            self.delivered = Some(position);
            return caught;
        };
        let asked = asked.unwrap_or(Asked { after: 0, latest: 0 });
        let went_back = position.offset < asked.after || position.offset < asked.latest;
        if delivered.epoch != position.epoch || went_back {
            caught.lost = true;
            let offset = if delivered.epoch == position.epoch {
                delivered.offset.min(position.offset)
            } else {
                messages.first().map_or(position.offset, |(offset, _)| offset.saturating_sub(1))
            };
            *delivered = Position { epoch: position.epoch, offset };
            (self.latest, self.parked, self.parked_bytes) = (0, VecDeque::new(), 0);
        }
        let read_up_to = messages.last().map_or(position.offset, |(offset, _)| *offset);
        for (offset, message) in messages {
            if offset > delivered.offset {
                caught.lost |= offset > delivered.offset + 1;
                delivered.offset = offset;
                caught.messages.push((offset, message));
            }
        }
        // No message behind the position, and yet the stream is further: they have expired.
        if read_up_to > delivered.offset {
            caught.lost = true;
            delivered.offset = read_up_to;
        }
        self.latest = self.latest.max(position.offset);
        let room = CHUNK.messages.saturating_sub(caught.messages.len());
        caught.messages.extend(self.take_some_parked(room));
        caught
    }
}

impl<M> Default for Sequence<M> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
