//! `archive`: a listed event is stored before it is broadcast.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::tokens::{SECRET, token_of};
use crate::support::{Client, Pod, PostgresServer, RedisServer, Scratch, run};

const TOPIC: &str = "room:1";

fn settings(database: &str) -> String {
    format!(
        "[auth]\nrequired = false\nhs256_secret = \"{SECRET}\"\n[database]\nurl = \"{database}\"\n\
         [[channel]]\ntopic = \"room:*\"\njoin = \"open\"\narchive = [\"msg\"]\nclient_events = [\"msg\", \"typing\"]\n\
         [[channel]]\ntopic = \"others:*\"\njoin = \"open\"\narchive = [\"*\"]\nbroadcast_to = \"others\"\n"
    )
}

/// A gateway with a file of its own.
async fn with_file(scratch: &Scratch, arguments: &[&str]) -> Pod {
    let url = format!("sqlite://{}", scratch.path("archive.db").display());
    assert_eq!(run(&["migrate", "--database-url", &url]).await.code, Some(0));
    Pod::serve(scratch, &settings(&url), arguments).await
}

async fn user(pod: &Pod, name: &str, topic: &str) -> Client {
    let mut client = pod.connect_with(&format!("vsn=2.0.0&token={}", token_of(name, json!([])))).await;
    client.join("1", topic).await;
    client
}

async fn push(client: &mut Client, reference: &str, event: &str, payload: Value) {
    client.send(json!(["1", reference, TOPIC, event, payload])).await;
}

/// The response of the next frame, which must be an ok reply to `reference`.
async fn ok(client: &mut Client, reference: &str) -> Value {
    let reply = client.next().await;
    assert_eq!(
        (&reply[1], &reply[3], &reply[4]["status"]),
        (&json!(reference), &json!("phx_reply"), &json!("ok")),
        "{reply}"
    );
    reply[4]["response"].clone()
}

/// The payload of the next frame, which must be a broadcast of `event`.
async fn heard(client: &mut Client, event: &str) -> Value {
    let broadcast = client.next().await;
    assert_eq!((&broadcast[1], &broadcast[3]), (&Value::Null, &json!(event)), "{broadcast}");
    broadcast[4].clone()
}

async fn error(client: &mut Client) -> Value {
    let reply = client.next().await;
    assert_eq!(reply[4]["status"], "error", "{reply}");
    reply[4]["response"]["reason"].clone()
}

async fn archive(pod: &Pod, query: &str) -> Value {
    let response = pod.get(&format!("/api/v1/topics/room%3A1/archive{query}")).await;
    assert_eq!(response.status, 200, "{response:?}");
    response.json()
}

#[tokio::test]
async fn a_listed_event_is_stored_and_all_learn_its_name() {
    let scratch = Scratch::new();
    let pod = with_file(&scratch, &[]).await;
    let (mut alice, mut bob) = (user(&pod, "alice", TOPIC).await, user(&pod, "bob", TOPIC).await);
    // What the server says stands, whatever the client writes.
    let written = json!({ "body": "hello", "id": "mine", "user_id": "mallory", "inserted_at": 0 });
    push(&mut alice, "2", "msg", written).await;
    let payload = heard(&mut alice, "msg").await;
    let receipt = ok(&mut alice, "2").await;
    let (id, time) = (receipt["id"].as_str().unwrap(), receipt["inserted_at"].as_str().unwrap());
    assert_eq!(receipt.as_object().unwrap().len(), 2);
    assert_eq!(
        (id.len(), &id[14..15], time.len(), &time[26..]),
        (36, "7", 27, "Z"),
        "a UUID of version 7, and RFC 3339"
    );
    assert_eq!(payload, json!({ "body": "hello", "id": id, "user_id": "alice", "inserted_at": time }));
    assert_eq!(heard(&mut bob, "msg").await, payload);
    let row = json!({ "id": id, "event": "msg", "payload": payload, "sender": "alice", "inserted_at": time });
    assert_eq!(archive(&pod, "").await, json!({ "messages": [row], "next": null }));
    // Others are relayed as ever, and kept nowhere.
    push(&mut alice, "3", "typing", json!({ "id": "mine" })).await;
    assert_eq!(heard(&mut bob, "typing").await, json!({ "id": "mine" }));
    assert_eq!(archive(&pod, "").await["messages"].as_array().unwrap().len(), 1);
    // Without a token a client is nobody, and says so.
    let mut anonymous = pod.connect_with("vsn=2.0.0&user_id=alice").await;
    anonymous.join("1", TOPIC).await;
    push(&mut anonymous, "2", "msg", json!({ "user_id": "alice" })).await;
    assert_eq!(heard(&mut bob, "msg").await["user_id"], Value::Null);
    assert_eq!(archive(&pod, "?limit=1").await["messages"][0]["sender"], Value::Null);
    assert_eq!(pod.metric("gateway_store_seconds_count", "operation=\"archive\",result=\"ok\"").await, 2.0);
}

