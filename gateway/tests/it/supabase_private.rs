//! Private topics of Supabase's dialect: who may, by which token, and until when (protocol 8.2, 8.6).

use serde_json::{Value, json};

use crate::support::supabase::{
    access_token, ask_to_join, connect, error, join, join_with, quiet, supabase_gateway, system_error,
};
use crate::support::tokens::{good, now};
use crate::support::{Client, TestGateway, ok, phx_close};

const TOPIC: &str = "realtime:room1";

/// A member of the private topic by a token.
async fn member(gateway: &TestGateway, token: &str, broadcast: Value) -> Client {
    let mut client = connect(gateway).await;
    let config = quiet(json!({ "private": true, "broadcast": broadcast }));
    join_with(&mut client, TOPIC, json!({ "config": config, "access_token": token })).await;
    client
}

fn may(rights: impl Into<Value>) -> String {
    let rights: Value = rights.into();
    access_token("alice", json!([{ "topic": "realtime:room*", "may": rights }]), 600)
}

async fn say(client: &mut Client, event: &str) {
    client.send(json!(["1", event, TOPIC, "broadcast", { "event": event }])).await;
}

fn heard(event: &str) -> Value {
    json!([null, null, TOPIC, "broadcast", { "event": event }])
}

#[tokio::test]
async fn row_286_a_private_topic_and_the_public_one_of_its_name_are_two() {
    let gateway = supabase_gateway().await;
    let all = may(json!(["join", "broadcast"]));
    let (mut alice, mut bob) =
        (member(&gateway, &all, json!({ "ack": true })).await, member(&gateway, &all, json!({})).await);
    let mut public = connect(&gateway).await;
    join(&mut public, TOPIC, json!({ "broadcast": { "ack": true } })).await;
    say(&mut alice, "secret").await;
    assert_eq!(alice.next().await, ok("1", "secret", TOPIC));
    assert_eq!(bob.next().await, heard("secret"));
    say(&mut public, "open").await;
    assert_eq!(public.next().await, ok("1", "open", TOPIC));
    for client in [&mut public, &mut alice, &mut bob] {
        client.assert_nothing_came().await;
    }
    // The binary frames of both have one name, too.
    alice.send_binary(b"\x03\x01\x01\x0e\x01\x00\x0018realtime:room1ex").await;
    assert_eq!(bob.next_binary().await, b"\x04\x0e\x01\x00\x00realtime:room1ex");
    public.assert_nothing_came().await;
}

#[tokio::test]
async fn row_287_who_may_not_read_is_not_let_in() {
    let gateway = supabase_gateway().await;
    let mut client = connect(&gateway).await;
    let reason = error("Unauthorized: You do not have permissions to read from this Channel topic: room1");
    let private = json!({ "private": true });
    assert_eq!(ask_to_join(&mut client, TOPIC, json!({ "config": private })).await, reason, "by its key alone");
    for token in [access_token("a", json!([]), 60), may(json!(["broadcast", "presence"])), may(json!([]))] {
        let params = json!({ "config": private, "access_token": token });
        assert_eq!(ask_to_join(&mut client, TOPIC, params).await, reason);
    }
}

#[tokio::test]
async fn who_may_not_write_is_neither_heard_nor_told_so() {
    let gateway = supabase_gateway().await;
    let mut alice = member(&gateway, &may(json!(["join"])), json!({ "ack": true, "self": true })).await;
    let mut bob = member(&gateway, &may(json!(["join", "broadcast"])), json!({})).await;
    say(&mut alice, "quiet").await;
    alice.assert_nothing_came().await;
    say(&mut bob, "loud").await;
    assert_eq!(alice.next().await, heard("loud"));
    bob.assert_nothing_came().await;
}

async fn renew(client: &mut Client, token: Value) {
    client.send(json!(["1", "9", TOPIC, "access_token", { "access_token": token }])).await;
}

/// Asserts that the topic was ended with a message.
async fn shut_down(client: &mut Client, message: &str) {
    assert_eq!(client.next().await, system_error("room1", message));
    assert_eq!(client.next().await, phx_close("1", TOPIC));
    client.assert_nothing_came().await;
}

#[tokio::test]
async fn row_293_a_bad_access_token_ends_the_topic_with_a_reason() {
    let gateway = supabase_gateway().await;
    let expired = good(&json!({ "role": "authenticated", "sub": "alice", "exp": now() - 60 }));
    let nobody = good(&json!({ "sub": "alice", "exp": now() + 60 }));
    for (token, message) in [
        (json!("a.b.c"), "The token provided is not a valid JWT"),
        (json!(""), "The token provided is not a valid JWT"),
        (json!(expired), "Token has expired"),
        (json!(nobody), "Fields `role` and `exp` are required in JWT"),
        (
            json!(access_token("alice", json!([]), 60)),
            "You no longer have permission to read from this Channel topic: room1",
        ),
    ] {
        let mut client = member(&gateway, &may(json!(["join"])), json!({})).await;
        renew(&mut client, token).await;
        shut_down(&mut client, message).await;
    }
}

