use std::collections::VecDeque;

use tokio::time::Instant;

use super::expiry::Renewed;
use super::instance::Call;
use super::outcome::Ended;
use super::passing::Passing;
use crate::wire::{Payload, Ref};

/// How many messages of the client may wait for a channel before its socket is not read any more.
pub(super) const MAX_MESSAGES: usize = 64;

/// What a channel has to do next.
pub(super) enum Queued {
    Call(Call, Option<Ref>),
    /// A broadcast of the topic.
    Out(Passing),
    Leave {
        reference: Ref,
    },
    Stop,
}

/// What waits for a channel, oldest first.
#[derive(Default)]
pub(super) struct Inbox {
    queue: VecDeque<Queued>,
    /// How much of it the client sent. Only that can be held back by not reading the client.
    messages: usize,
    bytes: usize,
}

impl Inbox {
    pub(super) fn push_message(&mut self, event: Box<str>, payload: Payload, reference: Ref) {
        self.messages += 1;
        self.bytes += payload.bytes().len();
        self.queue.push_back(Queued::Call(Call::In { event, payload, came: Instant::now() }, Some(reference)));
    }

    pub(super) fn push_leave(&mut self, reference: Ref) {
        self.messages += 1;
        self.queue.push_back(Queued::Leave { reference });
    }

    /// Something that the client did not send.
    pub(super) fn push_call(&mut self, call: Call) {
        self.queue.push_back(Queued::Call(call, None));
    }

    pub(super) fn push_out(&mut self, passing: Passing) {
        self.queue.push_back(Queued::Out(passing));
    }

    /// Something that comes before all that waits.
    pub(super) fn push_first(&mut self, queued: Queued) {
        self.queue.push_front(queued);
    }

    /// From now on there is only the end to come.
    pub(super) fn replace_by_end(&mut self, reason: Ended) {
        *self = Self::default();
        self.push_call(Call::Terminate(reason));
    }

    pub(super) fn front(&self) -> Option<&Queued> {
        self.queue.front()
    }

    pub(super) fn pop(&mut self) -> Option<Queued> {
        let queued = self.queue.pop_front()?;
        match &queued {
            Queued::Call(Call::In { payload, .. }, _) => {
                self.messages -= 1;
                self.bytes -= payload.bytes().len();
            }
            Queued::Leave { .. } => self.messages -= 1,
            Queued::Call(..) | Queued::Out(_) | Queued::Stop => {}
        }
        if self.queue.is_empty() {
            // An idle channel owns no queue.
            self.queue = VecDeque::new();
        }
        Some(queued)
    }

    /// That the client was renewed, wherever it stands.
    pub(super) fn take_renewal(&mut self) -> Option<Queued> {
        let is_renewal = |queued: &Queued| matches!(queued, Queued::Call(Call::Info(info), None) if info.downcast_ref::<Renewed>().is_some());
        self.queue.remove(self.queue.iter().position(is_renewal)?)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Bytes of the client's messages.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether so much of the client's waits that it should not be read.
    pub(super) fn is_congested(&self) -> bool {
        self.messages >= MAX_MESSAGES
    }
}
