use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::outbox::Outbox;
use crate::wire::{Encoding, MAX_NAME, Payload};

/// Names one subscriber; unique within the node, so that a broadcast can leave its sender out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriberId(pub(super) u64);

impl SubscriberId {
    /// The least, for ranges.
    pub(crate) const MIN: Self = Self(u64::MIN);

    /// The greatest, for ranges.
    pub(crate) const MAX: Self = Self(u64::MAX);
}

#[cfg(test)]
impl SubscriberId {
    /// For what needs no service.
    pub(crate) fn for_tests(number: u64) -> Self {
        Self(number)
    }
}

/// A message for all subscribers of a topic on all pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broadcast {
    /// At most 255 bytes.
    pub topic: Arc<str>,
    /// At most 255 bytes.
    pub event: Box<str>,
    /// An object or bytes.
    pub payload: Payload,
    /// A subscriber of this node that does not get it (`broadcast_from`).
    pub exclude: Option<SubscriberId>,
}

/// A message as it came back, shared by all who look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The topic it was sent to.
    pub topic: Arc<str>,
    /// What is meant.
    pub event: Box<str>,
    /// An object or bytes.
    pub payload: Payload,
    /// Its number, if the topic keeps a history and the message is in it.
    pub offset: Option<u64>,
}

/// Server code that looks at messages.
pub trait Receiver: Send + Sync {
    /// Takes one message. Runs under the topic's lock, so it must neither wait nor call [`super::PubSub`]; a receiver
    /// that cannot keep up deals with that itself (a channel ends).
    fn receive(&self, message: &Arc<Received>);

    /// Whether it takes the events that it does not want, too: something that they must not overtake is on its way. Runs
    /// under the topic's lock, as [`Receiver::receive`].
    fn holds_all(&self) -> bool {
        false
    }

    /// Of a topic with history: messages before the next one were lost and cannot be had any more, or a new epoch has
    /// begun. Whether it wants to hear more; if not, it is detached before the next message. Runs under the topic's lock,
    /// as [`Receiver::receive`].
    fn lost(&self) -> bool {
        true
    }
}

/// Who is told that a fastlane of a topic with history has ended, since messages were lost and cannot be had any more.
pub trait Lost: Send + Sync {
    /// Continuity is lost; nothing more of the topic comes. Runs under the topic's lock, so it must neither wait nor call
    /// [`super::PubSub`].
    fn lost(&self);
}

/// How messages reach a subscriber.
#[derive(Clone)]
pub enum Delivery {
    /// Every event, encoded, straight to the connection.
    Fastlane {
        /// What the connection speaks.
        encoding: Encoding,
        /// The connection's queue.
        outbox: Arc<Outbox>,
        /// Of a topic with history, whoever has to know when continuity is lost; without, it just goes on.
        lost: Option<Arc<dyn Lost>>,
    },
    /// Some events to the receiver, all others as by the fastlane, unless the receiver holds all.
    Intercepted {
        /// What the connection speaks.
        encoding: Encoding,
        /// The connection's queue.
        outbox: Arc<Outbox>,
        /// The events that the receiver wants.
        events: Arc<[Box<str>]>,
        /// Who decides about them.
        receiver: Arc<dyn Receiver>,
    },
    /// Every event to server code.
    Receiver(Arc<dyn Receiver>),
}

impl Delivery {
    /// The queue of the connection, if there is one.
    pub(super) fn outbox(&self) -> Option<&Outbox> {
        match self {
            Self::Fastlane { outbox, .. } | Self::Intercepted { outbox, .. } => Some(outbox),
            Self::Receiver(_) => None,
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fastlane { encoding, .. } => write!(f, "Fastlane({encoding:?})"),
            Self::Intercepted { encoding, events, .. } => write!(f, "Intercepted({encoding:?}, {events:?})"),
            Self::Receiver(_) => f.write_str("Receiver"),
        }
    }
}

/// One who hears a topic.
#[derive(Debug, Clone)]
pub struct Subscriber {
    /// From [`super::PubSub::next_subscriber_id`].
    pub id: SubscriberId,
    /// How messages reach it.
    pub delivery: Delivery,
}

/// An order to every pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// Close all sockets with this id (1001).
    Disconnect {
        /// What the application named its sockets.
        socket_id: Box<str>,
    },
}

/// Performs orders, from this pod and from others. Each comes with how long ago it was given, zero if it just was: it means
/// what is older than that. The same one may come again. Must not wait.
pub type ControlHandler = Arc<dyn Fn(Control, Duration) + Send + Sync>;

/// Takes what other nodes send to this one alone. Must not wait.
pub type LetterHandler = Arc<dyn Fn(Bytes) + Send + Sync>;

/// Whether a topic and an event can be named in every frame.
pub(super) fn names_fit(topic: &str, event: &str) -> bool {
    topic.len().max(event.len()) <= MAX_NAME
}
