use bytes::Bytes;

use super::client_frame::{ClientFrame, Control, Opcode};
use super::close::CloseFrame;
use super::error::ProtocolError;
use super::header::MessageKind;
use super::limits::Limits;
use super::mask;
use super::open_message::{OpenMessage, inflated};

/// What a client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A whole message, its fragments joined, inflated if it was compressed. Text is valid UTF-8.
    Message(MessageKind, Bytes),
    /// To be answered by [`super::frames::pong`] with the same payload, of at most 125 bytes.
    Ping(Bytes),
    /// An answer to a ping, or a heartbeat that nobody asked for; needs no answer.
    Pong(Bytes),
    /// The client closes; to be answered with a close frame, unless one was sent before. Nothing is decoded after it.
    Close(Option<CloseFrame>),
}

/// Reads what one client sends.
///
/// The bytes stay in the caller's buffer, which serves all connections of a worker. The decoder keeps only what belongs
/// to a frame or a message that has not arrived as a whole, on the heap, and gives that up with its last byte.
///
/// ```
/// use gateway::websocket::{Decoder, Event, Limits, MessageKind};
///
/// let limits = Limits { max_frame: 1 << 16, max_message: 1 << 20 };
/// let mut decoder = Decoder::new();
/// let mut read = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x81\x85\x00";
/// let mut input = &mut read[..];
/// while let Some(event) = decoder.next(&mut input, &limits)? {
///     assert_eq!(event, Event::Message(MessageKind::Text, "Hello".into()));
/// }
/// # Ok::<(), gateway::websocket::ProtocolError>(())
/// ```
#[derive(Debug, Default)]
pub struct Decoder {
    partial: Option<Box<Partial>>,
    ended: bool,
    /// Whether messages may be compressed.
    inflates: bool,
}

/// What has arrived of something that is not whole.
#[derive(Debug, Default)]
struct Partial {
    /// The first bytes of a frame whose header is not whole.
    header: [u8; ClientFrame::MAX_HEADER],
    header_len: usize,
    frame: Option<OpenFrame>,
    /// Payload of the open frame, when that is a control frame: it may stand between the fragments of `message`.
    control: Vec<u8>,
    message: Option<OpenMessage>,
}

/// A frame whose header is known.
#[derive(Debug)]
struct OpenFrame {
    header: ClientFrame,
    received: usize,
}

/// What some payload led to.
enum Step {
    /// An event.
    Event(Event),
    /// A fragment is complete, its message is not.
    Fragment,
    /// The frame is not complete.
    Starved,
}

impl Decoder {
    /// For a connection that negotiated no extension.
    pub fn new() -> Self {
        Self::default()
    }

    /// For a connection that negotiated permessage-deflate without context takeover.
    pub fn inflating() -> Self {
        Self { inflates: true, ..Self::default() }
    }

    /// Whether it takes compressed messages.
    pub fn inflates(&self) -> bool {
        self.inflates
    }

    /// Takes the next event out of `input`, unmasking in place, and moves `input` past what it used. None: all of it is
    /// used, and more is needed.
    ///
    /// # Errors
    /// What the client did wrong; the connection must be closed. After that, and after a close, all input is swallowed.
    pub fn next(&mut self, input: &mut &mut [u8], limits: &Limits) -> Result<Option<Event>, ProtocolError> {
        if self.ended {
            *input = &mut [];
            return Ok(None);
        }
        let result = self.advance(input, limits);
        if matches!(result, Err(_) | Ok(Some(Event::Close(_)))) {
            *input = &mut [];
            *self = Self { partial: None, ended: true, inflates: self.inflates };
        } else if self.partial.as_ref().is_some_and(|partial| partial.is_empty()) {
            self.partial = None;
        }
        result
    }

    fn advance(&mut self, input: &mut &mut [u8], limits: &Limits) -> Result<Option<Event>, ProtocolError> {
        loop {
            let frame = match self.partial.as_mut().and_then(|partial| partial.frame.take()) {
                Some(frame) => frame,
                None => match self.read_header(input)? {
                    Some(header) => self.admit(header, limits)?,
                    None => return Ok(None),
                },
            };
            match self.read_payload(frame, input, limits)? {
                Step::Event(event) => return Ok(Some(event)),
                Step::Fragment => {}
                Step::Starved => return Ok(None),
            }
        }
    }

    /// Reads a header, which may have begun in an earlier input.
    fn read_header(&mut self, input: &mut &mut [u8]) -> Result<Option<ClientFrame>, ProtocolError> {
        let allowed_rsv = if self.inflates { ClientFrame::COMPRESSED } else { 0 };
        if self.partial.as_ref().is_none_or(|partial| partial.header_len == 0) {
            if input.is_empty() {
                return Ok(None);
            }
            if let Some((header, used)) = ClientFrame::parse(input, allowed_rsv)? {
                take(input, used);
                return Ok(Some(header));
            }
        }
        let partial = self.partial.get_or_insert_default();
        let before = partial.header_len;
        let copied = input.len().min(partial.header.len() - before);
        partial.header[before..before + copied].copy_from_slice(&input[..copied]);
        match ClientFrame::parse(&partial.header[..before + copied], allowed_rsv)? {
            Some((header, len)) => {
                partial.header_len = 0;
                take(input, len - before);
                Ok(Some(header))
            }
            None => {
                partial.header_len += copied;
                take(input, copied);
                Ok(None)
            }
        }
    }

