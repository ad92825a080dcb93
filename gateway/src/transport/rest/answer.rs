use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, CONTENT_TYPE, RETRY_AFTER,
    VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

/// Why a request is not accepted. Nothing of it was sent, unless it says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// The page that it comes from may not connect.
    Origin,
    /// Its address asks too often; how many seconds until it may again.
    TooOften(u64),
    /// There is no token, or it is not good.
    Unauthorized,
    /// Its token does not allow it to speak in this private topic.
    Forbidden,
    /// What it sends is neither JSON nor bytes.
    ContentType,
    /// The body did not come in time, or was cut.
    Unreadable,
    /// What is wrong with it, by fields.
    Invalid(Value),
    /// Redis is away: it may or may not have been sent.
    Unavailable,
}

impl Refused {
    /// One mistake, in one field.
    pub(super) fn invalid(field: &str, problem: &str) -> Self {
        Self::Invalid(json!({ field: [problem] }))
    }

    /// The body is larger than it may be.
    pub(super) fn too_large() -> Self {
        Self::invalid("payload", TOO_LARGE)
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Origin | Self::Forbidden => StatusCode::FORBIDDEN,
            Self::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unreadable => StatusCode::REQUEST_TIMEOUT,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// realtime-js shows its user `error` or `message`.
    fn body(&self) -> Value {
        match self {
            Self::Origin => json!({ "message": "Pages of this origin may not connect" }),
            Self::TooOften(_) => json!({ "message": "Too many requests" }),
            Self::Unauthorized => json!({ "message": "Unauthorized" }),
            Self::Forbidden => json!({ "message": "You do not have permissions to write to this Channel topic" }),
            Self::ContentType => {
                json!({ "error": "Content-Type must be application/json or application/octet-stream" })
            }
            Self::Unreadable => json!({ "message": "The body did not come in time" }),
            Self::Invalid(errors) => json!({ "errors": errors }),
            Self::Unavailable => json!({ "message": "It may or may not have been sent: Redis is away or too slow" }),
        }
    }
}

/// A field that is missing or empty.
pub(super) const BLANK: &str = "can't be blank";
/// A field of another type.
pub(super) const INVALID: &str = "is invalid";
/// A name that no frame could carry.
pub(super) const TOO_LONG: &str = "is too long";
/// A payload that no frame may have.
pub(super) const TOO_LARGE: &str = "is too large";
/// Bytes where a history takes none.
pub(super) const JSON_ONLY: &str = "must be JSON in a topic with history";

/// The answer to a request.
pub(super) fn answer(outcome: &Result<(), Refused>) -> Response {
    let mut response = Response::new(Body::empty());
    match outcome {
        Ok(()) => *response.status_mut() = StatusCode::ACCEPTED,
        Err(refused) => {
            *response.status_mut() = refused.status();
            *response.body_mut() = Body::from(refused.body().to_string());
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
            if let Refused::TooOften(seconds) = refused {
                headers.insert(RETRY_AFTER, HeaderValue::from(*seconds));
            }
        }
    }
    allow_all(response.headers_mut());
    response
}

/// A page asks what it may send.
pub(super) fn preflight(asked: &HeaderMap) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    allow_all(headers);
    if let Some(wanted) = asked.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        headers.insert(VARY, HeaderValue::from_static("access-control-request-headers"));
    }
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, OPTIONS"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
    response
}

/// Whoever gets an answer may read it. What a request may do is in its token, and never in a cookie.
fn allow_all(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
}
