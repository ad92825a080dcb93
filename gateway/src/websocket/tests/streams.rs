//! Random streams of a client: good ones with the events they mean, and damaged ones.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::client::frame;
use crate::websocket::{CloseFrame, Event, MessageKind};

/// What a well-behaved client does.
#[derive(Debug, Clone)]
enum Action {
    Message { kind: MessageKind, payload: Vec<u8>, cuts: Vec<Index>, between: Option<Vec<u8>> },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

/// Bytes, and what they mean.
pub(super) type Stream = (Vec<u8>, Vec<Event>);

/// What a well-behaved client sends.
pub(super) fn good() -> impl Strategy<Value = Stream> {
    let close = prop_oneof![
        2 => Just(None),
        1 => Just(Some(None)),
        1 => (prop_oneof![1000..=1003_u16, 1007..=1013_u16, 3000..=4999_u16], "\\PC{0,30}").prop_map(Some).prop_map(Some),
    ];
    (vec(action(), 0..6), close, any::<[u8; 4]>()).prop_map(|(actions, close, mask)| {
        let (mut bytes, mut events) = (Vec::new(), Vec::new());
        for action in actions {
            write(action, mask, &mut bytes, &mut events);
        }
        if let Some(close) = close {
            let payload = close
                .as_ref()
                .map_or_else(Vec::new, |(code, reason)| [&code.to_be_bytes(), reason.as_bytes()].concat());
            bytes.extend(frame(0x88, mask, &payload));
            events.push(Event::Close(close.map(|(code, reason)| CloseFrame { code, reason: reason.into() })));
        }
        (bytes, events)
    })
}

/// A good stream with some bytes changed, a piece lost, or frames of any kind put in; or any bytes.
pub(super) fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let odd_frame = (any::<u8>(), any::<[u8; 4]>(), vec(any::<u8>(), 0..140)).prop_map(|(a, b, c)| frame(a, b, &c));
    let changes = vec((any::<Index>(), any::<u8>()), 0..3);
    let stream = (good(), changes, proptest::option::of(any::<(Index, Index)>()), good(), vec(odd_frame, 0..3));
    prop_oneof![
        8 => stream.prop_map(|((mut bytes, _), changes, cut, (after, _), odd)| {
            for (at, value) in changes.into_iter().filter(|_| !bytes.is_empty()).collect::<Vec<_>>() {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if let (Some((from, to)), false) = (cut, bytes.is_empty()) {
                let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
                bytes.drain(from.min(to)..from.max(to));
            }
            [bytes, odd.concat(), after].concat()
        }),
        1 => vec(any::<u8>(), 0..200),
    ]
}

/// Sizes of the reads that a stream arrives in.
pub(super) fn reads() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![4 => 1..20_usize, 2 => 1..300_usize, 1 => 1..70_000_usize], 1..12)
}

/// Cuts a stream into reads of these sizes, over and over.
pub(super) fn cut<'a>(mut stream: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut reads = Vec::new();
    for &size in sizes.iter().cycle() {
        if stream.is_empty() {
            break;
        }
        let (read, rest) = stream.split_at(size.min(stream.len()));
        reads.push(read);
        stream = rest;
    }
    reads
}

fn action() -> impl Strategy<Value = Action> {
    let text = prop_oneof![
        6 => "\\PC{0,40}",
        1 => "[a-zé]{100,140}",
    ];
    let binary = prop_oneof![
        12 => vec(any::<u8>(), 0..60),
        4 => vec(any::<u8>(), 120..130),
        1 => (65_530..65_545_usize, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
    ];
    let payload = prop_oneof![
        3 => text.prop_map(|text| (MessageKind::Text, text.into_bytes())),
        2 => binary.prop_map(|data| (MessageKind::Binary, data)),
    ];
    let control = vec(any::<u8>(), 0..=125);
    let message = (payload, vec(any::<Index>(), 0..4), proptest::option::of(control.clone()));
    prop_oneof![
        4 => message.prop_map(|((kind, payload), cuts, between)| Action::Message { kind, payload, cuts, between }),
        1 => control.clone().prop_map(Action::Ping),
        1 => control.prop_map(Action::Pong),
    ]
}

fn write(action: Action, mask: [u8; 4], bytes: &mut Vec<u8>, events: &mut Vec<Event>) {
    match action {
        Action::Ping(payload) => {
            bytes.extend(frame(0x89, mask, &payload));
            events.push(Event::Ping(payload.into()));
        }
        Action::Pong(payload) => {
            bytes.extend(frame(0x8a, mask, &payload));
            events.push(Event::Pong(payload.into()));
        }
        Action::Message { kind, payload, cuts, between } => {
            let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
            ends.sort_unstable();
            ends.push(payload.len());
            let mut start = 0;
            let last = ends.len() - 1;
            for (index, end) in ends.into_iter().enumerate() {
                let opcode = match (index, kind) {
                    (0, MessageKind::Text) => 1,
                    (0, MessageKind::Binary) => 2,
                    _ => 0,
                };
                let fin = if index == last { 0x80 } else { 0 };
                bytes.extend(frame(fin | opcode, mask, &payload[start..end]));
                start = end;
                if let (Some(ping), true) = (&between, index < last) {
                    bytes.extend(frame(0x89, mask, ping));
                    events.push(Event::Ping(Bytes::copy_from_slice(ping)));
                }
            }
            events.push(Event::Message(kind, payload.into()));
        }
    }
}
