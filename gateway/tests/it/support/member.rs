use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::client::Client;

/// A client that has joined a topic with presence, and shows who is there as phoenix.js would. It fails on whatever
/// phoenix.js would have to overlook: a leave of nobody, the same reference twice.
pub(crate) struct Member {
    pub(crate) client: Client,
    topic: String,
    join_ref: String,
    sent: u32,
    shown: BTreeMap<String, BTreeMap<String, Value>>,
    seen: BTreeSet<String>,
}

impl Member {
    /// Joins; the state must follow the reply.
    pub(crate) async fn join(client: Client, topic: &str, params: Value) -> Self {
        let mut member = Self::joining(client, topic, params).await;
        let reply = member.client.next().await;
        assert_eq!(reply, json!(["1", "1", topic, "phx_reply", { "status": "ok", "response": {} }]));
        let state = member.next().await;
        assert_eq!((&state[0], &state[1], &state[3]), (&json!("1"), &Value::Null, &json!("presence_state")), "{state}");
        member
    }

    /// Sends the join only.
    pub(crate) async fn joining(mut client: Client, topic: &str, params: Value) -> Self {
        client.send(json!(["1", "1", topic, "phx_join", params])).await;
        let (topic, join_ref) = (topic.to_owned(), "1".to_owned());
        Self { client, topic, join_ref, sent: 1, shown: BTreeMap::new(), seen: BTreeSet::new() }
    }

    /// The next frame, which is taken as phoenix.js takes it.
    pub(crate) async fn next(&mut self) -> Value {
        let frame = self.client.next().await;
        match frame[3].as_str() {
            Some("presence_state") => {
                self.shown.clear();
                self.take(&frame[4]);
            }
            Some("presence_diff") => {
                assert_eq!((&frame[0], &frame[1]), (&Value::Null, &Value::Null), "{frame}");
                self.take(&frame[4]["joins"]);
                self.drop(&frame[4]["leaves"]);
            }
            _ => {}
        }
        frame
    }

    fn take(&mut self, entries: &Value) {
        for (key, meta) in metas(entries) {
            let phx_ref = meta["phx_ref"].as_str().unwrap().to_owned();
            assert!(self.seen.insert(phx_ref.clone()), "{phx_ref} twice");
            self.shown.entry(key.to_owned()).or_default().insert(phx_ref, meta.clone());
        }
    }

    fn drop(&mut self, entries: &Value) {
        for (key, meta) in metas(entries) {
            let held = self.shown.get_mut(key).unwrap_or_else(|| panic!("{key} leaves, who is not there"));
            assert!(held.remove(meta["phx_ref"].as_str().unwrap()).is_some(), "{meta} leaves, which is not there");
            if held.is_empty() {
                self.shown.remove(key);
            }
        }
    }

    /// The payload of the next diff.
    pub(crate) async fn diff(&mut self) -> Value {
        loop {
            let frame = self.next().await;
            if frame[3] == "presence_diff" {
                return frame[4].clone();
            }
        }
    }

    /// Takes frames until exactly these keys are there.
    pub(crate) async fn shows(&mut self, keys: &[&str]) {
        while !self.shown.keys().eq(keys) {
            self.next().await;
        }
    }

    /// Takes frames until so many keys are there.
    pub(crate) async fn shows_keys(&mut self, count: usize) {
        while self.shown.len() != count {
            self.next().await;
        }
    }

    /// The metas under a key.
    pub(crate) fn metas(&self, key: &str) -> Vec<Value> {
        self.shown.get(key).map(|metas| metas.values().cloned().collect()).unwrap_or_default()
    }

    /// The only meta under a key.
    pub(crate) fn meta(&self, key: &str) -> Value {
        let [meta] = &self.metas(key)[..] else { panic!("not one meta: {:?}", self.shown) };
        meta.clone()
    }

    /// Pushes; the answer's payload.
    pub(crate) async fn push(&mut self, event: &str, payload: Value) -> Value {
        self.send(event, payload).await;
        loop {
            let frame = self.next().await;
            if frame[3] == "phx_reply" && frame[1] == json!(self.sent.to_string()) {
                return frame[4].clone();
            }
        }
    }

    /// Pushes without waiting.
    pub(crate) async fn send(&mut self, event: &str, payload: Value) {
        self.sent += 1;
        self.client.send(json!([self.join_ref, self.sent.to_string(), self.topic, event, payload])).await;
    }

    /// Asks the relay to change what is said of this client; the answer must be ok.
    pub(crate) async fn presence(&mut self, operation: &str, payload: Value) {
        let answer = self.push("presence", json!({ "event": operation, "payload": payload })).await;
        assert_eq!(answer, json!({ "status": "ok", "response": {} }));
    }
}

fn metas(entries: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let entries = entries.as_object().unwrap().iter();
    entries.flat_map(|(key, entry)| entry["metas"].as_array().unwrap().iter().map(|meta| (key.as_str(), meta)))
}
