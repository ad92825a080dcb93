//! Control frames to a client, ready to be written.

use bytes::{BufMut, Bytes, BytesMut};

use super::client_frame::MAX_CONTROL;
use super::header::FrameHeader;

/// Answers a ping. Payloads of pings have at most 125 bytes; of a longer one the rest is left out.
pub fn pong(payload: &[u8]) -> Bytes {
    control(FrameHeader::PONG, &[&payload[..payload.len().min(MAX_CONTROL)]])
}

/// Says that this side closes, and why. The reason is cut to the 123 bytes that fit, between two characters.
pub fn close(code: u16, reason: &str) -> Bytes {
    let reason = &reason[..reason.floor_char_boundary(MAX_CONTROL - 2)];
    control(FrameHeader::CLOSE, &[&code.to_be_bytes(), reason.as_bytes()])
}

/// Answers a close that gave no code.
pub fn close_without_code() -> Bytes {
    control(FrameHeader::CLOSE, &[])
}

fn control(opcode: u8, parts: &[&[u8]]) -> Bytes {
    let header = FrameHeader::control(opcode, parts.iter().map(|part| part.len()).sum());
    let mut frame = BytesMut::with_capacity(2 + MAX_CONTROL);
    frame.put_slice(header.as_slice());
    for part in parts {
        frame.put_slice(part);
    }
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::{close, close_without_code, pong};

    #[test]
    fn a_pong_repeats_the_payload() {
        assert_eq!(pong(b"Hello")[..], *b"\x8a\x05Hello");
        assert_eq!(pong(b"")[..], *b"\x8a\x00");
        assert_eq!(pong(&[7; 126])[..2], [0x8a, 125]);
    }

    #[test]
    fn a_close_carries_its_code_and_reason() {
        assert_eq!(close(1012, "")[..], *b"\x88\x02\x03\xf4");
        assert_eq!(close(1011, "oops")[..], *b"\x88\x06\x03\xf3oops");
        assert_eq!(close_without_code()[..], *b"\x88\x00");
    }

    #[test]
    fn a_long_reason_is_cut_between_two_characters() {
        let frame = close(1000, &"é".repeat(100));
        assert_eq!(frame[1], 124);
        assert_eq!(frame[4..], *"é".repeat(61).as_bytes());
    }
}
