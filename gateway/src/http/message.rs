use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::pubsub::{Broadcast, IdempotencyKey, KeyedPublication, PubSub};
use crate::wire::{MAX_NAME, Payload, is_reserved_event};

/// A message as callers write it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    topic: Box<str>,
    event: Box<str>,
    payload: Box<RawValue>,
    #[serde(default)]
    idempotency_key: Option<Box<str>>,
}

/// A message that can be sent.
pub(super) struct Checked {
    broadcast: Broadcast,
    key: Option<IdempotencyKey>,
}

/// What became of one message of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub(super) enum Sent {
    /// It was sent.
    Accepted,
    /// It was sent before, and not again.
    Duplicate,
    /// Nobody knows.
    Unavailable,
}

impl Message {
    /// Checks all that can be known before it is sent.
    ///
    /// # Errors
    /// With one line that tells what to do.
    pub(super) fn check(self) -> Result<Checked, &'static str> {
        let Self { topic, event, payload, idempotency_key } = self;
        if topic.is_empty() || event.is_empty() {
            return Err("`topic` and `event` must not be empty");
        }
        if topic.len().max(event.len()) > MAX_NAME {
            return Err("`topic` and `event` may have 255 bytes");
        }
        if is_reserved_event(&event) {
            return Err("events that begin with `phx_` or `presence_`, and `disconnect`, belong to the protocol");
        }
        let payload = Payload::Json(String::from(Box::<str>::from(payload)).into());
        if !payload.is_object_or_binary() {
            return Err("`payload` must be a JSON object");
        }
        if payload.is_too_deep() {
            return Err("`payload` is nested deeper than clients can read");
        }
        let key = match idempotency_key {
            Some(key) => Some(IdempotencyKey::new(&key).ok_or("`idempotency_key` must have 1 to 255 bytes")?),
            None => None,
        };
        Ok(Checked { broadcast: Broadcast { topic: topic.into(), event, payload, exclude: None }, key })
    }
}

impl Checked {
    /// Whether it is to be sent once only.
    pub(super) fn is_keyed(&self) -> bool {
        self.key.is_some()
    }

    /// Sends it; it is under way when this returns.
    pub(super) fn send(self, pubsub: &PubSub) -> KeyedPublication {
        pubsub.broadcast_keyed(self.broadcast, self.key)
    }
}
