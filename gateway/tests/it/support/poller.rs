use std::net::SocketAddr;

use serde_json::{Value, json};

use super::http::{Response, request};

const LINES: (&str, &str) = ("content-type", "application/x-ndjson");

/// A client that polls, by requests of its own: what phoenix.js would not send can be sent, too.
#[derive(Clone)]
pub(crate) struct Poller {
    pub(crate) address: SocketAddr,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) token: String,
}

impl Poller {
    /// Opens a session at `/socket` with version 2.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self::open_at(address, "/socket/longpoll", "vsn=2.0.0").await
    }

    /// Opens a session at a path, with a query.
    pub(crate) async fn open_at(address: SocketAddr, path: &str, query: &str) -> Self {
        let answer = request(address, "GET", &format!("{path}?{query}&"), &[], "").await;
        assert_eq!((answer.status, &answer.json()["status"]), (200, &json!(410)), "{answer:?}");
        assert_eq!(answer.json()["messages"], json!([]));
        let token = answer.json()["token"].as_str().unwrap().to_owned();
        Self { address, path: path.to_owned(), query: query.to_owned(), token }
    }

    /// Where its requests go.
    pub(crate) fn target(&self) -> String {
        format!("{}?{}&token={}", self.path, self.query, self.token)
    }

    /// Sends a poll and returns the answer as it is.
    pub(crate) async fn get(&self) -> Response {
        request(self.address, "GET", &self.target(), &[], "").await
    }

    /// Polls once; the status in the body, and the messages.
    pub(crate) async fn poll(&self) -> (u64, Vec<Value>) {
        let answer = self.get().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let body = answer.json();
        let status = body["status"].as_u64().unwrap();
        if status != 410 {
            assert_eq!(body["token"], self.token, "the same every time");
        }
        let messages = body["messages"].as_array().unwrap().iter();
        (status, messages.map(|message| serde_json::from_str(message.as_str().unwrap()).unwrap()).collect())
    }

    /// Polls until there are so many messages.
    pub(crate) async fn messages(&self, count: usize) -> Vec<Value> {
        let mut messages = Vec::new();
        while messages.len() < count {
            let (status, more) = self.poll().await;
            assert!(status == 200 || status == 204, "{status} after {messages:?}");
            messages.extend(more);
        }
        assert_eq!(messages.len(), count, "{messages:?}");
        messages
    }

    /// Polls until an event has come; all messages until then.
    pub(crate) async fn messages_until(&self, event: &str) -> Vec<Value> {
        let mut messages = Vec::new();
        while !messages.iter().any(|message: &Value| message[3] == event) {
            let (status, more) = self.poll().await;
            assert!(status == 200 || status == 204, "{status} after {messages:?}");
            messages.extend(more);
        }
        messages
    }

    /// Sends a body, and returns the answer as it is.
    pub(crate) async fn post(&self, content_type: &str, body: &str) -> Response {
        request(self.address, "POST", &self.target(), &[("content-type", content_type)], body).await
    }

    /// Sends lines; the status in the body.
    pub(crate) async fn lines(&self, lines: &[String]) -> u64 {
        let answer = self.post(LINES.1, &lines.join("\n")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["status"].as_u64().unwrap()
    }

    /// Sends frames, all in one body.
    pub(crate) async fn send(&self, frames: &[Value]) {
        let lines: Vec<String> = frames.iter().map(Value::to_string).collect();
        assert_eq!(self.lines(&lines).await, 200);
    }

    /// Joins, and polls the ok.
    pub(crate) async fn join(&self, reference: &str, topic: &str) {
        self.send(&[json!([reference, reference, topic, "phx_join", {}])]).await;
        let ok = json!([reference, reference, topic, "phx_reply", { "status": "ok", "response": {} }]);
        assert_eq!(self.messages(1).await, [ok]);
    }
}
