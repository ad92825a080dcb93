//! What the clients of a configuration may do by their tokens, and what a renewal changes.

use serde_json::{Value, json};

use crate::support::tokens::{SECRET, good, now, token_of};
use crate::support::{Client, Handshake, Member, TestGateway, phx_close};

async fn gateway() -> TestGateway {
    TestGateway::configured(&format!(
        r#"
        [socket]
        id = "user:{{sub}}"
        [auth]
        required = false
        hs256_secret = "{SECRET}"
        [[channel]]
        topic = "open:*"
        join = "open"
        presence = true
        [[channel]]
        topic = "known:*"
        join = "authenticated"
        presence = true
        [[channel]]
        topic = "team:*"
        join = "granted"
        presence = true
        "#
    ))
    .await
}

async fn connect(gateway: &TestGateway, token: &str) -> Client {
    gateway.connect_to(&format!("/socket/websocket?vsn=2.0.0&token={token}&user_id=mallory&sub=mallory")).await
}

fn error(reason: &str) -> Value {
    json!({ "status": "error", "response": { "reason": reason } })
}

/// The status of a join, and the reason if it is refused.
async fn try_join(client: &mut Client, topic: &str) -> (String, Value) {
    client.send(json!(["9", "9", topic, "phx_join", {}])).await;
    let reply = client.next().await;
    assert_eq!(reply[3], "phx_reply", "{reply}");
    (reply[4]["status"].as_str().unwrap().to_owned(), reply[4]["response"]["reason"].clone())
}

#[tokio::test]
async fn each_rule_lets_in_whom_it_says() {
    let gateway = gateway().await;
    let anonymous = "/socket/websocket?vsn=2.0.0&user_id=alice&sub=alice".to_owned();
    let path = |token: &str| format!("/socket/websocket?vsn=2.0.0&token={token}");
    let plain = path(&good(&json!({ "sub": "alice", "exp": now() + 3600 })));
    let granted = path(&token_of("alice", json!(["team:a", { "topic": "team:b", "may": ["broadcast", "presence"] }])));
    for (client, topic, joins) in [
        (&anonymous, "open:1", true),
        (&anonymous, "known:1", false),
        (&anonymous, "team:a", false),
        (&plain, "open:1", true),
        (&plain, "known:1", true),
        (&plain, "team:a", false),
        (&granted, "known:1", true),
        (&granted, "team:a", true),
        (&granted, "team:b", false),
        (&granted, "team:ab", false),
    ] {
        let mut client = gateway.connect_to(client).await.overlooking_presence();
        let expected = if joins { ("ok".to_owned(), Value::Null) } else { ("error".to_owned(), json!("unauthorized")) };
        assert_eq!(try_join(&mut client, topic).await, expected, "{topic}");
    }
    // A bad token does not make anybody anonymous.
    assert_eq!(Handshake::to(&path("alice")).send(gateway.public()).await.status, 403);
}

#[tokio::test]
async fn to_join_to_broadcast_and_to_be_shown_are_rights_of_their_own() {
    let gateway = gateway().await;
    let all = token_of("alice", json!(["team:*"]));
    let join = token_of("bob", json!([{ "topic": "team:*", "may": ["join"] }]));
    let mut alice = Member::join(connect(&gateway, &all).await, "team:1", json!({})).await;
    alice.shows(&["alice"]).await;
    let mut bob = Member::join(connect(&gateway, &join).await, "team:1", json!({ "user_id": "alice" })).await;
    bob.shows(&["alice"]).await;
    assert_eq!(bob.push("say", json!({})).await, error("forbidden"));
    for operation in ["track", "update", "untrack"] {
        let payload = json!({ "event": operation, "payload": {} });
        assert_eq!(bob.push("presence", payload).await, error("forbidden"), "{operation}");
    }
    // Bob hears, and is not shown: what comes after him shows that he never was.
    assert_eq!(alice.push("say", json!({ "n": 1 })).await, json!({ "status": "ok", "response": {} }));
    assert_eq!(bob.next().await, json!([null, null, "team:1", "say", { "n": 1 }]));
    let carol = token_of("carol", json!(["team:1"]));
    let _carol = Member::join(connect(&gateway, &carol).await, "team:1", json!({})).await;
    assert_eq!(alice.diff().await["joins"].as_object().unwrap().keys().collect::<Vec<_>>(), ["carol"]);
}

#[tokio::test]
async fn presence_and_socket_id_are_of_the_token_whatever_the_params_say() {
    let gateway = gateway().await;
    let token = token_of("alice", json!([]));
    for topic in ["open:1", "known:1"] {
        let mut alice = Member::join(connect(&gateway, &token).await, topic, json!({ "user_id": "mallory" })).await;
        alice.shows(&["alice"]).await;
    }
    let mut alice = connect(&gateway, &token).await;
    let mut anonymous = gateway.connect_to("/socket/websocket?vsn=2.0.0&sub=alice").await;
    gateway.endpoint().disconnect("user:mallory").await.unwrap();
    alice.assert_nothing_came().await;
    gateway.endpoint().disconnect("user:alice").await.unwrap();
    assert_eq!(alice.closed().await, Some(1001));
    anonymous.assert_nothing_came().await;
}

