//! What every backend must do for topics that keep a history. Each implementation runs all of it.

use std::sync::Arc;

use bytes::Bytes;

use crate::history::{Epoch, Limit, Position};
use crate::outbox::{Budget, Outbox};
use crate::pubsub::error::{HistoryError, PublishError};
use crate::pubsub::idempotency::{Acceptance, IdempotencyKey};
use crate::pubsub::interest::{Interest, Subscription};
use crate::pubsub::message::{Delivery, Received, Receiver, Subscriber};
use crate::pubsub::testing::{Collector, Pod, broadcast, listen, soon};
use crate::wire::{Payload, Vsn};

/// Makes one test of each rule.
macro_rules! suite {
    ($pod:expr) => {
        crate::pubsub::backend::kept_contract::suite!($pod;
            broadcasts_are_numbered, other_topics_have_no_history, binary_is_refused, a_page_goes_on_where_it_ended,
            a_known_key_appends_nothing, who_comes_back_gets_each_message_once, who_comes_back_while_much_is_said,
            few_messages_are_at_hand, much_is_not_handed_over_at_once, only_the_exact_position_will_do, an_excluded_one_hears_nothing_of_it,
            the_position_outlives_the_pod_s_interest);
    };
    ($pod:expr; $($rule:ident),*) => {
        $(#[tokio::test] async fn $rule() { crate::pubsub::backend::kept_contract::$rule(&mut *$pod.await).await; })*
    };
}
pub(in crate::pubsub) use suite;

const LIMIT: Limit = Limit { messages: 7, bytes: 1 << 20 };

/// `e1`, `e2`, … with their offsets.
fn numbered(numbers: std::ops::RangeInclusive<u64>) -> Vec<(String, Option<u64>)> {
    numbers.map(|number| (format!("e{number}"), Some(number))).collect()
}

/// Publishes `e<number>` for each number.
async fn publish(pod: &Pod, topic: &str, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        soon(pod.pubsub.broadcast(broadcast(topic, &format!("e{number}"), "{}"))).await.unwrap();
    }
}

/// Catches up from a position, as a channel does.
async fn recover(pod: &Pod, topic: &str, mut at: Position) -> (Arc<Collector>, Subscription) {
    let collector = Arc::new(Collector::default());
    let delivery = Delivery::Receiver(collector.clone());
    let mut subscriber = Subscriber { id: pod.pubsub.next_subscriber_id(), delivery };
    let mut interest: Interest = soon(pod.pubsub.interest(topic)).await.unwrap();
    assert_eq!(interest.position().map(|position| position.epoch), Some(at.epoch.clone()));
    loop {
        let page = soon(interest.read_after(at.offset, LIMIT)).await.unwrap();
        assert!(page.follows(&at), "{page:?} after {at:?}");
        for message in page.messages {
            at.offset = message.offset;
            let (event, payload, offset) = (message.event, message.payload, Some(message.offset));
            collector.receive(&Arc::new(Received { topic: topic.into(), event, payload, offset }));
        }
        match interest.attach_at(&at, subscriber, || {}) {
            Ok(subscription) => return (collector, subscription),
            Err(back) => (interest, subscriber) = back,
        }
    }
}

async fn position(pod: &Pod, topic: &str) -> Position {
    soon(pod.pubsub.interest(topic)).await.unwrap().position().unwrap()
}

pub(in crate::pubsub) async fn broadcasts_are_numbered(pod: &mut Pod) {
    let (collector, _subscription) = listen(pod, "h:1").await;
    let mut client = pod.join("h:1", Vsn::V2).await;
    let start = position(pod, "h:1").await;
    assert_eq!(start.offset, 0);
    publish(pod, "h:1", 1..=20).await;
    assert_eq!(collector.offsets(), numbered(1..=20));
    assert_eq!(client.queued().len(), 20);
    assert_eq!(position(pod, "h:1").await, Position { offset: 20, ..start });
    let many: Vec<_> = (21..=300).map(|n| pod.pubsub.broadcast(broadcast("h:1", &format!("e{n}"), "{}"))).collect();
    for publication in many {
        soon(publication).await.unwrap();
    }
    assert_eq!(collector.offsets(), numbered(1..=300));
    publish(pod, "h:nobody", 1..=3).await;
    assert_eq!(position(pod, "h:nobody").await.offset, 3);
}

