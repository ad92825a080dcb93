use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::api::Api;
use super::paging::{cut, cut_long, page_size};
use super::problem::Problem;
use super::topic::Topic;
use crate::builtin::as_broadcast;
use crate::store::{Archived, Timestamp};

/// Which page is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    limit: Option<u32>,
    before: Option<Uuid>,
}

/// A page of a topic's archive, the newest first.
#[derive(Serialize)]
pub(super) struct Page {
    messages: Vec<Message>,
    /// What to ask for as `before` to get the next page; none when this is the last.
    next: Option<Uuid>,
}

#[derive(Serialize)]
struct Message {
    id: Uuid,
    event: String,
    /// None when what stands in the database is no JSON object.
    payload: Option<Box<RawValue>>,
    sender: Option<String>,
    inserted_at: Timestamp,
}

/// What was stored of a topic: its payloads as they were broadcast.
pub(super) async fn get(
    State(api): State<Api>,
    Topic(topic): Topic,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Page>, Problem> {
    let Query(Asked { limit, before }) = asked?;
    let size = page_size(limit)?;
    let mut rows = api.store()?.archived(&topic, before, size + 1).await?;
    let more = cut(&mut rows, size);
    let more = cut_long(&mut rows, |row| row.payload.len()) || more;
    let messages: Vec<Message> = rows.into_iter().map(message).collect();
    let next = messages.last().filter(|_| more).map(|last| last.id);
    Ok(Json(Page { messages, next }))
}

/// One row that somebody has spoilt must not take the page, and all older ones, away.
fn message(row: Archived) -> Message {
    let payload = as_broadcast(&row).ok().and_then(|payload| payload.parse().ok());
    if payload.is_none() {
        tracing::error!(id = %row.id, "a message in the database is no JSON object: correct its row");
    }
    let Archived { id, event, sender, inserted_at, .. } = row;
    Message { id, event, payload, sender, inserted_at }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Source;

    fn row(payload: &str) -> Archived {
        Archived {
            id: Uuid::from_u128(1),
            event: "e".to_owned(),
            payload: payload.to_owned(),
            source: Source::BackEnd,
            sender: None,
            sender_message_id: None,
            inserted_at: Timestamp::now(),
        }
    }

    #[test]
    fn a_row_that_cannot_be_read_has_no_payload_and_the_others_have_theirs() {
        let rows = [r#"{"n":1}"#, "[1]", "", r#"{"\ud800":1}"#, r#"{"n":2}"#];
        let page = serde_json::to_value(rows.map(row).map(message)).unwrap();
        let payloads: Vec<_> =
            page.as_array().unwrap().iter().map(|message| message["payload"]["n"].as_u64()).collect();
        assert_eq!(payloads, [Some(1), None, None, None, Some(2)]);
        assert!(page[1]["payload"].is_null() && page[1]["id"].is_string(), "{page}");
    }
}
