use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use http::StatusCode;
use serde::Deserialize;

use super::problem::Problem;
use crate::channel::Endpoint;

/// The body of `POST /api/v1/disconnect`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Target {
    socket_id: Box<str>,
}

/// Closes all sockets with an id, on every pod: 202 when the order was accepted.
pub(super) async fn post(
    State(endpoint): State<Endpoint>,
    target: Result<Json<Target>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(target) = target?;
    if target.socket_id.is_empty() {
        return Err(Problem::bad_request("`socket_id` must not be empty"));
    }
    endpoint.disconnect(&target.socket_id).await.map_err(|_| Problem::unavailable())?;
    Ok(StatusCode::ACCEPTED)
}
