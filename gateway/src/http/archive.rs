use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::api::Api;
use super::paging::{cut, page_size};
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
    payload: Box<RawValue>,
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
    let messages: Vec<Message> = rows.into_iter().map(message).collect::<Result<_, _>>()?;
    let next = messages.last().filter(|_| more).map(|last| last.id);
    Ok(Json(Page { messages, next }))
}

fn message(row: Archived) -> Result<Message, Problem> {
    let payload = as_broadcast(&row).ok().and_then(|payload| payload.parse().ok()).ok_or_else(|| {
        let status = http::StatusCode::INTERNAL_SERVER_ERROR;
        Problem::new(status, format!("the message {} in the database is no JSON object: correct its row", row.id))
    })?;
    let Archived { id, event, sender, inserted_at, .. } = row;
    Ok(Message { id, event, payload, sender, inserted_at })
}
