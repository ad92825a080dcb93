use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::super::handshake::Rejection;

/// What a session says to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// To a poll: messages, as a JSON list of strings.
    Messages(Bytes),
    /// To a poll: none in time.
    Nothing,
    /// To a POST: all of it was processed.
    Done,
    /// To a POST: it was not processed in time, or nobody knows whether it was.
    Late,
    /// There is no such session.
    Gone,
}

impl Answer {
    /// The number in the body, which is all that clients look at.
    pub(super) fn status(&self) -> u16 {
        match self {
            Self::Messages(_) | Self::Done => 200,
            Self::Nothing => 204,
            Self::Late => 408,
            Self::Gone => 410,
        }
    }
}

/// The answer to a poll of a session, or with [`Answer::Gone`] to one that has just been opened.
pub(super) fn to_poll(answer: &Answer, token: &str) -> Response {
    let messages: &[u8] = if let Answer::Messages(messages) = answer { messages } else { b"[]" };
    // A token holds no character that JSON escapes.
    let head = format!("{{\"status\":{},\"token\":\"{token}\",\"messages\":", answer.status());
    respond(StatusCode::OK, [head.as_bytes(), messages, b"}"].concat())
}

/// An answer of the status alone.
pub(super) fn status(status: u16) -> Response {
    with_status(StatusCode::OK, status)
}

fn with_status(http: StatusCode, status: u16) -> Response {
    respond(http, format!("{{\"status\":{status}}}").into_bytes())
}

fn respond(http: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = http;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    allow_all(headers);
    response
}

/// The origin was checked: whoever gets an answer may read it. There are no cookies that a page could misuse.
fn allow_all(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
}

/// Why a session was not opened: 403 for good, 500 where it is worth trying again. Clients know no other number.
pub(super) fn refused(rejection: &Rejection) -> Response {
    match rejection {
        Rejection::Crashed | Rejection::Draining | Rejection::Limit(_) => {
            let mut response = with_status(rejection.response().0, 500);
            if let Rejection::Limit(refused) = rejection {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(refused.retry_after()));
            }
            response
        }
        _ => status(403),
    }
}

/// The pod cannot tell yet which tokens are good.
pub(super) fn not_ready() -> Response {
    with_status(StatusCode::SERVICE_UNAVAILABLE, 500)
}

/// What is no request of a client.
pub(super) fn bad_request() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::BAD_REQUEST;
    allow_all(response.headers_mut());
    response
}

/// A page asks what it may send.
pub(super) fn preflight(asked: &HeaderMap) -> Response {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    allow_all(headers);
    if let Some(wanted) = asked.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("get, post, options"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
    response
}
