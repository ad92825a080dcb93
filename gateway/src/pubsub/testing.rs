//! What the tests of this room share: a pub/sub whose orders can be awaited, and clients that are only outboxes.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::message::{Broadcast, Control, ControlHandler, Delivery, Received, Receiver, Subscriber, SubscriberId};
use super::{Interest, Metrics, PubSub, Subscription};
use crate::history::{Policy, Retention};
use crate::outbox::{Budget, Outbox, Packet};
use crate::wire::{Payload, Vsn};

/// Fails a test that would wait forever.
pub(super) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what).await.expect("soon")
}

/// One pod.
pub(super) struct Pod {
    pub(super) pubsub: PubSub,
    /// Each with how long ago it was given.
    pub(super) controls: mpsc::UnboundedReceiver<(Control, Duration)>,
    pub(super) registry: prometheus::Registry,
}

impl Pod {
    /// Hands its maker the handler and the metrics that a pub/sub needs.
    pub(super) async fn new<F: Future<Output = PubSub>>(make: impl FnOnce(ControlHandler, Metrics) -> F) -> Self {
        let (sender, controls) = mpsc::unbounded_channel();
        let handler: ControlHandler = Arc::new(move |control, age| {
            let _ = sender.send((control, age));
        });
        let registry = prometheus::Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        Self { pubsub: make(handler, metrics).await, controls, registry }
    }

    /// The value of a counter or gauge, summed over its labels.
    pub(super) fn metric(&self, name: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name).expect("a known metric");
        family.get_metric().iter().map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value()).sum()
    }

    /// A client joins a topic.
    pub(super) async fn join(&self, topic: &str, vsn: Vsn) -> Client {
        let interest = soon(self.pubsub.interest(topic)).await.unwrap();
        let outbox = Arc::new(Outbox::new(64 * 1024 * 1024, Budget::new(usize::MAX)));
        let delivery = Delivery::Fastlane { encoding: vsn.into(), outbox: outbox.clone(), lost: None };
        self.attach(interest, outbox, delivery)
    }

    /// Adds a client in a way of the test's own.
    pub(super) fn attach(&self, interest: Interest, outbox: Arc<Outbox>, delivery: Delivery) -> Client {
        let id = self.pubsub.next_subscriber_id();
        let subscription = interest.attach(Subscriber { id, delivery }, || {});
        Client { id, outbox, subscription, taken: VecDeque::new() }
    }
}

/// A client that joined one topic.
pub(super) struct Client {
    pub(super) id: SubscriberId,
    pub(super) outbox: Arc<Outbox>,
    pub(super) subscription: Subscription,
    taken: VecDeque<Packet>,
}

impl Client {
    /// All that is queued now.
    pub(super) fn queued(&mut self) -> Vec<String> {
        self.taken.extend(self.outbox.take(0).unwrap().packets);
        self.taken.drain(..).map(|packet| text(&packet)).collect()
    }

    /// The next message, which may be on its way.
    pub(super) async fn next(&mut self) -> String {
        soon(poll_fn(|cx| {
            loop {
                self.taken.extend(self.outbox.take(0).unwrap().packets);
                if let Some(packet) = self.taken.pop_front() {
                    return Poll::Ready(text(&packet));
                }
                if self.outbox.park(cx, 0, false).unwrap() {
                    return Poll::Pending;
                }
            }
        }))
        .await
    }
}

fn text(packet: &Packet) -> String {
    String::from_utf8_lossy(packet.payload()).into_owned()
}

/// Server code that keeps what it gets.
#[derive(Default)]
pub(super) struct Collector(pub(super) Mutex<Vec<Arc<Received>>>);

impl Collector {
    /// The events that came, with their offsets.
    pub(super) fn offsets(&self) -> Vec<(String, Option<u64>)> {
        self.0.lock().iter().map(|message| (message.event.to_string(), message.offset)).collect()
    }

    /// Waits until so many have come.
    pub(super) async fn has(&self, count: usize) {
        soon(async {
            while self.0.lock().len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

/// Server code that listens to a topic.
pub(super) async fn listen(pod: &Pod, topic: &str) -> (Arc<Collector>, Subscription) {
    let collector = Arc::new(Collector::default());
    let delivery = Delivery::Receiver(collector.clone());
    let subscriber = Subscriber { id: pod.pubsub.next_subscriber_id(), delivery };
    let subscription = soon(pod.pubsub.interest(topic)).await.unwrap().attach(subscriber, || {});
    (collector, subscription)
}

impl Receiver for Collector {
    fn receive(&self, message: &Arc<Received>) {
        self.0.lock().push(message.clone());
    }
}

/// Topics that begin with `h:` keep 100 messages, those with `short:` two.
pub(super) fn policy() -> Policy {
    Arc::new(|topic| {
        let size = [("h:", 100), ("short:", 2)].into_iter().find(|(start, _)| topic.starts_with(start))?.1;
        Some(Retention::new(size, Duration::from_secs(60)))
    })
}

/// A broadcast of a JSON text.
pub(super) fn broadcast(topic: &str, event: &str, json: &str) -> Broadcast {
    let payload = Payload::Json(Bytes::copy_from_slice(json.as_bytes()));
    Broadcast { topic: topic.into(), event: event.into(), payload, exclude: None }
}
