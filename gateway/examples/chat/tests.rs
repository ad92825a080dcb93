use gateway::testing::{ANY, ChannelTest, TestChannel, TestSocket};
use gateway::{Accepted, CloseReason};
use serde_json::{Value, json};

use crate::database;
use crate::store::{SCHEMA, Store};
use crate::user_socket::User;

/// A chat with a database of its own. The database is outside of tokio, so the clock runs.
async fn chat() -> (ChannelTest, Store) {
    let store = Store::new(database::open(None, SCHEMA).await.unwrap());
    (ChannelTest::new(crate::socket(&store).unwrap()), store)
}

/// A member of `general`, past the connect callback.
async fn member(chat: &ChannelTest, store: &Store, id: &str) -> TestSocket {
    store.sign_in(id).await.unwrap();
    chat.socket(Accepted::new().assign(User { id: id.to_owned(), device: "phone".to_owned() }))
}

async fn join(socket: &TestSocket, topic: &str) -> TestChannel {
    let (reply, channel) = socket.subscribe_and_join(topic, json!({})).await.unwrap();
    assert_eq!(reply, json!({}));
    channel
}

fn unauthorized() -> Value {
    json!({ "reason": "unauthorized" })
}

#[tokio::test]
async fn who_has_signed_in_connects_by_token_until_signed_out() {
    let (chat, store) = chat().await;
    assert!(chat.connect(json!({})).await.is_err());
    assert!(chat.connect_with_token(json!({}), "guessed").await.is_err());
    let token = store.sign_in("ann").await.unwrap();
    let ann = chat.connect_with_token(json!({ "device": "phone" }), &token).await.unwrap();
    join(&ann, "room:general").await;
    store.sign_out("ann").await.unwrap();
    chat.endpoint().disconnect("user_socket:ann").await.unwrap();
    assert_eq!(ann.assert_closed().await, CloseReason::Disconnected);
    assert!(chat.connect_with_token(json!({}), &token).await.is_err());
}

#[tokio::test]
async fn rooms_are_for_members() {
    let (chat, store) = chat().await;
    let (ann, boss) = (member(&chat, &store, "ann").await, member(&chat, &store, "boss").await);
    join(&ann, "room:general").await;
    assert_eq!(ann.subscribe_and_join("room:staff", json!({})).await.unwrap_err(), unauthorized());
    assert_eq!(ann.subscribe_and_join("room:", json!({})).await.unwrap_err(), unauthorized());
    let far = "x".repeat(100);
    for topic in ["room:room:general", "room:general\0", &format!("room:{far}")] {
        assert_eq!(ann.subscribe_and_join(topic, json!({})).await.unwrap_err(), unauthorized(), "{topic}");
    }
    join(&boss, "room:staff").await;
}

#[tokio::test]
async fn a_message_is_stored_then_broadcast_and_the_next_one_finds_it() {
    let (chat, store) = chat().await;
    let (ann, bob) = (member(&chat, &store, "ann").await, member(&chat, &store, "bob").await);
    let (ann, bob) = (join(&ann, "room:general").await, join(&bob, "room:general").await);
    ann.assert_push("messages:history", json!({ "messages": [] })).await;
    ann.push("message:new", json!({ "body": "hi" })).assert_reply("ok", json!({})).await;
    let message = json!({ "id": ANY, "body": "hi", "user_id": "ann", "inserted_at": ANY });
    ann.assert_push("message:new", message.clone()).await;
    let told = bob.assert_push("message:new", message).await;
    let cid = member(&chat, &store, "cid").await;
    let cid = join(&cid, "room:general").await;
    cid.assert_push("messages:history", move |history: &Value| history["messages"] == json!([told])).await;
}

#[tokio::test]
async fn the_history_is_the_last_fifty_in_their_order() {
    let (chat, store) = chat().await;
    for number in 0..55 {
        store.insert_message("general", "ann", &number.to_string()).await.unwrap();
    }
    let bob = member(&chat, &store, "bob").await;
    let bob = join(&bob, "room:general").await;
    let history = bob.assert_push("messages:history", json!({})).await;
    let bodies: Vec<_> =
        history["messages"].as_array().unwrap().iter().map(|message| message["body"].clone()).collect();
    assert_eq!(bodies, (5..55).map(|number| json!(number.to_string())).collect::<Vec<_>>());
}

