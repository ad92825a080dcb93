//! One pod alone: a message is back the moment it is sent.

use std::borrow::Cow;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use super::super::envelope;
use super::super::error::PublishError;
use super::super::idempotency::Acceptance;
use super::super::message::{Broadcast, Control, LetterHandler};
use super::super::metrics::Metrics;
use super::super::publication::Publication;
use super::remembered::Remembered;
use super::{Asked, Backend, Inbound, Kept, Publish, Sink, Stamp};
use crate::history::{self, Position, Retention};
use crate::ids::NodeId;

/// The backend of the embedded mode.
pub(in crate::pubsub) struct Memory<S> {
    sink: Weak<S>,
    metrics: Metrics,
    remembered: Mutex<Remembered>,
    node: NodeId,
    store: history::Memory,
}

impl<S: Sink> Memory<S> {
    pub(in crate::pubsub) fn new(node: &NodeId, sink: Weak<S>, metrics: Metrics, store: history::Memory) -> Self {
        Self { sink, metrics, remembered: Mutex::default(), node: node.clone(), store }
    }

    /// Appends a message and delivers it, while nobody else does so.
    fn publish_kept(&self, broadcast: &Broadcast, retention: Retention) -> Publication {
        // Nothing comes twice here, so a number says nothing.
        let envelope = envelope::encode(&self.node, 0, broadcast);
        let mut appending = self.store.appending(&broadcast.topic);
        let Position { epoch, offset } = appending.append(&broadcast.topic, retention, envelope.into());
        let Broadcast { topic, event, payload, exclude } = broadcast;
        self.with(|sink| {
            let (event, payload) = (Cow::Borrowed(&**event), payload.clone());
            let kept = Some(Kept { epoch: epoch.as_str(), offset });
            sink.received(&Inbound { topic, event, payload, exclude: *exclude, stamp: None, kept });
        })
    }

    fn with(&self, report: impl FnOnce(&S)) -> Publication {
        let sink = self.sink.upgrade();
        let outcome = sink.as_deref().map(report).ok_or(PublishError::Unavailable).map(|()| Acceptance::New);
        Publication::ready(outcome)
    }
}

impl<S: Sink> Backend for Memory<S> {
    fn subscribe(&self, topic: &Arc<str>, kept: bool) -> bool {
        if kept {
            self.store.host(topic);
        }
        true
    }

    fn unsubscribe(&self, topic: &Arc<str>, kept: bool) {
        if kept {
            self.store.unhost(topic);
        }
    }

    fn publish(&self, Publish { broadcast, key, kept, .. }: Publish) -> Publication {
        if key.is_some_and(|key| !self.remembered.lock().is_new(&broadcast.topic, &key)) {
            self.metrics.duplicate();
            return Publication::ready(Ok(Acceptance::Duplicate));
        }
        if let Some(retention) = kept {
            return self.publish_kept(&broadcast, retention);
        }
        let Broadcast { topic, event, payload, exclude } = broadcast;
        let (topic, event) = (&*topic, Cow::Owned(event.into_string()));
        self.with(|sink| {
            sink.received(&Inbound { topic, event, payload, exclude, stamp: None, kept: None });
        })
    }

    fn dealt_with(&self, _topic: &str, _stamp: &Stamp) {}

    fn control(&self, control: Control) -> Publication {
        self.with(|sink| sink.controlled(control, Duration::ZERO))
    }

    fn open_letters(&self, _handler: LetterHandler) {}

    fn send_letter<'a>(&'a self, _to: &'a NodeId, _letter: Bytes) -> Asked<'a, usize> {
        // There is no other node.
        Box::pin(std::future::ready(Ok(0)))
    }

    fn shared_secret<'a>(&'a self, _purpose: &'a str, proposal: Bytes) -> Asked<'a, Bytes> {
        Box::pin(std::future::ready(Ok(proposal)))
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
        Box::new(Pod::new(async |handler, metrics| PubSub::memory(NodeId::random(), handler, metrics, None)).await)
    }

    suite!(pod());

    mod kept {
        use crate::ids::NodeId;
        use crate::pubsub::PubSub;
        use crate::pubsub::backend::kept_contract::suite;
        use std::sync::Arc;

        use crate::history::Limit;
        use crate::pubsub::testing::{Pod, broadcast, listen, policy, soon};

        const LIMIT: Limit = Limit { messages: 1, bytes: 1 };

        async fn pod() -> Box<Pod> {
            let make = async |handler, metrics| PubSub::memory(NodeId::random(), handler, metrics, Some(policy()));
            Box::new(Pod::new(make).await)
        }

        suite!(pod());

        /// While some make a topic and give it up, others publish to it.
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn coming_and_going_loses_nothing() {
            let pod = Arc::new(pod().await);
            let mut comers = tokio::task::JoinSet::new();
            for task in 0..4_usize {
                let pod = pod.clone();
                comers.spawn(async move {
                    for turn in 0..500 {
                        let topic = format!("h:{}", (task + turn) % 3);
                        let (collector, subscription) = listen(&pod, &topic).await;
                        soon(pod.pubsub.broadcast(broadcast(&topic, "e", "{}"))).await.unwrap();
                        let offsets: Vec<_> =
                            collector.0.lock().iter().map(|message| message.offset.unwrap()).collect();
                        assert!(!offsets.is_empty(), "who is attached hears at least itself");
                        assert!(offsets.windows(2).all(|pair| pair[1] == pair[0] + 1), "{offsets:?}");
                        drop(subscription);
                    }
                });
            }
            while let Some(comer) = comers.join_next().await {
                comer.unwrap();
            }
            let page = |number: usize| pod.pubsub.history_page(&format!("h:{number}"), 0, LIMIT);
            let mut total = 0;
            for number in 0..3 {
                total += page(number).await.unwrap().unwrap().position.offset;
            }
            assert_eq!(total, 2000);
        }
    }

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
