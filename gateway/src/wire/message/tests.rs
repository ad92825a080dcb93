use bytes::Bytes;

use crate::wire::{Opcode, Vsn};

#[test]
fn row_094_a_message_that_is_printed_shows_no_payload() {
    let frames = [
        (Opcode::Text, &br#"["1","2","room:a","log_in",{"password":"hunter2","token":"s3cret"}]"#[..]),
        (Opcode::Binary, b"\x00\x01\x01\x06\x0612room:alog_inhunter2 s3cret"),
    ];
    for (opcode, frame) in frames {
        let message = Vsn::V2.decode(opcode, &Bytes::from_static(frame)).unwrap();
        let printed = format!("{message:?}");
        assert!(!printed.contains("hunter2") && !printed.contains("s3cret"), "{printed}");
        assert!(printed.contains("room:a") && printed.contains("log_in"), "{printed}");
    }
}

#[test]
fn names_are_oversized_from_256_bytes_on() {
    let frame = |join_ref: usize, reference: usize, topic: usize, event: usize| {
        let field = |len| "x".repeat(len);
        let (join_ref, reference, topic, event) = (field(join_ref), field(reference), field(topic), field(event));
        let frame = Bytes::from(format!(r#"["{join_ref}","{reference}","{topic}","{event}",{{}}]"#));
        Vsn::V2.decode(Opcode::Text, &frame).unwrap().has_oversized_name()
    };
    assert!(!frame(255, 255, 255, 255));
    assert!(frame(256, 1, 1, 1) && frame(1, 256, 1, 1) && frame(1, 1, 256, 1) && frame(1, 1, 1, 256));
}
