//! However bytes are cut into reads, a decoder makes the same of them, whether or not it takes compressed messages.

use gateway::websocket::{Decoder, Event, Limits, MessageKind, ProtocolError};

/// Small, so that a fuzzer soon reaches them.
const LIMITS: Limits = Limits { max_frame: 700, max_message: 900 };

/// The first byte chooses how the rest is cut.
pub(crate) fn check(data: &[u8]) {
    let Some((&cut, stream)) = data.split_first() else { return };
    for new in [Decoder::new, Decoder::inflating] {
        let at_once = decode(new(), stream, |_| usize::MAX);
        check_events(&at_once.0, if new().inflates() { usize::MAX } else { stream.len() });
        assert_eq!(at_once, decode(new(), stream, |_| 1), "byte by byte");
        let step = usize::from(cut % 31) + 1;
        assert_eq!(at_once, decode(new(), stream, |_| step), "in reads of {step}");
        let spread = usize::from(cut);
        assert_eq!(at_once, decode(new(), stream, |read| read * 7 % (spread + 2) + 1), "in reads that grow");
    }
}

fn decode(mut decoder: Decoder, stream: &[u8], size: impl Fn(usize) -> usize) -> (Vec<Event>, Option<ProtocolError>) {
    let mut buffer = stream.to_vec();
    let mut rest = &mut buffer[..];
    let mut events = Vec::new();
    for read in 0.. {
        if rest.is_empty() {
            break;
        }
        let (mut input, after) = rest.split_at_mut(size(read).min(rest.len()));
        rest = after;
        loop {
            match decoder.next(&mut input, &LIMITS) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.next(&mut rest, &LIMITS), Ok(None), "an error is the end");
                    return (events, Some(error));
                }
            }
        }
        assert!(input.is_empty(), "None means that all is used");
    }
    (events, None)
}

fn check_events(events: &[Event], stream_len: usize) {
    let mut payload = 0;
    for (index, event) in events.iter().enumerate() {
        payload += match event {
            Event::Message(kind, data) => {
                assert!(data.len() <= LIMITS.max_message);
                assert!(*kind == MessageKind::Binary || std::str::from_utf8(data).is_ok());
                data.len()
            }
            Event::Ping(data) | Event::Pong(data) => {
                assert!(data.len() <= 125);
                data.len()
            }
            Event::Close(close) => {
                assert_eq!(index + 1, events.len(), "nothing follows a close");
                close.as_ref().map_or(0, |close| {
                    assert!(close.reason.len() <= 123);
                    close.reason.len() + 2
                })
            }
        };
    }
    assert!(payload + 6 * events.len() <= stream_len, "no byte is heard twice");
}
