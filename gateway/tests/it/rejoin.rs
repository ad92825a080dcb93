//! Joining a topic again on the same socket: protocol 3.3.

use gateway::Ended;
use serde_json::{Value, json};

use crate::support::{Lab, ok, phx_close, unmatched};

#[tokio::test]
async fn row_111_a_second_join_is_answered_before_the_first_is_closed() {
    let mut lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.send(json!(["11", "1", "lab:1", "phx_join", { "terminate": "push" }])).await;
    assert_eq!(client.next().await, ok("11", "1", "lab:1"));
    client.send(json!(["12", "2", "lab:1", "phx_join", {}])).await;
    assert_eq!(client.next().await, ok("12", "2", "lab:1"));
    assert_eq!(client.next().await, phx_close("11", "lab:1"));
    assert_eq!(lab.ended().await, ("lab:1".to_owned(), Ended::Replaced));
    // The old one is gone for its own references, and every broadcast comes once; what it pushed at its end does not.
    client.send(json!(["11", "3", "lab:1", "ok", {}])).await;
    client.send(json!(["12", "4", "lab:1", "shout", { "n": 1 }])).await;
    assert_eq!(client.next().await, json!([null, null, "lab:1", "shout", { "n": 1 }]));
    assert_eq!(client.next().await, ok("12", "4", "lab:1"));
    assert_eq!(lab.gateway.endpoint().subscribers("lab:1"), 1);
}

#[tokio::test]
async fn row_111_a_join_that_reuses_the_join_reference_is_a_new_one_too() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.join("1", "lab:1").await;
    client.send(json!(["1", "2", "lab:1", "phx_join", {}])).await;
    assert_eq!(client.next().await, ok("1", "2", "lab:1"));
    assert_eq!(client.next().await, phx_close("1", "lab:1"));
    client.send(json!(["1", "3", "lab:1", "ok", {}])).await;
    assert_eq!(client.next().await, ok("1", "3", "lab:1"));
}

#[tokio::test]
async fn row_112_a_join_right_after_a_leave_is_answered_and_the_old_closed_once() {
    let mut lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.join("1", "lab:1").await;
    // The leave has to wait for the handler before it, so that the join always overtakes it.
    client.send(json!(["1", "2", "lab:1", "wait", {}])).await;
    lab.waiting().await;
    client.send(json!(["1", "3", "lab:1", "phx_leave", {}])).await;
    client.send(json!(["4", "4", "lab:1", "phx_join", {}])).await;
    assert_eq!(client.next().await, ok("4", "4", "lab:1"));
    assert_eq!(client.next().await, phx_close("1", "lab:1"));
    lab.open_gate();
    client.assert_nothing_came().await;
    client.send(json!(["4", "5", "lab:1", "ok", {}])).await;
    assert_eq!(client.next().await, ok("4", "5", "lab:1"));
}

#[tokio::test]
async fn row_112_however_leave_and_join_meet_the_old_is_closed_once() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.join("0", "lab:1").await;
    for round in 1..=50 {
        let (old, new) = ((round - 1).to_string(), round.to_string());
        client.send(json!([old, "left", "lab:1", "phx_leave", {}])).await;
        client.send(json!([new, new, "lab:1", "phx_join", {}])).await;
        client.send(json!([new, "last", "lab:1", "ok", {}])).await;
        let mut frames = Vec::new();
        while frames.last() != Some(&ok(&new, "last", "lab:1")) {
            frames.push(client.next().await);
        }
        let count = |wanted: &Value| frames.iter().filter(|frame| *frame == wanted).count();
        assert_eq!(count(&ok(&new, &new, "lab:1")), 1, "{frames:?}");
        assert_eq!(count(&phx_close(&old, "lab:1")), 1, "{frames:?}");
        assert_eq!(frames.len(), 3 + count(&ok(&old, "left", "lab:1")), "{frames:?}");
    }
}

#[tokio::test]
async fn row_113_a_second_join_that_is_refused_closes_the_first_all_the_same() {
    let lab = Lab::start().await;
    let mut client = lab.gateway.connect().await;
    client.join("1", "lab:1").await;
    client.send(json!(["2", "2", "lab:1", "phx_join", { "join": "refuse" }])).await;
    let refused = json!(["2", "2", "lab:1", "phx_reply", { "status": "error", "response": { "reason": "mybad" } }]);
    assert_eq!(client.next().await, refused);
    assert_eq!(client.next().await, phx_close("1", "lab:1"));
    client.send(json!(["1", "3", "lab:1", "ok", {}])).await;
    assert_eq!(client.next().await, unmatched("3", "lab:1"));
}
