//! All sockets, channels and presences of all nodes.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::frame::{Frame, Vsn, text};

/// A socket may be in so many topics.
const MOST_CHANNELS: usize = 100;

type SocketId = u64;

#[derive(Default)]
pub(super) struct Hub {
    sockets: BTreeMap<SocketId, Socket>,
    opened: SocketId,
    tracked: u64,
}

struct Socket {
    node: usize,
    vsn: Vsn,
    out: UnboundedSender<String>,
    channels: BTreeMap<String, Channel>,
}

struct Channel {
    join_ref: Value,
    presence: Option<Presence>,
}

#[derive(Clone)]
struct Presence {
    key: String,
    phx_ref: String,
}

impl Hub {
    pub(super) fn open(&mut self, node: usize, vsn: Vsn, out: UnboundedSender<String>) -> SocketId {
        self.opened += 1;
        self.sockets.insert(self.opened, Socket { node, vsn, out, channels: BTreeMap::new() });
        self.opened
    }

    pub(super) fn close(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.remove(&id) else { return };
        for (topic, channel) in socket.channels {
            self.left(&topic, channel.presence.as_slice());
        }
    }

    /// The others tell the leaves of a node in one diff for each topic.
    pub(super) fn lose_node(&mut self, node: usize) {
        let (lost, kept) = std::mem::take(&mut self.sockets).into_iter().partition(|(_, socket)| socket.node == node);
        self.sockets = kept;
        let lost: BTreeMap<SocketId, Socket> = lost;
        let mut leaves: BTreeMap<String, Vec<Presence>> = BTreeMap::new();
        for (topic, channel) in lost.into_values().flat_map(|socket| socket.channels) {
            leaves.entry(topic).or_default().extend(channel.presence);
        }
        leaves.into_iter().for_each(|(topic, presences)| self.left(&topic, &presences));
    }

    /// False: the socket has to end.
    pub(super) fn on_text(&mut self, id: SocketId, text: &str) -> bool {
        let Some(vsn) = self.sockets.get(&id).map(|socket| socket.vsn) else { return false };
        let Some(frame) = Frame::read(vsn, text) else { return false };
        let Frame { join_ref, topic, event, .. } = &frame;
        if (topic.as_str(), event.as_str()) == ("phoenix", "heartbeat") {
            self.reply(id, &Value::Null, &frame, "ok", &json!({}));
            return true;
        }
        if event == "phx_join" {
            self.join(id, &frame);
            return true;
        }
        match self.sockets[&id].channels.get(topic).map(|channel| channel.join_ref.clone()) {
            None if event == "phx_leave" => self.reply(id, join_ref, &frame, "ok", &json!({})),
            None => self.reply(id, &Value::Null, &frame, "error", &json!({ "reason": "unmatched topic" })),
            // Of a channel that is no more: dropped without a word.
            Some(current) if !join_ref.is_null() && *join_ref != current => {}
            Some(current) if event == "phx_leave" => {
                self.reply(id, &current, &frame, "ok", &json!({}));
                self.end_channel(id, topic, "phx_close", &json!({}));
            }
            Some(current) => self.handle_in(id, &current, &frame),
        }
        true
    }

    /// The application.
    fn handle_in(&mut self, id: SocketId, join_ref: &Value, frame: &Frame) {
        let Frame { topic, event, payload, .. } = frame;
        match (topic.split(':').next().unwrap_or_default(), event.as_str()) {
            ("room", "message" | "is_typing") if payload.is_object() => self.broadcast(topic, event, payload),
            ("echo", "echo") => self.reply(id, join_ref, frame, "ok", payload),
            _ => self.end_channel(id, topic, "phx_error", &json!({ "reason": "channel_crash" })),
        }
    }