#[tokio::test]
async fn row_294_keys_null_and_the_same_token_are_overlooked() {
    let gateway = supabase_gateway().await;
    let token = may(json!(["join"]));
    let mut client = member(&gateway, &token, json!({})).await;
    for odd in [json!(token), json!(null), json!("sb_publishable_1"), json!(7), json!({})] {
        renew(&mut client, odd).await;
    }
    client.send(json!(["1", "9", TOPIC, "access_token", {}])).await;
    client.send(json!(["1", "9", TOPIC, "access_token", "x"])).await;
    client.assert_nothing_came().await;
}

#[tokio::test]
async fn a_new_token_gives_and_takes_rights_without_an_answer() {
    let gateway = supabase_gateway().await;
    let mut alice = member(&gateway, &may(json!(["join"])), json!({ "ack": true })).await;
    let mut bob = member(&gateway, &may(json!(["join"])), json!({})).await;
    renew(&mut alice, json!(may(json!(["join", "broadcast"])))).await;
    say(&mut alice, "now").await;
    assert_eq!(alice.next().await, ok("1", "now", TOPIC));
    assert_eq!(bob.next().await, heard("now"));
    renew(&mut alice, json!(access_token("carol", json!([{ "topic": TOPIC, "may": ["join"] }]), 60))).await;
    say(&mut alice, "never").await;
    alice.assert_nothing_came().await;
    bob.assert_nothing_came().await;
}

#[tokio::test]
async fn a_topic_ends_with_its_token_and_the_connection_stays() {
    let gateway = supabase_gateway().await;
    let short = |grants: Value| access_token("alice", grants, 2);
    let mut client = connect(&gateway).await;
    let params = json!({ "config": quiet(json!({ "private": true })), "access_token": short(json!([TOPIC])) });
    join_with(&mut client, TOPIC, params).await;
    assert_eq!(client.next().await, system_error("room1", "Token has expired"));
    assert_eq!(client.next().await, phx_close("1", TOPIC));
    join(&mut client, TOPIC, json!({})).await;
    // One that is renewed in time goes on.
    let mut renewed = member(&gateway, &short(json!([TOPIC])), json!({})).await;
    renew(&mut renewed, json!(may(json!(["join"])))).await;
    let mut forgotten = member(&gateway, &short(json!([TOPIC])), json!({})).await;
    shut_down(&mut forgotten, "Token has expired").await;
    renewed.assert_nothing_came().await;
}

/// A member of the private topic with history.
async fn replayed(gateway: &TestGateway, replay: Value) -> Client {
    let mut client = connect(gateway).await;
    let config = quiet(json!({ "private": true, "broadcast": { "self": true, "replay": replay } }));
    let token = access_token("alice", json!(["realtime:kept"]), 600);
    join_with(&mut client, "realtime:kept", json!({ "config": config, "access_token": token })).await;
    client
}

#[tokio::test]
async fn row_291_messages_of_before_come_after_the_join_oldest_first() {
    let gateway = supabase_gateway().await;
    let topic = "realtime:kept";
    let mut alice = replayed(&gateway, Value::Null).await;
    let mut said = Vec::new();
    for (number, event) in ["a", "b", "c"].into_iter().enumerate() {
        if event == "b" {
            alice.send_binary(b"\x03\x01\x01\x0d\x01\x00\x0118realtime:keptb{\"n\":1}").await;
        } else {
            alice.send(json!(["1", "2", topic, "broadcast", { "event": event, "payload": { "n": number } }])).await;
        }
        let heard = alice.next().await;
        let id = &heard[4]["meta"]["id"];
        assert_eq!(
            heard[4],
            json!({ "type": "broadcast", "event": event, "payload": { "n": number }, "meta": { "id": id } })
        );
        let meta = json!({ "id": id, "replayed": true });
        let again = json!({ "type": "broadcast", "event": event, "payload": { "n": number }, "meta": meta });
        said.push(json!(["1", null, topic, "broadcast", again]));
    }
    let mut all = replayed(&gateway, json!({ "since": (now() - 60) * 1000 })).await;
    let mut last = replayed(&gateway, json!({ "since": 0, "limit": 2 })).await;
    let mut later = replayed(&gateway, json!({ "since": (now() + 60) * 1000 })).await;
    for message in &said {
        assert_eq!(all.next().await, *message);
    }
    for message in &said[1..] {
        assert_eq!(last.next().await, *message);
    }
    for client in [&mut all, &mut last, &mut later] {
        client.assert_nothing_came().await;
    }
}

#[tokio::test]
async fn replay_that_cannot_be_had_is_refused() {
    let gateway = supabase_gateway().await;
    let mut client = connect(&gateway).await;
    let token = access_token("alice", json!(["realtime:*"]), 600);
    for (topic, replay, reason) in [
        ("realtime:kept", json!({ "since": "yesterday" }), "Replay params are not valid"),
        ("realtime:room1", json!({ "since": 0 }), "This topic keeps no messages"),
    ] {
        let config = json!({ "private": true, "broadcast": { "replay": replay } });
        let reply = ask_to_join(&mut client, topic, json!({ "config": config, "access_token": token })).await;
        assert_eq!(reply, error(&format!("UnableToReplayMessages: {reason}")));
    }
}
