//! What the log never tells (rows 62, 94).

use std::io::{self, Write};
use std::sync::Arc;

use gateway::config::{Log, LogFormat};
use gateway::telemetry;
use parking_lot::Mutex;
use serde_json::json;

use crate::support::{Handshake, TestGateway};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Rows 62, 94: neither connect params, tokens and headers nor payloads, at the most talkative level.
#[tokio::test]
async fn row_062_no_secret_of_a_client_is_logged() {
    let lines = Lines::default();
    let writer = lines.clone();
    let log = Log { format: LogFormat::Text, level: "trace".to_owned() };
    let subscriber = telemetry::subscriber(&log, false, move || writer.clone()).unwrap();
    // The runtime of this test has one thread, so all that the gateway does is logged here.
    let _logging = tracing::subscriber::set_default(subscriber);

    let gateway = TestGateway::relay().await;
    let target = "/socket/websocket?vsn=2.0.0&password=hunter2&token=hunter2&nested[token]=hunter2";
    let mut client = gateway.connect_to(target).await;
    client.send(json!(["1", "1", "room:1", "phx_join", { "token": "hunter2" }])).await;
    client.next().await;
    client.send(json!(["1", "2", "room:1", "log_in", { "password": "hunter2" }])).await;
    client.next().await;
    client.next().await;
    client.send(json!(["1", "3", "room:2", "unknown", { "password": "hunter2" }])).await;
    client.next().await;
    client.send_text(r#"["1","4","room:1","malformed",{"password":"hunter2""#).await;
    assert_eq!(client.closed().await, Some(1011));
    // Refused in all the ways there are.
    for handshake in [
        Handshake::to(&format!("{target}&vsn=9.0.0")),
        Handshake::plain("GET", target),
        Handshake::plain("POST", target).header("content-length", "0"),
        Handshake::to(target).header("sec-websocket-protocol", "base64url.bearer.phx.hunter2!"),
        Handshake::to(target).header("sec-websocket-protocol", "hunter2\u{fc}"),
        Handshake::to("/nowhere?token=hunter2").header("authorization", "Bearer hunter2"),
    ] {
        assert_ne!(handshake.header("cookie", "session=hunter2").send(gateway.public()).await.status, 101);
    }
    drop(client);
    gateway.shutdown().await;

    let text = String::from_utf8(lines.0.lock().clone()).unwrap();
    for expected in ["the connection ends", "malformed message", "refused to connect"] {
        assert!(text.contains(expected), "{expected} is missing: {text}");
    }
    assert!(!text.contains("hunter2"), "{text}");
}
