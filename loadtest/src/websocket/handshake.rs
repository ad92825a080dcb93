//! The upgrade: request and response heads.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// One key for all connections: it protects against caches that replay answers, and there are none between a load tool
/// and its server.
const KEY: &str = "bG9hZHRlc3QgbG9hZHRlcw==";
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Why an upgrade did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("it answered \"{0}\" in place of an upgrade to WebSocket")]
    Refused(String),
    #[error("it answered something that is not HTTP")]
    NotHttp,
    #[error("it switched protocols with a wrong Sec-WebSocket-Accept")]
    WrongAccept,
}

/// The request head for `path` (with its query) at `host`.
pub(crate) fn request(host: &str, path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    .into_bytes()
}

/// Where the head ends (the index after the empty line), if all of it is there.
pub(crate) fn head_end(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4)
}

/// Checks the head of a server's response.
pub(crate) fn check_response(head: &[u8]) -> Result<(), HandshakeError> {
    let head = std::str::from_utf8(head).map_err(|_| HandshakeError::NotHttp)?;
    let status = head.lines().next().unwrap_or_default();
    let Some((_, status)) = status.split_once(' ').filter(|(version, _)| version.starts_with("HTTP/1.")) else {
        return Err(HandshakeError::NotHttp);
    };
    if !status.starts_with("101") {
        return Err(HandshakeError::Refused(status.to_owned()));
    }
    if header(head, "sec-websocket-accept") == Some(accept_of(KEY).as_str()) {
        Ok(())
    } else {
        Err(HandshakeError::WrongAccept)
    }
}

/// The key and the request target of a client's request head, if it asks for an upgrade.
pub(crate) fn key_of_request(head: &[u8]) -> Option<(&str, &str)> {
    let head = std::str::from_utf8(head).ok()?;
    let target = head.lines().next()?.strip_prefix("GET ")?.split(' ').next()?;
    Some((header(head, "sec-websocket-key")?, target))
}

/// The response head that accepts `key`.
pub(crate) fn accept_response(key: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        accept_of(key)
    )
    .into_bytes()
}

fn accept_of(key: &str) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_of_rfc_6455_is_computed() {
        assert_eq!(accept_of("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn both_sides_understand_each_other() {
        let request = request("localhost:4000", "/socket/websocket?vsn=2.0.0");
        let (key, target) = key_of_request(&request).unwrap();
        assert_eq!(target, "/socket/websocket?vsn=2.0.0");
        assert_eq!(check_response(&accept_response(key)), Ok(()));
        assert_eq!(head_end(&request), Some(request.len()));
    }

    #[test]
    fn a_refusal_keeps_the_status_line() {
        let refused = check_response(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(refused, Err(HandshakeError::Refused("403 Forbidden".to_owned())));
        assert_eq!(check_response(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), Err(HandshakeError::NotHttp));
        let wrong = b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: AAAA\r\n\r\n";
        assert_eq!(check_response(wrong), Err(HandshakeError::WrongAccept));
    }
}