#[tokio::test]
async fn a_message_pushed_again_is_stored_and_broadcast_once() {
    let scratch = Scratch::new();
    let pod = with_file(&scratch, &[]).await;
    let (mut alice, mut bob) = (user(&pod, "alice", TOPIC).await, user(&pod, "bob", TOPIC).await);
    let named = json!({ "body": "hello", "client_message_id": "m-1" });
    push(&mut alice, "2", "msg", named.clone()).await;
    heard(&mut alice, "msg").await;
    let receipt = ok(&mut alice, "2").await;
    // From another connection of the same user, as after a crash of the page.
    let mut again = user(&pod, "alice", TOPIC).await;
    for reference in ["3", "4"] {
        push(&mut again, reference, "msg", named.clone()).await;
        assert_eq!(ok(&mut again, reference).await, receipt);
    }
    alice.assert_nothing_came().await;
    // Somebody else's message of that name is another one.
    push(&mut bob, "2", "msg", named).await;
    assert_eq!(heard(&mut bob, "msg").await["id"], receipt["id"]);
    assert_ne!(heard(&mut bob, "msg").await["id"], receipt["id"]);
    assert_ne!(ok(&mut bob, "2").await, receipt);
    assert_eq!(archive(&pod, "").await["messages"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn pushes_of_a_client_keep_their_order() {
    let scratch = Scratch::new();
    let pod = with_file(&scratch, &[]).await;
    let mut alice = user(&pod, "alice", TOPIC).await;
    let event = |number: usize| if number.is_multiple_of(3) { "typing" } else { "msg" };
    for number in 0..60 {
        push(&mut alice, &format!("m{number}"), event(number), json!({ "n": number })).await;
    }
    let (mut broadcasts, mut replies) = (0, 0);
    while replies < 60 {
        let frame = alice.next().await;
        if frame[3] == "phx_reply" {
            assert_eq!((&frame[1], &frame[4]["status"]), (&json!(format!("m{replies}")), &json!("ok")), "{frame}");
            replies += 1;
            assert!(broadcasts >= replies, "its own broadcast comes first");
        } else {
            assert_eq!((&frame[3], &frame[4]["n"]), (&json!(event(broadcasts)), &json!(broadcasts)));
            broadcasts += 1;
        }
    }
    let stored = archive(&pod, "?limit=200").await;
    let numbers: Vec<_> =
        stored["messages"].as_array().unwrap().iter().map(|row| row["payload"]["n"].as_u64().unwrap()).collect();
    let expected: Vec<u64> = (0_u64..60).filter(|number| !number.is_multiple_of(3)).rev().collect();
    assert_eq!(numbers, expected);
}

#[tokio::test]
async fn what_cannot_be_stored_is_refused() {
    let scratch = Scratch::new();
    let pod = with_file(&scratch, &[]).await;
    let mut alice = user(&pod, "alice", TOPIC).await;
    for (event, payload, reason) in [
        ("msg", json!([1]), "invalid_payload"),
        ("msg", json!({ "client_message_id": 7 }), "invalid_payload"),
        ("msg", json!({ "client_message_id": "" }), "invalid_payload"),
        ("msg", json!({ "client_message_id": "x".repeat(256) }), "invalid_payload"),
        ("msg", json!({ "client_message_id": "a\0b" }), "invalid_payload"),
        ("news", json!({}), "forbidden"),
    ] {
        push(&mut alice, "2", event, payload.clone()).await;
        assert_eq!(error(&mut alice).await, reason, "{payload}");
    }
    // Half of a surrogate pair is valid JSON and no text: it is refused before it is stored.
    alice.send_text(&format!(r#"["1","2","{TOPIC}","msg",{{"\ud800":1}}]"#)).await;
    assert_eq!(error(&mut alice).await, "invalid_payload");
    // Back ends hear at once that trying again would not help.
    for fields in
        [r#""event":"msg","payload":{"\ud800":1}"#, r#""event":"msg","payload":{},"idempotency_key":"a\u0000b""#]
    {
        let message = format!(r#"{{"topic":"{TOPIC}",{fields}}}"#);
        pod.post("/api/v1/broadcast", &message).await.problem(400);
        let batch = format!(r#"{{"messages":[{message}]}}"#);
        assert!(pod.post("/api/v1/broadcast/batch", &batch).await.problem(400).contains("messages[0]"));
    }
    pod.post("/api/v1/broadcast", r#"{"topic":"others:\u0000","event":"e","payload":{}}"#).await.problem(400);
    pod.post("/api/v1/broadcast", r#"{"topic":"others:1","event":"e\u0000","payload":{}}"#).await.problem(400);
    // A binary push (protocol, version 2): kind 0, then the lengths of join reference, reference, topic and event.
    alice.send_binary(b"\x00\x01\x01\x06\x0312room:1msgbytes").await;
    assert_eq!(error(&mut alice).await, "binary_not_supported");
    assert_eq!(archive(&pod, "").await["messages"], json!([]));
    // Who gets no copy of its own broadcasts learns the name from the reply.
    let (mut sender, mut hearer) = (user(&pod, "alice", "others:1").await, user(&pod, "bob", "others:1").await);
    sender.send(json!(["1", "2", "others:1", "anything", { "client_message_id": null }])).await;
    let receipt = ok(&mut sender, "2").await;
    assert_eq!(heard(&mut hearer, "anything").await["id"], receipt["id"]);
    sender.assert_nothing_came().await;
}

#[tokio::test]
async fn what_back_ends_send_is_stored_too_and_read_in_pages() {
    let scratch = Scratch::new();
    let pod = with_file(&scratch, &[]).await;
    let mut alice = user(&pod, "alice", TOPIC).await;
    let message = |number: u32| json!({ "topic": TOPIC, "event": "msg", "payload": { "n": number, "user_id": "bot" } });
    let sent = pod.post("/api/v1/broadcast", &message(0).to_string()).await;
    assert_eq!((sent.status, &sent.json()["duplicate"]), (202, &json!(false)));
    let payload = heard(&mut alice, "msg").await;
    assert_eq!(
        (&payload["id"], &payload["user_id"]),
        (&sent.json()["id"], &json!("bot")),
        "a back end says whose it is"
    );
    let mut keyed = message(1);
    keyed["idempotency_key"] = json!("k");
    let other = json!({ "topic": TOPIC, "event": "other", "payload": {} });
    let batch = json!({ "messages": [keyed, other, message(2), keyed] });
    let results = pod.post("/api/v1/broadcast/batch", &batch.to_string()).await.json()["results"].clone();
    let statuses: Vec<_> = results.as_array().unwrap().iter().map(|sent| sent["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["accepted", "accepted", "accepted", "duplicate"]);
    assert_eq!((&results[0]["id"], &results[1]["id"]), (&results[3]["id"], &Value::Null));
    for (event, number) in [("msg", json!(1)), ("other", Value::Null), ("msg", json!(2))] {
        assert_eq!(heard(&mut alice, event).await["n"], number);
    }
    alice.assert_nothing_came().await;
    let first = archive(&pod, "?limit=2").await;
    let next = first["next"].as_str().unwrap();
    pod.broadcast(TOPIC, "msg", &json!({ "n": 3 })).await;
    let second = archive(&pod, &format!("?limit=2&before={next}")).await;
    let numbers = |page: &Value| -> Vec<Value> {
        page["messages"].as_array().unwrap().iter().map(|row| row["payload"]["n"].clone()).collect()
    };
    assert_eq!((numbers(&first), numbers(&second)), (vec![json!(2), json!(1)], vec![json!(0)]));
    assert_eq!((&second["next"], &second["messages"][0]["sender"]), (&Value::Null, &Value::Null));
    for query in ["limit=0", "limit=201", "before=x", "after=1"] {
        pod.get(&format!("/api/v1/topics/room:1/archive?{query}")).await.problem(400);
    }
    let without = Pod::dev().await;
    assert!(without.get("/api/v1/topics/room:1/archive").await.problem(404).contains("database.url"));
}

#[tokio::test]
async fn a_database_that_is_away_costs_only_what_it_would_store() {
    let (mut server, scratch) = (PostgresServer::start(), Scratch::new());
    assert_eq!(run(&["migrate", "--database-url", &server.url()]).await.code, Some(0));
    let pod = Pod::serve(&scratch, &settings(&server.url()), &[]).await;
    let (mut alice, mut bob) = (user(&pod, "alice", TOPIC).await, user(&pod, "bob", TOPIC).await);
    push(&mut alice, "2", "msg", json!({ "n": 1 })).await;
    heard(&mut alice, "msg").await;
    ok(&mut alice, "2").await;
    heard(&mut bob, "msg").await;
    server.stop();
    let begun = Instant::now();
    for number in 0..20 {
        push(&mut alice, "3", "msg", json!({ "n": 2, "client_message_id": format!("m{number}") })).await;
    }
    // Meanwhile others are served, and so is the rest of this one.
    push(&mut bob, "4", "typing", json!({})).await;
    heard(&mut bob, "typing").await;
    ok(&mut bob, "4").await;
    heard(&mut alice, "typing").await;
    for _ in 0..20 {
        assert_eq!(error(&mut alice).await, "unavailable");
    }
    assert!(begun.elapsed() < Duration::from_secs(3), "all of them took {:?}", begun.elapsed());
    bob.assert_nothing_came().await;
    let body = json!({ "topic": TOPIC, "event": "msg", "payload": {} }).to_string();
    assert!(pod.post("/api/v1/broadcast", &body).await.problem(503).contains("database"));
    pod.get("/api/v1/topics/room:1/archive").await.problem(503);
    assert_eq!(pod.metric("gateway_store_up", "").await, 0.0);
    server.resume();
    pod.until_metric("gateway_store_up", "", |up| up == 1.0).await;
    push(&mut alice, "5", "msg", json!({ "n": 3 })).await;
    assert_eq!(heard(&mut bob, "msg").await["n"], 3, "what failed comes from nowhere");
    heard(&mut alice, "msg").await;
    ok(&mut alice, "5").await;
    assert_eq!(archive(&pod, "").await["messages"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_was_stored_while_redis_was_away_is_broadcast_when_it_is_pushed_again() {
    let (mut redis, scratch) = (RedisServer::start(), Scratch::new());
    let pod = with_file(&scratch, &["--redis-url", &redis.url()]).await;
    pod.until_readyz(200).await;
    let (mut alice, mut bob) = (user(&pod, "alice", TOPIC).await, user(&pod, "bob", TOPIC).await);
    redis.crash();
    let named = json!({ "body": "hello", "client_message_id": "m-1" });
    push(&mut alice, "2", "msg", named.clone()).await;
    assert_eq!(error(&mut alice).await, "unavailable");
    let stored = archive(&pod, "").await;
    assert_eq!(stored["messages"].as_array().unwrap().len(), 1, "it is stored, and nobody has heard it");
    redis.resume();
    pod.until_metric("gateway_redis_up", "", |up| up == 1.0).await;
    bob.assert_nothing_came().await;
    for reference in ["3", "4"] {
        push(&mut alice, reference, "msg", named.clone()).await;
        if reference == "3" {
            heard(&mut alice, "msg").await;
        }
        assert_eq!(ok(&mut alice, reference).await["id"], stored["messages"][0]["id"]);
    }
    assert_eq!(heard(&mut bob, "msg").await, stored["messages"][0]["payload"]);
    bob.assert_nothing_came().await;
    assert_eq!(archive(&pod, "").await["messages"].as_array().unwrap().len(), 1);
}
