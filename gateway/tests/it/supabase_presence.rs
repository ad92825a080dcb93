//! Presence of Supabase's dialect (protocol 8.5).

use serde_json::{Value, json};

use crate::support::supabase::{
    access_token, ask_to_join, connect, error, join, join_with, supabase_gateway, system_error,
};
use crate::support::{Client, TestGateway, ok, phx_close};

const TOPIC: &str = "realtime:room1";

/// Joined as somebody who is told of the others; what is there already.
async fn present(gateway: &TestGateway, key: &str) -> (Client, Value) {
    let mut client = connect(gateway).await;
    join(&mut client, TOPIC, json!({ "presence": { "key": key, "enabled": true } })).await;
    let state = client.next().await;
    assert_eq!(json!([state[0], state[1], state[2], state[3]]), json!(["1", null, TOPIC, "presence_state"]), "{state}");
    (client, state[4].clone())
}

async fn ask(client: &mut Client, reference: &str, payload: Value) {
    client.send(json!(["1", reference, TOPIC, "presence", payload])).await;
}

/// The frames that come next are the answer and a diff, in whichever order: the diff.
async fn done(client: &mut Client, reference: &str) -> Value {
    let mut diff = None;
    let mut answered = false;
    while diff.is_none() || !answered {
        let frame = client.next().await;
        match frame[3].as_str() {
            Some("phx_reply") => {
                assert_eq!(frame, ok("1", reference, TOPIC));
                answered = true;
            }
            Some("presence_diff") => {
                assert_eq!((&frame[0], &frame[1]), (&Value::Null, &Value::Null), "{frame}");
                diff = Some(frame[4].clone());
            }
            _ => panic!("{frame}"),
        }
    }
    diff.unwrap()
}

#[tokio::test]
async fn row_272_the_state_comes_only_to_who_wants_it() {
    let gateway = supabase_gateway().await;
    let (mut alice, state) = present(&gateway, "alice").await;
    assert_eq!(state, json!({}));
    ask(&mut alice, "2", json!({ "type": "presence", "event": "track", "payload": { "a": 1 } })).await;
    done(&mut alice, "2").await;
    let (_bob, state) = present(&gateway, "bob").await;
    assert_eq!(state["alice"]["metas"][0]["a"], 1);
    let mut carol = connect(&gateway).await;
    join(&mut carol, TOPIC, json!({ "presence": { "enabled": false } })).await;
    carol.assert_nothing_came().await;
}

#[tokio::test]
async fn row_273_track_is_answered_and_shown_whatever_the_case_of_its_name() {
    let gateway = supabase_gateway().await;
    let (mut alice, _) = present(&gateway, "alice").await;
    let (mut bob, _) = present(&gateway, "bob").await;
    ask(&mut alice, "2", json!({ "type": "presence", "event": "TRACK", "payload": { "name": "Alice", "n": [1] } }))
        .await;
    let diff = done(&mut alice, "2").await;
    let meta = &diff["joins"]["alice"]["metas"][0];
    assert!(meta["phx_ref"].is_string(), "{diff}");
    assert_eq!((&meta["name"], &meta["n"], meta.as_object().unwrap().len()), (&json!("Alice"), &json!([1]), 3));
    assert_eq!(diff["leaves"], json!({}));
    assert_eq!(bob.next().await[4], diff);
}

#[tokio::test]
async fn row_274_track_turns_presence_on() {
    let gateway = supabase_gateway().await;
    let (mut alice, _) = present(&gateway, "alice").await;
    ask(&mut alice, "2", json!({ "event": "track" })).await;
    done(&mut alice, "2").await;
    let mut bob = connect(&gateway).await;
    join(&mut bob, TOPIC, json!({ "presence": { "key": "bob", "enabled": false } })).await;
    ask(&mut bob, "3", json!({ "event": "track", "payload": { "b": 1 } })).await;
    let (mut state, mut diff, mut answered) = (Value::Null, Value::Null, false);
    while state.is_null() || diff.is_null() || !answered {
        let frame = bob.next().await;
        match frame[3].as_str() {
            Some("presence_state") => {
                assert!(answered, "the answer comes first: {frame}");
                state = frame[4].clone();
            }
            Some("presence_diff") => diff = frame[4].clone(),
            _ => answered = frame == ok("1", "3", TOPIC),
        }
    }
    assert!(state["alice"].is_object(), "{state}");
    assert_eq!(diff["joins"]["bob"]["metas"][0]["b"], 1);
}

#[tokio::test]
async fn row_275_the_same_again_is_no_diff_and_another_is_one() {
    let gateway = supabase_gateway().await;
    let (mut alice, _) = present(&gateway, "alice").await;
    ask(&mut alice, "2", json!({ "event": "track", "payload": { "a": 1, "b": 2 } })).await;
    let first = done(&mut alice, "2").await["joins"]["alice"]["metas"][0]["phx_ref"].clone();
    ask(&mut alice, "3", json!({ "event": "track", "payload": { "b": 2, "a": 1 } })).await;
    assert_eq!(alice.next().await, ok("1", "3", TOPIC));
    ask(&mut alice, "4", json!({ "event": "track", "payload": { "a": 2 } })).await;
    let diff = done(&mut alice, "4").await;
    assert_eq!(diff["leaves"]["alice"]["metas"][0]["phx_ref"], first);
    let meta = &diff["joins"]["alice"]["metas"][0];
    assert_eq!((&meta["a"], &meta["phx_ref_prev"]), (&json!(2), &first));
    alice.assert_nothing_came().await;
}

