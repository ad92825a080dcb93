//! Supabase's dialect on two pods.

use serde_json::{Value, json};

use crate::support::supabase::{access_token, anon_key, join, join_with, quiet, settings, target};
use crate::support::{Client, Pod, RedisServer, Scratch, ok};

const TOPIC: &str = "realtime:room1";

/// Two gateways that share a Redis.
struct Pods {
    _redis: RedisServer,
    pods: [Pod; 2],
    _scratch: Scratch,
}

async fn pods() -> Pods {
    let (redis, scratch) = (RedisServer::start(), Scratch::new());
    let config = scratch
        .file("gateway.toml", &format!("[socket]\ncheck_origin = false\n[drain]\ndelay = \"0s\"\n{}", settings()));
    let (url, start) = (redis.url(), ["serve", "--config", &config, "--redis-url"]);
    let arguments = [&start[..], &[&*url]].concat();
    let pods = [Pod::start(&arguments, &[]).await, Pod::start(&arguments, &[]).await];
    for pod in &pods {
        pod.until_readyz(200).await;
    }
    Pods { _redis: redis, pods, _scratch: scratch }
}

async fn connect(pod: &Pod) -> Client {
    Client::connect(&format!("ws://{}{}", pod.public, target(&anon_key()))).await
}

async fn private(pod: &Pod, config: Value) -> Client {
    let mut client = connect(pod).await;
    let token = access_token("a", json!(["realtime:*"]), 600);
    let mut config = quiet(config);
    config["private"] = json!(true);
    join_with(&mut client, TOPIC, json!({ "config": config, "access_token": token })).await;
    client
}

#[tokio::test]
async fn broadcasts_of_both_kinds_cross_pods() {
    let Pods { pods: [a, b], .. } = &pods().await;
    let (mut alice, mut bob) = (connect(a).await, connect(b).await);
    join(&mut alice, TOPIC, json!({ "broadcast": { "ack": true } })).await;
    join(&mut bob, TOPIC, json!({ "broadcast": { "self": true } })).await;
    alice.send(json!(["1", "2", TOPIC, "broadcast", { "event": "e" }])).await;
    assert_eq!(alice.next().await, ok("1", "2", TOPIC));
    assert_eq!(bob.next().await, json!([null, null, TOPIC, "broadcast", { "event": "e" }]));
    bob.send_binary(b"\x03\x01\x01\x0e\x03\x00\x0118realtime:room1cur{\"y\":2}").await;
    for client in [&mut alice, &mut bob] {
        assert_eq!(client.next_binary().await, b"\x04\x0e\x03\x00\x01realtime:room1cur{\"y\":2}");
    }
}

#[tokio::test]
async fn row_286_private_and_public_stay_apart_between_pods() {
    let Pods { pods: [a, b], .. } = &pods().await;
    let (mut alice, mut bob) = (private(a, json!({ "broadcast": { "ack": true } })).await, private(b, json!({})).await);
    let (mut public_a, mut public_b) = (connect(a).await, connect(b).await);
    join(&mut public_a, TOPIC, json!({ "broadcast": { "ack": true } })).await;
    join(&mut public_b, TOPIC, json!({})).await;
    alice.send(json!(["1", "2", TOPIC, "broadcast", { "event": "secret" }])).await;
    assert_eq!(alice.next().await, ok("1", "2", TOPIC));
    assert_eq!(bob.next().await, json!([null, null, TOPIC, "broadcast", { "event": "secret" }]));
    public_a.send(json!(["1", "2", TOPIC, "broadcast", { "event": "open" }])).await;
    assert_eq!(public_a.next().await, ok("1", "2", TOPIC));
    assert_eq!(public_b.next().await, json!([null, null, TOPIC, "broadcast", { "event": "open" }]));
    for client in [&mut alice, &mut bob, &mut public_a, &mut public_b] {
        client.assert_nothing_came().await;
    }
}

#[tokio::test]
async fn presences_are_seen_on_both_pods_each_in_its_topic() {
    let Pods { pods: [a, b], .. } = &pods().await;
    let presence = |key: &str| json!({ "presence": { "key": key, "enabled": true } });
    let (mut alice, mut bob) = (private(a, presence("alice")).await, private(b, presence("bob")).await);
    let mut public = connect(b).await;
    join(&mut public, TOPIC, presence("public")).await;
    for client in [&mut alice, &mut bob, &mut public] {
        let state = client.next().await;
        assert_eq!(json!([state[3], state[4]]), json!(["presence_state", {}]));
    }
    alice.send(json!(["1", "2", TOPIC, "presence", { "event": "track", "payload": { "a": 1 } }])).await;
    let diff = bob.next().await;
    assert_eq!((&diff[2], &diff[3]), (&json!(TOPIC), &json!("presence_diff")));
    assert_eq!(diff[4]["joins"]["alice"]["metas"][0]["a"], 1);
    // Who comes later finds her in the state, and who goes leaves.
    let mut carol = private(b, presence("carol")).await;
    assert_eq!(carol.next().await[4]["alice"]["metas"][0]["a"], 1);
    drop(alice);
    assert!(bob.next().await[4]["leaves"]["alice"].is_object());
    public.assert_nothing_came().await;
}
