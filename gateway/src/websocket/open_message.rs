use bytes::Bytes;

use super::deflate::inflate;
use super::error::ProtocolError;
use super::header::MessageKind;

/// Empty fragments that one message may have between its first and its last. The RFC allows any number, and Autobahn's
/// cases 6.1.2 and 6.1.3 send one; Bandit allows none.
const MAX_EMPTY_FRAGMENTS: u8 = 16;

/// What a buffer starts with, so that the first bytes of a message do not make it grow again and again.
const FIRST_CAPACITY: usize = 512;

/// A message that has not arrived as a whole.
#[derive(Debug)]
pub(super) struct OpenMessage {
    kind: MessageKind,
    /// Whether `data` is to be inflated when it is whole: nothing that inflates is kept for a message under way.
    compressed: bool,
    data: Vec<u8>,
    /// How much of `data` is known to be UTF-8, for text that is not compressed. The rest is the beginning of one character.
    checked: usize,
    empty_fragments: u8,
}

impl OpenMessage {
    pub(super) fn new(kind: MessageKind, compressed: bool) -> Self {
        Self { kind, compressed, data: Vec::new(), checked: 0, empty_fragments: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.data.len()
    }

    /// Counts a fragment without payload that is not the last one.
    pub(super) fn note_empty_fragment(&mut self) -> Result<(), ProtocolError> {
        self.empty_fragments += 1;
        if self.empty_fragments > MAX_EMPTY_FRAGMENTS { Err(ProtocolError::EmptyFragments) } else { Ok(()) }
    }

    /// Appends a part of a frame. `rest` is what the message still lacks after it, where that is known.
    pub(super) fn append(&mut self, part: &[u8], rest: Option<usize>) -> Result<(), ProtocolError> {
        self.reserve(part.len(), rest);
        self.data.extend_from_slice(part);
        match self.kind {
            MessageKind::Text if !self.compressed => self.check_new_text(),
            MessageKind::Text | MessageKind::Binary => Ok(()),
        }
    }

    /// The whole message, which has at most `max` bytes.
    pub(super) fn finish(self, max: usize) -> Result<(MessageKind, Bytes), ProtocolError> {
        if self.compressed {
            return inflated(self.kind, &self.data, max).map(|data| (self.kind, data));
        }
        if self.kind == MessageKind::Text && self.checked < self.data.len() {
            return Err(ProtocolError::InvalidUtf8);
        }
        Ok((self.kind, self.data.into()))
    }

    /// Makes room. A client's word for the length is no reason to allocate: room at most doubles what has arrived, so
    /// that many clients that announce much and send little cost little.
    fn reserve(&mut self, part: usize, rest: Option<usize>) {
        let needed = self.data.len() + part;
        if needed <= self.data.capacity() {
            return;
        }
        let grown = needed.max(2 * self.data.capacity()).max(FIRST_CAPACITY);
        let target = rest.map_or(grown, |rest| grown.min(needed + rest));
        self.data.reserve_exact(target - self.data.len());
    }

    /// Bad text is refused when its first bad byte arrives, not when its message ends.
    fn check_new_text(&mut self) -> Result<(), ProtocolError> {
        match std::str::from_utf8(&self.data[self.checked..]) {
            Ok(text) => self.checked += text.len(),
            // No length: the end of the input cut a character that may become valid.
            Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
            Err(_) => return Err(ProtocolError::InvalidUtf8),
        }
        Ok(())
    }
}

/// A compressed message as it was meant, with at most `max` bytes.
pub(super) fn inflated(kind: MessageKind, compressed: &[u8], max: usize) -> Result<Bytes, ProtocolError> {
    let data = inflate(compressed, max)?;
    if kind == MessageKind::Text && std::str::from_utf8(&data).is_err() {
        return Err(ProtocolError::InvalidUtf8);
    }
    Ok(data.into())
}

#[cfg(test)]
mod tests {
    use super::{FIRST_CAPACITY, MessageKind, OpenMessage};

    #[test]
    fn room_at_most_doubles_what_has_arrived_and_ends_with_what_is_needed() {
        let whole = 1_000_000;
        let mut message = OpenMessage::new(MessageKind::Binary, false);
        let part = [7; 1400];
        for arrived in (0..whole).step_by(part.len()) {
            let part = &part[..part.len().min(whole - arrived)];
            message.append(part, Some(whole - arrived - part.len())).unwrap();
            assert!(message.data.capacity() <= (2 * message.len()).max(FIRST_CAPACITY).min(whole));
        }
        assert_eq!((message.len(), message.data.capacity()), (whole, whole));
    }

    #[test]
    fn many_small_fragments_do_not_grow_one_by_one() {
        let mut message = OpenMessage::new(MessageKind::Text, false);
        let mut growths = 0;
        for _ in 0..100_000 {
            let before = message.data.capacity();
            message.append(b"x", None).unwrap();
            growths += usize::from(message.data.capacity() != before);
        }
        assert!(growths < 20, "{growths}");
    }
}
