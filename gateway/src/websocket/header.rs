/// Whether a data message is text or binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// UTF-8 text, opcode 1.
    Text,
    /// Bytes, opcode 2.
    Binary,
}

/// The header of an unmasked frame from the server (RFC 6455, section 5.2).
#[derive(Debug, Clone, Copy)]
pub struct FrameHeader {
    bytes: [u8; Self::MAX_LEN],
    len: u8,
}

impl FrameHeader {
    /// Bytes of the longest header that a server sends.
    pub const MAX_LEN: usize = 10;

    pub(super) const CLOSE: u8 = 0x8;
    pub(super) const PONG: u8 = 0xa;

    /// The header of a whole message in one frame.
    pub fn message(kind: MessageKind, payload_len: usize) -> Self {
        Self::new(0x80 | opcode(kind), payload_len)
    }

    /// The header of a whole compressed message in one frame (RFC 7692, 6); the length is that of the compressed form.
    pub fn compressed_message(kind: MessageKind, payload_len: usize) -> Self {
        Self::new(0xc0 | opcode(kind), payload_len)
    }

    /// The header of a control frame, whose payload has at most 125 bytes.
    pub(super) fn control(opcode: u8, payload_len: usize) -> Self {
        Self::new(0x80 | opcode, payload_len)
    }

    fn new(first: u8, payload_len: usize) -> Self {
        let mut bytes = [0; Self::MAX_LEN];
        bytes[0] = first;
        let len = match (u8::try_from(payload_len), u16::try_from(payload_len)) {
            (Ok(short), _) if short < 126 => {
                bytes[1] = short;
                2
            }
            (_, Ok(medium)) => {
                bytes[1] = 126;
                bytes[2..4].copy_from_slice(&medium.to_be_bytes());
                4
            }
            _ => {
                bytes[1] = 127;
                bytes[2..10].copy_from_slice(&(payload_len as u64).to_be_bytes());
                10
            }
        };
        Self { bytes, len }
    }

    /// Its length in bytes.
    #[expect(clippy::len_without_is_empty, reason = "a header is never empty")]
    pub fn len(&self) -> u8 {
        self.len
    }

    /// The bytes to send before the payload.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len.into()]
    }
}

fn opcode(kind: MessageKind) -> u8 {
    match kind {
        MessageKind::Text => 0x1,
        MessageKind::Binary => 0x2,
    }
}

#[cfg(test)]
mod tests {
    use super::{FrameHeader, MessageKind};

    #[test]
    fn lengths_are_written_in_as_few_bytes_as_possible() {
        for (len, bytes) in [
            (0, &b"\x81\x00"[..]),
            (125, b"\x81\x7d"),
            (126, b"\x81\x7e\x00\x7e"),
            (65_535, b"\x81\x7e\xff\xff"),
            (65_536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
        ] {
            let header = FrameHeader::message(MessageKind::Text, len);
            assert_eq!(header.as_slice(), bytes);
            assert_eq!(usize::from(header.len()), bytes.len());
        }
        assert_eq!(FrameHeader::message(MessageKind::Binary, 256).as_slice(), b"\x82\x7e\x01\x00");
        assert_eq!(FrameHeader::compressed_message(MessageKind::Text, 7).as_slice(), b"\xc1\x07");
        assert_eq!(FrameHeader::compressed_message(MessageKind::Binary, 7).as_slice(), b"\xc2\x07");
    }
}
