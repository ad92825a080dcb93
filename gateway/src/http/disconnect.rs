use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use http::StatusCode;
use serde::Deserialize;

use super::problem::Problem;
use crate::channel::{Endpoint, MAX_SOCKET_ID};

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
    if target.socket_id.is_empty() || target.socket_id.len() > MAX_SOCKET_ID {
        return Err(Problem::bad_request("`socket_id` must have 1 to 1024 bytes"));
    }
    endpoint.disconnect(&target.socket_id).await.map_err(|_| Problem::unavailable())?;
    Ok(StatusCode::ACCEPTED)
}
