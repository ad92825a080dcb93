use std::collections::HashMap;

use serde_json::{Value, json};

use crate::support::{Client, Pod, RedisServer, Scratch};

/// Two gateways that share a Redis.
pub(crate) struct Pods {
    pub(crate) redis: RedisServer,
    pub(crate) a: Pod,
    pub(crate) b: Pod,
    _scratch: [Scratch; 2],
}

impl Pods {
    /// Started, and ready.
    pub(crate) async fn start(settings: &str) -> Self {
        let redis = RedisServer::start();
        let (url, scratch) = (redis.url(), [Scratch::new(), Scratch::new()]);
        let arguments = ["--redis-url", url.as_str()];
        let a = Pod::serve(&scratch[0], settings, &arguments).await;
        let b = Pod::serve(&scratch[1], settings, &arguments).await;
        a.until_readyz(200).await;
        b.until_readyz(200).await;
        Self { redis, a, b, _scratch: scratch }
    }

    /// As another program does it; how many subscribers Redis has sent it to.
    pub(crate) fn publish(&self, topic: &str, message: &str) -> String {
        self.redis.command(&["PUBLISH", &format!("gw:{{{topic}}}:b"), message])
    }
}

const PER_SENDER: usize = 1_000;
const SENDERS: usize = 4;

/// Pushes its messages, many at a time, and returns all broadcasts of the topic in the order in which they came.
async fn send_and_receive(mut client: Client, sender: usize) -> Vec<(u64, u64)> {
    const IN_FLIGHT: usize = 64;
    let (mut sent, mut replied, mut received) = (0, 0, Vec::new());
    let mut own = 0;
    while replied < PER_SENDER || received.len() < SENDERS * PER_SENDER {
        while sent < PER_SENDER && sent - replied < IN_FLIGHT {
            let reference = format!("m{sent}");
            client.send(json!(["1", reference, "room:1", "msg", { "from": sender, "n": sent }])).await;
            sent += 1;
        }
        let message = client.next().await;
        if message[3] == "phx_reply" {
            assert_eq!(message[4], json!({ "status": "ok", "response": {} }), "{message}");
            assert_eq!(message[1], format!("m{replied}"), "replies keep the order of the pushes");
            replied += 1;
            assert!(own >= replied, "the reply to {replied} came before the sender's own broadcast");
        } else {
            let heard = heard(&message);
            own += usize::from(heard.0 == sender as u64);
            received.push(heard);
        }
    }
    client.assert_nothing_came().await;
    received
}

async fn receive(mut client: Client) -> Vec<(u64, u64)> {
    let mut received = Vec::new();
    while received.len() < SENDERS * PER_SENDER {
        received.push(heard(&client.next().await));
    }
    client.assert_nothing_came().await;
    received
}

fn heard(message: &Value) -> (u64, u64) {
    assert_eq!((&message[0], &message[1], &message[3]), (&Value::Null, &Value::Null, &json!("msg")), "{message}");
    (message[4]["from"].as_u64().unwrap(), message[4]["n"].as_u64().unwrap())
}

#[tokio::test]
async fn all_clients_on_both_pods_see_one_order_without_loss_or_repetition() {
    let pods = Pods::start("").await;
    let joined = async |pod: &Pod| {
        let mut client = pod.connect().await;
        client.join("1", "room:1").await;
        client
    };
    let (a1, a2, a3) = (joined(&pods.a).await, joined(&pods.a).await, joined(&pods.a).await);
    let (b1, b2, b3) = (joined(&pods.b).await, joined(&pods.b).await, joined(&pods.b).await);
    let seen: [Vec<(u64, u64)>; 6] = tokio::join!(
        send_and_receive(a1, 0),
        send_and_receive(b1, 1),
        send_and_receive(a2, 2),
        send_and_receive(b2, 3),
        receive(a3),
        receive(b3),
    )
    .into();
    for other in &seen[1..] {
        assert_eq!(seen[0].len(), other.len());
        let differs = seen[0].iter().zip(other).position(|(one, other)| one != other);
        assert_eq!(differs, None, "one order for all");
    }
    let mut next = HashMap::new();
    for (sender, number) in &seen[0] {
        let expected = next.entry(*sender).or_insert(0);
        assert_eq!(number, expected, "the messages of sender {sender}, each once and in its order");
        *expected += 1;
    }
    assert_eq!(next.values().copied().collect::<Vec<_>>(), [PER_SENDER as u64; SENDERS]);
    assert_eq!(pods.a.metric("gateway_broadcasts_dropped_total", "").await, 0.0);
    assert_eq!(pods.b.metric("gateway_broadcasts_dropped_total", "").await, 0.0);
}

