//! What the internal API does when there are several pods.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Cable, Client, Pod, RedisServer, Scratch, until};
use crate::two_pods::Pods;

/// A connection of a user, which the pod knows by its id.
async fn user(pod: &Pod, id: &str) -> Client {
    let mut client = pod.connect_with(&format!("vsn=2.0.0&id={id}")).await;
    // The handshake is answered before the connection is known by its id: one that has answered is known.
    client.assert_nothing_came().await;
    client
}

async fn disconnect(pod: &Pod, id: &str) {
    let body = json!({ "socket_id": format!("user_socket:{id}") });
    assert_eq!(pod.post("/api/v1/disconnect", &body.to_string()).await.status, 202);
}

#[tokio::test]
async fn a_user_is_disconnected_on_both_pods_within_a_second() {
    let pods = Pods::start("").await;
    let mut sockets = Vec::new();
    for pod in [&pods.a, &pods.b, &pods.a, &pods.b] {
        sockets.push(user(pod, "7").await);
    }
    let mut others = [user(&pods.a, "8").await, user(&pods.b, "77").await];
    let begun = Instant::now();
    disconnect(&pods.a, "7").await;
    for socket in &mut sockets {
        assert_eq!(socket.closed().await, Some(1001));
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "it took {:?}", begun.elapsed());
    for other in &mut others {
        other.assert_nothing_came().await;
    }
    // Who comes again is let in, and stays.
    for pod in [&pods.a, &pods.b] {
        user(pod, "7").await.join("1", "room:1").await;
    }
}

#[tokio::test]
async fn a_pod_that_is_cut_off_disconnects_when_it_is_back() {
    let redis = RedisServer::start();
    let cable = Cable::to(redis.port()).await;
    let (scratch, url, cabled) =
        ([Scratch::new(), Scratch::new()], redis.url(), format!("redis://127.0.0.1:{}", cable.port()));
    let a = Pod::serve(&scratch[0], "", &["--redis-url", &url]).await;
    let b = Pod::serve(&scratch[1], "", &["--redis-url", &cabled]).await;
    a.until_readyz(200).await;
    b.until_readyz(200).await;
    let (mut seven, mut eight) = (user(&b, "7").await, user(&b, "8").await);
    cable.cut();
    b.until_metric("gateway_redis_up", "", |up| up == 0.0).await;
    disconnect(&a, "7").await;
    seven.assert_nothing_came().await;
    // The pod compares ages, its own sockets' with the order's: this socket is younger by more than a message may take.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut late = user(&b, "7").await;
    cable.mend();
    assert_eq!(seven.closed().await, Some(1001));
    b.until_metric("gateway_redis_up", "", |up| up == 1.0).await;
    late.assert_nothing_came().await;
    eight.assert_nothing_came().await;
    disconnect(&a, "8").await;
    assert_eq!(eight.closed().await, Some(1001), "it hears orders again");
    assert_eq!(b.metric("gateway_disconnects_total", "disconnected").await, 2.0);
}

#[tokio::test]
async fn the_same_key_sent_to_both_pods_is_delivered_once() {
    const KEYS: usize = 25;
    let pods = Pods::start("").await;
    let mut clients = [pods.a.connect().await, pods.b.connect().await];
    for client in &mut clients {
        client.join("1", "room:1").await;
    }
    for number in 0..KEYS {
        let body = json!({
            "topic": "room:1", "event": "paid", "payload": { "n": number }, "idempotency_key": format!("order-{number}"),
        });
        let body = body.to_string();
        let path = "/api/v1/broadcast";
        let (one, other) = tokio::join!(pods.a.post(path, &body), pods.b.post(path, &body));
        assert_eq!((one.status, other.status), (202, 202), "{one:?} {other:?}");
        let mut answers = [one.json(), other.json()].map(|answer| answer["duplicate"].as_bool().unwrap());
        answers.sort_unstable();
        assert_eq!(answers, [false, true], "one of them was first");
        let again = pods.b.post(path, &body).await;
        assert_eq!((again.status, again.json()), (202, json!({ "duplicate": true })));
    }
    pods.a.broadcast("room:1", "fence", &json!({})).await;
    for client in &mut clients {
        for number in 0..KEYS {
            assert_eq!(client.next().await, json!([null, null, "room:1", "paid", { "n": number }]));
        }
        assert_eq!(client.next().await[3], "fence");
    }
    let counted = async |pod: &Pod| pod.metric("gateway_idempotent_duplicates_total", "").await;
    assert_eq!(counted(&pods.a).await + counted(&pods.b).await, 2.0 * KEYS as f64);
}

#[tokio::test]
async fn a_batch_keeps_its_order_on_both_pods() {
    let pods = Pods::start("").await;
    let mut clients = [pods.a.connect().await, pods.b.connect().await];
    for client in &mut clients {
        client.join("1", "room:1").await;
    }
    let message = |n: usize| {
        let mut message = json!({ "topic": "room:1", "event": "e", "payload": { "n": n } });
        if n.is_multiple_of(2) {
            message["idempotency_key"] = json!(n.to_string());
        }
        message
    };
    let batch = json!({ "messages": (0..1000).map(message).collect::<Vec<_>>() }).to_string();
    for (turn, of_keyed) in ["accepted", "duplicate"].into_iter().enumerate() {
        let pod = [&pods.a, &pods.b][turn];
        let response = pod.post("/api/v1/broadcast/batch", &batch).await;
        assert_eq!(response.status, 202, "{response:?}");
        let status = |n: usize| if n.is_multiple_of(2) { of_keyed } else { "accepted" };
        let expected: Vec<Value> = (0..1000).map(|n| json!({ "status": status(n) })).collect();
        assert_eq!(response.json(), json!({ "results": expected }));
    }
    for client in &mut clients {
        for n in (0..1000).chain((0..1000).filter(|n| n % 2 == 1)) {
            assert_eq!(client.next().await, json!([null, null, "room:1", "e", { "n": n }]));
        }
        client.assert_nothing_came().await;
    }
}

#[tokio::test]
async fn nodes_are_the_pods_that_live() {
    let pods = Pods::start("[presence]\nheartbeat = \"500ms\"\nlease = \"2s\"\n").await;
    let nodes =
        async |pod: &Pod| -> Vec<Value> { pod.get("/api/v1/nodes").await.json()["nodes"].as_array().unwrap().clone() };
    until(async || nodes(&pods.a).await.len() == 2).await;
    let (of_a, of_b) = (nodes(&pods.a).await, nodes(&pods.b).await);
    let ids = |nodes: &[Value]| nodes.iter().map(|node| node["id"].clone()).collect::<Vec<_>>();
    let own = |nodes: &[Value]| nodes.iter().position(|node| node["self"] == true).unwrap();
    assert_eq!(ids(&of_a), ids(&of_b));
    assert_ne!(own(&of_a), own(&of_b));
    for node in of_a.iter().chain(&of_b) {
        let lease = node["lease_ms"].as_u64().unwrap();
        assert!(lease <= 2000, "{node}");
    }
    pods.a.process.signal("-KILL");
    until(async || nodes(&pods.b).await.len() == 1).await;
    assert_eq!(nodes(&pods.b).await[0]["id"], of_b[own(&of_b)]["id"]);
}
