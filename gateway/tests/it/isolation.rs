//! Whatever goes wrong in a channel stays there.

use serde_json::{Value, json};

use crate::support::{Client, Lab, ok, phx_error};

/// A client beside the victim: another channel of the same socket, and another socket.
async fn assert_unharmed(client: &mut Client, other: &mut Client) {
    client.send(json!(["7", "ok?", "lab:beside", "ok", {}])).await;
    assert_eq!(client.next().await, ok("7", "ok?", "lab:beside"));
    other.send(json!(["7", "ok?", "lab:beside", "shout_from", {}])).await;
    assert_eq!(other.next().await, ok("7", "ok?", "lab:beside"));
    assert_eq!(client.next().await, json!([null, null, "lab:beside", "shout", {}]));
}

async fn beside(lab: &Lab) -> (Client, Client) {
    let (mut client, mut other) = (lab.gateway.connect().await, lab.gateway.connect().await);
    client.join("7", "lab:beside").await;
    other.join("7", "lab:beside").await;
    (client, other)
}

async fn join(client: &mut Client, params: Value) {
    client.send(json!(["1", "1", "lab:victim", "phx_join", params])).await;
    assert_eq!(client.next().await, ok("1", "1", "lab:victim"));
}

#[tokio::test]
async fn panics_and_errors_in_every_callback_end_their_own_channel_only() {
    let mut lab = Lab::start().await;
    let (mut client, mut other) = beside(&lab).await;
    for how in ["panic", "fail"] {
        client.send(json!(["1", "1", "lab:victim", "phx_join", { "join": how }])).await;
        assert_eq!(client.next().await[4]["response"]["reason"], "join crashed");
        assert_unharmed(&mut client, &mut other).await;

        join(&mut client, json!({ "after_join": how })).await;
        assert_eq!(client.next().await, phx_error("1", "lab:victim"));
        assert_unharmed(&mut client, &mut other).await;

        join(&mut client, json!({})).await;
        client.send(json!(["1", "2", "lab:victim", how, {}])).await;
        assert_eq!(client.next().await, phx_error("1", "lab:victim"));
        assert_unharmed(&mut client, &mut other).await;

        join(&mut client, json!({})).await;
        lab.gateway.endpoint().broadcast("lab:victim", &format!("out_{how}"), json!({})).await.unwrap();
        assert_eq!(client.next().await, phx_error("1", "lab:victim"));
        assert_unharmed(&mut client, &mut other).await;

        join(&mut client, json!({})).await;
        client.send(json!(["1", "2", "lab:victim", "handle", {}])).await;
        lab.handle().await.send(how);
        assert_eq!(client.next().await, phx_error("1", "lab:victim"));
        assert_unharmed(&mut client, &mut other).await;
    }
}

#[tokio::test]
async fn a_panic_at_the_end_of_a_channel_changes_nothing() {
    let lab = Lab::start().await;
    let (mut client, mut other) = beside(&lab).await;
    join(&mut client, json!({ "terminate": "panic" })).await;
    client.send(json!(["1", "2", "lab:victim", "phx_leave", {}])).await;
    assert_eq!(client.next().await, ok("1", "2", "lab:victim"));
    assert_eq!(client.next().await[3], "phx_close");
    client.assert_nothing_came().await;
    assert_unharmed(&mut client, &mut other).await;
    join(&mut client, json!({ "terminate": "panic" })).await;
    client.close().await;
    other.send(json!(["7", "8", "lab:beside", "ok", {}])).await;
    assert_eq!(other.next().await, ok("7", "8", "lab:beside"));
    other.close().await;
    assert!(lab.gateway.shutdown().await, "nothing is left of the connection");
}

#[tokio::test]
async fn a_slow_handler_holds_up_neither_other_channels_nor_heartbeats_nor_broadcasts() {
    let mut lab = Lab::start().await;
    let (mut client, mut other) = beside(&lab).await;
    join(&mut client, json!({})).await;
    client.send(json!(["1", "2", "lab:victim", "wait", {}])).await;
    client.send(json!(["1", "3", "lab:victim", "ok", {}])).await;
    lab.waiting().await;
    assert_unharmed(&mut client, &mut other).await;
    client.assert_nothing_came().await;
    lab.gateway.endpoint().broadcast("lab:victim", "news", json!({})).await.unwrap();
    assert_eq!(client.next().await, json!([null, null, "lab:victim", "news", {}]));
    lab.open_gate();
    assert_eq!(client.next().await, ok("1", "2", "lab:victim"));
    assert_eq!(client.next().await, ok("1", "3", "lab:victim"));
}
