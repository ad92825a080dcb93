use serde::Deserialize;
use serde_json::value::RawValue;

use super::api::Api;
use super::sent::Accepted;
use crate::builtin::{Archive, Author, Receipt};
use crate::pubsub::{Acceptance, Broadcast, IdempotencyKey, KeyedPublication, PublishError};
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

/// A message that is on its way, or has arrived.
pub(super) enum Sending {
    UnderWay(KeyedPublication),
    /// It was stored before it was sent.
    Archived(Result<Receipt, PublishError>),
}

impl Message {
    /// Checks all that can be known before it is sent.
    ///
    /// # Errors
    /// With one line that tells what to do.
    pub(super) fn check(self, api: &Api) -> Result<Checked, &'static str> {
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
        let broadcast = Broadcast { topic: topic.into(), event, payload, exclude: None };
        if api.archive_of(&broadcast.topic, &broadcast.event).is_some()
            && let Some(refusal) = Archive::refusal(&broadcast, key.as_ref())
        {
            return Err(refusal);
        }
        Ok(Checked { broadcast, key })
    }
}

impl Checked {
    /// Whether it is to be sent once only.
    pub(super) fn is_keyed(&self) -> bool {
        self.key.is_some()
    }

    /// Sends it; it is under way when this returns. One that is archived has arrived by then, so that the next one, which
    /// may not be, does not overtake it.
    pub(super) async fn send(self, api: &Api) -> Sending {
        let Self { broadcast, key } = self;
        let pubsub = api.endpoint.pubsub();
        match api.archive_of(&broadcast.topic, &broadcast.event) {
            None => Sending::UnderWay(pubsub.broadcast_keyed(broadcast, key)),
            Some(archive) => Sending::Archived(archive.publish(pubsub, broadcast, Author::BackEnd(key.as_ref())).await),
        }
    }
}

impl Sending {
    /// How it ended.
    pub(super) async fn outcome(self) -> Result<Accepted, PublishError> {
        match self {
            Self::UnderWay(publication) => {
                Ok(Accepted { duplicate: publication.await? == Acceptance::Duplicate, receipt: None })
            }
            Self::Archived(outcome) => {
                outcome.map(|receipt| Accepted { duplicate: receipt.repeated, receipt: Some(receipt) })
            }
        }
    }
}
