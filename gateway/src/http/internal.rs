use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use prometheus::Registry;

use super::access::{Access, guard};
use super::problem::Problem;
use super::{broadcast, disconnect, events, health, metrics, topics};
use crate::channel::Endpoint;
use crate::lifecycle::Readiness;

/// The largest body that the API reads.
const MAX_BODY: usize = 1024 * 1024;

/// What the internal listener needs.
pub(crate) struct Internal {
    pub(crate) endpoint: Endpoint,
    pub(crate) readiness: Readiness,
    pub(crate) registry: Registry,
    pub(crate) access: Access,
}

/// The routes of the internal listener (design 2.2).
pub(crate) fn internal_routes(internal: Internal) -> Router {
    let api = Router::new()
        .route("/broadcast", post(broadcast::post))
        .route("/disconnect", post(disconnect::post))
        .route("/topics/{topic}", get(topics::get))
        .route("/topics/{topic}/events", get(events::get))
        .route("/topics/{topic}/presence", get(topics::presence))
        .method_not_allowed_fallback(Problem::method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(internal.access, guard))
        .with_state(internal.endpoint);
    Router::new()
        .nest("/api/v1", api)
        .merge(health::routes(internal.readiness))
        .merge(metrics::routes(internal.registry))
        .method_not_allowed_fallback(Problem::method_not_allowed)
        .fallback(Problem::not_found)
}