#[tokio::test]
async fn bodies_that_are_empty_or_too_long_are_told_what_is_wrong() {
    let (chat, store) = chat().await;
    let ann = member(&chat, &store, "ann").await;
    let ann = join(&ann, "room:general").await;
    let errors = |problem| json!({ "errors": { "body": [problem] } });
    let lobby = member(&chat, &store, "bob").await;
    let lobby = join(&lobby, "room:lobby").await;
    let nothing = [json!({}), json!({ "body": null }), json!({ "body": "" }), json!({ "body": "  " })];
    for (channel, event) in [(&ann, "message:new"), (&lobby, "new_msg")] {
        for blank in &nothing {
            channel.push(event, blank.clone()).assert_reply("error", errors("can't be blank")).await;
        }
        let unknown = errors("has a character that cannot be stored");
        channel.push(event, json!({ "body": "x\0y" })).assert_reply("error", unknown).await;
        let too_long = errors("should be at most 1000 character(s)");
        channel.push(event, json!({ "body": "x".repeat(1001) })).assert_reply("error", too_long).await;
    }
    let longest = "ü".repeat(1000);
    let too_long = errors("should be at most 1000 character(s)");
    ann.push("message:new", json!({ "body": format!("{longest}!") })).assert_reply("error", too_long).await;
    ann.refute_broadcast("message:new", json!({})).await;
    ann.push("message:new", json!({ "body": longest })).assert_reply("ok", json!({})).await;
    assert_eq!(store.last_messages("general", 50).await.unwrap().len(), 1);
}

#[tokio::test]
async fn others_see_who_types() {
    let (chat, store) = chat().await;
    let (ann, bob) = (member(&chat, &store, "ann").await, member(&chat, &store, "bob").await);
    let (ann, bob) = (join(&ann, "room:general").await, join(&bob, "room:general").await);
    drop(ann.push("typing:start", json!({})));
    bob.assert_push("typing:start", json!({ "user_id": "ann" })).await;
    ann.refute_push("typing:start", json!({})).await;
}

#[tokio::test]
async fn members_see_who_is_there_on_which_device() {
    let (chat, store) = chat().await;
    let (ann_socket, bob_socket) = (member(&chat, &store, "ann").await, member(&chat, &store, "bob").await);
    let ann = join(&ann_socket, "room:general").await;
    ann.assert_push("presence_diff", json!({ "joins": { "ann": { "metas": [{ "device": "phone" }] } } })).await;
    let bob = join(&bob_socket, "room:general").await;
    bob.assert_push("presence_state", json!({ "ann": { "metas": [{ "device": "phone" }] } })).await;
    ann.assert_push("presence_diff", json!({ "joins": { "bob": {} } })).await;
    bob_socket.close().await;
    ann.assert_push("presence_diff", json!({ "leaves": { "bob": {} } })).await;
}

#[tokio::test]
async fn notifications_are_for_one_user() {
    let (chat, store) = chat().await;
    let (ann, bob) = (member(&chat, &store, "ann").await, member(&chat, &store, "bob").await);
    assert_eq!(ann.subscribe_and_join("notifications:bob", json!({})).await.unwrap_err(), unauthorized());
    let of_bob = join(&bob, "notifications:bob").await;
    let ann = join(&ann, "room:general").await;
    ann.push("message:new", json!({ "body": "hello @bob" })).assert_reply("ok", json!({})).await;
    of_bob.assert_push("mentioned", json!({ "room": "general", "user_id": "ann", "body": "hello @bob" })).await;
    ann.push("message:new", json!({ "body": "@bob, are you there? @bob!" })).assert_reply("ok", json!({})).await;
    of_bob.assert_push("mentioned", json!({ "body": "@bob, are you there? @bob!" })).await;
    of_bob.refute_push("mentioned", json!({})).await;
}

#[tokio::test]
async fn mentions_stay_among_members() {
    let (chat, store) = chat().await;
    let (boss, bob) = (member(&chat, &store, "boss").await, member(&chat, &store, "bob").await);
    let of_bob = join(&bob, "notifications:bob").await;
    let staff = join(&boss, "room:staff").await;
    staff.push("message:new", json!({ "body": "what about @bob?" })).assert_reply("ok", json!({})).await;
    of_bob.refute_push("mentioned", json!({})).await;
}

#[tokio::test]
async fn a_mention_that_cannot_be_told_does_not_make_the_message_fail() {
    let (chat, store) = chat().await;
    let ann = member(&chat, &store, "ann").await;
    // Such a topic is too long to be broadcast to.
    let name = "x".repeat(300);
    store.sign_in(&name).await.unwrap();
    let ann = join(&ann, "room:general").await;
    let body = format!("hello @{name} @ @, @nobody");
    ann.push("message:new", json!({ "body": body })).assert_reply("ok", json!({})).await;
    ann.assert_push("message:new", json!({ "body": body })).await;
}

#[tokio::test]
async fn the_lobby_is_open_and_keeps_nothing() {
    let (chat, store) = chat().await;
    let (ann, bob) = (member(&chat, &store, "ann").await, member(&chat, &store, "bob").await);
    let (ann, bob) = (join(&ann, "room:lobby").await, join(&bob, "room:lobby").await);
    ann.push("new_msg", json!({ "body": "hi" })).assert_reply("ok", json!({})).await;
    bob.assert_push("new_msg", json!({ "body": "hi", "user_id": "ann" })).await;
    bob.refute_push("messages:history", json!({})).await;
}
