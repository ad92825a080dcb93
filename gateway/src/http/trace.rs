use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use tracing::{Instrument as _, Span};

use crate::telemetry::TraceId;

/// Logs a request of the API, and has all that is logged meanwhile say to which trace it belongs. The path is logged as the
/// route has it: without the topic.
pub(super) async fn traced(request: Request, next: Next) -> Response {
    let span = match TraceId::of(request.headers()) {
        // Of the highest level, so that it is there whenever something within it is logged.
        Some(trace_id) => tracing::error_span!("request", %trace_id),
        None => Span::none(),
    };
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let begun = Instant::now();
    async move {
        let response = next.run(request).await;
        let route = route.as_ref().map_or("none", MatchedPath::as_str);
        let (status, elapsed) = (response.status().as_u16(), begun.elapsed());
        tracing::debug!(%method, route, status, ?elapsed, "an API request");
        response
    }
    .instrument(span)
    .await
}
