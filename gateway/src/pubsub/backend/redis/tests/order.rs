use crate::ids::NodeId;
use crate::pubsub::envelope;
use crate::pubsub::testing::{broadcast, soon};
use crate::redis::testing::RedisServer;
use crate::wire::Vsn;

use super::RedisPod;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribers_of_two_pods_see_one_order() {
    const EACH: usize = 1000;
    let server = RedisServer::start();
    let (a, b) = (RedisPod::start(&server).await, RedisPod::start(&server).await);
    let mut on_a = a.join("room:1", Vsn::V2).await;
    let mut on_b = b.join("room:1", Vsn::V2).await;
    let senders: Vec<_> = [&a, &b, &a, &b].iter().map(|pod| pod.pubsub.clone()).enumerate().collect();
    let senders = senders.into_iter().map(|(sender, pubsub)| {
        tokio::task::spawn_blocking(move || {
            let json = |n| format!(r#"{{"s":{sender},"n":{n}}}"#);
            (0..EACH).map(|n| pubsub.broadcast(broadcast("room:1", "msg", &json(n)))).collect::<Vec<_>>()
        })
    });
    for sent in futures_util::future::join_all(senders).await {
        for publication in sent.unwrap() {
            soon(publication).await.unwrap();
        }
    }
    let (mut seen, mut same) = (Vec::new(), Vec::new());
    for _ in 0..4 * EACH {
        seen.push(on_a.next().await);
        same.push(on_b.next().await);
    }
    assert!(seen == same, "the pods disagree");
    assert!(on_a.queued().is_empty() && on_b.queued().is_empty(), "nothing comes twice");
    for sender in 0..4 {
        let own = seen.iter().filter(|message| message.contains(&format!(r#""s":{sender},"#)));
        assert!(own.enumerate().all(|(n, message)| message.contains(&format!(r#""n":{n}}}"#))));
    }
}

#[tokio::test]
async fn a_sender_is_left_out_on_its_own_pod_only() {
    let server = RedisServer::start();
    let (a, b) = (RedisPod::start(&server).await, RedisPod::start(&server).await);
    let mut sender = a.join("t", Vsn::V2).await;
    let mut same_number = b.join("t", Vsn::V2).await;
    assert_eq!(sender.id, same_number.id);
    let mut message = broadcast("t", "e", "{}");
    message.exclude = Some(sender.id);
    soon(a.pubsub.broadcast(message)).await.unwrap();
    assert_eq!(same_number.next().await, r#"[null,null,"t","e",{}]"#);
    assert!(sender.queued().is_empty());
}

#[tokio::test]
async fn orders_reach_every_pod() {
    let server = RedisServer::start();
    let (mut a, mut b) = (RedisPod::start(&server).await, RedisPod::start(&server).await);
    a.ready(true).await;
    b.ready(true).await;
    soon(a.pubsub.disconnect("user:1")).await.unwrap();
    assert!(soon(a.controls.recv()).await.is_some());
    assert!(soon(b.controls.recv()).await.is_some());
}

#[tokio::test]
async fn other_programs_may_publish_json() {
    let server = RedisServer::start();
    let pod = RedisPod::start(&server).await;
    let mut client = pod.join("room:{1}", Vsn::V2).await;
    let publish = |message| server.command(&["PUBLISH", "test:{room:%7B1%7D}:b", message]);
    for refused in [r#"{"event":"phx_close","payload":{}}"#, r#"{"event":"e"}"#, "hello", "", "\u{2}x", "\u{1}\u{9}"] {
        assert_eq!(publish(refused), ":1\r\n");
    }
    publish(r#"{"event":"new_msg","payload":{"a":1}}"#);
    assert_eq!(client.next().await, r#"[null,null,"room:{1}","new_msg",{"a":1}]"#);
    assert!((pod.metric("gateway_broadcasts_dropped_total") - 6.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn what_comes_twice_is_delivered_once() {
    let server = RedisServer::start();
    let pod = RedisPod::start(&server).await;
    let mut client = pod.join("t", Vsn::V2).await;
    let node = NodeId::from("other");
    for sequence in [1, 2, 2, 1, 3] {
        let message = envelope::encode(&node, sequence, &broadcast("t", &format!("e{sequence}"), "{}"));
        server.command(&["PUBLISH", "test:{t}:b", std::str::from_utf8(&message).unwrap()]);
    }
    for event in ["e1", "e2", "e3"] {
        assert_eq!(client.next().await, format!(r#"[null,null,"t","{event}",{{}}]"#));
    }
    assert!(client.queued().is_empty());
}

#[tokio::test]
async fn a_pod_receives_only_what_it_hosts_and_lingers() {
    let server = RedisServer::start();
    let pod = RedisPod::start(&server).await;
    let channel = "test:{room:1}:b";
    let subscribed = || server.command(&["PUBSUB", "NUMSUB", channel]).contains(":1\r\n");
    let client = pod.join("room:1", Vsn::V2).await;
    assert!(subscribed());
    drop(client);
    assert!(subscribed(), "it lingers");
    let again = pod.join("room:1", Vsn::V2).await;
    drop(again);
    soon(async {
        while subscribed() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
    assert_eq!(pod.pubsub.hosted_topics(), 0);
}

#[tokio::test]
async fn many_topics_are_subscribed_together() {
    let server = RedisServer::start();
    let pod = RedisPod::start(&server).await;
    pod.ready(true).await;
    let before = commands(&server);
    let interests = futures_util::future::join_all((0..500).map(|n| pod.pubsub.interest(&format!("room:{n}"))));
    assert!(soon(interests).await.iter().all(Result::is_ok));
    let spent = commands(&server) - before;
    assert!(spent < 50, "{spent} commands for 500 topics");
}

/// How many commands the server has run.
fn commands(server: &RedisServer) -> u64 {
    let stats = server.command(&["INFO", "stats"]);
    let line = stats.lines().find_map(|line| line.strip_prefix("total_commands_processed:")).unwrap();
    line.trim().parse().unwrap()
}
