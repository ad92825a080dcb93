//! A client's half of the wire, written from the RFC alone and sharing nothing with the codec, and ways to feed a decoder.

use crate::websocket::{Decoder, Event, Limits, ProtocolError};

pub(super) const ROOMY: Limits = Limits { max_frame: 1 << 20, max_message: 1 << 21 };

/// A masked frame. `first` is the first byte: FIN, reserved bits, opcode.
pub(super) fn frame(first: u8, mask: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    if payload.len() <= 125 {
        bytes.push(0x80 + payload.len() as u8);
    } else if payload.len() <= 0xffff {
        bytes.push(0x80 + 126);
        bytes.extend((payload.len() as u16).to_be_bytes());
    } else {
        bytes.push(0x80 + 127);
        bytes.extend((payload.len() as u64).to_be_bytes());
    }
    bytes.extend(mask);
    for (index, byte) in payload.iter().enumerate() {
        bytes.push(byte ^ mask[index & 3]);
    }
    bytes
}

/// A frame whose payload can be read in the test.
pub(super) fn plain(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, [0; 4], payload)
}

/// The events of one decoder's life, and what ended it.
pub(super) type Outcome = (Vec<Event>, Option<ProtocolError>);

/// Feeds reads to a new decoder until the first error.
pub(super) fn decode_reads<'a>(reads: impl IntoIterator<Item = &'a [u8]>, limits: &Limits) -> Outcome {
    decode_by(Decoder::new(), reads, limits)
}

/// Feeds reads to a decoder until the first error.
pub(super) fn decode_by<'a>(
    mut decoder: Decoder,
    reads: impl IntoIterator<Item = &'a [u8]>,
    limits: &Limits,
) -> Outcome {
    let mut events = Vec::new();
    for read in reads {
        let mut read = read.to_vec();
        let mut input = &mut read[..];
        loop {
            match decoder.next(&mut input, limits) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Some(error)),
            }
        }
        assert!(input.is_empty(), "None means that all is used");
    }
    (events, None)
}

/// Feeds everything in one read.
pub(super) fn decode(bytes: &[u8]) -> Outcome {
    decode_reads([bytes], &ROOMY)
}
