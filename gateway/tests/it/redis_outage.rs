use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Client, Pod, RedisServer};
use crate::two_pods::Pods;

/// What a push or a join may take when Redis is away (ruling 10: 3 s and 5 s), with the tick that ends it.
const PUSH_LIMIT: Duration = Duration::from_secs(5);
const JOIN_LIMIT: Duration = Duration::from_secs(6);

/// Pushes and waits for the reply; what is broadcast meanwhile is added to `heard`. Ok or the reason.
async fn push(client: &mut Client, reference: &str, payload: Value, heard: &mut Vec<Value>) -> Result<(), String> {
    client.send(json!(["1", reference, "room:1", "msg", payload])).await;
    loop {
        let message = client.next().await;
        if message[3] == "msg" {
            heard.push(message[4].clone());
            continue;
        }
        assert_eq!((&message[1], &message[3]), (&json!(reference), &json!("phx_reply")), "{message}");
        let answer = &message[4];
        let reason = || answer["response"]["reason"].as_str().unwrap().to_owned();
        return if answer["status"] == "ok" { Ok(()) } else { Err(reason()) };
    }
}

/// Pushes until one is answered with ok; how many were not.
async fn push_until_ok(client: &mut Client, prefix: &str, heard: &mut Vec<Value>) -> usize {
    for attempt in 0.. {
        let name = format!("{prefix}{attempt}");
        match push(client, &name, json!({ "id": name }), heard).await {
            Ok(()) => return attempt,
            Err(reason) => assert_eq!(reason, "unavailable"),
        }
    }
    unreachable!()
}

async fn joined(pod: &Pod) -> Client {
    let mut client = pod.connect().await;
    client.join("1", "room:1").await;
    client
}

/// What is true however Redis goes away: `leave` does that, `come_back` ends it.
async fn outage(leave: impl FnOnce(&mut RedisServer), come_back: impl FnOnce(&mut RedisServer)) {
    let mut pods = Pods::start("[presence]\nheartbeat = \"1s\"\n").await;
    let (mut alice, mut bob) = (joined(&pods.a).await, joined(&pods.b).await);
    let (mut heard, mut others) = (Vec::new(), pods.b.connect().await);
    push(&mut alice, "before", json!({ "id": "before" }), &mut heard).await.unwrap();
    assert_eq!(bob.next().await[4], json!({ "id": "before" }));

    leave(&mut pods.redis);
    let begun = Instant::now();
    let refused = push(&mut alice, "during", json!({ "id": "during" }), &mut heard).await;
    assert_eq!(refused, Err("unavailable".to_owned()));
    assert!(begun.elapsed() < PUSH_LIMIT, "a push took {:?}", begun.elapsed());
    let begun = Instant::now();
    // What is sent behind the join is answered, too: for a topic that is not joined.
    others.send(json!(["1", "1", "room:new", "phx_join", {}])).await;
    others.send(json!(["1", "2", "room:new", "event", {}])).await;
    others.send(json!(["1", "3", "room:new", "phx_leave", {}])).await;
    let reply = others.next().await;
    assert_eq!(
        reply,
        json!(["1", "1", "room:new", "phx_reply", { "status": "error", "response": { "reason": "unavailable" } }])
    );
    assert!(begun.elapsed() < JOIN_LIMIT, "a join took {:?}", begun.elapsed());
    let unmatched = json!({ "status": "error", "response": { "reason": "unmatched topic" } });
    assert_eq!(others.next().await, json!([null, "2", "room:new", "phx_reply", unmatched]));
    let left = json!({ "status": "ok", "response": {} });
    assert_eq!(others.next().await, json!(["1", "3", "room:new", "phx_reply", left]));
    // The API says so, too; in both cases nobody knows whether it happened.
    let body = json!({ "topic": "room:1", "event": "api", "payload": {} }).to_string();
    pods.a.post("/api/v1/broadcast", &body).await.problem(503);
    // Sockets are up and answer; what fails now, fails faster.
    for client in [&mut alice, &mut others] {
        client.assert_nothing_came().await;
    }
    let begun = Instant::now();
    assert!(push(&mut alice, "again", json!({ "id": "again" }), &mut heard).await.is_err());
    assert!(begun.elapsed() < PUSH_LIMIT);
    pods.a.until_metric("gateway_redis_up", "", |up| up == 0.0).await;

    come_back(&mut pods.redis);
    for pod in [&pods.a, &pods.b] {
        pod.until_metric("gateway_redis_up", "", |up| up == 1.0).await;
        pod.until_readyz(200).await;
        assert_eq!(pod.metric("gateway_disconnects_total", "").await, 0.0, "no socket fell");
    }
    push_until_ok(&mut alice, "after", &mut heard).await;
    push_until_ok(&mut bob, "answer", &mut Vec::new()).await;
    others.join("2", "room:new").await;
    // Both hear both again, and nothing has come twice.
    let mut at_bob = Vec::new();
    push(&mut alice, "fence", json!({ "id": "fence" }), &mut heard).await.unwrap();
    while at_bob.last() != Some(&json!({ "id": "fence" })) {
        let message = bob.next().await;
        at_bob.extend((message[3] == "msg").then(|| message[4].clone()));
    }
    for heard in [&heard, &at_bob] {
        let distinct: BTreeSet<_> = heard.iter().map(ToString::to_string).collect();
        assert_eq!(distinct.len(), heard.len(), "twice: {heard:?}");
    }
    assert!(heard.iter().any(|payload| payload["id"].as_str().unwrap().starts_with("answer")), "{heard:?}");
}