pub(in crate::pubsub) async fn other_topics_have_no_history(pod: &mut Pod) {
    let (collector, _subscription) = listen(pod, "t").await;
    publish(pod, "t", 1..=1).await;
    assert_eq!(collector.offsets(), [("e1".to_owned(), None)]);
    let interest = soon(pod.pubsub.interest("t")).await.unwrap();
    assert_eq!(interest.position(), None);
    assert!(soon(interest.read_after(0, LIMIT)).await.is_err());
    let page = soon(pod.pubsub.history_page("t", 0, LIMIT)).await;
    assert_eq!(page, Err(HistoryError::NotKept));
}

pub(in crate::pubsub) async fn binary_is_refused(pod: &mut Pod) {
    let mut message = broadcast("h:1", "e", "{}");
    message.payload = Payload::Binary(Bytes::from_static(b"raw"));
    assert_eq!(soon(pod.pubsub.broadcast(message)).await, Err(PublishError::BinaryNotSupported));
    let list = soon(pod.pubsub.broadcast(broadcast("h:1", "e", "[]"))).await;
    assert_eq!(list, Err(PublishError::InvalidPayload));
}

pub(in crate::pubsub) async fn a_page_goes_on_where_it_ended(pod: &mut Pod) {
    assert_eq!(soon(pod.pubsub.history_page("h:1", 0, LIMIT)).await, Ok(None));
    publish(pod, "h:1", 1..=120).await;
    let first = soon(pod.pubsub.history_page("h:1", 0, LIMIT)).await.unwrap().unwrap();
    assert_eq!((first.position.offset, first.first), (120, Some(21)), "100 are kept");
    let offsets = |page: &crate::history::Page| page.messages.iter().map(|m| m.offset).collect::<Vec<_>>();
    assert_eq!(offsets(&first), (21..=27).collect::<Vec<_>>());
    assert_eq!((&*first.messages[0].event, &first.messages[0].payload), ("e21", &Payload::empty()));
    let second = soon(pod.pubsub.history_page("h:1", 27, LIMIT)).await.unwrap().unwrap();
    assert_eq!(offsets(&second), (28..=34).collect::<Vec<_>>());
    assert_eq!(second.position, first.position);
}

pub(in crate::pubsub) async fn a_known_key_appends_nothing(pod: &mut Pod) {
    let (collector, _subscription) = listen(pod, "h:1").await;
    let send = |event: &str| pod.pubsub.broadcast_keyed(broadcast("h:1", event, "{}"), IdempotencyKey::new("k"));
    assert_eq!(soon(send("e1")).await, Ok(Acceptance::New));
    assert_eq!(soon(send("again")).await, Ok(Acceptance::Duplicate));
    publish(pod, "h:1", 2..=2).await;
    assert_eq!(collector.offsets(), numbered(1..=2));
}

pub(in crate::pubsub) async fn who_comes_back_gets_each_message_once(pod: &mut Pod) {
    publish(pod, "h:1", 1..=3).await;
    let (_stays, _subscription) = listen(pod, "h:1").await;
    let left = position(pod, "h:1").await;
    publish(pod, "h:1", 4..=40).await;
    let (collector, _recovered) = recover(pod, "h:1", left.clone()).await;
    assert_eq!(collector.offsets(), numbered(4..=40));
    publish(pod, "h:1", 41..=42).await;
    assert_eq!(collector.offsets(), numbered(4..=42));
    let (none, _recovered) = recover(pod, "h:1", Position { offset: 42, ..left.clone() }).await;
    assert!(none.offsets().is_empty());
    publish(pod, "h:1", 43..=150).await;
    let page = soon(pod.pubsub.history_page("h:1", left.offset, LIMIT)).await.unwrap().unwrap();
    assert!(!page.follows(&left), "some were trimmed");
}

pub(in crate::pubsub) async fn who_comes_back_while_much_is_said(pod: &mut Pod) {
    let (_stays, _subscription) = listen(pod, "h:1").await;
    let start = position(pod, "h:1").await;
    let mut recovered = Vec::new();
    for round in 0..9 {
        let (first, last) = (round * 10 + 1, round * 10 + 10);
        let sent = publish(pod, "h:1", first..=last);
        // From the start, while ten more are on their way.
        let ((), back) = tokio::join!(sent, recover(pod, "h:1", start.clone()));
        recovered.push(back);
    }
    for (collector, _) in &recovered {
        collector.has(90).await;
        assert_eq!(collector.offsets(), numbered(1..=90));
    }
}

