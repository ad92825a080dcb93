use std::fmt;

use super::message::Subscriber;
use super::topics::Hold;

/// This pod receives a topic at least as long as this exists.
#[must_use = "dropping it gives the topic up"]
pub struct Interest {
    hold: Hold,
}

impl Interest {
    pub(super) fn new(hold: Hold) -> Self {
        Self { hold }
    }

    /// Adds a subscriber. Under the topic's lock `before` runs first (a join queues its reply there): nothing of the
    /// topic can precede what it does, and nothing after it is missed. It must not wait nor call [`super::PubSub`].
    pub fn attach(self, subscriber: Subscriber, before: impl FnOnce()) -> Subscription {
        let mut state = self.hold.entry().state.lock();
        before();
        let key = state.subscribers.insert(subscriber);
        drop(state);
        Subscription { hold: self.hold, key }
    }
}

/// A subscriber of a topic. Dropped, it hears nothing more of it, at once.
#[must_use = "dropping it detaches the subscriber"]
pub struct Subscription {
    hold: Hold,
    key: usize,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut state = self.hold.entry().state.lock();
        let subscriber = state.subscribers.try_remove(self.key);
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
