use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::problem::Problem;
use super::topic::Topic;
use crate::channel::Endpoint;
use crate::presence::{Counts, State as Present};

/// What `GET /api/v1/topics/{topic}` answers.
#[derive(Serialize)]
pub(super) struct Answer {
    topic: String,
    subscribers: usize,
    presence: Presences,
}

#[derive(Serialize)]
struct Presences {
    keys: usize,
    metas: usize,
}

/// How many there are in a topic.
pub(super) async fn get(State(endpoint): State<Endpoint>, Topic(topic): Topic) -> Result<Json<Answer>, Problem> {
    let Counts { keys, metas } = endpoint.presence(&topic).counts().await.map_err(|_| Problem::unknown_now())?;
    let presence = Presences { keys, metas };
    Ok(Json(Answer { subscribers: endpoint.subscribers(&topic), presence, topic }))
}

/// Who is present in a topic, as clients get it.
pub(super) async fn presence(State(endpoint): State<Endpoint>, Topic(topic): Topic) -> Result<Json<Present>, Problem> {
    endpoint.presence(&topic).list().await.map(Json).map_err(|_| Problem::unknown_now())
}
