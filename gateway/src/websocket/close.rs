use super::error::ProtocolError;

/// Why a client closes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseFrame {
    /// A code that a client may send: 1000-1003, 1007-1014, or 3000-4999 (RFC 6455, 7.4).
    pub code: u16,
    /// For people; often empty.
    pub reason: Box<str>,
}

impl CloseFrame {
    /// Reads the payload of a close frame: nothing, or a code and a reason.
    pub(super) fn parse(payload: &[u8]) -> Result<Option<Self>, ProtocolError> {
        if payload.is_empty() {
            return Ok(None);
        }
        let (code, reason) = payload.split_first_chunk().ok_or(ProtocolError::TruncatedCloseCode)?;
        let reason = std::str::from_utf8(reason).map_err(|_| ProtocolError::InvalidUtf8)?;
        let code = u16::from_be_bytes(*code);
        if !may_be_sent(code) {
            return Err(ProtocolError::InvalidCloseCode);
        }
        Ok(Some(Self { code, reason: reason.into() }))
    }
}

/// Whether a close frame may carry the code: those of the IANA registry, and those left to libraries and applications.
/// 1004 has no meaning; 1005, 1006 and 1015 are for reports on this side of the wire only.
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
