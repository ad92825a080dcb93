//! The server's half of the opening handshake (RFC 6455, 4.2), for requests whose method is known to be GET.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::{CONNECTION, HeaderMap, HeaderName, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use sha1::{Digest, Sha1};
use thiserror::Error;

/// What a key is hashed with, to prove that the server speaks WebSocket (RFC 6455, 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Some clients leave garbage in the last bits of the key's last character, which carry nothing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// A request that is no WebSocket upgrade: to be answered with 400 and this text, which names the header (row 16).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UpgradeError {
    /// Missing, or without the token.
    #[error("the `connection` header must contain `upgrade`")]
    Connection,
    /// Missing, or without the token.
    #[error("the `upgrade` header must contain `websocket`")]
    Upgrade,
    /// Missing, or another version. The answer should name 13 in a header of the same name.
    #[error("the `sec-websocket-version` header must be `13`")]
    Version,
    /// Missing, given twice, or not 16 bytes in base64.
    #[error("the `sec-websocket-key` header must be 16 bytes in base64")]
    Key,
}

/// Checks the headers of an upgrade; returns the value of the response's `sec-websocket-accept`.
///
/// # Errors
/// When a header is missing or wrong.
pub fn accept(headers: &HeaderMap) -> Result<String, UpgradeError> {
    if !has_token(headers, &CONNECTION, "upgrade") {
        return Err(UpgradeError::Connection);
    }
    if !has_token(headers, &UPGRADE, "websocket") {
        return Err(UpgradeError::Upgrade);
    }
    if single(headers, &SEC_WEBSOCKET_VERSION) != Some(b"13") {
        return Err(UpgradeError::Version);
    }
    let key = single(headers, &SEC_WEBSOCKET_KEY).ok_or(UpgradeError::Key)?;
    match BASE64.decode(key) {
        Ok(bytes) if bytes.len() == 16 => Ok(accept_key(key)),
        _ => Err(UpgradeError::Key),
    }
}

/// The answer to a `sec-websocket-key`, taken as it stands in the header.
pub fn accept_key(key: &[u8]) -> String {
    BASE64.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

/// Whether a list header, which may be spread over lines, has the token in any case.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b','))
        .any(|entry| entry.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// The value of a header that must stand once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (Some(value), None) => Some(value.as_bytes().trim_ascii()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{HeaderMap, UpgradeError, accept, accept_key};

    const GOOD: [(&str, &str); 4] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    /// The good request, with one header changed, or removed by an empty value.
    fn with(name: &'static str, value: &'static str) -> HeaderMap {
        let mut headers: HeaderMap = HeaderMap::new();
        for (key, usual) in GOOD {
            let value = if key == name { value } else { usual };
            if !value.is_empty() {
                headers.insert(key, value.parse().unwrap());
            }
        }
        headers
    }

    #[test]
    fn the_example_of_the_rfc_is_accepted() {
        assert_eq!(accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(accept(&with("", "")).unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn row_16_the_bad_header_is_named() {
        for (name, value, error) in [
            ("connection", "", UpgradeError::Connection),
            ("connection", "keep-alive", UpgradeError::Connection),
            ("connection", "upgraded", UpgradeError::Connection),
            ("upgrade", "", UpgradeError::Upgrade),
            ("upgrade", "h2c", UpgradeError::Upgrade),
            ("sec-websocket-version", "", UpgradeError::Version),
            ("sec-websocket-version", "8", UpgradeError::Version),
            ("sec-websocket-key", "", UpgradeError::Key),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25j", UpgradeError::Key),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ", UpgradeError::Key),
            ("sec-websocket-key", "not base64, not at all!!", UpgradeError::Key),
        ] {
            assert_eq!(accept(&with(name, value)), Err(error), "{name}: {value}");
            assert!(error.to_string().contains(&format!("`{name}`")));
        }
        assert_eq!(
            accept(&with("connection", "")).unwrap_err().to_string(),
            "the `connection` header must contain `upgrade`"
        );
    }

    #[test]
    fn tokens_may_stand_on_a_second_line_and_a_key_may_not() {
        let mut headers = with("connection", "keep-alive");
        headers.append("connection", "UPGRADE".parse().unwrap());
        assert!(accept(&headers).is_ok());
        headers.append("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==".parse().unwrap());
        assert_eq!(accept(&headers), Err(UpgradeError::Key));
    }

    #[test]
    fn unused_bits_at_the_end_of_a_key_are_ignored() {
        assert!(accept(&with("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZR==")).is_ok());
    }
}
