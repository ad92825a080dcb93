use std::fmt;
use std::sync::{Arc, OnceLock};

use super::entry::Entry;
use super::error::Unavailable;
use super::fanout;
use super::listener::Listener;
use super::message::{Subscriber, SubscriberId};
use super::topics::Hold;
use crate::history::{Limit, Page, Position, Read};

/// This pod receives a topic at least as long as this exists.
#[must_use = "dropping it gives the topic up"]
pub struct Interest {
    hold: Hold,
    /// Somebody may attach at an older position: the topic holds its last messages ready meanwhile.
    recovery: OnceLock<Recovery>,
}

/// Counted in a topic that keeps a history.
struct Recovery(Arc<Entry>);

impl Interest {
    pub(super) fn new(hold: Hold) -> Self {
        Self { hold, recovery: OnceLock::new() }
    }

    /// Adds a subscriber. Under the topic's lock `before` runs first (a join queues its reply there): nothing of the
    /// topic can precede what it does, and nothing after it is missed. It must not wait nor call [`super::PubSub`].
    pub fn attach(self, subscriber: Subscriber, before: impl FnOnce()) -> Subscription {
        let mut state = self.hold.entry().state.lock();
        before();
        let (id, key) = (subscriber.id, state.add(subscriber.into()));
        drop(state);
        self.into_subscription(id, key)
    }

    /// Where this pod's subscribers of the topic are. None when the topic keeps no history. From now on the topic holds
    /// its last messages ready, until this is attached or dropped.
    pub fn position(&self) -> Option<Position> {
        let position = self.hold.entry().position()?;
        if self.recovery.get().is_some() {
            return Some(position);
        }
        self.recovery.get_or_init(|| Recovery::begin(self.hold.entry()));
        // What was delivered before is not at hand.
        self.hold.entry().position()
    }

    /// Reads messages of the topic's history behind `after`, which is of the epoch that [`Interest::position`] tells; of
    /// another one, it reads from the start. What this pod's subscribers have not had yet is not among them: it comes
    /// live. [`Page::follows`] tells whether something is missing.
    ///
    /// # Errors
    /// When the store cannot be read, or the topic keeps no history.
    pub fn read_after(
        &self,
        after: u64,
        limit: Limit,
    ) -> impl Future<Output = Result<Page, Unavailable>> + Send + 'static + use<> {
        let (topics, entry) = (self.hold.topics().clone(), self.hold.entry().clone());
        let position = self.position();
        async move {
            let (Some(histories), Some(position)) = (&topics.histories, position) else { return Err(Unavailable) };
            let read = Read { after, epoch: Some(position.epoch), limit, renew: None };
            let mut page = histories.page(entry.topic(), read).await?.ok_or(Unavailable)?;
            if let Some(delivered) = entry.position().filter(|delivered| delivered.epoch == page.position.epoch) {
                page.messages.retain(|message| message.offset <= delivered.offset);
            }
            Ok(page)
        }
    }

    /// As [`Interest::attach`], for one who has had all messages up to `at`, and needs every one behind it. Those few
    /// that this pod's subscribers have had since then are handed to it after `before`, if they are still at hand.
    ///
    /// # Errors
    /// When they are not, or are more than its queue should get at once, or the epoch has changed, or the subscribers are not that far: everything comes back, `before`
    /// has not run, and the caller reads the next page.
    pub fn attach_at(
        self,
        at: &Position,
        subscriber: Subscriber,
        before: impl FnOnce(),
    ) -> Result<Subscription, (Self, Subscriber)> {
        let entry: Arc<_> = self.hold.entry().clone();
        let mut state = entry.state.lock();
        let Some(missed) = state.track.as_ref().and_then(|track| track.missed_since(at, share(&subscriber))) else {
            drop(state);
            return Err((self, subscriber));
        };
        before();
        let (subscriber, mut delivered) = (Listener::from(subscriber), 0);
        for (offset, message) in missed {
            if let Some(message) = message.inbound(entry.topic(), at.epoch.as_str(), offset) {
                delivered += usize::from(fanout::deliver_to(&subscriber, entry.topic(), &message));
            }
        }
        let (id, key) = (subscriber.id, state.add(subscriber));
        drop(state);
        self.hold.topics().metrics.delivered(delivered);
        Ok(self.into_subscription(id, key))
    }

    fn into_subscription(self, id: SubscriberId, key: usize) -> Subscription {
        Subscription { hold: self.hold, id, key }
    }
}

/// How many bytes one may get at once: a quarter of its queue, which holds another quarter at most when it is attached.
fn share(subscriber: &Subscriber) -> usize {
    subscriber.delivery.outbox().map_or(usize::MAX, |outbox| outbox.largest_charge() / 2)
}

impl Recovery {
    fn begin(entry: &Arc<Entry>) -> Self {
        if let Some(track) = &mut entry.state.lock().track {
            track.begin_recovery();
        }
        Self(entry.clone())
    }
}

impl Drop for Recovery {
    fn drop(&mut self) {
        if let Some(track) = &mut self.0.state.lock().track {
            track.end_recovery();
        }
    }
}

/// A subscriber of a topic. Dropped, it hears nothing more of it, at once.
#[must_use = "dropping it detaches the subscriber"]
pub struct Subscription {
    hold: Hold,
    id: SubscriberId,
    key: usize,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut state = self.hold.entry().state.lock();
        // One that was detached, since it had lost messages, has left its place to others.
        let is_there = state.subscribers.get(self.key).is_some_and(|subscriber| subscriber.id == self.id);
        let subscriber = if is_there { state.subscribers.try_remove(self.key) } else { None };
        if state.subscribers.is_empty() {
            // A topic that was crowded once owes its memory back.
            state.subscribers = slab::Slab::new();
        }
        drop(state);
        // Only now: what it owns may do anything when it goes.
        drop(subscriber);
    }
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interest").finish_non_exhaustive()
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("key", &self.key).finish_non_exhaustive()
    }
}
