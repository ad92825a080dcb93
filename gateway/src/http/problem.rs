use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use super::sent::Sent;

/// An error answer (RFC 9457).
#[derive(Debug, Clone)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    results: Option<Vec<Sent>>,
}

#[derive(Serialize)]
struct Body<'a> {
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    results: Option<&'a [Sent]>,
}

impl Problem {
    /// `detail` is one line that tells what to do.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), results: None }
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(super) fn unavailable() -> Self {
        let detail = "Redis or the database is away or too slow: it may or may not have happened, try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// Adds what became of each message of a batch.
    pub(super) fn with_results(self, results: Vec<Sent>) -> Self {
        Self { results: Some(results), ..self }
    }

    /// What was asked is not known.
    pub(super) fn unknown_now() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Redis is away or too slow: it is not known now, try again")
    }

    pub(super) fn not_json() -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send `Content-Type: application/json`")
    }

    pub(super) async fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is nothing at this path: see /api/v1/openapi.json")
    }

    pub(super) async fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "use a method that the `allow` header names")
    }
}

/// A body that could not be read.
impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "the body may have 1 MiB: send less, or in several requests")
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::not_json(),
            // JSON of the wrong shape is as wrong as no JSON: callers need one status for "the body has to change". What
            // they named a field may hold a line break.
            _ => Self::bad_request(rejection.body_text().replace(['\r', '\n'], " ")),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let status = self.status.as_u16();
        let body = Body { title, status, detail: &self.detail, results: self.results.as_deref() };
        let mut response = (self.status, Json(body)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 9110, section 11.6.1: a 401 names the scheme that would do.
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
