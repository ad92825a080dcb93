//! What every backend must do, whatever carries the messages. Each implementation runs all of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::outbox::{Budget, Outbox, Packet};
use crate::pubsub::error::PublishError;
use crate::pubsub::idempotency::{Acceptance, IdempotencyKey};
use crate::pubsub::message::{Control, Delivery, Subscriber};
use crate::pubsub::testing::{Collector, Pod, broadcast, soon};
use crate::wire::{Outgoing, Payload, Vsn};

/// Makes one test of each rule.
macro_rules! suite {
    ($pod:expr) => {
        crate::pubsub::backend::contract::suite!($pod;
            own_broadcast_is_queued_before_it_resolves, both_versions_get_their_frames, binary_skips_version_1,
            the_excluded_one_hears_nothing, topics_are_told_apart, all_subscribers_see_one_order,
            nothing_precedes_the_reply, listed_events_are_intercepted, server_code_hears_everything,
            a_key_is_sent_once, keyed_broadcasts_keep_the_order,
            who_left_hears_nothing, topics_are_given_up, a_topic_nobody_hosts_is_accepted,
            what_no_frame_can_carry_is_refused, disconnects_reach_the_handler, deliveries_are_counted);
    };
    ($pod:expr; $($rule:ident),*) => {
        $(#[tokio::test] async fn $rule() { crate::pubsub::backend::contract::$rule(&mut *$pod.await).await; })*
    };
}
pub(in crate::pubsub) use suite;

pub(in crate::pubsub) async fn own_broadcast_is_queued_before_it_resolves(pod: &mut Pod) {
    let mut client = pod.join("room:1", Vsn::V2).await;
    for number in 0..50 {
        soon(pod.pubsub.broadcast(broadcast("room:1", "msg", &format!(r#"{{"n":{number}}}"#)))).await.unwrap();
        assert_eq!(client.queued(), [format!(r#"[null,null,"room:1","msg",{{"n":{number}}}]"#)]);
    }
}

pub(in crate::pubsub) async fn both_versions_get_their_frames(pod: &mut Pod) {
    let mut first = pod.join("room:1", Vsn::V1).await;
    let mut second = pod.join("room:1", Vsn::V2).await;
    soon(pod.pubsub.broadcast(broadcast("room:1", "msg", r#"{"a":1}"#))).await.unwrap();
    assert_eq!(first.next().await, r#"{"topic":"room:1","event":"msg","payload":{"a":1},"ref":null}"#);
    assert_eq!(second.next().await, r#"[null,null,"room:1","msg",{"a":1}]"#);
}

pub(in crate::pubsub) async fn binary_skips_version_1(pod: &mut Pod) {
    let mut first = pod.join("t", Vsn::V1).await;
    let mut second = pod.join("t", Vsn::V2).await;
    let mut message = broadcast("t", "e", "{}");
    message.payload = Payload::Binary(Bytes::from_static(b"raw"));
    soon(pod.pubsub.broadcast(message)).await.unwrap();
    assert_eq!(second.next().await, "\x02\x01\x01teraw");
    assert!(first.queued().is_empty());
}

pub(in crate::pubsub) async fn the_excluded_one_hears_nothing(pod: &mut Pod) {
    let mut sender = pod.join("t", Vsn::V2).await;
    let mut other = pod.join("t", Vsn::V2).await;
    let mut message = broadcast("t", "e", "{}");
    message.exclude = Some(sender.id);
    soon(pod.pubsub.broadcast(message)).await.unwrap();
    assert_eq!(other.next().await, r#"[null,null,"t","e",{}]"#);
    assert!(sender.queued().is_empty());
}

pub(in crate::pubsub) async fn topics_are_told_apart(pod: &mut Pod) {
    let topics = ["", "a", "a:b", "a{b}", "a%7Bb%7D", "a*", "Grüße 1", "{a", "a}"];
    let mut clients = Vec::new();
    for topic in topics {
        clients.push(pod.join(topic, Vsn::V2).await);
    }
    for topic in topics {
        soon(pod.pubsub.broadcast(broadcast(topic, "e", "{}"))).await.unwrap();
    }
    for (topic, client) in topics.iter().zip(&mut clients) {
        assert_eq!(client.queued(), [format!(r#"[null,null,"{topic}","e",{{}}]"#)]);
    }
}

pub(in crate::pubsub) async fn all_subscribers_see_one_order(pod: &mut Pod) {
    let mut first = pod.join("t", Vsn::V2).await;
    let mut second = pod.join("t", Vsn::V2).await;
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            let pubsub = pod.pubsub.clone();
            async move {
                let sent: Vec<_> = (0..250)
                    .map(|n| pubsub.broadcast(broadcast("t", "e", &format!(r#"{{"s":{sender},"n":{n}}}"#))))
                    .collect();
                for publication in sent {
                    soon(publication).await.unwrap();
                }
            }
        })
        .collect();
    futures_util::future::join_all(senders).await;
    let seen = first.queued();
    assert_eq!(seen.len(), 1000);
    assert_eq!(seen, second.queued());
    for sender in 0..4 {
        let own: Vec<_> = seen.iter().filter(|message| message.contains(&format!(r#""s":{sender},"#))).collect();
        assert!(own.iter().enumerate().all(|(n, message)| message.contains(&format!(r#""n":{n}}}"#))));
    }
}

pub(in crate::pubsub) async fn nothing_precedes_the_reply(pod: &mut Pod) {
    let interest = soon(pod.pubsub.interest("t")).await.unwrap();
    soon(pod.pubsub.broadcast(broadcast("t", "before", "{}"))).await.unwrap();
    let outbox = Arc::new(Outbox::new(1 << 20, Budget::new(usize::MAX)));
    let delivery = Delivery::Fastlane { encoding: Vsn::V2.into(), outbox: outbox.clone(), lost: None };
    let subscriber = Subscriber { id: pod.pubsub.next_subscriber_id(), delivery };
    let mut publication = None;
    let pubsub = pod.pubsub.clone();
    let _subscription = interest.attach(subscriber, || {
        // Sent by another thread while the reply is queued: it waits for the topic's lock.
        publication = Some(std::thread::spawn(move || pubsub.broadcast(broadcast("t", "after", "{}"))));
        let reply = Outgoing::Broadcast { topic: "t", event: "reply", payload: &Payload::empty(), offset: None };
        outbox.push(Packet::encode(Vsn::V2, reply).unwrap()).unwrap();
    });
    soon(publication.unwrap().join().unwrap()).await.unwrap();
    let frames = outbox.take(0).unwrap().packets;
    let events: Vec<_> = frames.iter().map(|packet| String::from_utf8_lossy(packet.payload()).into_owned()).collect();
    assert_eq!(events, [r#"[null,null,"t","reply",{}]"#, r#"[null,null,"t","after",{}]"#]);
}

pub(in crate::pubsub) async fn listed_events_are_intercepted(pod: &mut Pod) {
    let collector = Arc::new(Collector::default());
    let interest = soon(pod.pubsub.interest("t")).await.unwrap();
    let outbox = Arc::new(Outbox::new(1 << 20, Budget::new(usize::MAX)));
    let events: Arc<[Box<str>]> = ["secret".into()].into();
    let delivery =
        Delivery::Intercepted { encoding: Vsn::V2.into(), outbox: outbox.clone(), events, receiver: collector.clone() };
    let mut client = pod.attach(interest, outbox, delivery);
    soon(pod.pubsub.broadcast(broadcast("t", "secret", r#"{"a":1}"#))).await.unwrap();
    soon(pod.pubsub.broadcast(broadcast("t", "open", "{}"))).await.unwrap();
    assert_eq!(client.queued(), [r#"[null,null,"t","open",{}]"#]);
    let received = collector.0.lock();
    assert_eq!(received.len(), 1);
    assert_eq!((&*received[0].topic, &*received[0].event), ("t", "secret"));
    assert_eq!(received[0].payload, Payload::Json(Bytes::from_static(br#"{"a":1}"#)));
}

pub(in crate::pubsub) async fn server_code_hears_everything(pod: &mut Pod) {
    let collector = Arc::new(Collector::default());
    let id = pod.pubsub.next_subscriber_id();
    let subscriber = Subscriber { id, delivery: Delivery::Receiver(collector.clone()) };
    let _subscription = soon(pod.pubsub.interest("t")).await.unwrap().attach(subscriber, || {});
    for event in ["a", "b"] {
        soon(pod.pubsub.broadcast(broadcast("t", event, "{}"))).await.unwrap();
    }
    assert_eq!(collector.0.lock().iter().map(|message| &*message.event).collect::<Vec<_>>(), ["a", "b"]);
}

pub(in crate::pubsub) async fn a_key_is_sent_once(pod: &mut Pod) {
    let mut client = pod.join("t", Vsn::V2).await;
    let send = |topic: &str, event: &str, key: &str| {
        pod.pubsub.broadcast_keyed(broadcast(topic, event, "{}"), IdempotencyKey::new(key))
    };
    assert_eq!(soon(send("t", "first", "{k} 1")).await, Ok(Acceptance::New));
    assert_eq!(client.queued(), [r#"[null,null,"t","first",{}]"#]);
    assert_eq!(soon(send("t", "other", "{k} 1")).await, Ok(Acceptance::Duplicate), "what it says does not matter");
    let (second, again) = (send("t", "second", "2"), send("t", "second", "2"));
    assert_eq!(soon(again).await, Ok(Acceptance::Duplicate));
    assert_eq!(soon(second).await, Ok(Acceptance::New));
    for outcome in [Acceptance::New, Acceptance::Duplicate] {
        assert_eq!(soon(send("elsewhere", "e", "2")).await, Ok(outcome), "a key belongs to its topic");
    }
    assert_eq!(soon(send("t", "third", &"k".repeat(255))).await, Ok(Acceptance::New));
    let unkeyed = pod.pubsub.broadcast_keyed(broadcast("t", "fourth", "{}"), None);
    assert_eq!(soon(unkeyed).await, Ok(Acceptance::New));
    let heard = ["second", "third", "fourth"].map(|event| format!(r#"[null,null,"t","{event}",{{}}]"#));
    assert_eq!(client.queued(), heard);
    assert_eq!((IdempotencyKey::new(""), IdempotencyKey::new(&"k".repeat(256))), (None, None));
    assert!((pod.metric("gateway_idempotent_duplicates_total") - 3.0).abs() < f64::EPSILON);
}

pub(in crate::pubsub) async fn keyed_broadcasts_keep_the_order(pod: &mut Pod) {
    let mut client = pod.join("t", Vsn::V2).await;
    let sent: Vec<_> = (0..500)
        .map(|n| {
            // Every third has no key, every fifth a known one.
            let key = (n % 3 != 0).then(|| if n % 5 == 0 { "known".to_owned() } else { format!("n{n}") });
            let key = key.and_then(|key| IdempotencyKey::new(&key));
            pod.pubsub.broadcast_keyed(broadcast("t", "e", &format!("{{\"n\":{n}}}")), key)
        })
        .collect();
    let mut expected = Vec::new();
    for (n, publication) in sent.into_iter().enumerate() {
        if soon(publication).await.unwrap() == Acceptance::New {
            expected.push(format!(r#"[null,null,"t","e",{{"n":{n}}}]"#));
        }
    }
    assert_eq!(expected.len(), 500 - 65, "of 66 with the known key one was sent");
    assert_eq!(client.queued(), expected);
}

pub(in crate::pubsub) async fn who_left_hears_nothing(pod: &mut Pod) {
    let mut stays = pod.join("t", Vsn::V2).await;
    let mut leaves = pod.join("t", Vsn::V2).await;
    assert_eq!(pod.pubsub.subscribers("t"), 2);
    let outbox = leaves.outbox.clone();
    assert!(leaves.queued().is_empty());
    drop(leaves.subscription);
    assert_eq!(pod.pubsub.subscribers("t"), 1);
    soon(pod.pubsub.broadcast(broadcast("t", "e", "{}"))).await.unwrap();
    assert_eq!(stays.next().await, r#"[null,null,"t","e",{}]"#);
    assert_eq!(outbox.queued_bytes(), 0);
}

pub(in crate::pubsub) async fn topics_are_given_up(pod: &mut Pod) {
    let client = pod.join("t", Vsn::V2).await;
    let dropped = pod.pubsub.interest("t");
    let interest = soon(pod.pubsub.interest("u")).await.unwrap();
    drop((client, dropped, interest));
    soon(async {
        while pod.pubsub.hosted_topics() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let mut back = pod.join("t", Vsn::V2).await;
    soon(pod.pubsub.broadcast(broadcast("t", "e", "{}"))).await.unwrap();
    assert_eq!(back.queued().len(), 1);
}

pub(in crate::pubsub) async fn a_topic_nobody_hosts_is_accepted(pod: &mut Pod) {
    soon(pod.pubsub.broadcast(broadcast("nobody", "e", "{}"))).await.unwrap();
    assert_eq!(pod.pubsub.hosted_topics(), 0);
    assert_eq!(pod.pubsub.subscribers("nobody"), 0);
}

pub(in crate::pubsub) async fn what_no_frame_can_carry_is_refused(pod: &mut Pod) {
    for json in ["[]", "null", "1", "\"x\""] {
        assert_eq!(pod.pubsub.broadcast(broadcast("t", "e", json)).await, Err(PublishError::InvalidPayload));
    }
    let long = "n".repeat(256);
    assert_eq!(pod.pubsub.broadcast(broadcast("t", &long, "{}")).await, Err(PublishError::TooLarge));
    assert_eq!(pod.pubsub.broadcast(broadcast(&long, "e", "{}")).await, Err(PublishError::TooLarge));
    let longest = &long[..255];
    let mut client = pod.join(longest, Vsn::V2).await;
    soon(pod.pubsub.broadcast(broadcast(longest, longest, "{}"))).await.unwrap();
    assert_eq!(client.queued().len(), 1);
}

pub(in crate::pubsub) async fn disconnects_reach_the_handler(pod: &mut Pod) {
    soon(pod.pubsub.disconnect("user_socket:1")).await.unwrap();
    let control = soon(pod.controls.recv()).await;
    let order = Control::Disconnect { socket_id: "user_socket:1".into() };
    assert_eq!(control, Some((order, Duration::ZERO)));
}

pub(in crate::pubsub) async fn deliveries_are_counted(pod: &mut Pod) {
    let _clients = [pod.join("t", Vsn::V2).await, pod.join("t", Vsn::V1).await];
    soon(pod.pubsub.broadcast(broadcast("t", "e", "{}"))).await.unwrap();
    assert!((pod.metric("gateway_messages_delivered_total") - 2.0).abs() < f64::EPSILON);
}
