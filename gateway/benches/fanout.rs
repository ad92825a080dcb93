//! Fan-out: one broadcast, from the call until it stands in the outboxes of all who hear the topic. Their tasks sleep and are
//! woken; nobody writes.

use std::sync::Arc;
use std::task::{Context, Waker};

use bytes::Bytes;
use gateway::outbox::Outbox;
use gateway::pubsub::{Broadcast, PubSub, Subscription};
use gateway::wire::{Compression, Dialect, Encoding, Payload, Vsn};

use crate::harness::{Bench, Meter};
use crate::topics::{connection, pod, subscribed_by};

pub(crate) const BENCHES: &[Bench] = &[
    Bench { name: "fanout.to_1", run: |meter| broadcast(meter, 1, &[V2]) },
    Bench { name: "fanout.to_1000", run: |meter| broadcast(meter, 1000, &[V2]) },
    Bench { name: "fanout.to_1000_in_3_encodings", run: |meter| broadcast(meter, 1000, &[V1, V2, V2_OFFSETS]) },
];

const V1: Encoding =
    Encoding { vsn: Vsn::V1, offsets: false, dialect: Dialect::Phoenix, compression: Compression::None };
const V2: Encoding =
    Encoding { vsn: Vsn::V2, offsets: false, dialect: Dialect::Phoenix, compression: Compression::None };
const V2_OFFSETS: Encoding =
    Encoding { vsn: Vsn::V2, offsets: true, dialect: Dialect::Phoenix, compression: Compression::None };

fn broadcast(meter: &Meter, subscribers: usize, encodings: &[Encoding]) {
    meter.measure(
        Room::new(subscribers, encodings),
        |room| {
            room.outboxes.iter().for_each(|outbox| sleep(outbox));
            message()
        },
        |room, message| room.pubsub.broadcast(message),
    );
}

/// A topic with its subscribers.
struct Room {
    pubsub: PubSub,
    outboxes: Vec<Arc<Outbox>>,
    _subscriptions: Vec<Subscription>,
}

impl Room {
    fn new(subscribers: usize, encodings: &[Encoding]) -> Self {
        let pubsub = pod();
        let outboxes: Vec<_> = (0..subscribers).map(|_| connection()).collect();
        let subscribe = |(outbox, encoding): (&Arc<Outbox>, &Encoding)| {
            subscribed_by(&pubsub, "room:lobby", *encoding, outbox.clone())
        };
        let subscriptions = outboxes.iter().zip(encodings.iter().cycle()).map(subscribe).collect();
        Self { pubsub, outboxes, _subscriptions: subscriptions }
    }
}

/// As the connection's task does when it has written everything.
fn sleep(outbox: &Outbox) {
    let taken = outbox.take(0).expect("no queue is full");
    let written = taken.packets.iter().map(|packet| packet.cost()).sum();
    let parked = outbox.park(&Context::from_waker(Waker::noop()), written, false);
    assert_eq!(parked, Ok(true), "nothing has come since");
}

fn message() -> Broadcast {
    let payload = Bytes::from_static(br#"{"body":"See you at the station at five","user":"u-4711"}"#);
    Broadcast { topic: "room:lobby".into(), event: "new_msg".into(), payload: Payload::Json(payload), exclude: None }
}
