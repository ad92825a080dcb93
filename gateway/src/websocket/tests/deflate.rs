//! Compressed messages: the examples of RFC 7692, what is refused, and random messages there and back.

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::client::{Outcome, ROOMY, decode_by, frame, plain};
use super::streams::{cut, reads};
use crate::websocket::deflate::{MIN_LEN, Window, compress};
use crate::websocket::{Decoder, Event, FrameHeader, Limits, MessageKind, ProtocolError};

/// Everything in one read, of a client that may compress.
fn decode(bytes: &[u8], limits: &Limits) -> Outcome {
    decode_by(Decoder::inflating(), [bytes], limits)
}

fn accepts(bytes: &[u8], events: &[Event]) {
    assert_eq!(decode(bytes, &ROOMY), (events.to_vec(), None), "{bytes:x?} at once");
    let one_by_one = decode_by(Decoder::inflating(), bytes.chunks(1), &ROOMY);
    assert_eq!(one_by_one, (events.to_vec(), None), "{bytes:x?} byte by byte");
}

fn refuses(bytes: &[u8], error: ProtocolError, code: u16) {
    assert_eq!(decode(bytes, &ROOMY), (vec![], Some(error)), "{bytes:x?} at once");
    let one_by_one = decode_by(Decoder::inflating(), bytes.chunks(1), &ROOMY);
    assert_eq!(one_by_one, (vec![], Some(error)), "{bytes:x?} byte by byte");
    assert_eq!(error.close_code(), code);
}

fn text(text: &str) -> Event {
    Event::Message(MessageKind::Text, Bytes::copy_from_slice(text.as_bytes()))
}

fn binary(data: &[u8]) -> Event {
    Event::Message(MessageKind::Binary, Bytes::copy_from_slice(data))
}

/// As a client compresses: whatever it is, without the end that is not sent.
fn deflated(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 * message.len() + 64);
    let mut deflater = Compress::new(Compression::best(), false);
    deflater.compress_vec(message, &mut out, FlushCompress::Sync).unwrap();
    assert_eq!(deflater.total_in(), message.len() as u64);
    out.strip_suffix(b"\x00\x00\xff\xff").unwrap().to_vec()
}

/// Bytes that do not shrink.
fn noise(len: usize) -> Vec<u8> {
    let next = |state: &u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    std::iter::successors(Some(1_u32), next).take(len).map(|state| (state >> 24) as u8).collect()
}

#[test]
fn the_examples_of_the_rfc() {
    // 7.2.3.1, whole and in two fragments.
    accepts(&plain(0xc1, b"\xf2\x48\xcd\xc9\xc9\x07\x00"), &[text("Hello")]);
    accepts(&[plain(0x41, b"\xf2\x48\xcd"), plain(0x80, b"\xc9\xc9\x07\x00")].concat(), &[text("Hello")]);
    // 7.2.3.3: a block that is not compressed; 7.2.3.4: one that is the last; 7.2.3.5: two of them.
    accepts(&plain(0xc1, b"\x00\x05\x00\xfa\xffHello\x00"), &[text("Hello")]);
    accepts(&plain(0xc1, b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), &[text("Hello")]);
    accepts(&plain(0xc1, b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), &[text("Hello")]);
    // 7.2.3.6: nothing; some send nothing for it.
    accepts(&plain(0xc1, b"\x00"), &[text("")]);
    accepts(&plain(0xc2, b""), &[binary(b"")]);
    accepts(&[plain(0x42, b""), plain(0x80, b"")].concat(), &[binary(b"")]);
}

#[test]
fn each_message_says_whether_it_is_compressed() {
    let hello = plain(0xc1, b"\xf2\x48\xcd\xc9\xc9\x07\x00");
    let plain_between = [plain(0x01, b"a"), plain(0x80, b"b")].concat();
    accepts(
        &[&hello[..], &plain_between, &plain(0x82, b"\xff"), &hello].concat(),
        &[text("Hello"), text("ab"), binary(b"\xff"), text("Hello")],
    );
}

