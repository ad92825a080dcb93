use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::client::{ChannelKey, Client};
use super::metrics::ChannelMetrics;

/// What the socket must know of its channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The join callback has returned: the socket's other messages may go on.
    JoinCallbackDone(ChannelKey),
    /// The topic is no longer joined, or never was.
    Ended(ChannelKey),
}

/// What all slots of a connection share.
pub(super) struct Env {
    pub(super) client: Arc<Client>,
    grace_ms: u32,
    /// Of most connections nothing most of the time, which takes one word.
    kept: Option<Box<Kept>>,
}

#[derive(Default)]
struct Kept {
    /// What the socket does not know yet.
    events: Vec<Event>,
    /// When a client that catches up had room for more last.
    roomy: Option<Instant>,
}

impl Env {
    /// `grace`: how long a channel that has ended may take over its last callbacks.
    pub(super) fn new(client: Arc<Client>, grace: Duration) -> Self {
        let grace_ms = u32::try_from(grace.as_millis()).unwrap_or(u32::MAX);
        Self { client, grace_ms, kept: None }
    }

    pub(super) fn metrics(&self) -> &ChannelMetrics {
        self.client.endpoint().metrics()
    }

    pub(super) fn grace(&self) -> Duration {
        Duration::from_millis(self.grace_ms.into())
    }

    /// Something that the socket must know.
    pub(super) fn report(&mut self, event: Event) {
        self.kept.get_or_insert_default().events.push(event);
    }

    /// What was reported since this was asked last.
    pub(super) fn take_events(&mut self) -> Vec<Event> {
        let Some(kept) = &mut self.kept else { return Vec::new() };
        let events = std::mem::take(&mut kept.events);
        if kept.roomy.is_none() {
            self.kept = None;
        }
        events
    }

    /// A client that catches up has room for more now.
    pub(super) fn has_room(&mut self) {
        self.kept.get_or_insert_default().roomy = Some(Instant::now());
    }

    /// When that was last, if ever.
    pub(super) fn roomy(&self) -> Option<Instant> {
        self.kept.as_ref()?.roomy
    }
}
