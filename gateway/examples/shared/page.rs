//! The page of an example: static files, and nothing from elsewhere.

use std::fs;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};

use super::AnyError;

/// Where `npm ci` puts phoenix.js, the stock client.
const PHOENIX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/node_modules/phoenix/priv/static/phoenix.mjs");

/// Nothing from elsewhere, and no inline script. `'self'` is the WebSocket of the same host, too.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The routes of a page: `/` is `html`, `/page.js` is `script`; what all pages share lies beside them.
///
/// Fails when phoenix.js is not there.
pub(crate) fn routes(html: &'static str, script: &'static str) -> Result<Router, AnyError> {
    let phoenix = fs::read_to_string(PHOENIX).map_err(|error| {
        format!("phoenix.js is missing: run `npm ci --prefix gateway/examples` first ({PHOENIX}: {error})")
    })?;
    Ok(Router::new()
        .route("/", file("text/html", html))
        .route("/page.js", file("text/javascript", script))
        .route("/live.js", file("text/javascript", include_str!("page/live.js")))
        .route("/style.css", file("text/css", include_str!("page/style.css")))
        .route("/phoenix.mjs", file("text/javascript", phoenix)))
}

fn file(kind: &'static str, text: impl Into<String>) -> MethodRouter {
    let (kind, text) = (format!("{kind}; charset=utf-8"), axum::body::Bytes::from(text.into()));
    get(async move || {
        let headers = [
            (CONTENT_TYPE, kind.as_str()),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (CONTENT_SECURITY_POLICY, POLICY),
            (CACHE_CONTROL, "no-cache"),
        ];
        (headers, text.clone()).into_response()
    })
}
