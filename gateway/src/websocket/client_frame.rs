use super::error::ProtocolError;
use super::header::MessageKind;

/// The most that a control frame carries, in bytes (RFC 6455, 5.5).
pub(super) const MAX_CONTROL: usize = 125;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Message(MessageKind),
    Control(Control),
}

/// The control frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    Close,
    Ping,
    Pong,
}

/// The header of a masked frame from a client (RFC 6455, 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClientFrame {
    pub(super) fin: bool,
    /// Whether it begins a compressed message (RFC 7692, 6).
    pub(super) compressed: bool,
    pub(super) opcode: Opcode,
    pub(super) mask: [u8; 4],
    /// Bytes of payload.
    pub(super) len: usize,
}

impl ClientFrame {
    /// Bytes of the longest header that a client sends.
    pub(super) const MAX_HEADER: usize = 14;

    /// The reserved bit of permessage-deflate, in its place in the first byte.
    pub(super) const COMPRESSED: u8 = 0x40;

    /// Reads a header from the first bytes of a frame, and says how long the header is. None: it is not whole yet.
    ///
    /// A fault is found as soon as the bytes that show it are there. `allowed_rsv` are the reserved bits that the
    /// connection's extensions use, in their place in the first byte; of messages alone, and there in the first frame.
    pub(super) fn parse(bytes: &[u8], allowed_rsv: u8) -> Result<Option<(Self, usize)>, ProtocolError> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        if first & 0x70 & !allowed_rsv != 0 {
            return Err(ProtocolError::ReservedBits);
        }
        let fin = first & 0x80 != 0;
        let opcode = opcode(first & 0x0f)?;
        let compressed = first & Self::COMPRESSED != 0;
        if compressed && !matches!(opcode, Opcode::Message(_)) {
            return Err(ProtocolError::ReservedBits);
        }
        if second & 0x80 == 0 {
            return Err(ProtocolError::Unmasked);
        }
        let short = second & 0x7f;
        if let Opcode::Control(_) = opcode {
            if !fin {
                return Err(ProtocolError::FragmentedControl);
            }
            if usize::from(short) > MAX_CONTROL {
                return Err(ProtocolError::LongControl);
            }
        }
        let Some((len, rest)) = length(short, rest)? else { return Ok(None) };
        let Some((mask, payload)) = rest.split_first_chunk() else { return Ok(None) };
        Ok(Some((Self { fin, compressed, opcode, mask: *mask, len }, bytes.len() - payload.len())))
    }
}

fn opcode(nibble: u8) -> Result<Opcode, ProtocolError> {
    Ok(match nibble {
        0x0 => Opcode::Continuation,
        0x1 => Opcode::Message(MessageKind::Text),
        0x2 => Opcode::Message(MessageKind::Binary),
        0x8 => Opcode::Control(Control::Close),
        0x9 => Opcode::Control(Control::Ping),
        0xa => Opcode::Control(Control::Pong),
        _ => return Err(ProtocolError::UnknownOpcode),
    })
}

/// The length and what comes after it. It must be written in as few bytes as possible.
fn length(short: u8, rest: &[u8]) -> Result<Option<(usize, &[u8])>, ProtocolError> {
    match short {
        126 => {
            let Some((bytes, rest)) = rest.split_first_chunk() else { return Ok(None) };
            let len = u16::from_be_bytes(*bytes);
            if len < 126 { Err(ProtocolError::LengthEncoding) } else { Ok(Some((len.into(), rest))) }
        }
        127 => {
            let Some((bytes, rest)) = rest.split_first_chunk() else { return Ok(None) };
            let len = u64::from_be_bytes(*bytes);
            if len <= u16::MAX.into() || len >> 63 != 0 {
                return Err(ProtocolError::LengthEncoding);
            }
            Ok(Some((usize::try_from(len).map_err(|_| ProtocolError::TooLarge)?, rest)))
        }
        _ => Ok(Some((short.into(), rest))),
    }
}