    /// Checks a header against the open message and the limits, before any of its payload is kept.
    fn admit(&mut self, header: ClientFrame, limits: &Limits) -> Result<OpenFrame, ProtocolError> {
        let message = self.partial.as_mut().and_then(|partial| partial.message.as_mut());
        let before = match (header.opcode, message) {
            (Opcode::Control(_), _) => return Ok(OpenFrame { header, received: 0 }),
            (Opcode::Message(_), None) => 0,
            (Opcode::Message(_), Some(_)) => return Err(ProtocolError::InterruptedMessage),
            (Opcode::Continuation, None) => return Err(ProtocolError::UnexpectedContinuation),
            (Opcode::Continuation, Some(message)) => {
                if header.len == 0 && !header.fin {
                    message.note_empty_fragment()?;
                }
                message.len()
            }
        };
        if header.len > limits.max_frame || header.len > limits.max_message.saturating_sub(before) {
            return Err(ProtocolError::TooLarge);
        }
        Ok(OpenFrame { header, received: 0 })
    }

    fn read_payload(
        &mut self,
        mut frame: OpenFrame,
        input: &mut &mut [u8],
        limits: &Limits,
    ) -> Result<Step, ProtocolError> {
        let part = take(input, frame.missing());
        mask::apply(part, frame.header.mask, frame.received);
        frame.received += part.len();
        let missing = frame.missing();
        // What is whole in the caller's buffer is copied from there, once, and leaves nothing behind.
        if part.len() == frame.header.len {
            match frame.header.opcode {
                Opcode::Control(control) => {
                    return control_event(control, Bytes::copy_from_slice(part)).map(Step::Event);
                }
                Opcode::Message(kind) if frame.header.fin && frame.header.compressed => {
                    let data = inflated(kind, part, limits.max_message)?;
                    return Ok(Step::Event(Event::Message(kind, data)));
                }
                Opcode::Message(kind) if frame.header.fin => return whole_message(kind, part).map(Step::Event),
                Opcode::Message(_) | Opcode::Continuation => {}
            }
        }
        let partial = self.partial.get_or_insert_default();
        // Nothing of a payload opens no message: the rest may still come whole, and is then copied as above.
        let nothing = part.is_empty() && missing > 0;
        let event = if nothing { None } else { partial.keep(&frame.header, part, missing, limits)? };
        if missing > 0 {
            partial.frame = Some(frame);
            return Ok(Step::Starved);
        }
        Ok(event.map_or(Step::Fragment, Step::Event))
    }
}

impl Partial {
    fn is_empty(&self) -> bool {
        self.header_len == 0 && self.frame.is_none() && self.message.is_none()
    }

    /// Keeps a part of a frame that lacks `missing` bytes after it; returns what the part completes.
    fn keep(
        &mut self,
        header: &ClientFrame,
        part: &[u8],
        missing: usize,
        limits: &Limits,
    ) -> Result<Option<Event>, ProtocolError> {
        let message = match header.opcode {
            Opcode::Control(control) => {
                self.control.extend_from_slice(part);
                if missing > 0 {
                    return Ok(None);
                }
                return control_event(control, std::mem::take(&mut self.control).into()).map(Some);
            }
            Opcode::Message(kind) => self.message.get_or_insert_with(|| OpenMessage::new(kind, header.compressed)),
            Opcode::Continuation => self.message.as_mut().ok_or(ProtocolError::UnexpectedContinuation)?,
        };
        message.append(part, header.fin.then_some(missing))?;
        if missing > 0 || !header.fin {
            return Ok(None);
        }
        let whole = self.message.take().map(|message| message.finish(limits.max_message)).transpose()?;
        Ok(whole.map(|(kind, data)| Event::Message(kind, data)))
    }
}

impl OpenFrame {
    fn missing(&self) -> usize {
        self.header.len - self.received
    }
}

fn whole_message(kind: MessageKind, payload: &[u8]) -> Result<Event, ProtocolError> {
    if kind == MessageKind::Text && std::str::from_utf8(payload).is_err() {
        return Err(ProtocolError::InvalidUtf8);
    }
    Ok(Event::Message(kind, Bytes::copy_from_slice(payload)))
}

fn control_event(control: Control, payload: Bytes) -> Result<Event, ProtocolError> {
    Ok(match control {
        Control::Ping => Event::Ping(payload),
        Control::Pong => Event::Pong(payload),
        Control::Close => Event::Close(CloseFrame::parse(&payload)?),
    })
}

/// Cuts up to `len` bytes off the front.
fn take<'a>(input: &mut &'a mut [u8], len: usize) -> &'a mut [u8] {
    let len = len.min(input.len());
    input.split_off_mut(..len).unwrap_or_default()
}
