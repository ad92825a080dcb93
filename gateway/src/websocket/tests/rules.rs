//! One test per rule, with the bytes as they stand on the wire.

use bytes::Bytes;

use super::client::{ROOMY, decode, decode_reads, frame, plain};
use crate::websocket::{CloseFrame, Decoder, Event, Limits, MessageKind, ProtocolError};

fn text(text: &'static str) -> Event {
    Event::Message(MessageKind::Text, Bytes::from_static(text.as_bytes()))
}

fn binary(data: impl Into<Bytes>) -> Event {
    Event::Message(MessageKind::Binary, data.into())
}

fn accepts(bytes: &[u8], events: &[Event]) {
    assert_eq!(decode(bytes), (events.to_vec(), None), "{bytes:x?} at once");
    assert_eq!(decode_reads(bytes.chunks(1), &ROOMY), (events.to_vec(), None), "{bytes:x?} byte by byte");
}

/// The bytes are refused for this reason, at once and byte by byte, and what came before them was heard.
fn refuses(bytes: &[u8], error: ProtocolError, code: u16) {
    let greeting = plain(0x81, b"hi");
    let bytes = [&greeting, bytes].concat();
    assert_eq!(decode(&bytes), (vec![text("hi")], Some(error)), "{bytes:x?} at once");
    assert_eq!(decode_reads(bytes.chunks(1), &ROOMY), (vec![text("hi")], Some(error)), "{bytes:x?} byte by byte");
    assert_eq!(error.close_code(), code);
}

#[test]
fn an_idle_decoder_is_tiny() {
    assert!(size_of::<Decoder>() <= 16);
}

#[test]
fn the_examples_of_the_rfc() {
    accepts(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", &[text("Hello")]);
    accepts(b"\x01\x83\0\0\0\0Hel\x80\x82\0\0\0\0lo", &[text("Hello")]);
    accepts(b"\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", &[Event::Ping("Hello".into())]);
    accepts(b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", &[Event::Pong("Hello".into())]);
    accepts(&[b"\x82\xfe\x01\x00\0\0\0\0", &[5; 256][..]].concat(), &[binary(vec![5; 256])]);
    accepts(&[b"\x82\xff\0\0\0\0\0\x01\0\0\0\0\0\0", &[5; 65_536][..]].concat(), &[binary(vec![5; 65_536])]);
}

#[test]
fn row_58_an_empty_ping_is_a_ping() {
    accepts(b"\x89\x80\x01\x02\x03\x04", &[Event::Ping(Bytes::new())]);
}

#[test]
fn row_59_control_frames_do_not_disturb_messages() {
    accepts(&[plain(0x89, b"123"), plain(0x81, b"abc")].concat(), &[Event::Ping("123".into()), text("abc")]);
    let within = [plain(0x01, b"a"), plain(0x89, b"1"), plain(0x00, b"b"), plain(0x8a, b""), plain(0x80, b"c")];
    accepts(&within.concat(), &[Event::Ping("1".into()), Event::Pong(Bytes::new()), text("abc")]);
}

#[test]
fn a_header_and_its_payload_may_come_apart() {
    accepts(
        &[plain(0x81, b"a"), plain(0x82, b"b"), plain(0x89, b"c")].concat(),
        &[text("a"), binary("b"), Event::Ping("c".into())],
    );
}

#[test]
fn empty_messages_are_messages() {
    accepts(&plain(0x81, b""), &[text("")]);
    accepts(&plain(0x82, b""), &[binary(Bytes::new())]);
    accepts(&[plain(0x01, b""), plain(0x00, b""), plain(0x80, b"")].concat(), &[text("")]);
}

#[test]
fn reserved_bits_are_refused() {
    for bit in [0x40, 0x20, 0x10] {
        refuses(&plain(0x81 | bit, b"x"), ProtocolError::ReservedBits, 1002);
        refuses(&plain(0x89 | bit, b""), ProtocolError::ReservedBits, 1002);
    }
}

#[test]
fn undefined_opcodes_are_refused() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        refuses(&plain(0x80 | opcode, b""), ProtocolError::UnknownOpcode, 1002);
    }
}

#[test]
fn unmasked_frames_are_refused() {
    refuses(b"\x81\x05Hello", ProtocolError::Unmasked, 1002);
    refuses(b"\x89\x00", ProtocolError::Unmasked, 1002);
}

#[test]
fn control_frames_are_whole_and_short() {
    accepts(&plain(0x89, &[9; 125]), &[Event::Ping(vec![9; 125].into())]);
    refuses(&plain(0x89, &[9; 126]), ProtocolError::LongControl, 1002);
    refuses(b"\x8a\xff", ProtocolError::LongControl, 1002);
    for opcode in [0x8, 0x9, 0xa] {
        refuses(&plain(opcode, b""), ProtocolError::FragmentedControl, 1002);
    }
}

#[test]
fn lengths_must_be_minimal_and_positive() {
    refuses(b"\x82\xfe\x00\x7d", ProtocolError::LengthEncoding, 1002);
    refuses(b"\x82\xff\0\0\0\0\0\0\xff\xff", ProtocolError::LengthEncoding, 1002);
    refuses(b"\x82\xff\x80\0\0\0\0\x01\0\0", ProtocolError::LengthEncoding, 1002);
}

