//! Relay channels with presence, embedded: design 2.4 and protocol 5.

use gateway::Endpoint;
use serde_json::{Value, json};

use crate::support::{Member, TestGateway, ok};

async fn join(gateway: &TestGateway, params: Value) -> Member {
    Member::join(gateway.connect().await, "room:1", params).await
}

fn error(reason: &str) -> Value {
    json!({ "status": "error", "response": { "reason": reason } })
}

fn listed(state: &gateway::presence::State) -> Value {
    serde_json::to_value(state).unwrap()
}

async fn list(endpoint: &Endpoint) -> Value {
    listed(&endpoint.presence("room:1").list().await.unwrap())
}

#[tokio::test]
async fn row_169_the_state_follows_the_reply_to_the_join() {
    let gateway = TestGateway::with_presence().await;
    let mut client = gateway.connect().await;
    client.send(json!(["3", "4", "room:1", "phx_join", {}])).await;
    assert_eq!(client.next().await, ok("3", "4", "room:1"));
    assert_eq!(client.next_text().await, r#"["3",null,"room:1","presence_state",{}]"#);
}

#[tokio::test]
async fn row_170_the_client_is_tracked_and_the_list_shows_the_same_reference() {
    let gateway = TestGateway::with_presence().await;
    let mut alice = join(&gateway, json!({ "user_id": "u1", "meta": { "name": "u1" } })).await;
    let diff = alice.diff().await;
    let meta = alice.meta("u1");
    assert_eq!(diff, json!({ "joins": { "u1": { "metas": [meta] } }, "leaves": {} }));
    assert_eq!(meta["name"], "u1");
    assert!(meta["online_at"].as_str().unwrap().parse::<u64>().unwrap() > 1_700_000_000);
    assert_eq!(meta["phx_ref"].as_str().unwrap().len(), 16);
    // Row 171: a list, and the state of who comes later.
    assert_eq!(list(gateway.endpoint()).await, diff["joins"]);
    let bob = join(&gateway, json!({ "user_id": "u2" })).await;
    assert_eq!(bob.meta("u1"), meta);
}

#[tokio::test]
async fn row_175_integers_become_keys_and_what_else_is_no_user_is_passed_over() {
    let gateway = TestGateway::with_presence().await;
    let client = gateway.connect_to("/socket/websocket?vsn=2.0.0&user_id=connected").await;
    let mut watcher = Member::join(client, "room:1", json!({ "user_id": 1 })).await;
    watcher.shows(&["1"]).await;
    for (params, query, key) in [
        (json!({ "user_id": -7 }), "", "-7"),
        (json!({ "user_id": u64::MAX }), "", "18446744073709551615"),
        (json!({ "user_id": "joined" }), "&user_id=connected", "joined"),
        (json!({ "user_id": 1.5 }), "&user_id=connected", "connected"),
        (json!({ "user_id": null }), "&user_id=connected", "connected"),
        (json!({ "user_id": "" }), "&user_id=connected", "connected"),
        (json!([]), "&user_id=connected", "connected"),
        (json!({ "user_id": "__proto__" }), "", "__proto__"),
    ] {
        let client = gateway.connect_to(&format!("/socket/websocket?vsn=2.0.0{query}")).await;
        let _member = Member::join(client, "room:1", params.clone()).await;
        watcher.diff().await;
        assert!(!watcher.metas(key).is_empty(), "{params} {query}");
    }
}

#[tokio::test]
async fn a_connection_without_a_user_has_one_name_in_all_its_topics() {
    let gateway = TestGateway::with_presence().await;
    let mut keys = Vec::new();
    for _ in 0..2 {
        let mut client = gateway.connect().await;
        for topic in ["room:1", "room:2"] {
            client.send(json!([topic, topic, topic, "phx_join", {}])).await;
        }
        let mut diffs = Vec::new();
        while diffs.len() < 2 {
            let frame = client.next().await;
            if frame[3] == "presence_diff" {
                diffs.push(frame[4]["joins"].as_object().unwrap().keys().next().unwrap().clone());
            }
        }
        assert_eq!(diffs[0], diffs[1]);
        assert_eq!(diffs[0].len(), 36, "a UUID: {diffs:?}");
        keys.push(diffs.remove(0));
        client.close().await;
    }
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test]
async fn row_186_neither_reference_nor_time_can_be_set_by_clients() {
    let gateway = TestGateway::with_presence().await;
    let forged = json!({ "phx_ref": "mine", "phx_ref_prev": "mine", "online_at": "0", "a": 1 });
    let mut alice = join(&gateway, json!({ "user_id": "u1", "meta": forged })).await;
    alice.shows(&["u1"]).await;
    let first = alice.meta("u1");
    assert_eq!(first.as_object().unwrap().len(), 3, "{first}");
    assert_ne!((&first["phx_ref"], &first["online_at"]), (&json!("mine"), &json!("0")));
    alice.presence("update", forged).await;
    alice.diff().await;
    let second = alice.meta("u1");
    assert_eq!(second["phx_ref_prev"], first["phx_ref"]);
    assert_eq!(second["online_at"], first["online_at"]);
    assert_ne!(second["phx_ref"], first["phx_ref"]);
}

#[tokio::test]
async fn row_179_an_update_is_one_diff_and_keeps_the_time() {
    let gateway = TestGateway::with_presence().await;
    let mut alice = join(&gateway, json!({ "user_id": "u1", "meta": { "name": "u1" } })).await;
    let mut bob = join(&gateway, json!({ "user_id": "u2" })).await;
    bob.shows(&["u1", "u2"]).await;
    // A track of who is tracked is an update.
    for operation in ["update", "track"] {
        let old = bob.meta("u1");
        alice.presence(operation, json!({ "name": operation })).await;
        let diff = bob.diff().await;
        let new = bob.meta("u1");
        let expected = json!({ "name": operation, "online_at": old["online_at"], "phx_ref": new["phx_ref"],
            "phx_ref_prev": old["phx_ref"] });
        assert_eq!(new, expected);
        assert_eq!(diff, json!({ "joins": { "u1": { "metas": [new] } }, "leaves": { "u1": { "metas": [old] } } }));
    }
}

#[tokio::test]
async fn row_177_untrack_takes_the_client_away_and_track_brings_it_back() {
    let gateway = TestGateway::with_presence().await;
    let mut alice = join(&gateway, json!({ "user_id": "u1", "meta": { "name": "u1" } })).await;
    let mut bob = join(&gateway, json!({ "user_id": "u2" })).await;
    bob.shows(&["u1", "u2"]).await;
    alice.shows(&["u1", "u2"]).await;
    // Row 178: the second one finds nothing, and nobody hears of it.
    alice.presence("untrack", json!({})).await;
    alice.presence("untrack", json!({})).await;
    bob.shows(&["u2"]).await;
    // Row 181.
    let update = alice.push("presence", json!({ "event": "update", "payload": {} })).await;
    assert_eq!(update, error("nopresence"));
    alice.presence("track", json!({ "name": "again" })).await;
    bob.shows(&["u1", "u2"]).await;
    let meta = bob.meta("u1");
    assert_eq!((&meta["name"], &meta["phx_ref_prev"]), (&json!("again"), &Value::Null));
    assert!(meta["online_at"].is_string());
}

#[tokio::test]
async fn row_181_what_is_asked_wrongly_is_refused_and_changes_nothing() {
    let gateway = TestGateway::with_presence().await;
    let mut alice = join(&gateway, json!({ "user_id": "u1" })).await;
    alice.shows(&["u1"]).await;
    let before = alice.meta("u1");
    for wrong in [
        json!({}),
        json!([]),
        json!("track"),
        json!({ "event": "list", "payload": {} }),
        json!({ "event": 1, "payload": {} }),
        json!({ "payload": {} }),
        json!({ "event": "track" }),
        json!({ "event": "track", "payload": [] }),
        json!({ "event": "update", "payload": "x" }),
        json!({ "event": "update", "payload": null }),
    ] {
        assert_eq!(alice.push("presence", wrong.clone()).await, error("invalid_payload"), "{wrong}");
    }
    let large = json!({ "event": "update", "payload": { "a": "x".repeat(70_000) } });
    assert_eq!(alice.push("presence", large).await, error("too_large"));
    // The events of the protocol stay the protocol's, and `client_events` is about the others.
    for event in ["presence_state", "presence_diff", "phx_close", "shout"] {
        assert_eq!(alice.push(event, json!({})).await, error("forbidden"));
    }
    assert_eq!(list(gateway.endpoint()).await, json!({ "u1": { "metas": [before] } }));
}

#[tokio::test]
async fn what_is_too_large_may_not_join_and_the_largest_may() {
    let gateway = TestGateway::with_presence().await;
    let online_at = r#"{"a":"","online_at":"1700000000"}"#.len();
    for (key, value, fits) in
        [(1024, 0, true), (1025, 0, false), (1, 65_536 - online_at, true), (1, 65_537 - online_at, false)]
    {
        let params = json!({ "user_id": "k".repeat(key), "meta": { "a": "x".repeat(value) } });
        if fits {
            let mut member = join(&gateway, params).await;
            while member.metas(&"k".repeat(key)).is_empty() {
                member.next().await;
            }
            continue;
        }
        let mut client = gateway.connect().await;
        client.send(json!(["1", "1", "room:1", "phx_join", params])).await;
        assert_eq!(client.next().await[4], error("too_large"));
    }
}

#[tokio::test]
async fn where_presence_is_off_it_is_refused_and_never_relayed() {
    let gateway = TestGateway::with_presence().await;
    let (mut alice, mut bob) = (gateway.connect().await, gateway.connect().await);
    alice.join("1", "off:1").await;
    bob.join("1", "off:1").await;
    for payload in [json!({ "event": "track", "payload": {} }), json!({ "event": "list" }), json!([])] {
        alice.send(json!(["1", "2", "off:1", "presence", payload])).await;
        assert_eq!(alice.next().await, json!(["1", "2", "off:1", "phx_reply", error("presence_disabled")]));
    }
    alice.assert_nothing_came().await;
    bob.assert_nothing_came().await;
    assert!(gateway.endpoint().presence("off:1").list().await.unwrap().is_empty());
}

#[tokio::test]
async fn row_176_a_user_has_a_meta_for_each_connection() {
    let gateway = TestGateway::with_presence().await;
    let mut one = join(&gateway, json!({ "user_id": "u", "meta": { "tab": 1 } })).await;
    let two = join(&gateway, json!({ "user_id": "u", "meta": { "tab": 2 } })).await;
    while one.metas("u").len() < 2 {
        one.next().await;
    }
    let presence = gateway.endpoint().presence("room:1");
    assert_eq!(presence.get_by_key("u").await.unwrap().unwrap().metas.len(), 2);
    assert!(presence.get_by_key("other").await.unwrap().is_none());
    assert!(gateway.endpoint().presence("other").get_by_key("u").await.unwrap().is_none());
    let counts = presence.counts().await.unwrap();
    assert_eq!((counts.keys, counts.metas), (1, 2));
    two.client.close().await;
    while one.metas("u").len() > 1 {
        one.next().await;
    }
    assert_eq!(one.meta("u")["tab"], 1);
}

#[tokio::test]
async fn a_client_that_joins_again_is_there_once() {
    let gateway = TestGateway::with_presence().await;
    let mut watcher = join(&gateway, json!({ "user_id": "watcher" })).await;
    let mut client = gateway.connect().await;
    client.send(json!(["1", "1", "room:1", "phx_join", { "user_id": "u", "meta": { "n": 1 } }])).await;
    watcher.shows(&["u", "watcher"]).await;
    client.send(json!(["2", "2", "room:1", "phx_join", { "user_id": "u", "meta": { "n": 2 } }])).await;
    while watcher.metas("u").iter().map(|meta| &meta["n"]).ne([&json!(2)]) {
        watcher.next().await;
    }
    // The second state belongs to the second join.
    loop {
        let frame = client.next().await;
        if frame[0] == "2" && frame[3] == "presence_state" {
            break;
        }
    }
    client.send(json!(["2", "3", "room:1", "phx_leave", {}])).await;
    watcher.shows(&["watcher"]).await;
}

#[tokio::test]
async fn a_hundred_clients_join_and_each_sees_all() {
    let gateway = TestGateway::with_presence().await;
    let mut members = Vec::new();
    for number in 0..100 {
        members.push((number, gateway.connect().await));
    }
    let everyone = members.into_iter().map(async |(number, client)| {
        let mut member = Member::join(client, "room:1", json!({ "user_id": number })).await;
        member.shows_keys(100).await;
        member
    });
    let mut members = futures_util::future::join_all(everyone).await;
    // One after the other goes, in one way or another.
    while let Some(mut member) = members.pop() {
        if members.len() % 2 == 0 {
            member.send("phx_leave", json!({})).await;
        } else {
            member.client.close().await;
        }
        let count = members.len();
        if let Some(last) = members.last_mut() {
            last.shows_keys(count).await;
        }
    }
}
