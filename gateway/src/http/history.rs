use axum::Json;
use axum::extract::{RawQuery, State};
use http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;

use super::problem::Problem;
use super::topic::Topic;
use crate::channel::Endpoint;
use crate::history::{Limit, Page, Stored};
use crate::pubsub::HistoryError;
use crate::wire::Payload;

/// How many messages a page has when nobody says.
const MESSAGES: usize = 100;

/// How many it may have.
const MAX_MESSAGES: usize = 1000;

/// After how many bytes of messages a page ends, so that no request holds up Redis.
const MAX_BYTES: usize = 1024 * 1024;

/// What `GET /api/v1/topics/{topic}/history` answers.
#[derive(Serialize)]
pub(super) struct Answer {
    topic: String,
    epoch: Option<String>,
    offset: u64,
    first: Option<u64>,
    messages: Vec<Message>,
}

#[derive(Serialize)]
struct Message {
    offset: u64,
    event: Box<str>,
    payload: Box<RawValue>,
}

/// The messages that a topic keeps, oldest first.
pub(super) async fn get(
    State(endpoint): State<Endpoint>,
    Topic(topic): Topic,
    RawQuery(query): RawQuery,
) -> Result<Json<Answer>, Problem> {
    let (after, messages) = read(query.as_deref().unwrap_or_default())?;
    let page = endpoint.pubsub().history_page(&topic, after, Limit { messages, bytes: MAX_BYTES });
    match page.await {
        Ok(page) => Ok(Json(Answer::new(topic, page))),
        Err(HistoryError::NotKept) => {
            let detail = "this topic keeps no history: give its pattern `history = { size, ttl }`";
            Err(Problem::new(StatusCode::NOT_FOUND, detail))
        }
        Err(HistoryError::Unavailable(_)) => Err(Problem::unknown_now()),
    }
}

/// The offset to read behind, and how many messages.
fn read(query: &str) -> Result<(u64, usize), Problem> {
    let (mut after, mut limit) = (0, MESSAGES);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "after" => {
                after = value.parse().map_err(|_| Problem::bad_request("`after` is the number of a message, or 0"))?;
            }
            "limit" => {
                let number = value.parse().ok().filter(|number| (1..=MAX_MESSAGES).contains(number));
                limit = number.ok_or_else(|| Problem::bad_request("`limit` is a number from 1 to 1000"))?;
            }
            _ => return Err(Problem::bad_request("the query may have `after` and `limit`")),
        }
    }
    Ok((after, limit))
}

impl Answer {
    fn new(topic: String, page: Option<Page>) -> Self {
        let Some(Page { position, first, messages }) = page else {
            return Self { topic, epoch: None, offset: 0, first: None, messages: Vec::new() };
        };
        let messages = messages.into_iter().filter_map(Message::new).collect();
        Self { topic, epoch: Some(position.epoch.to_string()), offset: position.offset, first, messages }
    }
}

impl Message {
    /// None for bytes, which no history holds.
    fn new(Stored { offset, event, payload }: Stored) -> Option<Self> {
        let Payload::Json(json) = payload else { return None };
        Some(Self { offset, event, payload: serde_json::from_slice(&json).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_two_numbers_at_most() {
        assert_eq!(read("").unwrap(), (0, MESSAGES));
        assert_eq!(read("after=7&limit=1000").unwrap(), (7, 1000));
        for wrong in ["after=", "after=-1", "after=x", "limit=0", "limit=1001", "limit=", "before=1", "after"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