#[test]
fn the_bit_belongs_to_the_first_frame_of_a_message() {
    let first = plain(0x41, b"\xf2\x48\xcd");
    refuses(&[&first[..], &plain(0xc0, b"\xc9\xc9\x07\x00")].concat(), ProtocolError::ReservedBits, 1002);
    refuses(&[plain(0x01, b"a"), plain(0xc0, b"b")].concat(), ProtocolError::ReservedBits, 1002);
    for control in [0xc8, 0xc9, 0xca] {
        refuses(&plain(control, b""), ProtocolError::ReservedBits, 1002);
    }
    for other in [0xa1, 0x91, 0xe1, 0xd2, 0xf2] {
        refuses(&plain(other, b"\x00"), ProtocolError::ReservedBits, 1002);
    }
    let unasked = decode_by(Decoder::new(), [&plain(0xc1, b"\x00")[..]], &ROOMY);
    assert_eq!(unasked, (vec![], Some(ProtocolError::ReservedBits)));
}

#[test]
fn control_frames_between_compressed_fragments_are_plain() {
    let stream = [plain(0x41, b"\xf2\x48"), plain(0x89, b"1"), plain(0x00, b""), plain(0x80, b"\xcd\xc9\xc9\x07\x00")];
    accepts(&stream.concat(), &[Event::Ping("1".into()), text("Hello")]);
}

#[test]
fn what_cannot_be_inflated_is_refused() {
    let long = deflated("no two words of this sentence are much alike, so it stays long".as_bytes());
    for bad in [
        // A block of the type that does not exist; a length that is not its own complement.
        &b"\x06"[..],
        b"\x00\x05\x00\x05\x00Hello\x00",
        // Looks back to before the message.
        b"\x4a\x84\x03\x00",
        // Goes on behind its last block.
        b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00\x00",
        b"\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x48\xcd\xc9\xc9\x07\x00",
        &long[..long.len() / 2],
    ] {
        refuses(&plain(0xc2, bad), ProtocolError::InvalidDeflate, 1007);
        refuses(&[plain(0x42, b""), plain(0x80, bad)].concat(), ProtocolError::InvalidDeflate, 1007);
    }
}

#[test]
fn row_92_compressed_text_is_utf_8_too() {
    for bad in [&b"\xff"[..], b"a\xce", b"\xed\xa0\x80"] {
        refuses(&plain(0xc1, &deflated(bad)), ProtocolError::InvalidUtf8, 1007);
        accepts(&plain(0xc2, &deflated(bad)), &[binary(bad)]);
    }
    let compressed = deflated("κόσμε".as_bytes());
    let (one, two) = compressed.split_at(3);
    accepts(&[plain(0x41, one), plain(0x80, two)].concat(), &[text("κόσμε")]);
}

#[test]
fn row_57_the_limit_of_messages_is_that_of_what_they_are_inflated_to() {
    let limits = Limits { max_frame: 1000, max_message: 1000 };
    for (len, error) in
        [(999, None), (1000, None), (1001, Some(ProtocolError::TooLarge)), (15_000, Some(ProtocolError::TooLarge))]
    {
        let compressed = deflated(&vec![b'a'; len]);
        assert!(compressed.len() < 100);
        assert_eq!(decode(&plain(0xc1, &compressed), &limits).1, error, "{len}");
        let fragments = [plain(0x41, &compressed[..3]), plain(0x80, &compressed[3..])].concat();
        assert_eq!(decode(&fragments, &limits).1, error, "{len} in fragments");
    }
    assert_eq!(ProtocolError::TooLarge.close_code(), 1009);
    // The compressed form counts too, before it is looked at.
    assert_eq!(decode(&plain(0xc1, &[0; 1001])[..8], &limits).1, Some(ProtocolError::TooLarge));
}

#[test]
fn a_message_that_grows_too_much_is_refused() {
    let zeros = |len| plain(0xc2, &deflated(&vec![0; len]));
    assert_eq!(decode(&zeros(256 << 10), &ROOMY), (vec![binary(&vec![0; 256 << 10])], None));
    refuses(&zeros((256 << 10) + 1), ProtocolError::TooLarge, 1009);
    refuses(&zeros(1 << 20), ProtocolError::TooLarge, 1009);
    // 400,000 bytes out of a little more, and a little less, than a 25th of them.
    let noise = noise(17_000);
    for (incompressible, refused) in [(17_000, false), (14_000, true)] {
        let mut message = vec![0; 400_000];
        message[..incompressible].copy_from_slice(&noise[..incompressible]);
        let (_, error) = decode(&plain(0xc2, &deflated(&message)), &ROOMY);
        assert_eq!(error, refused.then_some(ProtocolError::TooLarge), "{incompressible}");
    }
}

