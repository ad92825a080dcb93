use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;

use super::message::Message;
use super::problem::Problem;
use crate::channel::Endpoint;
use crate::pubsub::{Acceptance, PublishError};

/// The answer to a broadcast with an idempotency key.
#[derive(Serialize)]
struct Answer {
    duplicate: bool,
}

/// Sends an event to all subscribers of a topic: 202 when it was accepted, or had been.
pub(super) async fn post(
    State(endpoint): State<Endpoint>,
    message: Result<Json<Message>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(message) = message?;
    let message = message.check().map_err(Problem::bad_request)?;
    let keyed = message.is_keyed();
    let acceptance = message.send(endpoint.pubsub()).await.map_err(|error| match error {
        PublishError::Unavailable => Problem::unavailable(),
        PublishError::InvalidPayload | PublishError::TooLarge | PublishError::BinaryNotSupported => {
            Problem::bad_request(error.to_string())
        }
    })?;
    if keyed {
        let answer = Answer { duplicate: acceptance == Acceptance::Duplicate };
        return Ok((StatusCode::ACCEPTED, Json(answer)).into_response());
    }
    Ok(StatusCode::ACCEPTED.into_response())
}