    fn join(&mut self, id: SocketId, frame: &Frame) {
        let Frame { join_ref, topic, payload, .. } = frame;
        let kind = topic.split_once(':').map(|(kind, _)| kind).unwrap_or_default();
        if !["room", "echo", "presence"].contains(&kind) {
            return self.reply(id, &Value::Null, frame, "error", &json!({ "reason": "unmatched topic" }));
        }
        let socket = &self.sockets[&id];
        if socket.channels.len() >= MOST_CHANNELS && !socket.channels.contains_key(topic) {
            return self.reply(id, join_ref, frame, "error", &json!({ "reason": "too many channels joined" }));
        }
        let former = self.socket(id).channels.remove(topic);
        self.reply(id, join_ref, frame, "ok", &json!({}));
        if let Some(Channel { join_ref, presence }) = former {
            self.send(id, &join_ref, &join_ref, topic, "phx_close", &json!({}));
            self.left(topic, presence.as_slice());
        }
        let presence = (kind == "presence").then(|| {
            self.tracked += 1;
            let key = payload["user_id"].as_str().map_or_else(|| id.to_string(), ToOwned::to_owned);
            Presence { key, phx_ref: format!("F{:015x}", self.tracked) }
        });
        let channel = Channel { join_ref: join_ref.clone(), presence: presence.clone() };
        self.socket(id).channels.insert(topic.clone(), channel);
        if let Some(presence) = presence {
            // The diff is on its way while the channel asks for the list: it may come before or after the state, which holds
            // the same presence already.
            let diff = json!({ "joins": people([&presence]), "leaves": {} });
            let state =
                people(self.sockets.values().filter_map(|socket| socket.channels.get(topic)?.presence.as_ref()));
            let diff_first = id.is_multiple_of(2);
            if diff_first {
                self.broadcast(topic, "presence_diff", &diff);
            }
            self.send(id, join_ref, &Value::Null, topic, "presence_state", &state);
            if !diff_first {
                self.broadcast(topic, "presence_diff", &diff);
            }
        }
    }

    fn end_channel(&mut self, id: SocketId, topic: &str, event: &str, payload: &Value) {
        if let Some(Channel { join_ref, presence }) = self.socket(id).channels.remove(topic) {
            self.send(id, &join_ref, &join_ref, topic, event, payload);
            self.left(topic, presence.as_slice());
        }
    }

    fn left(&mut self, topic: &str, presences: &[Presence]) {
        if !presences.is_empty() {
            self.broadcast(topic, "presence_diff", &json!({ "joins": {}, "leaves": people(presences) }));
        }
    }

    fn broadcast(&mut self, topic: &str, event: &str, payload: &Value) {
        for socket in self.sockets.values().filter(|socket| socket.channels.contains_key(topic)) {
            let _ = socket.out.send(text(socket.vsn, &Value::Null, &Value::Null, topic, event, payload));
        }
    }

    fn reply(&mut self, id: SocketId, join_ref: &Value, to: &Frame, status: &str, response: &Value) {
        let payload = json!({ "status": status, "response": response });
        self.send(id, join_ref, &to.reference, &to.topic, "phx_reply", &payload);
    }

    fn send(&mut self, id: SocketId, join_ref: &Value, reference: &Value, topic: &str, event: &str, payload: &Value) {
        let socket = self.socket(id);
        // Who no longer reads is about to be closed.
        let _ = socket.out.send(text(socket.vsn, join_ref, reference, topic, event, payload));
    }

    fn socket(&mut self, id: SocketId) -> &mut Socket {
        self.sockets.get_mut(&id).expect("its own task is the one that closes it")
    }
}

fn people<'a>(presences: impl IntoIterator<Item = &'a Presence>) -> Value {
    let mut people = Map::new();
    for Presence { key, phx_ref } in presences {
        let entry = people.entry(key.as_str()).or_insert_with(|| json!({ "metas": [] }));
        let meta = json!({ "online_at": "1700000000", "phx_ref": phx_ref });
        entry["metas"].as_array_mut().unwrap().push(meta);
    }
    Value::Object(people)
}