#[test]
fn a_decoder_that_inflates_owns_nothing_between_messages() {
    let mut decoder = Decoder::inflating();
    let hello = [plain(0x41, b"\xf2\x48\xcd"), plain(0x80, b"\xc9\xc9\x07\x00")].concat();
    for byte in hello {
        let _ = decoder.next(&mut &mut [byte][..], &ROOMY).unwrap();
    }
    assert_eq!(format!("{decoder:?}"), format!("{:?}", Decoder::inflating()));
}

#[test]
fn what_does_not_shrink_is_left_alone() {
    let noise = noise(300);
    let mut out = b"before".to_vec();
    for message in [&noise[..], b"", b"a", b"abc"] {
        assert!(!compress(Window::Full, message, &mut out), "{}", message.len());
        assert_eq!(out, b"before");
    }
    assert!(compress(Window::Full, &[b'a'; MIN_LEN], &mut out));
    assert!(out.starts_with(b"before") && out.len() < 20);
}

#[test]
fn a_small_window_does_not_look_back_further() {
    // The same 600 bytes again and again: what repeats is further back than 512 bytes.
    let message = noise(600).repeat(20);
    let (mut small, mut full) = (Vec::new(), Vec::new());
    assert!(compress(Window::Small, &message, &mut small) && compress(Window::Full, &message, &mut full));
    assert!(small.len() > 10 * full.len(), "{} {}", small.len(), full.len());
    for compressed in [small, full] {
        assert_eq!(decode(&plain(0xc2, &compressed), &ROOMY), (vec![binary(&message)], None));
    }
}

/// A frame of this server, as a client would have sent it.
fn from_client(header: FrameHeader, payload: &[u8]) -> Vec<u8> {
    frame(header.as_slice()[0], [7, 1, 2, 3], payload)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_message_comes_back(message in message(), small in any::<bool>(), cuts in vec(any::<Index>(), 0..4), sizes in reads()) {
        let mut compressed = Vec::new();
        let window = if small { Window::Small } else { Window::Full };
        if !compress(window, &message, &mut compressed) {
            compressed = deflated(&message);
        }
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(compressed.len() + 1)).collect();
        ends.sort_unstable();
        ends.push(compressed.len());
        let (mut bytes, mut start, last) = (Vec::new(), 0, ends.len() - 1);
        for (index, end) in ends.into_iter().enumerate() {
            let first = if index == 0 { 0x42 } else { 0 } | if index == last { 0x80 } else { 0 };
            bytes.extend(frame(first, [9, 8, 7, 6], &compressed[start..end]));
            start = end;
        }
        let outcome = decode_by(Decoder::inflating(), cut(&bytes, &sizes), &ROOMY);
        prop_assert_eq!(outcome, (vec![binary(&message)], None));
    }

    #[test]
    fn what_is_sent_can_be_read(words in "[a-d ]{200,400}") {
        let mut compressed = Vec::new();
        prop_assert!(compress(Window::Full, words.as_bytes(), &mut compressed));
        let header = FrameHeader::compressed_message(MessageKind::Text, compressed.len());
        prop_assert_eq!(decode(&from_client(header, &compressed), &ROOMY), (vec![text(&words)], None));
    }

    #[test]
    fn any_bytes_are_inflated_or_refused(bytes in vec(any::<u8>(), 0..200), sizes in reads(), max in 0..5000_usize) {
        let stream = [plain(0xc2, &bytes), plain(0xc1, &bytes)].concat();
        let limits = Limits { max_frame: 300, max_message: max };
        prop_assert_eq!(decode_by(Decoder::inflating(), cut(&stream, &sizes), &limits), decode(&stream, &limits));
    }
}

/// Messages of all sizes that shrink well, badly or not at all, but never to less than a 25th when that matters.
fn message() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "\\PC{0,300}".prop_map(String::into_bytes),
        2 => vec(any::<u8>(), 0..2000),
        2 => (vec(any::<u8>(), 1..40), 0..400_usize).prop_map(|(part, times)| part.repeat(times)),
        1 => vec(0..4_u8, 40_000..70_000),
    ]
}
