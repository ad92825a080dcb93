//! What clients of Supabase's dialect hear of the server itself (protocol 8.7).

use serde_json::json;

use crate::support::supabase::{
    anon_key, connect, join, settings, supabase_gateway, supabase_gateway_with, system_error, target,
};
use crate::support::{Client, Pod, Scratch, phx_close};

#[tokio::test]
async fn row_296_too_many_messages_end_the_topic_with_a_reason() {
    let gateway = supabase_gateway_with("[limits]\nmessages_per_second = 1\n").await;
    let mut client = connect(&gateway).await;
    join(&mut client, "realtime:a", json!({})).await;
    join(&mut client, "realtime:b", json!({})).await;
    for reference in ["2", "3", "4"] {
        client.send(json!(["1", reference, "realtime:a", "broadcast", { "event": "e" }])).await;
    }
    assert_eq!(client.next().await, system_error("a", "Too many messages per second"));
    assert_eq!(client.next().await, phx_close("1", "realtime:a"));
    client.assert_nothing_came().await;
}

#[tokio::test]
async fn row_298_a_pod_that_stops_says_so_on_each_topic() {
    let scratch = Scratch::new();
    let config = scratch
        .file("gateway.toml", &format!("[socket]\ncheck_origin = false\n[drain]\ndelay = \"0s\"\n{}", settings()));
    let pod = Pod::start(&["serve", "--config", &config], &[]).await;
    let mut client = Client::connect(&format!("ws://{}{}", pod.public, target(&anon_key()))).await;
    join(&mut client, "realtime:a", json!({})).await;
    join(&mut client, "realtime:b", json!({})).await;
    pod.process.signal("-TERM");
    let payload = json!({ "extension": "system", "status": "ok", "message": "Server requested disconnect" });
    for topic in ["realtime:a", "realtime:b"] {
        assert_eq!(client.next().await, json!([null, null, topic, "system", payload]));
    }
    assert_eq!(client.closed().await, Some(1012));
}

#[tokio::test]
async fn row_307_system_messages_have_their_four_fields() {
    let gateway = supabase_gateway().await;
    let mut client = connect(&gateway).await;
    join(&mut client, "realtime:a:b", json!({})).await;
    client.send(json!(["1", "2", "realtime:a:b", "access_token", { "access_token": "x" }])).await;
    let text = r#"["1",null,"realtime:a:b","system",{"channel":"a:b","extension":"system","message":"The token provided is not a valid JWT","status":"error"}]"#;
    assert_eq!(client.next_text().await, text);
}

#[tokio::test]
async fn a_user_s_sockets_are_disconnected_with_a_word() {
    let gateway = supabase_gateway().await;
    let key = crate::support::supabase::access_token("alice", json!([]), 60);
    let mut client = gateway.connect_to(&target(&key)).await;
    join(&mut client, "realtime:a", json!({})).await;
    gateway.endpoint().disconnect("user:alice").await.unwrap();
    assert_eq!(client.next().await[3], "system");
    assert_eq!(client.closed().await, Some(1001));
}