pub(in crate::pubsub) async fn few_messages_are_at_hand(pod: &mut Pod) {
    let (_stays, _subscription) = listen(pod, "h:1").await;
    let interest = soon(pod.pubsub.interest("h:1")).await.unwrap();
    let at = interest.position().unwrap();
    publish(pod, "h:1", 1..=5).await;
    let collector = Arc::new(Collector::default());
    let delivery = Delivery::Receiver(collector.clone());
    let subscriber = Subscriber { id: pod.pubsub.next_subscriber_id(), delivery };
    let mut before = None;
    let attached = interest.attach_at(&at, subscriber, || before = Some(collector.offsets().len()));
    let _subscription = attached.expect("they are at hand");
    assert_eq!((before, collector.offsets()), (Some(0), numbered(1..=5)));
    publish(pod, "h:1", 6..=6).await;
    assert_eq!(collector.offsets(), numbered(1..=6));
}

pub(in crate::pubsub) async fn much_is_not_handed_over_at_once(pod: &mut Pod) {
    let (_stays, _subscription) = listen(pod, "h:1").await;
    let mut interest = soon(pod.pubsub.interest("h:1")).await.unwrap();
    let mut at = interest.position().unwrap();
    let large = format!(r#"{{"a":"{}"}}"#, "a".repeat(60_000));
    for _ in 0..8 {
        soon(pod.pubsub.broadcast(broadcast("h:1", "e", &large))).await.unwrap();
    }
    let outbox = Arc::new(Outbox::new(1 << 20, Budget::new(usize::MAX)));
    let delivery = Delivery::Fastlane { encoding: Vsn::V2.into(), outbox: outbox.clone(), lost: None };
    let mut subscriber = Subscriber { id: pod.pubsub.next_subscriber_id(), delivery };
    for offset in 0..4 {
        at.offset = offset;
        let refused = interest.attach_at(&at, subscriber, || unreachable!("half of its queue would be full"));
        (interest, subscriber) = refused.expect_err("it has to be paced");
    }
    at.offset = 4;
    let _subscription = interest.attach_at(&at, subscriber, || {}).expect("the rest is little");
    assert!(outbox.queued_bytes() <= 1 << 18);
    assert_eq!(outbox.take(0).unwrap().packets.len(), 4);
}

pub(in crate::pubsub) async fn only_the_exact_position_will_do(pod: &mut Pod) {
    publish(pod, "h:1", 1..=5).await;
    let mut interest = soon(pod.pubsub.interest("h:1")).await.unwrap();
    let at = interest.position().unwrap();
    let delivery = Delivery::Receiver(Arc::new(Collector::default()));
    let mut subscriber = Subscriber { id: pod.pubsub.next_subscriber_id(), delivery };
    let wrong = [
        Position { offset: 4, ..at.clone() },
        Position { offset: 6, ..at.clone() },
        Position { epoch: Epoch::random(), offset: at.offset },
    ];
    for position in wrong {
        let refused = interest.attach_at(&position, subscriber, || unreachable!("it is not attached"));
        (interest, subscriber) = refused.expect_err("nobody is there");
    }
    let _subscription = interest.attach_at(&at, subscriber, || {}).expect("it is there");
    assert_eq!(pod.pubsub.subscribers("h:1"), 1);
}

pub(in crate::pubsub) async fn an_excluded_one_hears_nothing_of_it(pod: &mut Pod) {
    let mut sender = pod.join("h:1", Vsn::V2).await;
    let mut other = pod.join("h:1", Vsn::V2).await;
    let mut message = broadcast("h:1", "e", "{}");
    message.exclude = Some(sender.id);
    soon(pod.pubsub.broadcast(message)).await.unwrap();
    assert_eq!(other.queued().len(), 1);
    assert!(sender.queued().is_empty());
    publish(pod, "h:1", 2..=2).await;
    assert_eq!(sender.queued().len(), 1);
}

pub(in crate::pubsub) async fn the_position_outlives_the_pod_s_interest(pod: &mut Pod) {
    publish(pod, "h:1", 1..=2).await;
    let first = position(pod, "h:1").await;
    publish(pod, "h:1", 3..=3).await;
    let page = soon(pod.pubsub.history_page("h:1", 0, LIMIT)).await.unwrap().unwrap();
    assert_eq!(page.position, Position { offset: 3, ..first.clone() });
    assert_eq!(position(pod, "h:1").await, page.position);
}
