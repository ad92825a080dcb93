use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// Nothing that a test waits for takes so long, unless it never comes.
const PATIENCE: Duration = Duration::from_secs(10);

/// A raw WebSocket client.
pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    overlooks_presence: bool,
}

impl Client {
    /// Connects; panics when it is refused.
    pub(crate) async fn connect(request: impl IntoClientRequest + Unpin) -> Self {
        // Without Nagle's algorithm: what is sent is there, before anything that happens later.
        let connecting = connect_async_with_config(request, None, true);
        let (socket, _response) = timeout(PATIENCE, connecting).await.expect("no answer").unwrap();
        Self { socket, overlooks_presence: false }
    }

    /// Overlooks who is there: for tests of something else where presence is on.
    pub(crate) fn overlooking_presence(mut self) -> Self {
        self.overlooks_presence = true;
        self
    }

    pub(crate) async fn send(&mut self, frame: Value) {
        self.send_text(&frame.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.send_message(Message::text(text)).await;
    }

    pub(crate) async fn send_binary(&mut self, bytes: &[u8]) {
        self.send_message(Message::binary(bytes.to_vec())).await;
    }

    pub(crate) async fn send_message(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// The next message of any kind.
    pub(crate) async fn next_message(&mut self) -> Message {
        loop {
            let next = timeout(PATIENCE, self.socket.next()).await.expect("nothing came");
            let message = next.expect("the stream ended").unwrap();
            let overlooked = |text: &str| text.contains("\"presence_state\"") || text.contains("\"presence_diff\"");
            if !(self.overlooks_presence && message.to_text().is_ok_and(overlooked)) {
                return message;
            }
        }
    }

    /// The next message, which must be JSON text.
    pub(crate) async fn next(&mut self) -> Value {
        match self.next_message().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("not text: {other:?}"),
        }
    }

    /// The next message, which must be text, to the letter.
    pub(crate) async fn next_text(&mut self) -> String {
        match self.next_message().await {
            Message::Text(text) => text.to_string(),
            other => panic!("not text: {other:?}"),
        }
    }

    /// The next message, which must be binary.
    pub(crate) async fn next_binary(&mut self) -> Vec<u8> {
        match self.next_message().await {
            Message::Binary(bytes) => bytes.to_vec(),
            other => panic!("not binary: {other:?}"),
        }
    }

    /// The close frame that the gateway sends next: its code, or none. It is answered when the socket is used again.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        match self.next_message().await {
            Message::Close(frame) => frame.map(|CloseFrame { code, .. }| code.into()),
            other => panic!("not closed: {other:?}"),
        }
    }

    /// Resolves when the stream has ended, whatever came before.
    pub(crate) async fn ended(&mut self) {
        while let Some(Ok(_)) = timeout(PATIENCE, self.socket.next()).await.expect("the stream did not end") {}
    }

    /// The next two messages (version 2) are a broadcast in `room:1` and the ok reply to a push.
    pub(crate) async fn expect_broadcast_then_ok(&mut self, event: &str, reference: &str) {
        assert_eq!(self.next().await[3], event);
        let reply = json!(["1", reference, "room:1", "phx_reply", { "status": "ok", "response": {} }]);
        assert_eq!(self.next().await, reply);
    }

    /// Joins a topic (version 2) with join reference and reference `reference`; the reply must be ok.
    pub(crate) async fn join(&mut self, reference: &str, topic: &str) -> Value {
        self.send(json!([reference, reference, topic, "phx_join", {}])).await;
        let reply = self.next().await;
        assert_eq!(reply[3], "phx_reply", "{reply}");
        assert_eq!(reply[4]["status"], "ok", "{reply}");
        reply[4]["response"].clone()
    }

    /// Asserts that nothing else has come before an answer to a heartbeat: the socket's own answer comes after all that
    /// was queued before it.
    pub(crate) async fn assert_nothing_came(&mut self) {
        self.send(json!([null, "fence", "phoenix", "heartbeat", {}])).await;
        let expected = json!([null, "fence", "phoenix", "phx_reply", { "status": "ok", "response": {} }]);
        assert_eq!(self.next().await, expected);
    }

    /// Closes and waits until the gateway has answered.
    pub(crate) async fn close(mut self) {
        self.socket.close(None).await.unwrap();
        while let Some(Ok(_)) = timeout(PATIENCE, self.socket.next()).await.expect("the close was not answered") {}
    }
}
