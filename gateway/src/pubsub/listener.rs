use std::sync::Arc;

use super::message::{Delivery, Subscriber, SubscriberId};
use crate::outbox::Outbox;
use crate::wire::Encoding;

/// A subscriber as its topic keeps it: nearly all have the fastlane and nothing else, and there is one for each join.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) id: SubscriberId,
    pub(super) way: Way,
}

/// How messages reach it.
#[derive(Debug)]
pub(super) enum Way {
    /// Every event, encoded, straight to the connection.
    Fastlane { encoding: Encoding, outbox: Arc<Outbox> },
    /// All that needs more room.
    Other(Box<Delivery>),
}

impl From<Subscriber> for Listener {
    fn from(Subscriber { id, delivery }: Subscriber) -> Self {
        let way = match delivery {
            Delivery::Fastlane { encoding, outbox, lost: None } => Way::Fastlane { encoding, outbox },
            delivery => Way::Other(Box::new(delivery)),
        };
        Self { id, way }
    }
}

impl Listener {
    /// The queue of its connection, if it has one.
    pub(super) fn outbox(&self) -> Option<&Outbox> {
        match &self.way {
            Way::Fastlane { outbox, .. } => Some(outbox),
            Way::Other(delivery) => delivery.outbox(),
        }
    }

    /// Continuity is lost. Whether it was told, and wants to hear no more.
    pub(super) fn lost(&self) -> bool {
        let Way::Other(delivery) = &self.way else { return false };
        match &**delivery {
            Delivery::Fastlane { lost, .. } => lost.as_ref().map(|lost| lost.lost()).is_some(),
            Delivery::Intercepted { receiver, .. } | Delivery::Receiver(receiver) => !receiver.lost(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_stays_small() {
        // Each join has one, in a list that the topic keeps.
        assert!(size_of::<Listener>() <= 24, "a listener has {} bytes", size_of::<Listener>());
    }
}
