//! Whatever frame arrives, decoding it does not panic, and what it says can be answered so that the answer reads back.

use bytes::Bytes;
use gateway::wire::{DecodeError, Encoding, Message, Opcode, Outgoing, Payload, Ref, Vsn};

/// The first byte chooses the version and the opcode; the rest is the frame.
pub(crate) fn check(data: &[u8]) {
    let Some((&choice, frame)) = data.split_first() else { return };
    let (vsn, opcode) = match choice % 4 {
        0 => (Vsn::V1, Opcode::Text),
        1 => (Vsn::V1, Opcode::Binary),
        2 => (Vsn::V2, Opcode::Text),
        _ => (Vsn::V2, Opcode::Binary),
    };
    let Ok(message) = vsn.decode(opcode, &Bytes::copy_from_slice(frame)) else { return };
    if vsn == Vsn::V2 && opcode == Opcode::Binary {
        assert!(!message.has_oversized_name(), "one byte of size each");
        check_binary_answers(&message);
    } else {
        assert!(matches!(message.payload, Payload::Json(_)));
        check_reply(vsn, &message);
        check_push(vsn, &message);
    }
}

fn encode(vsn: Vsn, message: Outgoing<'_>) -> Option<(Opcode, Bytes)> {
    let mut out = Vec::new();
    let opcode = Encoding::from(vsn).encode(message, &mut out).ok()?;
    Some((opcode, out.into()))
}

/// The reply echoes references and topic as they came.
fn check_reply(vsn: Vsn, message: &Message) {
    let reply = Outgoing::Reply {
        join_ref: &message.join_ref,
        reference: &message.reference,
        topic: &message.topic,
        status: "ok",
        response: &message.payload,
    };
    let (opcode, frame) = encode(vsn, reply).expect("JSON can be replied with");
    assert_eq!(opcode, Opcode::Text);
    match vsn.decode(opcode, &frame) {
        Ok(echo) => {
            assert_eq!((&echo.reference, &echo.topic), (&message.reference, &message.topic));
            assert_eq!(&*echo.event, "phx_reply");
            assert!(vsn == Vsn::V1 || echo.join_ref == message.join_ref);
        }
        // The reply's own object is one level more.
        Err(error) => assert_eq!(error, DecodeError::TooDeep),
    }
}

/// A push with the same topic, event and payload reads back as the message without its reference.
fn check_push(vsn: Vsn, message: &Message) {
    let Some(topic) = message.topic.as_str() else { return };
    let push = Outgoing::Push {
        join_ref: &message.join_ref,
        topic,
        event: &message.event,
        payload: &message.payload,
        offset: None,
    };
    let Some((opcode, frame)) = encode(vsn, push) else {
        assert!(vsn == Vsn::V2 && !message.payload.is_object_or_binary(), "only version 2 minds, and only objects");
        return;
    };
    let join_ref = if vsn == Vsn::V1 { Ref::Null } else { message.join_ref.clone() };
    let expected = Message { join_ref, reference: Ref::Null, ..message.clone() };
    assert_eq!(vsn.decode(opcode, &frame), Ok(expected));
}

/// A binary message fits a binary reply and a binary push, with the payload at the end.
fn check_binary_answers(message: &Message) {
    let reply = Outgoing::Reply {
        join_ref: &message.join_ref,
        reference: &message.reference,
        topic: &message.topic,
        status: "ok",
        response: &message.payload,
    };
    let topic = message.topic.as_str().expect("a binary frame's topic is text");
    let push = Outgoing::Push {
        join_ref: &message.join_ref,
        topic,
        event: &message.event,
        payload: &message.payload,
        offset: None,
    };
    for (kind, sizes, answer) in [(1, 5, reply), (0, 4, push)] {
        let (opcode, frame) = encode(Vsn::V2, answer).expect("names of at most 255 bytes fit");
        assert_eq!((opcode, frame[0]), (Opcode::Binary, kind));
        let fields: usize = frame[1..sizes].iter().map(|&size| usize::from(size)).sum();
        assert_eq!(frame[sizes + fields..], **message.payload.bytes());
        assert!(encode(Vsn::V1, answer).is_none(), "version 1 has no binary frames");
    }
}
