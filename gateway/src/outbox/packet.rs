use bytes::Bytes;

use crate::websocket::deflate::{MIN_LEN, Window, compress};
use crate::websocket::{FrameHeader, MessageKind};
use crate::wire::{Compression, EncodeError, Encoding, Opcode, Outgoing};

/// What a queued frame costs beside its bytes, so that a limit in bytes bounds the number of small frames too.
const PACKET_OVERHEAD: usize = 64;

/// One encoded message, framed for a WebSocket; cloning shares the memory, so one encoding serves all subscribers.
#[derive(Debug, Clone)]
pub struct Packet {
    frame: Bytes,
    /// How much shorter compression made the message, in bytes.
    saved: u32,
}

impl Packet {
    /// Encodes a message.
    ///
    /// # Errors
    /// When the version of the encoding cannot carry it.
    pub fn encode(encoding: impl Into<Encoding>, message: Outgoing<'_>) -> Result<Self, EncodeError> {
        let encoding = encoding.into();
        let mut out = Vec::with_capacity(256);
        out.resize(FrameHeader::MAX_LEN, 0);
        let kind = match encoding.encode(message, &mut out)? {
            Opcode::Text => MessageKind::Text,
            Opcode::Binary => MessageKind::Binary,
        };
        let header = FrameHeader::message(kind, out.len() - FrameHeader::MAX_LEN);
        let packet = Self::framed(out, header, 0);
        Ok(match encoding.compression {
            Compression::None => packet,
            compression => packet.compressed(compression),
        })
    }

    /// Puts the header into the room in front of the payload. Its length depends on the payload's: it is written right
    /// before the payload, and what is unused is skipped.
    fn framed(mut out: Vec<u8>, header: FrameHeader, saved: u32) -> Self {
        let start = FrameHeader::MAX_LEN - header.as_slice().len();
        out[start..FrameHeader::MAX_LEN].copy_from_slice(header.as_slice());
        Self { frame: Bytes::from(out).slice(start..), saved }
    }

    /// The same message for connections with this compression. A small one, and one that does not shrink, stays as it is:
    /// each message says of itself whether it is compressed.
    #[must_use]
    pub fn compressed(&self, compression: Compression) -> Self {
        let window = match compression {
            Compression::None => return self.clone(),
            Compression::Deflate => Window::Full,
            Compression::DeflateSmall => Window::Small,
        };
        let payload = self.payload();
        if payload.len() < MIN_LEN {
            return self.clone();
        }
        let mut out = vec![0; FrameHeader::MAX_LEN];
        if !compress(window, payload, &mut out) {
            return self.clone();
        }
        // It may be kept for long: without the room that was made for the worst.
        out.shrink_to_fit();
        let kind = if self.is_binary() { MessageKind::Binary } else { MessageKind::Text };
        let len = out.len() - FrameHeader::MAX_LEN;
        let saved = u32::try_from(payload.len() - len).unwrap_or(u32::MAX);
        Self::framed(out, FrameHeader::compressed_message(kind, len), saved)
    }

    /// How long the message was before it was compressed, and is now, in bytes. None: it is not compressed.
    pub fn compression(&self) -> Option<(usize, usize)> {
        let now = self.payload().len();
        (self.saved > 0).then_some((now + self.saved as usize, now))
    }

    /// The whole WebSocket frame.
    pub fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// The message without its WebSocket header, as compressed as the packet is.
    pub fn payload(&self) -> &[u8] {
        // What the second byte says about the length (RFC 6455, 5.2).
        let header_len = match self.frame[1] & 0x7f {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        &self.frame[header_len..]
    }

    /// Whether the message is binary rather than text.
    pub fn is_binary(&self) -> bool {
        // The opcode: the lower half of a frame's first byte (RFC 6455, 5.2).
        self.frame.first().is_some_and(|first| first & 0x0f == 2)
    }

    /// A control frame, which no limit counts.
    pub fn control(frame: Bytes) -> Self {
        Self { frame, saved: 0 }
    }

    /// Whether it is a control frame.
    pub fn is_control(&self) -> bool {
        // The opcodes from 8 on.
        self.frame.first().is_some_and(|first| first & 0x08 != 0)
    }

    /// What it counts against the limits of an outbox, in bytes.
    pub fn cost(&self) -> usize {
        if self.is_control() { 0 } else { self.frame.len() + PACKET_OVERHEAD }
    }
}