#[tokio::test]
async fn row_276_untrack_is_answered_and_shown() {
    let gateway = supabase_gateway().await;
    let (mut alice, _) = present(&gateway, "alice").await;
    ask(&mut alice, "2", json!({ "event": "untrack" })).await;
    assert_eq!(alice.next().await, ok("1", "2", TOPIC));
    ask(&mut alice, "3", json!({ "event": "track" })).await;
    done(&mut alice, "3").await;
    ask(&mut alice, "4", json!({ "type": "presence", "event": "untrack" })).await;
    let diff = done(&mut alice, "4").await;
    assert!(diff["leaves"]["alice"].is_object() && diff["joins"] == json!({}), "{diff}");
    // And shown again, under the same key.
    ask(&mut alice, "5", json!({ "event": "track" })).await;
    assert!(done(&mut alice, "5").await["joins"]["alice"].is_object());
}

#[tokio::test]
async fn row_277_each_channel_without_a_key_has_one_of_its_own() {
    let gateway = supabase_gateway().await;
    let (mut alice, _) = present(&gateway, "").await;
    let (mut bob, _) = present(&gateway, "").await;
    let key = |diff: &Value| diff["joins"].as_object().unwrap().keys().next().unwrap().clone();
    ask(&mut alice, "2", json!({ "event": "track" })).await;
    let of_alice = key(&done(&mut alice, "2").await);
    bob.next().await;
    ask(&mut bob, "2", json!({ "event": "track" })).await;
    let of_bob = key(&done(&mut bob, "2").await);
    assert_ne!(of_alice, of_bob);
    assert_eq!((of_alice.len(), of_bob.len()), (36, 36));
}

#[tokio::test]
async fn odd_requests_have_supabase_s_answers() {
    let gateway = supabase_gateway().await;
    let (mut alice, _) = present(&gateway, "alice").await;
    let nothing = json!({ "status": "error", "response": {} });
    for (reference, payload, answer) in [
        ("2", json!({ "type": "presence" }), json!({ "status": "ok", "response": {} })),
        ("3", json!({ "event": "track", "payload": [] }), error("Presence track payload must be a map")),
        ("4", json!({ "event": "fly" }), nothing.clone()),
        ("5", json!({ "event": null }), nothing),
    ] {
        ask(&mut alice, reference, payload).await;
        assert_eq!(alice.next().await, json!(["1", reference, TOPIC, "phx_reply", answer]));
    }
    let mut client = connect(&gateway).await;
    for key in ["ids", "constructor", "__proto__", "toString"] {
        let reply = ask_to_join(&mut client, TOPIC, json!({ "config": { "presence": { "key": key } } })).await;
        assert_eq!(reply, error("InvalidPresenceKey: The presence key is reserved or longer than 1024 bytes"));
    }
    join(&mut client, "realtime:mute", json!({ "presence": { "enabled": true } })).await;
    client.send(json!(["1", "2", "realtime:mute", "presence", { "event": "track" }])).await;
    assert_eq!(client.next().await[4], error("presence_disabled"));
}

#[tokio::test]
async fn six_changes_in_half_a_minute_end_the_topic() {
    let gateway = supabase_gateway().await;
    let (mut alice, _) = present(&gateway, "alice").await;
    for number in 0..5 {
        let reference = number.to_string();
        ask(&mut alice, &reference, json!({ "event": "track", "payload": { "n": number } })).await;
        done(&mut alice, &reference).await;
    }
    let (_bob, state) = present(&gateway, "bob").await;
    assert!(state["alice"].is_object());
    ask(&mut alice, "6", json!({ "event": "untrack" })).await;
    assert_eq!(alice.next().await, system_error("room1", "Client presence rate limit exceeded"));
    assert_eq!(alice.next().await, phx_close("1", TOPIC));
}

#[tokio::test]
async fn to_be_shown_in_a_private_topic_is_a_right_of_its_own() {
    let gateway = supabase_gateway().await;
    let token = |may: Value| access_token("a", json!([{ "topic": TOPIC, "may": may }]), 600);
    let member = async |may: Value, key: &str| {
        let mut client = connect(&gateway).await;
        let config = json!({ "private": true, "presence": { "key": key, "enabled": true } });
        join_with(&mut client, TOPIC, json!({ "config": config, "access_token": token(may) })).await;
        assert_eq!(client.next().await[3], "presence_state");
        client
    };
    let (mut reader, mut alice) =
        (member(json!(["join"]), "reader").await, member(json!(["join", "presence"]), "alice").await);
    let (mut public, _) = present(&gateway, "public").await;
    ask(&mut reader, "2", json!({ "event": "track" })).await;
    assert_eq!(reader.next().await[4], json!({ "status": "error", "response": {} }));
    ask(&mut alice, "2", json!({ "event": "track" })).await;
    let diff = done(&mut alice, "2").await;
    assert_eq!(reader.next().await, json!([null, null, TOPIC, "presence_diff", diff]));
    // Who loses the right is not shown any more.
    let lost = token(json!(["join"]));
    alice.send(json!(["1", "3", TOPIC, "access_token", { "access_token": lost }])).await;
    assert!(reader.next().await[4]["leaves"]["alice"].is_object());
    public.assert_nothing_came().await;
}
