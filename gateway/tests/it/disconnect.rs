//! All sockets of a user, closed from outside: protocol section 4.

use gateway::Ended;
use serde_json::json;

use crate::support::{Client, Lab, ok};

async fn connect(lab: &Lab, id: Option<&str>) -> Client {
    let query = id.map(|id| format!("&id={id}")).unwrap_or_default();
    lab.gateway.connect_to(&format!("/socket/websocket?vsn=2.0.0{query}")).await
}

/// Rows 148, 151.
#[tokio::test]
async fn row_148_all_sockets_of_the_id_are_closed_with_1001_and_no_others() {
    let mut lab = Lab::start().await;
    let mut alice = [connect(&lab, Some("alice")).await, connect(&lab, Some("alice")).await];
    let mut others = [connect(&lab, Some("bob")).await, connect(&lab, Some("alice2")).await, connect(&lab, None).await];
    for client in alice.iter_mut().chain(&mut others) {
        client.join("1", "lab:1").await;
        client.join("2", "lab:2").await;
    }
    lab.gateway.endpoint().disconnect("alice").await.unwrap();
    for client in &mut alice {
        assert_eq!(client.closed().await, Some(1001), "no frame of a channel comes before");
    }
    for _ in 0..4 {
        assert_eq!(lab.ended().await.1, Ended::SocketClosed);
    }
    assert_eq!(lab.gateway.endpoint().subscribers("lab:1"), others.len());
    for client in &mut others {
        client.send(json!(["1", "3", "lab:1", "ok", {}])).await;
        assert_eq!(client.next().await, ok("1", "3", "lab:1"));
    }
    // Who comes again is let in.
    connect(&lab, Some("alice")).await.join("1", "lab:1").await;
}

/// Disconnects have a way of their own here: no event that is broadcast to the id as a topic closes anything, not even
/// `disconnect`.
#[tokio::test]
async fn row_150_broadcasts_to_the_id_mean_nothing_to_its_sockets() {
    let lab = Lab::start().await;
    let mut alice = connect(&lab, Some("lab:alice")).await;
    let mut nobody = connect(&lab, None).await;
    for event in ["other", "phx_close", "disconnect"] {
        lab.gateway.endpoint().broadcast("lab:alice", event, json!({})).await.unwrap();
        lab.gateway.endpoint().broadcast("", event, json!({})).await.unwrap();
    }
    lab.gateway.endpoint().disconnect("").await.unwrap();
    lab.gateway.endpoint().disconnect("nobody has it").await.unwrap();
    alice.assert_nothing_came().await;
    nobody.assert_nothing_came().await;
}
