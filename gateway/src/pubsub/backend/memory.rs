//! One pod alone: a message is back the moment it is sent.

use std::borrow::Cow;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use super::super::error::PublishError;
use super::super::idempotency::{Acceptance, IdempotencyKey};
use super::super::message::{Broadcast, Control};
use super::super::metrics::Metrics;
use super::super::publication::Publication;
use super::super::topics::Hold;
use super::remembered::Remembered;
use super::{Backend, Inbound, Sink};

/// The backend of the embedded mode.
pub(in crate::pubsub) struct Memory<S> {
    sink: Weak<S>,
    metrics: Metrics,
    remembered: Mutex<Remembered>,
}

impl<S: Sink> Memory<S> {
    pub(in crate::pubsub) fn new(sink: Weak<S>, metrics: Metrics) -> Self {
        Self { sink, metrics, remembered: Mutex::default() }
    }

    fn with(&self, report: impl FnOnce(&S)) -> Publication {
        let sink = self.sink.upgrade();
        let outcome = sink.as_deref().map(report).ok_or(PublishError::Unavailable).map(|()| Acceptance::New);
        Publication::ready(outcome)
    }
}

impl<S: Sink> Backend for Memory<S> {
    fn subscribe(&self, _topic: &Arc<str>) -> bool {
        true
    }

    fn unsubscribe(&self, _topic: &Arc<str>) {}

    fn publish(&self, broadcast: Broadcast, key: Option<IdempotencyKey>, _hosted: Option<Hold>) -> Publication {
        if key.is_some_and(|key| !self.remembered.lock().is_new(&broadcast.topic, &key)) {
            self.metrics.duplicate();
            return Publication::ready(Ok(Acceptance::Duplicate));
        }
        let Broadcast { topic, event, payload, exclude } = broadcast;
        let (topic, event) = (&*topic, Cow::Owned(event.into_string()));
        self.with(|sink| sink.received(&Inbound { topic, event, payload, exclude, stamp: None }))
    }

    fn control(&self, control: Control) -> Publication {
        self.with(|sink| sink.controlled(control, Duration::ZERO))
    }

    fn is_hopeless(&self, _topic: &str) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt;

    use super::super::contract::suite;
    use crate::ids::NodeId;
    use crate::pubsub::testing::{Collector, Pod, broadcast};
    use crate::pubsub::{Delivery, PubSub, Subscriber};

    async fn pod() -> Box<Pod> {
        Box::new(Pod::new(async |handler, metrics| PubSub::memory(NodeId::random(), handler, metrics)).await)
    }

    suite!(pod());

    #[tokio::test]
    async fn coming_and_going_leaves_nothing_behind() {
        let pod = pod().await;
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let pubsub = &pod.pubsub;
                scope.spawn(move || {
                    for turn in 0..2000 {
                        let topic = format!("t{}", (thread + turn) % 3);
                        let interest = pubsub.interest(&topic).now_or_never().unwrap().unwrap();
                        let collector = Arc::new(Collector::default());
                        let id = pubsub.next_subscriber_id();
                        let subscriber = Subscriber { id, delivery: Delivery::Receiver(collector.clone()) };
                        let subscription = interest.attach(subscriber, || {});
                        let sent = pubsub.broadcast(broadcast(&topic, "e", "{}")).now_or_never();
                        assert_eq!(sent, Some(Ok(())));
                        assert!(!collector.0.lock().is_empty(), "who is attached hears at least itself");
                        drop(subscription);
                    }
                });
            }
        });
        assert_eq!(pod.pubsub.hosted_topics(), 0);
    }
}
