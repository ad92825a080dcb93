//! The same streams, read by `tungstenite`. Deliberate differences, each handled in [`compare`]:
//!
//! * A fault is refused here as soon as it can be seen; tungstenite waits for the whole frame.
//! * Lengths that are not minimal, or have the highest bit set, are refused here (RFC 6455, 5.2); tungstenite takes them,
//!   or finds them too large.
//! * Many empty fragments are refused here.
//! * Of a frame that is too large and breaks another rule, the other rule is named here.
//! * Close code 1014 (bad gateway, in the IANA registry since 2016) may be sent here.

use std::io::{self, Cursor, Read, Write};

use proptest::prelude::*;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::client::{Outcome, decode_reads};
use super::streams::{damaged, good};
use crate::websocket::{CloseFrame, Event, Limits, MessageKind, ProtocolError};

/// Bytes to read; what is written (pongs) goes nowhere.
struct Wire<'a>(Cursor<&'a [u8]>);

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The events that tungstenite hears, and the code that fits its refusal.
fn decode_elsewhere(bytes: &[u8], limits: &Limits) -> (Vec<Event>, Option<u16>) {
    let config =
        WebSocketConfig::default().max_frame_size(Some(limits.max_frame)).max_message_size(Some(limits.max_message));
    let mut context = WebSocketContext::new(Role::Server, Some(config));
    let mut wire = Wire(Cursor::new(bytes));
    let mut events = Vec::new();
    loop {
        let event = match context.read(&mut wire) {
            Ok(Message::Text(text)) => Event::Message(MessageKind::Text, text.into()),
            Ok(Message::Binary(data)) => Event::Message(MessageKind::Binary, data),
            Ok(Message::Ping(data)) => Event::Ping(data),
            Ok(Message::Pong(data)) => Event::Pong(data),
            // How it reports a code that may not be sent.
            Ok(Message::Close(Some(close)))
                if close.code == CloseCode::Protocol && close.reason == "Protocol violation" =>
            {
                return (events, Some(1002));
            }
            Ok(Message::Close(close)) => {
                let close =
                    close.map(|close| CloseFrame { code: close.code.into(), reason: close.reason.as_str().into() });
                events.push(Event::Close(close));
                return (events, None);
            }
            Ok(Message::Frame(_)) => unreachable!("raw frames are not read"),
            Err(Error::Capacity(_)) => return (events, Some(1009)),
            Err(Error::Utf8(_)) => return (events, Some(1007)),
            Err(Error::Protocol(error)) => {
                use tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;
                let end_of_input = error == ResetWithoutClosingHandshake;
                return (events, if end_of_input { None } else { Some(1002) });
            }
            Err(error) => unreachable!("{error}"),
        };
        events.push(event);
    }
}

fn compare(bytes: &[u8], limits: &Limits) {
    let (events, error): Outcome = decode_reads([bytes], limits);
    let (other_events, refusal) = decode_elsewhere(bytes, limits);
    if let Some(ProtocolError::LengthEncoding | ProtocolError::EmptyFragments) = error {
        assert!(other_events.starts_with(&events));
        return;
    }
    if let Some((Event::Close(Some(CloseFrame { code: 1014, .. })), before)) = events.split_last() {
        assert_eq!((before, Some(1002)), (&other_events[..], refusal));
        return;
    }
    assert_eq!(events, other_events);
    match (error.map(ProtocolError::close_code), refusal) {
        (None, None) | (Some(1002), Some(1009)) => {}
        (Some(_), None) => assert!(!matches!(events.last(), Some(Event::Close(_)))),
        (ours, theirs) => assert_eq!(ours, theirs, "{error:?}"),
    }
}

const LIMITS: Limits = Limits { max_frame: 66_000, max_message: 100_000 };

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn good_streams_read_the_same((bytes, _) in good()) {
        compare(&bytes, &LIMITS);
    }

    #[test]
    fn damaged_streams_read_the_same(bytes in damaged()) {
        compare(&bytes, &LIMITS);
    }

    #[test]
    fn limits_are_the_same(bytes in damaged(), max_frame in 125..300_usize, more in 0..200_usize) {
        compare(&bytes, &Limits { max_frame, max_message: max_frame + more });
    }
}
