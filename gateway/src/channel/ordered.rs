//! One order for a client that recovers, on a channel that intercepts some events of its topic.
//!
//! While an intercepted message is on its way through the channel, all that follows in the topic takes the same way: the
//! client must not name the offset of a later message before it has had the earlier one.

use std::sync::Arc;

use parking_lot::Mutex;

use super::client::{ChannelKey, Client, Mail};
use super::passing::{Passage, Passing};
use crate::outbox::Packet;
use crate::pubsub::{Lost, Received, Receiver};
use crate::wire::{EncodeError, Outgoing};

/// The intercepted message of a topic with history that is being handled.
pub(super) struct Handled {
    passing: Passing,
    /// What was pushed last. Only when nothing follows it may it carry the offset: who has that has had all.
    last: Mutex<Option<Pushed>>,
}

/// A frame without an offset, and with it.
struct Pushed {
    bare: Packet,
    numbered: Packet,
}

impl Handled {
    /// None for a message of which nobody has to know when it is done.
    pub(super) fn new(passing: Passing) -> Option<Box<Self>> {
        let concerns = passing.holds_others() || passing.received.offset.is_some();
        concerns.then(|| Box::new(Self { passing, last: Mutex::default() }))
    }

    /// Keeps what is pushed until more is, or the message is done.
    pub(super) fn push(&self, client: &Client, message: Outgoing<'_>) -> Result<(), EncodeError> {
        let Outgoing::Push { join_ref, topic, event, payload, .. } = message else { return Ok(()) };
        let encode =
            |offset| Packet::encode(client.encoding(), Outgoing::Push { join_ref, topic, event, payload, offset });
        let bare = encode(None)?;
        let Some(offset) = self.passing.received.offset.filter(|_| client.encoding().offsets) else {
            // A full outbox closes the connection by itself.
            let _closing = client.outbox().push(bare);
            return Ok(());
        };
        let numbered = encode(Some(offset))?;
        if let Some(before) = self.last.lock().replace(Pushed { bare, numbered }) {
            let _closing = client.outbox().push(before.bare);
        }
        Ok(())
    }

    /// Nothing more is pushed for the message; `succeeded`: the client has had it.
    pub(super) fn finish(&self, client: &Client, succeeded: bool) {
        if let Some(Pushed { bare, numbered }) = self.last.lock().take() {
            let _closing = client.outbox().push(if succeeded { numbered } else { bare });
        }
        if succeeded {
            self.passing.done();
        }
    }
}

impl std::fmt::Debug for Handled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handled").field("offset", &self.passing.received.offset).finish_non_exhaustive()
    }
}

/// Tells a channel that messages of its topic were lost.
pub(super) struct Watch {
    pub(super) client: Arc<Client>,
    pub(super) key: ChannelKey,
}

impl Lost for Watch {
    fn lost(&self) {
        self.client.send(self.key, Mail::Lost);
    }
}

/// Puts the broadcasts of a topic into the mail of a channel whose client wants to miss nothing.
pub(super) struct Ordered {
    watch: Watch,
    /// What the channel intercepts.
    events: Arc<[Box<str>]>,
    passage: Arc<Passage>,
}

impl Ordered {
    pub(super) fn new(watch: Watch, events: Arc<[Box<str>]>) -> Self {
        Self { watch, events, passage: Arc::default() }
    }
}

impl Receiver for Ordered {
    fn receive(&self, received: &Arc<Received>) {
        let is_intercepted = self.events.contains(&received.event);
        let passing = Passing::enter(&self.passage, Arc::clone(received), is_intercepted);
        self.watch.client.send(self.watch.key, Mail::Out(passing));
    }

    fn holds_all(&self) -> bool {
        self.passage.is_taken()
    }

    fn lost(&self) -> bool {
        Lost::lost(&self.watch);
        false
    }
}
