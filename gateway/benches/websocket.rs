//! The WebSocket codec: bytes of a client become messages, unmasked and checked.

use gateway::websocket::{Decoder, Event, Limits, frames};

use crate::harness::{Bench, Meter};

pub(crate) const BENCHES: &[Bench] = &[
    Bench { name: "websocket.decode_64_bytes", run: |meter| decode(meter, &[masked(0x81, &text(64))]) },
    Bench { name: "websocket.decode_1_kib", run: |meter| decode(meter, &[masked(0x81, &text(1024))]) },
    // Mostly unmasking, for binary payloads are not looked at.
    Bench { name: "websocket.unmask_16_kib", run: |meter| decode(meter, &[masked(0x82, &text(16 * 1024))]) },
    Bench { name: "websocket.decode_4_fragments", run: |meter| decode(meter, &[fragments().concat()]) },
    Bench { name: "websocket.decode_in_two_reads", run: |meter| decode(meter, &two_reads()) },
    Bench {
        name: "websocket.encode_pong",
        run: |meter| meter.measure((), |()| text(16), |(), ping| frames::pong(&ping)),
    },
];

const LIMITS: Limits = Limits { max_frame: 1 << 18, max_message: 1 << 18 };

/// All that the decoder makes of what is read, one read after the other.
fn decode(meter: &Meter, reads: &[Vec<u8>]) {
    meter.measure(
        Decoder::new(),
        |_| reads.to_vec(),
        |decoder, mut reads| {
            let mut last = None;
            for read in &mut reads {
                let mut input = &mut read[..];
                while let Some(event) = decoder.next(&mut input, &LIMITS).expect("the frames are valid") {
                    last = Some(event);
                }
            }
            assert!(matches!(last, Some(Event::Message(..))), "the message is whole");
            (last, reads)
        },
    );
}

/// JSON of so many bytes.
fn text(len: usize) -> Vec<u8> {
    let mut text = br#"{"body":""#.to_vec();
    text.resize(len - 2, b'x');
    text.extend_from_slice(br#""}"#);
    text
}

/// A frame as a client sends it; `first` is its first byte.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match u16::try_from(payload.len()).expect("short payloads only") {
        len @ ..126 => frame.push(0x80 | len as u8),
        len => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&len.to_be_bytes());
        }
    }
    frame.extend_from_slice(&key);
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// A message of 1 KiB in four frames.
fn fragments() -> Vec<Vec<u8>> {
    let message = text(1024);
    let first_byte = |index| match index {
        0 => 0x01,
        3 => 0x80,
        _ => 0x00,
    };
    message.chunks(256).enumerate().map(|(index, part)| masked(first_byte(index), part)).collect()
}

/// A message of 1 KiB of which the first read brings 400 bytes.
fn two_reads() -> [Vec<u8>; 2] {
    let mut first = masked(0x81, &text(1024));
    let second = first.split_off(400);
    [first, second]
}
