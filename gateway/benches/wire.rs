//! Phoenix frames: decoded as they come from clients, and encoded as they go to the outboxes, WebSocket header included.

use bytes::Bytes;
use gateway::outbox::Packet;
use gateway::wire::{Compression, Dialect, Encoding, Name, Opcode, Outgoing, Payload, Ref, Vsn};

use crate::harness::{Bench, Meter};

pub(crate) const BENCHES: &[Bench] = &[
    Bench { name: "wire.decode_v1_push", run: |meter| decode(meter, Vsn::V1, Opcode::Text, v1_push()) },
    Bench { name: "wire.decode_v2_push", run: |meter| decode(meter, Vsn::V2, Opcode::Text, v2_push(&small())) },
    Bench { name: "wire.decode_v2_push_1_kib", run: |meter| decode(meter, Vsn::V2, Opcode::Text, v2_push(&large())) },
    Bench { name: "wire.decode_v2_heartbeat", run: |meter| decode(meter, Vsn::V2, Opcode::Text, heartbeat()) },
    Bench { name: "wire.decode_binary_push", run: |meter| decode(meter, Vsn::V2, Opcode::Binary, binary_push()) },
    Bench { name: "wire.encode_v1_broadcast", run: |meter| broadcast(meter, Vsn::V1.into(), &json(small()), None) },
    Bench { name: "wire.encode_v2_broadcast", run: |meter| broadcast(meter, Vsn::V2.into(), &json(small()), None) },
    Bench {
        name: "wire.encode_v2_broadcast_offset",
        run: |meter| broadcast(meter, OFFSETS, &json(small()), Some(4711)),
    },
    Bench {
        name: "wire.encode_v2_broadcast_1_kib",
        run: |meter| broadcast(meter, Vsn::V2.into(), &json(large()), None),
    },
    Bench { name: "wire.encode_binary_broadcast", run: |meter| broadcast(meter, Vsn::V2.into(), &bytes(), None) },
    Bench { name: "wire.encode_v1_reply", run: |meter| reply(meter, Vsn::V1) },
    Bench { name: "wire.encode_v2_reply", run: |meter| reply(meter, Vsn::V2) },
];

const OFFSETS: Encoding =
    Encoding { vsn: Vsn::V2, offsets: true, dialect: Dialect::Phoenix, compression: Compression::None };

fn decode(meter: &Meter, vsn: Vsn, opcode: Opcode, frame: Bytes) {
    meter.measure(frame, |_| (), |frame, ()| vsn.decode(opcode, frame).expect("the frame is valid"));
}

fn broadcast(meter: &Meter, encoding: Encoding, payload: &Payload, offset: Option<u64>) {
    let message = Outgoing::Broadcast { topic: "room:lobby", event: "new_msg", payload, offset };
    meter.measure((), |()| message, |(), message| Packet::encode(encoding, message).expect("the message fits"));
}

fn reply(meter: &Meter, vsn: Vsn) {
    let (join_ref, reference, topic) = (&Ref::from("3"), &Ref::from("17"), &Name::from("room:lobby"));
    let message = Outgoing::Reply { join_ref, reference, topic, status: "ok", response: &Payload::empty() };
    meter.measure((), |()| message, |(), message| Packet::encode(vsn, message).expect("the message fits"));
}

fn v1_push() -> Bytes {
    let payload = small();
    format!(r#"{{"topic":"room:lobby","event":"new_msg","payload":{payload},"ref":"17","join_ref":"3"}}"#).into()
}

fn v2_push(payload: &str) -> Bytes {
    format!(r#"["3","17","room:lobby","new_msg",{payload}]"#).into()
}

fn heartbeat() -> Bytes {
    Bytes::from_static(br#"[null,"18","phoenix","heartbeat",{}]"#)
}

fn binary_push() -> Bytes {
    [b"\x00\x01\x02\x0a\x07317room:lobbynew_msg", small().as_bytes()].concat().into()
}

/// What people write.
fn small() -> String {
    r#"{"body":"See you at the station at five","user":"u-4711"}"#.to_owned()
}

/// An object of about 1 KiB with some structure.
fn large() -> String {
    let items: Vec<_> =
        (0..16).map(|n| format!(r#"{{"id":{n},"name":"Item {n}","tags":["a","b"],"price":12.5}}"#)).collect();
    format!(r#"{{"items":[{}]}}"#, items.join(","))
}

fn json(text: String) -> Payload {
    Payload::Json(text.into())
}

fn bytes() -> Payload {
    Payload::Binary(small().into())
}
