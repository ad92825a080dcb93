use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::problem::Problem;
use crate::channel::Endpoint;
use crate::pubsub::PublishError;
use crate::wire::{Payload, is_reserved_event};

/// The body of `POST /api/v1/broadcast`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    topic: Box<str>,
    event: Box<str>,
    payload: Box<RawValue>,
}

/// Sends an event to all subscribers of a topic: 202 when it was accepted.
pub(super) async fn post(
    State(endpoint): State<Endpoint>,
    message: Result<Json<Message>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(message) = message?;
    if message.topic.is_empty() || message.event.is_empty() {
        return Err(Problem::bad_request("`topic` and `event` must not be empty"));
    }
    if is_reserved_event(&message.event) {
        let detail = "events that begin with `phx_` or `presence_`, and `disconnect`, belong to the protocol";
        return Err(Problem::bad_request(detail));
    }
    let payload = Payload::Json(String::from(Box::<str>::from(message.payload)).into());
    if payload.is_too_deep() {
        return Err(Problem::bad_request("`payload` is nested deeper than clients can read"));
    }
    match endpoint.broadcast(&message.topic, &message.event, payload).await {
        Ok(()) => Ok(StatusCode::ACCEPTED),
        Err(PublishError::Unavailable) => Err(Problem::unavailable()),
        Err(PublishError::InvalidPayload) => Err(Problem::bad_request("`payload` must be a JSON object")),
        Err(PublishError::TooLarge) => Err(Problem::bad_request(
            "`topic` and `event` may have 255 bytes, and the payload was too large or they were",
        )),
    }
}