#[tokio::test]
async fn a_renewal_ends_the_topics_that_are_not_granted_any_more() {
    let gateway = gateway().await;
    let mut client = connect(&gateway, &token_of("alice", json!(["team:a", "team:b"]))).await.overlooking_presence();
    client.join("1", "team:a").await;
    client.join("2", "team:b").await;
    client.join("3", "known:1").await;
    let renewal = json!({ "access_token": token_of("alice", json!(["team:b", "team:c"])) });
    // On any topic: here on one that goes.
    client.send(json!(["1", "4", "team:a", "access_token", renewal])).await;
    assert_eq!(client.next().await, json!(["1", "4", "team:a", "phx_reply", { "status": "ok", "response": {} }]));
    assert_eq!(client.next().await, phx_close("1", "team:a"));
    assert_eq!(try_join(&mut client, "team:a").await, ("error".to_owned(), json!("unauthorized")));
    for (join_ref, topic) in [("2", "team:b"), ("3", "known:1")] {
        client.send(json!([join_ref, "5", topic, "say", {}])).await;
        assert_eq!(client.next().await, json!([null, null, topic, "say", {}]));
        assert_eq!(client.next().await[4]["status"], "ok", "{topic}");
    }
    assert_eq!(try_join(&mut client, "team:c").await.0, "ok");
}

#[tokio::test]
async fn a_renewal_takes_and_gives_the_other_rights_too() {
    let gateway = gateway().await;
    let may = |rights: Value| json!({ "access_token": token_of("bob", json!([{ "topic": "team:1", "may": rights }])) });
    let mut alice =
        Member::join(connect(&gateway, &token_of("alice", json!(["team:*"]))).await, "team:1", json!({})).await;
    let mut bob = Member::join(connect(&gateway, &token_of("bob", json!(["team:*"]))).await, "team:1", json!({})).await;
    alice.shows(&["alice", "bob"]).await;
    let ok = json!({ "status": "ok", "response": {} });
    assert_eq!(bob.push("access_token", may(json!(["join"]))).await, ok);
    alice.shows(&["alice"]).await;
    assert_eq!(bob.push("say", json!({})).await, error("forbidden"));
    assert_eq!(bob.push("access_token", may(json!(["join", "broadcast", "presence"]))).await, ok);
    bob.presence("track", json!({})).await;
    alice.shows(&["alice", "bob"]).await;
    assert_eq!(bob.push("say", json!({})).await, ok);
}

#[tokio::test]
async fn a_renewal_that_is_refused_changes_nothing() {
    let gateway = gateway().await;
    let mut client = connect(&gateway, &token_of("alice", json!(["team:a"]))).await.overlooking_presence();
    client.join("1", "team:a").await;
    let token = |sub: &str, exp: i64| json!({ "access_token": good(&json!({ "sub": sub, "exp": exp })) });
    for (payload, reason) in [
        (token("bob", now() + 3600), "unauthorized"),
        (token("Alice", now() + 3600), "unauthorized"),
        (token("alice", now() - 3600), "unauthorized"),
        (json!({ "access_token": "" }), "unauthorized"),
        (json!({ "access_token": "a.b.c" }), "unauthorized"),
        (json!({ "access_token": null }), "invalid_payload"),
        (json!({ "token": "a.b.c" }), "invalid_payload"),
        (json!("a.b.c"), "invalid_payload"),
    ] {
        client.send(json!(["1", "2", "team:a", "access_token", payload])).await;
        assert_eq!(client.next().await, json!(["1", "2", "team:a", "phx_reply", error(reason)]), "{payload}");
    }
    client.send(json!(["1", "3", "team:a", "say", {}])).await;
    assert_eq!(client.next().await[3], "say");
    // Who has come as nobody stays nobody.
    let mut anonymous = gateway.connect().await.overlooking_presence();
    anonymous.join("1", "open:1").await;
    anonymous.send(json!(["1", "2", "open:1", "access_token", token("alice", now() + 3600)])).await;
    assert_eq!(anonymous.next().await[4], error("unauthorized"));
}

/// Without `[auth]` too: a client that sends its token by habit must not tell it to the room.
#[tokio::test]
async fn a_token_is_never_relayed() {
    let gateway = TestGateway::relay().await;
    let (mut alice, mut bob) = (gateway.connect().await, gateway.connect().await);
    alice.join("1", "room:1").await;
    bob.join("1", "room:1").await;
    alice.send(json!(["1", "2", "room:1", "access_token", { "access_token": "a.b.c" }])).await;
    assert_eq!(alice.next().await[4], error("unauthorized"));
    alice.send(json!(["1", "3", "room:1", "next", {}])).await;
    assert_eq!(bob.next().await, json!([null, null, "room:1", "next", {}]));
}

/// A client that could say it would make all others of the topic fetch tokens.
#[tokio::test]
async fn no_client_can_tell_others_that_their_tokens_end() {
    let gateway = TestGateway::relay().await;
    let (mut alice, mut bob) = (gateway.connect().await, gateway.connect().await);
    alice.join("1", "room:1").await;
    bob.join("1", "room:1").await;
    alice.send(json!(["1", "2", "room:1", "token_expiring", { "expires_in": 1 }])).await;
    assert_eq!(alice.next().await[4], error("forbidden"));
    alice.send(json!(["1", "3", "room:1", "next", {}])).await;
    assert_eq!(bob.next().await, json!([null, null, "room:1", "next", {}]));
}
