//! One frame: header, mask, payload.

/// What a frame carries (RFC 6455, 5.2), without continuations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn bits(self) -> u8 {
        match self {
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
        }
    }

    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            _ => return None,
        })
    }
}

/// A whole frame inside a buffer. The payload is still masked if there is a mask.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) opcode: Opcode,
    pub(crate) mask: Option<[u8; 4]>,
    pub(crate) payload: &'a [u8],
    /// Bytes the frame takes in the buffer, header included.
    pub(crate) size: usize,
}

/// Why the bytes of the other side can't be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("it sent a fragmented, compressed or reserved frame (first byte {0:#04x}), which this tool does not read")]
    Unsupported(u8),
    #[error("it sent a frame of {0} bytes, more than this tool reads")]
    TooLarge(u64),
}

/// More than any test needs; a larger length is a sign of lost framing.
const MAX_PAYLOAD: u64 = 64 << 20;

/// Reads the frame at the start of `bytes`; `None` means that more bytes are needed.
pub(crate) fn parse_frame(bytes: &[u8]) -> Result<Option<Frame<'_>>, FrameError> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    let Some(opcode) = Opcode::from_bits(first & 0x0f).filter(|_| first & 0xf0 == 0x80) else {
        return Err(FrameError::Unsupported(*first));
    };
    let (length, rest) = match second & 0x7f {
        126 => match rest.split_first_chunk::<2>() {
            Some((length, rest)) => (u64::from(u16::from_be_bytes(*length)), rest),
            None => return Ok(None),
        },
        127 => match rest.split_first_chunk::<8>() {
            Some((length, rest)) => (u64::from_be_bytes(*length), rest),
            None => return Ok(None),
        },
        short => (u64::from(short), rest),
    };
    if length > MAX_PAYLOAD {
        return Err(FrameError::TooLarge(length));
    }
    let (mask, rest) = if second & 0x80 == 0 {
        (None, rest)
    } else {
        match rest.split_first_chunk::<4>() {
            Some((mask, rest)) => (Some(*mask), rest),
            None => return Ok(None),
        }
    };
    let length = length as usize;
    let Some(payload) = rest.get(..length) else { return Ok(None) };
    Ok(Some(Frame { opcode, mask, payload, size: bytes.len() - rest.len() + length }))
}

/// Appends a whole frame to `out`; a client passes a mask, a server none.
pub(crate) fn append_frame(out: &mut Vec<u8>, opcode: Opcode, mask: Option<[u8; 4]>, payload: &[u8]) {
    let mask_bit = if mask.is_some() { 0x80 } else { 0 };
    out.push(0x80 | opcode.bits());
    match payload.len() {
        length @ 0..=125 => out.push(mask_bit | length as u8),
        length @ 126..=0xffff => {
            out.push(mask_bit | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(mask_bit | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    match mask {
        None => out.extend_from_slice(payload),
        Some(mask) => {
            out.extend_from_slice(&mask);
            out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        }
    }
}

/// The payload of a frame with its mask, if any, taken off.
pub(crate) fn unmask(frame: &Frame<'_>) -> Vec<u8> {
    match frame.mask {
        None => frame.payload.to_vec(),
        Some(mask) => frame.payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_6455_are_read() {
        let unmasked = [0x81, 0x05, b'H', b'e', b'l', b'l', b'o'];
        let frame = parse_frame(&unmasked).unwrap().unwrap();
        assert_eq!((frame.opcode, frame.payload, frame.size), (Opcode::Text, b"Hello".as_slice(), 7));
        let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(unmask(&parse_frame(&masked).unwrap().unwrap()), b"Hello");
        let mut written = Vec::new();
        append_frame(&mut written, Opcode::Text, Some([0x37, 0xfa, 0x21, 0x3d]), b"Hello");
        assert_eq!(written, masked);
    }

    #[test]
    fn every_length_form_survives_a_round_trip_and_a_cut_frame_waits() {
        for length in [0, 125, 126, 127, 65_535, 65_536] {
            for mask in [None, Some([1, 2, 3, 4])] {
                let payload = vec![b'x'; length];
                let mut bytes = Vec::new();
                append_frame(&mut bytes, Opcode::Binary, mask, &payload);
                let frame = parse_frame(&bytes).unwrap().unwrap();
                assert_eq!((frame.size, unmask(&frame)), (bytes.len(), payload));
                for cut in [0, 1, 2, 3, 5, bytes.len() - 1].into_iter().filter(|cut| *cut < bytes.len()) {
                    assert_eq!(parse_frame(&bytes[..cut]).unwrap(), None, "length {length} cut at {cut}");
                }
            }
        }
    }

    #[test]
    fn fragments_reserved_bits_and_absurd_lengths_are_refused() {
        assert_eq!(parse_frame(&[0x01, 0x00]), Err(FrameError::Unsupported(0x01)));
        assert_eq!(parse_frame(&[0x80, 0x00]), Err(FrameError::Unsupported(0x80)));
        assert_eq!(parse_frame(&[0xc1, 0x00]), Err(FrameError::Unsupported(0xc1)));
        let huge = [0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(parse_frame(&huge), Err(FrameError::TooLarge(0x7fff_ffff_ffff_ffff)));
    }
}
