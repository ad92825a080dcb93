//! `traceparent`: what is logged of a connection or of a request says to which trace it belongs.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::support::{Client, KEY, Pod, Scratch, request, until};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-a1b2c3d4e5f60718-01";

async fn pod(scratch: &Scratch) -> Pod {
    Pod::serve(scratch, "[log]\nformat = \"json\"\nlevel = \"gateway=debug\"\n", &[]).await
}

/// The logged lines with a message.
fn lines(pod: &Pod, message: &str) -> Vec<Value> {
    let text = pod.process.stderr();
    // The last line may not be whole yet.
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["message"] == message).collect()
}

async fn connect(pod: &Pod, traceparent: &str) -> Client {
    let url = format!("ws://{}/socket/websocket?vsn=2.0.0", pod.public);
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("traceparent", traceparent.parse().unwrap());
    Client::connect(request).await
}

#[tokio::test]
async fn a_connection_tells_its_trace_until_its_end() {
    let scratch = Scratch::new();
    let pod = pod(&scratch).await;
    let mut traced = connect(&pod, PARENT).await;
    traced.send_text("malformed").await;
    assert_eq!(traced.closed().await, Some(1011));
    drop(traced);
    until(async || !lines(&pod, "the connection ends").is_empty()).await;
    for message in ["malformed message", "the connection ends"] {
        let spans = json!([{ "name": "connection", "trace_id": TRACE }]);
        assert_eq!(lines(&pod, message)[0]["spans"], spans, "{}", pod.process.stderr());
    }
    assert!(!pod.process.stderr().contains("a1b2c3d4e5f60718"), "nothing else of the header");
}

#[tokio::test]
async fn without_a_trace_or_with_a_bad_one_there_is_none() {
    let scratch = Scratch::new();
    let pod = pod(&scratch).await;
    for client in [pod.connect().await, connect(&pod, "00-evil\"}-a1b2c3d4e5f60718-01").await] {
        client.close().await;
    }
    until(async || lines(&pod, "the connection ends").len() == 2).await;
    for line in lines(&pod, "the connection ends") {
        assert!(line.get("spans").is_none_or(|spans| *spans == json!([])), "{line}");
    }
    assert!(!pod.process.stderr().contains("evil"));
}

#[tokio::test]
async fn a_request_of_the_api_tells_its_trace_and_no_topic() {
    let scratch = Scratch::new();
    let pod = pod(&scratch).await;
    let key = format!("Bearer {KEY}");
    let headers = [("authorization", key.as_str()), ("traceparent", PARENT)];
    let answer = request(pod.internal, "GET", "/api/v1/topics/room:secret", &headers, "").await;
    assert_eq!(answer.status, 200);
    until(async || !lines(&pod, "an API request").is_empty()).await;
    let line = &lines(&pod, "an API request")[0];
    assert_eq!(line["spans"], json!([{ "name": "request", "trace_id": TRACE }]), "{line}");
    assert_eq!((&line["method"], &line["status"]), (&json!("GET"), &json!(200)), "{line}");
    assert_eq!(line["route"], "/api/v1/topics/{topic}", "{line}");
    assert!(!pod.process.stderr().contains("room:secret"));
}