#[test]
fn fragments_follow_their_message() {
    refuses(&plain(0x80, b"x"), ProtocolError::UnexpectedContinuation, 1002);
    refuses(&plain(0x00, b"x"), ProtocolError::UnexpectedContinuation, 1002);
    refuses(&[plain(0x01, b"a"), plain(0x81, b"b")].concat(), ProtocolError::InterruptedMessage, 1002);
    refuses(&[plain(0x01, b"a"), plain(0x02, b"b")].concat(), ProtocolError::InterruptedMessage, 1002);
    let second = [plain(0x02, b"a"), plain(0x80, b"b"), plain(0x80, b"c")].concat();
    assert_eq!(decode(&second), (vec![binary("ab")], Some(ProtocolError::UnexpectedContinuation)));
}

#[test]
fn of_empty_fragments_only_a_few_are_taken() {
    let some = [plain(0x01, b""), plain(0x00, b"").repeat(16), plain(0x80, b"x")].concat();
    accepts(&some, &[text("x")]);
    refuses(&[plain(0x01, b""), plain(0x00, b"").repeat(17)].concat(), ProtocolError::EmptyFragments, 1008);
}

#[test]
fn row_57_what_is_too_large_is_known_from_its_header() {
    let limits = Limits { max_frame: 1000, max_message: 1500 };
    let frame_of = |first, len| plain(first, &vec![b'x'; len]);
    assert_eq!(decode_reads([&frame_of(0x82, 1000)[..]], &limits).1, None);
    assert_eq!(decode_reads([&frame_of(0x82, 1001)[..8]], &limits).1, Some(ProtocolError::TooLarge));
    let first = frame_of(0x01, 1000);
    assert_eq!(decode_reads([&first[..], &frame_of(0x80, 500)], &limits).0.len(), 1);
    assert_eq!(decode_reads([&first[..], &frame_of(0x80, 501)[..8]], &limits).1, Some(ProtocolError::TooLarge));
    refuses(b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", ProtocolError::TooLarge, 1009);
}

#[test]
fn row_92_text_is_utf_8_across_frames_and_reads() {
    let word = "κόσμε \u{10ffff}";
    accepts(&plain(0x81, word.as_bytes()), &[text(word)]);
    let split = word.as_bytes().chunks(1).flat_map(|byte| plain(0x00, byte));
    accepts(&[plain(0x01, b""), split.collect(), plain(0x80, b"")].concat(), &[text(word)]);
    for bad in [&b"\xff"[..], b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf5", b"a\x80"] {
        refuses(&plain(0x81, bad), ProtocolError::InvalidUtf8, 1007);
        refuses(&[plain(0x01, b"ok"), plain(0x80, bad)].concat(), ProtocolError::InvalidUtf8, 1007);
        accepts(&plain(0x82, bad), &[binary(bad)]);
    }
    refuses(&plain(0x81, b"\xce"), ProtocolError::InvalidUtf8, 1007);
    refuses(&[plain(0x01, b"\xce"), plain(0x80, b"")].concat(), ProtocolError::InvalidUtf8, 1007);
}

#[test]
fn bad_text_is_refused_before_its_message_ends() {
    refuses(&plain(0x01, b"a\xf4\x90"), ProtocolError::InvalidUtf8, 1007);
    refuses(&plain(0x81, b"a\xf4\x90\x80\x80 and much more")[..9], ProtocolError::InvalidUtf8, 1007);
}

#[test]
fn a_close_ends_everything() {
    let none = [plain(0x88, b""), plain(0x81, b"late"), vec![0xff; 10]].concat();
    accepts(&none, &[Event::Close(None)]);
    let close = CloseFrame { code: 1001, reason: "going".into() };
    accepts(&plain(0x88, b"\x03\xe9going"), &[Event::Close(Some(close))]);
    accepts(&[plain(0x01, b"a"), plain(0x88, b"")].concat(), &[Event::Close(None)]);
}

#[test]
fn after_an_error_nothing_is_decoded() {
    let mut decoder = Decoder::new();
    let mut bad = plain(0xc1, b"x");
    assert_eq!(decoder.next(&mut &mut bad[..], &ROOMY), Err(ProtocolError::ReservedBits));
    let mut good = plain(0x81, b"x");
    let mut input = &mut good[..];
    assert_eq!(decoder.next(&mut input, &ROOMY), Ok(None));
    assert!(input.is_empty());
}

#[test]
fn close_codes_are_those_that_may_be_sent() {
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999] {
        let close = CloseFrame { code, reason: "".into() };
        accepts(&plain(0x88, &code.to_be_bytes()), &[Event::Close(Some(close))]);
    }
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535_u16] {
        refuses(&plain(0x88, &code.to_be_bytes()), ProtocolError::InvalidCloseCode, 1002);
    }
    refuses(&plain(0x88, b"\x03"), ProtocolError::TruncatedCloseCode, 1002);
    refuses(&plain(0x88, b"\x03\xe8\xff"), ProtocolError::InvalidUtf8, 1007);
}

#[test]
fn what_is_announced_is_not_allocated() {
    let limits = Limits { max_frame: usize::MAX, max_message: usize::MAX };
    let header = b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04";
    assert_eq!(decode_reads([&header[..], &[0; 10_000]], &limits), (vec![], None));
}

#[test]
fn a_decoder_between_frames_owns_nothing() {
    let mut decoder = Decoder::new();
    let bytes = [frame(0x01, [1, 2, 3, 4], b"ab"), frame(0x89, [9; 4], b""), frame(0x80, [5; 4], b"c")].concat();
    for byte in bytes {
        let _ = decoder.next(&mut &mut [byte][..], &ROOMY).unwrap();
    }
    assert_eq!(format!("{decoder:?}"), format!("{:?}", Decoder::new()));
}
