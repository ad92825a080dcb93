use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, StatusCode};

use super::problem::Problem;
use crate::config::Secret;

/// Who may use the internal API.
#[derive(Debug, Clone)]
pub(crate) enum Access {
    /// Whoever has one of the keys. Without keys nobody.
    Keys(Vec<Secret>),
    /// Every program of this machine, but no web page (development).
    Loopback,
}

/// Refuses requests that may not use the API.
pub(super) async fn guard(State(access): State<Access>, request: Request, next: Next) -> Response {
    let checked = match &access {
        Access::Keys(keys) => check_key(keys, request.headers()),
        Access::Loopback => check_loopback(&request),
    };
    match checked {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn check_key(keys: &[Secret], headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    // All keys are compared, each in constant time, so that the time tells nothing about them.
    let known = given.is_some_and(|given| keys.iter().fold(false, |known, key| known | key.matches(given)));
    if known {
        return Ok(());
    }
    Err(Problem::new(StatusCode::UNAUTHORIZED, "send `Authorization: Bearer KEY` with a key of `[api] keys`"))
}

/// A page on the web can make a browser send requests to this machine: by a name that it has resolved to loopback, and
/// without asking first as long as the body is no JSON.
fn check_loopback(request: &Request) -> Result<(), Problem> {
    let (method, headers) = (request.method(), request.headers());
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    if !is_loopback(headers) || !peer.is_some_and(|ConnectInfo(peer)| peer.ip().is_loopback()) {
        let detail = "in development the API answers only this machine, as localhost, 127.0.0.1 or [::1]";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    let is_json = headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    // A browser asks before it deletes for a page, and is refused.
    if method != Method::GET && method != Method::DELETE && !is_json {
        return Err(Problem::not_json());
    }
    Ok(())
}

/// Whether the request was sent to a name of this machine.
pub(super) fn is_loopback(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    ["localhost", "127.0.0.1", "[::1]"].contains(&name)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        let is = |host: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static(host));
            is_loopback(&headers)
        };
        for host in ["localhost", "localhost:4001", "127.0.0.1:4001", "[::1]", "[::1]:4001"] {
            assert!(is(host), "{host}");
        }
        for host in
            ["", "evil.example", "localhost.evil.example:4001", "127.0.0.1.evil.example", "192.168.0.1", ":4001"]
        {
            assert!(!is(host), "{host}");
        }
        assert!(!is_loopback(&HeaderMap::new()));
    }
}
