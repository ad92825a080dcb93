use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};

use super::access::is_loopback;

/// Nothing from elsewhere, and no inline script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of the page: its name, and what it holds.
macro_rules! asset {
    ($name:literal) => {
        (concat!("/playground/", $name), include_str!(concat!("page/", $name)))
    };
}

/// The page is in the binary, as it stands in `page/`: there is no build step.
const ASSETS: [(&str, &str); 12] = [
    asset!("client.js"),
    asset!("frame.js"),
    asset!("icon.svg"),
    asset!("json.js"),
    asset!("log.js"),
    asset!("page.css"),
    asset!("page.js"),
    asset!("panel.js"),
    asset!("presence.js"),
    asset!("push.js"),
    asset!("topic.js"),
    asset!("topics.js"),
];

/// The page of `gateway dev`: two clients side by side, to try things and to see each frame. `sockets` are the paths that
/// it offers to connect to.
pub(crate) fn page_routes(sockets: Vec<String>) -> Router {
    let routes = Router::new()
        .route("/", get(|| async { Html(include_str!("page/index.html")) }))
        .route("/playground/sockets.json", get(move || async move { Json(sockets) }));
    let routes = ASSETS.into_iter().fold(routes, |routes, (path, text)| {
        routes.route(path, get(move || async move { ([(CONTENT_TYPE, kind(path))], text) }))
    });
    routes.layer(from_fn(guard))
}

fn kind(path: &str) -> &'static str {
    match path.rsplit_once('.') {
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        _ => "image/svg+xml",
    }
}

/// Answers only to this machine, and sets the policy.
async fn guard(request: Request, next: Next) -> Response {
    if !is_loopback(request.headers()) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Another version of the gateway may serve this address tomorrow.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
