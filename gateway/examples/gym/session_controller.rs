use axum::Json;
use axum::extract::{Path, State};
use axum::routing::{Router, post};
use gateway::Endpoint;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

/// What the gym does over HTTP.
pub(crate) fn routes(endpoint: Endpoint) -> Router {
    Router::new().route("/training_sessions/{id}/start", post(start)).with_state(endpoint)
}

#[derive(Deserialize)]
struct Start {
    trainer: String,
}

/// Tells everybody in a session that it begins: a broadcast from outside a channel. A real gym would ask who calls.
async fn start(State(endpoint): State<Endpoint>, Path(id): Path<String>, Json(start): Json<Start>) -> StatusCode {
    let topic = format!("training_session:{id}");
    let started = json!({ "session_id": id, "trainer": start.trainer });
    match endpoint.broadcast(&topic, "training_session_started", started).await {
        Ok(()) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}
