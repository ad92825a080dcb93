use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;

use crate::lifecycle::Readiness;

/// `GET /livez`: the process answers. `GET /readyz`: 200 when clients should be sent here, else 503.
pub(super) fn routes(readiness: Readiness) -> Router {
    Router::new().route("/livez", get(|| async { "ok\n" })).route("/readyz", get(readyz)).with_state(readiness)
}

async fn readyz(State(readiness): State<Readiness>) -> (StatusCode, &'static str) {
    if readiness.is_ready() { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n") }
}
