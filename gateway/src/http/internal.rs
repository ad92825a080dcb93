use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, delete, get, post, put};
use http::Method;
use prometheus::Registry;

use super::access::{Access, guard};
use super::api::Api;
use super::problem::Problem;
use super::trace::traced;
use super::{
    archive, batch, broadcast, disconnect, document, events, health, history, members, metrics, nodes, topics,
};
use crate::lifecycle::Readiness;

/// The largest body that the API reads.
const MAX_BODY: usize = 1024 * 1024;

/// What the paths of the API begin with.
pub(super) const BASE: &str = "/api/v1";

/// One member of a topic.
const MEMBER: &str = "/topics/{topic}/members/{user}";

/// What the internal listener needs.
pub(crate) struct Internal {
    pub(crate) api: Api,
    pub(crate) readiness: Readiness,
    pub(crate) registry: Registry,
    pub(crate) access: Access,
}

/// One method of one path of the API, below [`BASE`].
pub(super) struct Resource {
    pub(super) path: &'static str,
    #[cfg_attr(not(test), expect(dead_code, reason = "a test compares it with the document"))]
    pub(super) method: Method,
    handler: MethodRouter<Api>,
}

/// All that needs a key: a table, so that a test can compare it with the document.
pub(super) fn resources() -> Vec<Resource> {
    vec![
        writes("/broadcast", broadcast::post),
        writes("/broadcast/batch", batch::post),
        writes("/disconnect", disconnect::post),
        reads("/nodes", nodes::get),
        reads("/topics/{topic}", topics::get),
        reads("/topics/{topic}/archive", archive::get),
        reads("/topics/{topic}/events", events::get),
        reads("/topics/{topic}/history", history::get),
        reads("/topics/{topic}/members", members::get),
        Resource { path: MEMBER, method: Method::PUT, handler: put(members::put) },
        Resource { path: MEMBER, method: Method::DELETE, handler: delete(members::delete) },
        reads("/topics/{topic}/presence", topics::presence),
    ]
}

fn reads<T: 'static>(path: &'static str, handler: impl Handler<T, Api>) -> Resource {
    Resource { path, method: Method::GET, handler: get(handler) }
}

fn writes<T: 'static>(path: &'static str, handler: impl Handler<T, Api>) -> Resource {
    Resource { path, method: Method::POST, handler: post(handler) }
}

/// The routes of the internal listener (design 2.2).
pub(crate) fn internal_routes(internal: Internal) -> Router {
    let api = resources()
        .into_iter()
        .fold(Router::new(), |router, resource| router.route(resource.path, resource.handler))
        .method_not_allowed_fallback(Problem::method_not_allowed)
        // Before the guard: who has no key learns nothing about paths either.
        .fallback(Problem::not_found)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(internal.access, guard))
        .layer(from_fn(traced))
        .with_state(internal.api);
    Router::new()
        .nest(BASE, api)
        .merge(document::routes())
        .merge(health::routes(internal.readiness))
        .merge(metrics::routes(internal.registry))
        .method_not_allowed_fallback(Problem::method_not_allowed)
        .fallback(Problem::not_found)
}
