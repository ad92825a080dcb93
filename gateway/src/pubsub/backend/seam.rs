use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::history::Retention;
use crate::ids::NodeId;
use crate::pubsub::error::Unavailable;
use crate::pubsub::idempotency::IdempotencyKey;
use crate::pubsub::message::{Broadcast, Control, LetterHandler, SubscriberId};
use crate::pubsub::publication::Publication;
use crate::pubsub::topics::Hold;
use crate::wire::Payload;

/// Something that is asked of Redis, and takes as long as a command at most.
pub(in crate::pubsub) type Asked<'a, T> = Pin<Box<dyn Future<Output = Result<T, Unavailable>> + Send + 'a>>;

/// Carries messages to all pods and back. No method waits.
pub(in crate::pubsub) trait Backend: Send + Sync {
    /// Starts to receive a topic. Either that is so when it returns, with true, or the sink hears `subscribed` later; in
    /// both cases it hears it again after each interruption. `kept`: the topic keeps a history.
    fn subscribe(&self, topic: &Arc<str>, kept: bool) -> bool;

    /// Stops to receive a topic.
    fn unsubscribe(&self, topic: &Arc<str>, kept: bool);

    /// Sends a message, in the order of calls.
    fn publish(&self, publish: Publish) -> Publication;

    /// A message that the sink had let wait is dealt with by now.
    fn dealt_with(&self, topic: &str, stamp: &Stamp);

    /// Sends an order to every pod, this one included.
    fn control(&self, control: Control) -> Publication;

    /// Starts to receive what other nodes send to this one. Only the first handler counts.
    fn open_letters(&self, handler: LetterHandler);

    /// Sends something to one node. How many heard it: none when that node is gone, or is just being connected again.
    fn send_letter<'a>(&'a self, to: &'a NodeId, letter: Bytes) -> Asked<'a, usize>;

    /// The secret that all nodes share for a purpose: what the first of them proposed.
    fn shared_secret<'a>(&'a self, purpose: &'a str, proposal: Bytes) -> Asked<'a, Bytes>;

    /// Whether the way of this topic's messages to this pod has been interrupted for so long that nobody should wait.
    fn is_hopeless(&self, topic: &str) -> bool;
}

/// Takes what a [`Backend`] receives. No method waits.
pub(in crate::pubsub) trait Sink: Send + Sync {
    /// A message came.
    fn received(&self, message: &Inbound<'_>) -> Taken;

    /// An order came that was given so long ago, zero if it is not known that it is old. The same one may come again.
    fn controlled(&self, control: Control, age: Duration);

    /// From now on no message of the topic is missed.
    fn subscribed(&self, topic: &str);

    /// Messages of the topic may be missed until it is `subscribed` again.
    fn interrupted(&self, topic: &str);

    /// Some time has passed. Whether some topics' way has been interrupted for so long that nobody should wait for them.
    fn tick(&self, now: Instant, hopeless: bool);
}

/// A message to send.
pub(in crate::pubsub) struct Publish {
    pub(in crate::pubsub) broadcast: Broadcast,
    /// It is sent only if no message of the topic had this key in the last 24 hours, on any pod.
    pub(in crate::pubsub) key: Option<IdempotencyKey>,
    /// It is appended to the topic's history in the same step.
    pub(in crate::pubsub) kept: Option<Retention>,
    /// The topic is hosted here: the publication resolves when the message has come back, and the subscription is kept
    /// until then. Without, acceptance is enough.
    pub(in crate::pubsub) hosted: Option<Hold>,
}

/// What became of a message that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pubsub) enum Taken {
    /// It is in all queues, or it was there before.
    Done,
    /// It will be, once what precedes it has come: the sink reports it as `dealt_with` then.
    Waits,
    /// Nobody gets it: the topic has a history, and the message is not in it.
    Refused,
}

/// Where a message stands in the history of its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pubsub) struct Kept<'a> {
    pub(in crate::pubsub) epoch: &'a str,
    pub(in crate::pubsub) offset: u64,
}

/// A message from the backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pubsub) struct Inbound<'a> {
    pub(in crate::pubsub) topic: &'a str,
    pub(in crate::pubsub) event: Cow<'a, str>,
    pub(in crate::pubsub) payload: Payload,
    /// Of this node; what other nodes exclude is none of ours.
    pub(in crate::pubsub) exclude: Option<SubscriberId>,
    /// Absent where nothing can come twice.
    pub(in crate::pubsub) stamp: Option<Stamp>,
    /// Absent when the message is in no history.
    pub(in crate::pubsub) kept: Option<Kept<'a>>,
}

/// Where a message came from, and its number there, which rises within a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pubsub) struct Stamp {
    pub(in crate::pubsub) node: NodeId,
    pub(in crate::pubsub) sequence: u64,
}
