use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::answer::Refused;

/// How long a body may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// What a body is said to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Json,
    Bytes,
}

impl Kind {
    /// Without a type, a body is JSON.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Refused> {
        let Some(kind) = headers.get(CONTENT_TYPE) else { return Ok(Self::Json) };
        let kind = kind.to_str().unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if kind.eq_ignore_ascii_case("application/json") || kind.is_empty() {
            Ok(Self::Json)
        } else if kind.eq_ignore_ascii_case("application/octet-stream") {
            Ok(Self::Bytes)
        } else {
            Err(Refused::ContentType)
        }
    }
}

/// Reads a whole body of at most so many bytes.
pub(super) async fn read(body: Body, limit: usize) -> Result<Bytes, Refused> {
    match tokio::time::timeout(PATIENCE, Limited::new(body, limit).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refused::too_large()),
        Ok(Err(_)) | Err(_) => Err(Refused::Unreadable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_303_json_and_bytes_are_taken_and_nothing_else() {
        let kind = |kind: &str| Kind::of(&HeaderMap::from_iter([(CONTENT_TYPE, kind.parse().unwrap())]));
        for json in ["application/json", "Application/JSON; charset=utf-8", ""] {
            assert_eq!(kind(json), Ok(Kind::Json), "{json}");
        }
        assert_eq!(Kind::of(&HeaderMap::new()), Ok(Kind::Json));
        assert_eq!(kind("application/octet-stream"), Ok(Kind::Bytes));
        for other in ["text/plain", "application/jsonp", "multipart/form-data; boundary=x"] {
            assert_eq!(kind(other), Err(Refused::ContentType), "{other}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_has_its_size_and_its_time() {
        assert_eq!(read(Body::from("12345678"), 8).await, Ok(Bytes::from_static(b"12345678")));
        assert_eq!(read(Body::from("123456789"), 8).await, Err(Refused::too_large()));
        let never = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        assert_eq!(read(Body::from_stream(never), 8).await, Err(Refused::Unreadable));
    }
}
