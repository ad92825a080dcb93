use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use futures_util::future::join_all;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::api::Api;
use super::message::{Checked, Message, Sending};
use super::problem::Problem;
use super::sent::Sent;

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
    State(api): State<Api>,
    batch: Result<Json<Batch>, JsonRejection>,
) -> Result<(StatusCode, Json<Answer>), Problem> {
    let Json(Batch { messages }) = batch?;
    if !(1..=MAX_MESSAGES).contains(&messages.len()) {
        return Err(Problem::bad_request(format!("`messages` must have 1 to {MAX_MESSAGES} entries")));
    }
    let checked = messages.into_iter().enumerate().map(|(index, message)| {
        message
            .check(&api)
            .map_err(|detail| Problem::bad_request(format!("messages[{index}]: {detail}; none was sent")))
    });
    let checked: Vec<Checked> = checked.collect::<Result<_, _>>()?;
    // Each is under way before the next is sent, so the order of a topic is theirs.
    let mut sending = Vec::with_capacity(checked.len());
    for message in checked {
        sending.push(message.send(&api).await);
    }
    let outcomes = join_all(sending.into_iter().map(Sending::outcome)).await;
    let results: Vec<Sent> = outcomes.into_iter().map(Sent::of).collect();
    if results.iter().any(|sent| matches!(sent, Sent::Unavailable)) {
        return Err(Problem::unavailable().with_results(results));
    }
    Ok((StatusCode::ACCEPTED, Json(Answer { results })))
}
