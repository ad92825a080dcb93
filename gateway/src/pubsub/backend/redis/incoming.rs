use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::super::{Sink, Stamp, Taken};
use super::lane::Lane;
use crate::ids::NodeId;
use crate::pubsub::dialect::Dialect;
use crate::pubsub::envelope;
use crate::pubsub::message::LetterHandler;
use crate::pubsub::metrics::{Dropped, Metrics};
use crate::redis::{Keys, Listener};

/// How often messages that cannot be read are complained about.
const COMPLAINTS: Duration = Duration::from_secs(10);

/// Takes what the subscriber connections hear, and settles the publications that are back.
pub(super) struct Incoming<S> {
    pub(super) node: NodeId,
    pub(super) keys: Keys,
    pub(super) dialect: Arc<Dialect>,
    pub(super) lanes: Box<[Lane]>,
    pub(super) sink: Weak<S>,
    pub(super) metrics: Metrics,
    pub(super) complained: Mutex<Option<Instant>>,
    control: Box<str>,
    own_letters: Box<str>,
    /// Takes what is sent to this node alone, once somebody wants it.
    pub(super) letters: OnceLock<LetterHandler>,
    /// The control channel is heard again: orders may have been missed.
    pub(super) control_heard: Notify,
}

impl<S: Sink> Incoming<S> {
    pub(super) fn new(
        node: NodeId,
        keys: Keys,
        dialect: Arc<Dialect>,
        lanes: usize,
        sink: Weak<S>,
        metrics: Metrics,
    ) -> Self {
        let control = keys.control().into();
        let own_letters = keys.letters(node.as_str()).into();
        Self {
            node,
            keys,
            dialect,
            lanes: (0..lanes).map(|_| Lane::default()).collect(),
            sink,
            metrics,
            complained: Mutex::default(),
            control,
            own_letters,
            letters: OnceLock::new(),
            control_heard: Notify::new(),
        }
    }

    /// The lane of a channel.
    pub(super) fn lane(&self, channel: &str) -> &Lane {
        &self.lanes[crate::redis::share_of(channel, self.lanes.len())]
    }

    fn broadcast(&self, sink: &S, channel: &str, message: &Bytes) -> Result<(), Dropped> {
        let Some(topic) = self.keys.topic_of_broadcast(channel) else { return Err(Dropped::Foreign) };
        let message = self.dialect.unwrap(message)?;
        let inbound = envelope::decode(&topic, &message, &self.node)?;
        match sink.received(&inbound) {
            Taken::Done => {
                if let Some(stamp) = &inbound.stamp {
                    self.came_back(channel, stamp);
                }
                Ok(())
            }
            Taken::Waits => Ok(()),
            Taken::Refused => Err(Dropped::Raw),
        }
    }

    /// A message stands in the queues of the subscribers, or needs not: if it is this pod's own, it is awaited.
    pub(super) fn came_back(&self, channel: &str, stamp: &Stamp) {
        if stamp.node == self.node
            && let Some(took) = self.lane(channel).came_back(stamp.sequence)
        {
            self.metrics.looped_back(took.as_secs_f64());
        }
    }

    fn dropped(&self, channel: &str, reason: Dropped) {
        self.metrics.dropped(reason);
        let mut complained = self.complained.lock();
        if complained.is_none_or(|last| last.elapsed() >= COMPLAINTS) {
            *complained = Some(Instant::now());
            tracing::warn!(channel, reason = reason.label(), "dropped a message from Redis that cannot be delivered");
        }
    }

    fn with_topic(&self, channel: &str, report: impl FnOnce(&S, &str)) {
        if let (Some(topic), Some(sink)) = (self.keys.topic_of_broadcast(channel), self.sink.upgrade()) {
            report(&sink, &topic);
        }
    }
}

impl<S: Sink> Listener for Incoming<S> {
    fn message(&self, channel: &str, payload: &Bytes) {
        if *channel == *self.own_letters {
            if let Some(handler) = self.letters.get() {
                handler(payload.clone());
            }
            return;
        }
        let Some(sink) = self.sink.upgrade() else { return };
        let outcome = if *channel == *self.control {
            envelope::decode_control(payload).map(|control| sink.controlled(control, Duration::ZERO))
        } else {
            self.broadcast(&sink, channel, payload)
        };
        if let Err(reason) = outcome {
            self.dropped(channel, reason);
        }
    }

    fn subscribed(&self, channel: &str) {
        if *channel == *self.control {
            self.control_heard.notify_one();
        }
        self.with_topic(channel, |sink, topic| sink.subscribed(topic));
    }

    fn interrupted(&self, channel: &str) {
        self.with_topic(channel, |sink, topic| sink.interrupted(topic));
    }

    fn fallen(&self) {
        for lane in &self.lanes {
            lane.fail_interrupted();
        }
    }

    fn risen(&self, again: bool) {
        if again {
            self.metrics.reconnected();
        }
    }
}
