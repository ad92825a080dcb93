//! Pods of an old and a new release side by side: `redis.envelope = 1` makes a pod say and write what old ones do. It reads
//! all the same what others write before they know of it.

use serde_json::json;

use crate::support::{Client, Pod, RedisServer, Scratch, until};

const QUICK: &str =
    "[presence]\nheartbeat = \"200ms\"\nlease = \"400ms\"\ncoalesce = \"10ms\"\n[drain]\ndelay = \"0s\"\n";
const OLD: &str = "envelope = 1\n";

async fn start(scratch: &Scratch, redis: &RedisServer, version: &str) -> Pod {
    let settings = format!("{QUICK}[redis]\nurl = \"{}\"\n{version}", redis.url());
    let pod = Pod::serve(scratch, &settings, &[]).await;
    pod.until_readyz(200).await;
    pod
}

async fn joined(pod: &Pod) -> Client {
    let mut client = pod.connect().await;
    client.join("1", "room:1").await;
    client
}

async fn writes(pod: &Pod, version: f64) {
    pod.until_metric("gateway_envelope_version", "", |written| written == version).await;
}

/// Each says something, and all of them hear it.
async fn all_hear_all(clients: &mut [Client], round: u64) {
    for sender in 0..clients.len() {
        clients[sender].send(json!(["1", "2", "room:1", "say", { "from": sender, "round": round }])).await;
        for (index, client) in clients.iter_mut().enumerate() {
            let said = json!([null, null, "room:1", "say", { "from": sender, "round": round }]);
            assert_eq!(client.next().await, said, "client {index}");
            if index == sender {
                assert_eq!(client.next().await[3], "phx_reply");
            }
        }
    }
}

#[tokio::test]
async fn a_rolling_upgrade_and_a_rollback_lose_nothing() {
    let redis = RedisServer::start();
    let scratch = [(); 4].map(|()| Scratch::new());
    let old = start(&scratch[0], &redis, OLD).await;
    let new = [start(&scratch[1], &redis, "").await, start(&scratch[2], &redis, "").await];
    let mut clients = vec![joined(&new[0]).await, joined(&new[1]).await, joined(&old).await];
    // They know of the old one, and have had more than a lease to make up their mind.
    for pod in &new {
        pod.until_metric("gateway_pods", "", |pods| pods == 3.0).await;
    }
    for round in 0..20 {
        all_hear_all(&mut clients, round).await;
    }
    for pod in [&old, &new[0], &new[1]] {
        assert_eq!(pod.metric("gateway_envelope_version", "").await, 1.0);
    }

    // The old one is replaced: now the new version is written.
    drop(clients.pop());
    old.process.signal("-TERM");
    assert_eq!(old.process.ended().await.code, Some(0));
    for pod in &new {
        writes(pod, 2.0).await;
    }
    all_hear_all(&mut clients, 100).await;
    let heard = redis.command(&["PUBSUB", "NUMSUB", "gw:{room:1}:b"]);
    assert!(heard.contains(":2"), "{heard}");

    // The first step of a rollback: it hears all from the first moment, and as soon as they know of it they write for an old
    // one again.
    let old = start(&scratch[3], &redis, OLD).await;
    clients.push(joined(&old).await);
    for round in 200..220 {
        all_hear_all(&mut clients, round).await;
    }
    for pod in &new {
        writes(pod, 1.0).await;
    }
    all_hear_all(&mut clients, 300).await;
    for pod in [&old, &new[0], &new[1]] {
        assert_eq!(pod.metric("gateway_broadcasts_dropped_total", "").await, 0.0);
    }
}

#[tokio::test]
async fn a_pinned_pod_reads_what_others_write_and_counts_what_nobody_reads() {
    let redis = RedisServer::start();
    let scratch = [Scratch::new(), Scratch::new()];
    let (old, new) = (start(&scratch[0], &redis, OLD).await, start(&scratch[1], &redis, "").await);
    let mut clients = [joined(&old).await, joined(&new).await];
    let event = b"\x02\0\0\x01\0\x02\x03\0\0\0\0\0\0\0\x01ndmsg{\"n\":1}";
    let publish = |message: &[u8]| {
        let escaped: String = message.iter().map(|byte| char::from(*byte)).collect();
        redis.command(&["PUBLISH", "gw:{room:1}:b", &escaped])
    };
    assert_eq!(publish(event), ":2\r\n");
    for client in &mut clients {
        assert_eq!(client.next().await, json!([null, null, "room:1", "msg", { "n": 1 }]));
    }
    // A version of the future is nothing to any of them.
    assert_eq!(publish(b"\x03whatever"), ":2\r\n");
    old.until_metric("gateway_broadcasts_dropped_total", "version", |count| count == 1.0).await;
    new.until_metric("gateway_broadcasts_dropped_total", "version", |count| count == 1.0).await;
    all_hear_all(&mut clients, 1).await;
    until(async || old.get("/readyz").await.status == 200).await;
}