#[tokio::test]
async fn a_crash_of_redis_is_survived() {
    outage(RedisServer::crash, RedisServer::resume).await;
}

#[tokio::test]
async fn a_redis_that_does_not_answer_is_survived() {
    outage(|redis| redis.freeze(), |redis| redis.thaw()).await;
}

#[tokio::test]
async fn broadcasts_flow_again_after_redis_has_dropped_its_subscribers() {
    let pods = Pods::start("").await;
    let (mut alice, mut bob) = (joined(&pods.a).await, joined(&pods.b).await);
    for round in 0..3 {
        let mut before = [0.0; 2];
        for (pod, before) in [&pods.a, &pods.b].into_iter().zip(&mut before) {
            *before = pod.metric("gateway_redis_reconnects_total", "").await;
        }
        let killed = pods.redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        let killed: usize = killed.trim().trim_start_matches(':').parse().unwrap();
        // Those of presence come back in their own time, which this test does not wait for.
        assert!((4..=8).contains(&killed), "of each pod two for broadcasts, and up to two for presence: {killed}");
        for (pod, before) in [&pods.a, &pods.b].into_iter().zip(before) {
            pod.until_metric("gateway_redis_reconnects_total", "", |count| count == before + 2.0).await;
        }
        let (name, mut heard) = (format!("round {round}"), Vec::new());
        push(&mut alice, &name, json!({ "id": name }), &mut heard).await.unwrap();
        assert_eq!(heard, [json!({ "id": name })]);
        assert_eq!(bob.next().await, json!([null, null, "room:1", "msg", { "id": name }]));
    }
}

#[tokio::test]
async fn what_was_under_way_when_redis_dropped_everybody_is_never_delivered_twice() {
    const PUSHES: usize = 600;
    let pods = Pods::start("").await;
    let (mut alice, mut bob) = (joined(&pods.a).await, joined(&pods.b).await);
    let (mut replies, mut heard) = (0, Vec::new());
    for number in 0..PUSHES {
        let reference = format!("m{number}");
        alice.send(json!(["1", reference, "room:1", "msg", { "n": number }])).await;
        if number % 200 == 100 {
            pods.redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
            pods.redis.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        }
    }
    while replies < PUSHES {
        let message = alice.next().await;
        match message[3].as_str() {
            Some("msg") => heard.push(message[4]["n"].as_u64().unwrap()),
            Some("phx_reply") => replies += 1,
            other => panic!("{other:?}"),
        }
    }
    let mut ignored = Vec::new();
    push_until_ok(&mut alice, "end", &mut ignored).await;
    assert!(heard.windows(2).all(|pair| pair[0] < pair[1]), "in order and once: {heard:?}");
    // The other pod may have missed some, but it, too, has none twice or late.
    let mut at_bob = Vec::new();
    loop {
        let message = bob.next().await;
        match message[4]["n"].as_u64() {
            Some(number) => at_bob.push(number),
            None => break,
        }
    }
    assert!(at_bob.windows(2).all(|pair| pair[0] < pair[1]), "in order and once: {at_bob:?}");
}
