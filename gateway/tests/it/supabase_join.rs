//! Joins of Supabase's dialect (protocol 8.3).

use serde_json::{Value, json};

use crate::support::supabase::{
    access_token, anon_key, ask_to_join, connect, connect_v1, error, join, join_with, quiet, supabase_gateway,
    supabase_gateway_with,
};
use crate::support::tokens::{good, now};

#[tokio::test]
async fn row_271_a_join_is_answered_with_no_changes() {
    let gateway = supabase_gateway().await;
    let mut client = connect(&gateway).await;
    // As realtime-js sends it.
    let config = r#"{"broadcast":{"self":true,"ack":true},"presence":{"key":"u1","enabled":false},"postgres_changes":[],"private":false}"#;
    let frame =
        format!(r#"["6","6","realtime:room1","phx_join",{{"config":{config},"access_token":"{}"}}]"#, anon_key());
    client.send_text(&frame).await;
    let reply = r#"["6","6","realtime:room1","phx_reply",{"status":"ok","response":{"postgres_changes":[]}}]"#;
    assert_eq!(client.next_text().await, reply);
    // Of before there was a config.
    client.send(json!(["7", "7", "realtime:room2", "phx_join", {}])).await;
    assert_eq!(client.next().await[4], json!({ "status": "ok", "response": { "postgres_changes": [] } }));
}

#[tokio::test]
async fn row_306_version_1_gets_its_four_keys() {
    let gateway = supabase_gateway().await;
    let mut client = connect_v1(&gateway).await;
    // As realtime-py sends it.
    let config = quiet(json!({ "broadcast": { "self": true }, "presence": { "key": "", "enabled": true } }));
    let payload = json!({ "config": config, "access_token": anon_key() });
    client
        .send(json!({ "topic": "realtime:a", "event": "phx_join", "payload": payload, "ref": "1", "join_ref": "1" }))
        .await;
    let reply = json!({ "status": "ok", "response": { "postgres_changes": [] } });
    assert_eq!(
        client.next().await,
        json!({ "topic": "realtime:a", "event": "phx_reply", "payload": reply, "ref": "1" })
    );
    let state = json!({ "topic": "realtime:a", "event": "presence_state", "payload": {}, "ref": null });
    assert_eq!(client.next().await, state);
    let spoken = json!({ "type": "broadcast", "event": "e", "payload": { "n": 1 } });
    client
        .send(json!({ "topic": "realtime:a", "event": "broadcast", "payload": spoken, "ref": "2", "join_ref": "1" }))
        .await;
    assert_eq!(
        client.next().await,
        json!({ "topic": "realtime:a", "event": "broadcast", "payload": spoken, "ref": null })
    );
    client.send(json!({ "topic": "phoenix", "event": "heartbeat", "payload": {}, "ref": null })).await;
    let reply = json!({ "status": "ok", "response": {} });
    assert_eq!(client.next().await, json!({ "topic": "phoenix", "event": "phx_reply", "payload": reply, "ref": null }));
}

#[tokio::test]
async fn row_288_an_empty_topic_is_refused() {
    let gateway = supabase_gateway().await;
    let reply = ask_to_join(&mut connect(&gateway).await, "realtime:", json!({})).await;
    assert_eq!(reply, error("TopicNameRequired: You must provide a topic name"));
}

#[tokio::test]
async fn row_308_postgres_changes_are_refused_with_a_reason() {
    let gateway = supabase_gateway().await;
    let mut client = connect(&gateway).await;
    let change = json!({ "event": "*", "schema": "public", "table": "t" });
    let reply = ask_to_join(&mut client, "realtime:a", json!({ "config": { "postgres_changes": [change] } })).await;
    let text = "PostgresChangesNotSupported: This server offers Broadcast and Presence, but no Postgres changes";
    assert_eq!(reply, error(text));
    join(&mut client, "realtime:a", json!({ "postgres_changes": null })).await;
}

/// The config of a join is read as far as it can be.
#[tokio::test]
async fn an_odd_config_is_one_that_says_nothing() {
    let gateway = supabase_gateway().await;
    let mut client = connect(&gateway).await;
    for (number, params) in [
        json!({ "config": { "broadcast": "x", "private": {}, "presence": { "enabled": "FALSE" } } }),
        json!({ "config": { "broadcast": { "self": 7 }, "postgres_changes": [null], "presence": { "enabled": null } } }),
        json!({ "config": { "presence": { "key": {} }, "unknown": 1 }, "version": "realtime-js/2" }),
    ]
    .into_iter()
    .enumerate()
    {
        join_with(&mut client, &format!("realtime:{number}"), params).await;
        client.assert_nothing_came().await;
    }
}

#[tokio::test]
async fn a_bad_token_of_a_join_is_refused_and_a_key_is_none() {
    let gateway = supabase_gateway().await;
    let mut client = connect(&gateway).await;
    let expired = good(&json!({ "role": "authenticated", "exp": now() - 60 }));
    let nobody = good(&json!({ "sub": "u", "exp": now() + 60 }));
    for (token, reason) in [
        ("a.b.c", "MalformedJWT: The token provided is not a valid JWT"),
        (&expired, "InvalidJWTToken: Token has expired"),
        (&nobody, "InvalidJWTToken: Fields `role` and `exp` are required in JWT"),
    ] {
        let reply = ask_to_join(&mut client, "realtime:a", json!({ "access_token": token })).await;
        assert_eq!(reply, error(reason));
    }
    join_with(&mut client, "realtime:a", json!({ "access_token": "sb_publishable_x", "config": quiet(json!({})) }))
        .await;
}

#[tokio::test]
async fn public_topics_follow_the_rule_of_their_pattern() {
    let gateway = supabase_gateway().await;
    let mut client = connect(&gateway).await;
    let reply = ask_to_join(&mut client, "realtime:known", json!({})).await;
    assert_eq!(reply, error("Unauthorized: You do not have permissions to read from this Channel topic: known"));
    let user = access_token("alice", json!([]), 60);
    join_with(&mut client, "realtime:known", json!({ "access_token": user, "config": quiet(json!({})) })).await;
    let granted = access_token("alice", json!(["realtime:only"]), 60);
    let reply = ask_to_join(&mut client, "realtime:only", json!({ "access_token": granted })).await;
    assert_eq!(reply, error("PrivateOnly: This project only allows private channels"));
    let private = quiet(json!({ "private": true }));
    join_with(&mut client, "realtime:only", json!({ "access_token": granted, "config": private })).await;
}

#[tokio::test]
async fn row_292_replay_of_a_public_topic_is_refused() {
    let gateway = supabase_gateway().await;
    let mut client = connect(&gateway).await;
    let config = json!({ "broadcast": { "replay": { "since": 0, "limit": 5 } } });
    let reply = ask_to_join(&mut client, "realtime:kept", json!({ "config": config })).await;
    assert_eq!(reply, error("UnableToReplayMessages: Replay is not allowed for public channels"));
}

#[tokio::test]
async fn row_295_too_many_channels_are_refused_in_supabase_s_words() {
    let gateway = supabase_gateway_with("").await;
    let mut client = connect(&gateway).await;
    for number in 0..100 {
        join(&mut client, &format!("realtime:{number}"), json!({})).await;
    }
    let reply = ask_to_join(&mut client, "realtime:one-more", json!({})).await;
    assert_eq!(reply, error("ChannelRateLimitReached: Too many channels"));
    client.send(json!(["1", "9", "realtime:7", "phx_leave", {}])).await;
    assert_eq!(client.next().await[4]["status"], "ok");
    assert_eq!(client.next().await[3], "phx_close");
    join(&mut client, "realtime:one-more", json!({})).await;
}

#[tokio::test]
async fn row_297_too_many_joins_are_answered_and_the_socket_closes() {
    let gateway = supabase_gateway_with("[limits]\njoins_per_second = 1\n").await;
    let mut client = connect(&gateway).await;
    // As many as a client may have topics come at once.
    for _ in 0..100 {
        let reply = ask_to_join(&mut client, "realtime:", json!({})).await;
        assert_eq!(reply["status"], "error");
    }
    let mut reply = Value::Null;
    // The bucket fills while it is emptied.
    for _ in 0..20 {
        reply = ask_to_join(&mut client, "realtime:", json!({})).await;
        if reply != error("TopicNameRequired: You must provide a topic name") {
            break;
        }
    }
    assert_eq!(reply, error("ClientJoinRateLimitReached: Too many joins per second"));
    assert_eq!(client.closed().await, Some(1001));
}
