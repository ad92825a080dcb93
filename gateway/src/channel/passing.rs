use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::pubsub::Received;

/// How many messages are on their way through a channel. One that is dropped on the way never leaves it: nothing may pass
/// what is missing.
#[derive(Debug, Default)]
pub(super) struct Passage(AtomicUsize);

impl Passage {
    /// Whether a message is on its way, or was dropped there.
    pub(super) fn is_taken(&self) -> bool {
        self.0.load(Ordering::Acquire) > 0
    }
}

/// A message of the topic on its way through the channel.
pub(crate) struct Passing {
    pub(super) received: Arc<Received>,
    pub(super) is_intercepted: bool,
    passage: Option<Arc<Passage>>,
}

impl Passing {
    /// One that the channel handles and others need not wait for.
    pub(super) fn intercepted(received: Arc<Received>) -> Self {
        Self { received, is_intercepted: true, passage: None }
    }

    /// One that all behind it wait for.
    pub(super) fn enter(passage: &Arc<Passage>, received: Arc<Received>, is_intercepted: bool) -> Self {
        passage.0.fetch_add(1, Ordering::AcqRel);
        Self { received, is_intercepted, passage: Some(Arc::clone(passage)) }
    }

    /// Whether others wait for it.
    pub(super) fn holds_others(&self) -> bool {
        self.passage.is_some()
    }

    /// The client has had it.
    pub(super) fn done(&self) {
        if let Some(passage) = &self.passage {
            passage.0.fetch_sub(1, Ordering::AcqRel);
        }
    }
}
