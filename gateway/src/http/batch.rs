use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use futures_util::future::join_all;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::message::{Checked, Message, Sent};
use super::problem::Problem;
use crate::channel::Endpoint;
use crate::pubsub::Acceptance;

/// How many messages one request may carry.
const MAX_MESSAGES: usize = 1000;

/// The body of `POST /api/v1/broadcast/batch`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    messages: Vec<Message>,
}

/// The answer when all is well.
#[derive(Serialize)]
pub(super) struct Answer {
    results: Vec<Sent>,
}

/// Sends several messages, in their order: 202 when all were accepted, or had been. If one cannot be sent as it is, none
/// is.
pub(super) async fn post(
    State(endpoint): State<Endpoint>,
    batch: Result<Json<Batch>, JsonRejection>,
) -> Result<(StatusCode, Json<Answer>), Problem> {
    let Json(Batch { messages }) = batch?;
    if !(1..=MAX_MESSAGES).contains(&messages.len()) {
        return Err(Problem::bad_request(format!("`messages` must have 1 to {MAX_MESSAGES} entries")));
    }
    let checked = messages.into_iter().enumerate().map(|(index, message)| {
        message.check().map_err(|detail| Problem::bad_request(format!("messages[{index}]: {detail}; none was sent")))
    });
    let checked: Vec<Checked> = checked.collect::<Result<_, _>>()?;
    // Each is under way before the next is sent, so the order of a topic is theirs.
    let sent: Vec<_> = checked.into_iter().map(|message| message.send(endpoint.pubsub())).collect();
    let results: Vec<Sent> = join_all(sent)
        .await
        .into_iter()
        .map(|outcome| match outcome {
            Ok(Acceptance::New) => Sent::Accepted,
            Ok(Acceptance::Duplicate) => Sent::Duplicate,
            // What else could be wrong was checked before.
            Err(_) => Sent::Unavailable,
        })
        .collect();
    if results.contains(&Sent::Unavailable) {
        return Err(Problem::unavailable().with_results(results));
    }
    Ok((StatusCode::ACCEPTED, Json(Answer { results })))
}
