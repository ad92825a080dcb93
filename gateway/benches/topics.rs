//! The table of topics: who comes, who goes, who is looked for. 10,000 topics of one subscriber each stand in it.

use std::sync::Arc;

use futures_util::FutureExt;
use gateway::ids::NodeId;
use gateway::outbox::{Budget, Outbox};
use gateway::pubsub::{Delivery, Metrics, PubSub, Subscriber, Subscription};
use gateway::wire::{Encoding, Vsn};

use crate::harness::{Bench, Meter};

pub(crate) const BENCHES: &[Bench] = &[
    Bench { name: "topics.look_up", run: look_up },
    Bench { name: "topics.subscribe_first", run: |meter| subscribe(meter, "room:new") },
    Bench { name: "topics.subscribe_another", run: |meter| subscribe(meter, "room:4711") },
    Bench { name: "topics.unsubscribe_last", run: |meter| unsubscribe(meter, "room:new") },
    Bench { name: "topics.unsubscribe_another", run: |meter| unsubscribe(meter, "room:4711") },
];

fn look_up(meter: &Meter) {
    meter.measure(Table::new(), |_| "room:4711", |table, topic| table.pubsub.subscribers(topic));
}

/// The subscription is given up again between the rounds.
fn subscribe(meter: &Meter, topic: &str) {
    meter.measure(Table::new(), |_| connection(), |table, outbox| subscribed(&table.pubsub, topic, outbox));
}

fn unsubscribe(meter: &Meter, topic: &str) {
    meter.measure(
        Table::new(),
        |table| subscribed(&table.pubsub, topic, connection()),
        |_, subscription| drop(subscription),
    );
}

struct Table {
    pubsub: PubSub,
    _subscriptions: Vec<Subscription>,
}

impl Table {
    fn new() -> Self {
        let pubsub = pod();
        let subscribe = |number| subscribed(&pubsub, &format!("room:{number}"), connection());
        let subscriptions = (0..10_000).map(subscribe).collect();
        Self { pubsub, _subscriptions: subscriptions }
    }
}

/// A pod alone, so that nothing leaves the process.
pub(crate) fn pod() -> PubSub {
    let metrics = Metrics::register(&prometheus::Registry::new()).expect("a new registry takes them");
    PubSub::memory(NodeId::from("benchbench"), Arc::new(|_, _| {}), metrics, None)
}

/// The queue of one connection.
pub(crate) fn connection() -> Arc<Outbox> {
    Arc::new(Outbox::new(1 << 20, Budget::new(usize::MAX)))
}

/// Adds a subscriber with version 2.
pub(crate) fn subscribed(pubsub: &PubSub, topic: &str, outbox: Arc<Outbox>) -> Subscription {
    subscribed_by(pubsub, topic, Vsn::V2.into(), outbox)
}

/// Adds a subscriber.
pub(crate) fn subscribed_by(pubsub: &PubSub, topic: &str, encoding: Encoding, outbox: Arc<Outbox>) -> Subscription {
    let interest = pubsub.interest(topic).now_or_never().and_then(Result::ok).expect("a pod alone never waits");
    let delivery = Delivery::Fastlane { encoding, outbox, lost: None };
    interest.attach(Subscriber { id: pubsub.next_subscriber_id(), delivery }, || {})
}
