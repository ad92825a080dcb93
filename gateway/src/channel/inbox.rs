use std::collections::VecDeque;

use tokio::time::Instant;

use super::instance::Call;
use super::life::Renewed;
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

/// What waits for a channel, oldest first. Most of the time that is nothing, and an idle channel holds one word for it.
#[derive(Default)]
pub(super) struct Inbox(Option<Box<Waiting>>);

/// Never empty.
#[derive(Default)]
struct Waiting {
    queue: VecDeque<Queued>,
    /// How much of it the client sent. Only that can be held back by not reading the client.
    messages: usize,
    bytes: usize,
}

impl Inbox {
    pub(super) fn push_message(&mut self, event: Box<str>, payload: Payload, reference: Ref) {
        let waiting = self.waiting();
        waiting.messages += 1;
        waiting.bytes += payload.bytes().len();
        waiting.queue.push_back(Queued::Call(Call::In { event, payload, came: Instant::now() }, Some(reference)));
    }

    pub(super) fn push_leave(&mut self, reference: Ref) {
        let waiting = self.waiting();
        waiting.messages += 1;
        waiting.queue.push_back(Queued::Leave { reference });
    }

    /// Something that the client did not send.
    pub(super) fn push_call(&mut self, call: Call) {
        self.waiting().queue.push_back(Queued::Call(call, None));
    }

    pub(super) fn push_out(&mut self, passing: Passing) {
        self.waiting().queue.push_back(Queued::Out(passing));
    }

    /// Something that comes before all that waits.
    pub(super) fn push_first(&mut self, queued: Queued) {
        self.waiting().queue.push_front(queued);
    }

    /// From now on there is only the end to come.
    pub(super) fn replace_by_end(&mut self, reason: Ended) {
        *self = Self::default();
        self.push_call(Call::Terminate(reason));
    }

    pub(super) fn front(&self) -> Option<&Queued> {
        self.0.as_ref()?.queue.front()
    }

    pub(super) fn pop(&mut self) -> Option<Queued> {
        self.take(0)
    }

    /// That the client was renewed, wherever it stands.
    pub(super) fn take_renewal(&mut self) -> Option<Queued> {
        let is_renewal = |queued: &Queued| matches!(queued, Queued::Call(Call::Info(info), None) if info.downcast_ref::<Renewed>().is_some());
        let at = self.0.as_ref()?.queue.iter().position(is_renewal)?;
        self.take(at)
    }

    fn take(&mut self, at: usize) -> Option<Queued> {
        let waiting = self.0.as_mut()?;
        let queued = waiting.queue.remove(at)?;
        match &queued {
            Queued::Call(Call::In { payload, .. }, _) => {
                waiting.messages -= 1;
                waiting.bytes -= payload.bytes().len();
            }
            Queued::Leave { .. } => waiting.messages -= 1,
            Queued::Call(..) | Queued::Out(_) | Queued::Stop => {}
        }
        if waiting.queue.is_empty() {
            self.0 = None;
        }
        Some(queued)
    }

    fn waiting(&mut self) -> &mut Waiting {
        self.0.get_or_insert_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |waiting| waiting.queue.len())
    }

    /// Bytes of the client's messages.
    pub(super) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |waiting| waiting.bytes)
    }

    /// Whether so much of the client's waits that it should not be read.
    pub(super) fn is_congested(&self) -> bool {
        self.0.as_ref().is_some_and(|waiting| waiting.messages >= MAX_MESSAGES)
    }
}