#[tokio::test]
async fn row_148_a_socket_id_is_disconnected_on_every_pod_through_one() {
    let pods = Pods::start("").await;
    let mut users = Vec::new();
    for pod in [&pods.a, &pods.b] {
        for _ in 0..2 {
            let mut user = pod.connect_with("vsn=2.0.0&id=7").await;
            // The handshake is answered before the connection is known by its id: one that has answered is known.
            user.assert_nothing_came().await;
            users.push(user);
        }
    }
    let mut other = pods.b.connect_with("vsn=2.0.0&id=8").await;
    let response = pods.a.post("/api/v1/disconnect", r#"{"socket_id":"user_socket:7"}"#).await;
    assert_eq!(response.status, 202);
    for user in &mut users {
        assert_eq!(user.closed().await, Some(1001));
    }
    other.assert_nothing_came().await;
    for pod in [&pods.a, &pods.b] {
        pod.until_metric("gateway_disconnects_total", "disconnected", |count| count == 2.0).await;
    }
}

#[tokio::test]
async fn other_programs_publish_straight_to_redis() {
    let pods = Pods::start("").await;
    let (mut alice, mut bob) = (pods.a.connect().await, pods.b.connect().await);
    alice.join("1", "room:1").await;
    bob.join("1", "room:1").await;
    let published = pods.publish("room:1", r#"{"event":"new_msg","payload":{"text": "é", "n": 1.0}}"#);
    assert_eq!(published, ":2\r\n", "both pods subscribe");
    let expected = r#"[null,null,"room:1","new_msg",{"text": "é", "n": 1.0}]"#;
    assert_eq!(alice.next_text().await, expected);
    assert_eq!(bob.next_text().await, expected);
    let bad = [
        r#"{"event":"phx_close","payload":{}}"#,
        r#"{"event":"phx_reply","payload":{}}"#,
        r#"{"event":"presence_diff","payload":{}}"#,
        r#"{"event":"presence_state","payload":{}}"#,
        r#"{"event":"disconnect","payload":{}}"#,
        r#"{"event":"e","payload":[]}"#,
        r#"{"event":"e","payload":"text"}"#,
        r#"{"event":"e"}"#,
        r#"{"payload":{}}"#,
        r#"{"event":"e","payload":{"#,
    ];
    for message in bad.iter().chain(&["hello", "", "\u{1}", "\u{3}envelope of the future"]) {
        pods.publish("room:1", message);
    }
    // What follows is behind all that was refused.
    pods.publish("room:1", r#"{"event":"fence","payload":{}}"#);
    for client in [&mut alice, &mut bob] {
        assert_eq!(client.next().await, json!([null, null, "room:1", "fence", {}]));
    }
    for pod in [&pods.a, &pods.b] {
        let dropped = async |reason: &str| pod.metric("gateway_broadcasts_dropped_total", reason).await;
        assert_eq!(dropped("foreign").await, bad.len() as f64);
        assert_eq!(dropped("version").await, 2.0);
        assert_eq!(dropped("malformed").await, 2.0);
        assert_eq!(dropped("duplicate").await, 0.0);
    }
    // Braces and percent signs of a topic are percent-encoded.
    alice.join("2", "{x}%").await;
    pods.publish("%7Bx%7D%25", r#"{"event":"e","payload":{}}"#);
    assert_eq!(alice.next().await, json!([null, null, "{x}%", "e", {}]));
}

#[tokio::test]
async fn clients_of_both_versions_see_the_same() {
    let pods = Pods::start("").await;
    let mut clients = Vec::new();
    for pod in [&pods.a, &pods.b] {
        let mut old = pod.connect_with("vsn=1.0.0").await;
        old.send(json!({ "topic": "room:1", "event": "phx_join", "payload": {}, "ref": "1", "join_ref": "1" })).await;
        assert_eq!(old.next().await["payload"]["status"], "ok");
        let mut new = pod.connect().await;
        new.join("1", "room:1").await;
        clients.push((old, new));
    }
    clients[0].1.send(json!(["1", "2", "room:1", "from_new", { "n": 1 }])).await;
    clients[0].1.expect_broadcast_then_ok("from_new", "2").await;
    for (old, new) in &mut clients {
        let expected = json!({ "topic": "room:1", "event": "from_new", "payload": { "n": 1 }, "ref": null });
        assert_eq!(without_join_ref(old.next().await), expected);
        let _ = new;
    }
    assert_eq!(clients[1].1.next().await, json!([null, null, "room:1", "from_new", { "n": 1 }]));
    let push = json!({ "topic": "room:1", "event": "from_old", "payload": { "n": 2 }, "ref": "2", "join_ref": "1" });
    clients[1].0.send(push).await;
    for (old, new) in &mut clients {
        let expected = json!({ "topic": "room:1", "event": "from_old", "payload": { "n": 2 }, "ref": null });
        assert_eq!(without_join_ref(old.next().await), expected);
        assert_eq!(new.next().await, json!([null, null, "room:1", "from_old", { "n": 2 }]));
    }
    let reply = clients[1].0.next().await;
    assert_eq!((&reply["event"], &reply["ref"]), (&json!("phx_reply"), &json!("2")), "{reply}");
}

/// Whether version 1 names a `join_ref` of null is of no concern here.
fn without_join_ref(mut message: Value) -> Value {
    if message["join_ref"].is_null() {
        message.as_object_mut().unwrap().remove("join_ref");
    }
    message
}

#[tokio::test]
async fn binary_payloads_cross_pods_to_the_byte() {
    let pods = Pods::start("").await;
    let (mut alice, mut bob) = (pods.a.connect().await, pods.b.connect().await);
    alice.join("1", "room:1").await;
    bob.join("1", "room:1").await;
    let mut old = pods.b.connect_with("vsn=1.0.0").await;
    old.send(json!({ "topic": "room:1", "event": "phx_join", "payload": {}, "ref": "1" })).await;
    assert_eq!(old.next().await["payload"]["status"], "ok");
    let bytes: Vec<u8> = (0..=255).collect();
    alice.send_binary(&[b"\x00\x01\x01\x06\x03", b"12room:1img".as_slice(), &bytes].concat()).await;
    let broadcast = [b"\x02\x06\x03", b"room:1img".as_slice(), &bytes].concat();
    assert_eq!(bob.next_binary().await, broadcast);
    assert_eq!(alice.next_binary().await, broadcast);
    assert_eq!(alice.next().await, json!(["1", "2", "room:1", "phx_reply", { "status": "ok", "response": {} }]));
    // Version 1 has no form for bytes: it is left out, and goes on.
    alice.send(json!(["1", "3", "room:1", "text", {}])).await;
    assert_eq!(old.next().await["event"], "text");
}

#[tokio::test]
async fn pods_of_another_prefix_hear_nothing() {
    let pods = Pods::start("").await;
    let scratch = Scratch::new();
    let other = Pod::serve(&scratch, "[redis]\nprefix = \"other\"\n", &["--redis-url", &pods.redis.url()]).await;
    other.until_readyz(200).await;
    let (mut alice, mut stranger) =
        (pods.a.connect_with("vsn=2.0.0&id=7").await, other.connect_with("vsn=2.0.0&id=7").await);
    alice.join("1", "room:1").await;
    stranger.join("1", "room:1").await;
    pods.b.broadcast("room:1", "e", &json!({})).await;
    assert_eq!(alice.next().await[3], "e");
    assert_eq!(pods.b.post("/api/v1/disconnect", r#"{"socket_id":"user_socket:7"}"#).await.status, 202);
    assert_eq!(alice.closed().await, Some(1001));
    stranger.assert_nothing_came().await;
}
