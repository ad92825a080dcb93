use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::api::Api;
use super::message::Message;
use super::problem::Problem;
use crate::pubsub::PublishError;

/// Sends an event to all subscribers of a topic: 202 when it was accepted, or had been.
pub(super) async fn post(
    State(api): State<Api>,
    message: Result<Json<Message>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(message) = message?;
    let message = message.check(&api).map_err(Problem::bad_request)?;
    let keyed = message.is_keyed();
    let accepted = message.send(&api).await.outcome().await.map_err(|error| match error {
        PublishError::Unavailable => Problem::unavailable(),
        PublishError::InvalidPayload | PublishError::TooLarge | PublishError::BinaryNotSupported => {
            Problem::bad_request(error.to_string())
        }
    })?;
    if keyed || accepted.receipt.is_some() {
        return Ok((StatusCode::ACCEPTED, Json(accepted)).into_response());
    }
    Ok(StatusCode::ACCEPTED.into_response())
}
