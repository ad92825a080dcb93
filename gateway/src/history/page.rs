use bytes::Bytes;

use super::position::Position;
use crate::wire::Payload;

/// How much one reading may return. The first message is returned whatever its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Messages at most, at least 1.
    pub messages: usize,
    /// Bytes of messages at most.
    pub bytes: usize,
}

/// A message as it was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its number in the epoch.
    pub offset: u64,
    /// What is meant.
    pub event: Box<str>,
    /// An object.
    pub payload: Payload,
}

/// A message as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// Its number in the epoch.
    pub offset: u64,
    /// What was appended.
    pub bytes: Bytes,
}

/// Some messages of a topic in order, and where its stream was when they were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<M = Stored> {
    /// The end of the stream at that time.
    pub position: Position,
    /// The oldest message that is kept. None when none is.
    pub first: Option<u64>,
    /// Without gaps.
    pub messages: Vec<M>,
}

impl<M> Page<M> {
    /// Whether nothing is missing between a position and the end of the stream: so the messages are those that follow
    /// the position, as far as the page goes, provided that it was read after the position's offset.
    pub fn follows(&self, position: &Position) -> bool {
        let Position { epoch, offset } = position;
        let kept = self.first.is_some_and(|first| first <= offset.saturating_add(1));
        self.position.epoch == *epoch && (self.position.offset == *offset || (self.position.offset > *offset && kept))
    }
}

#[cfg(test)]
mod tests {
    use super::super::position::Epoch;
    use super::*;

    #[test]
    fn only_what_is_complete_follows() {
        let at = |epoch: &str, offset| Position { epoch: Epoch::from(epoch), offset };
        let page = |offset, first| Page::<Stored> { position: at("e", offset), first, messages: Vec::new() };
        assert!(page(7, None).follows(&at("e", 7)), "all have expired, and none was missed");
        assert!(page(0, None).follows(&at("e", 0)));
        assert!(page(7, Some(6)).follows(&at("e", 5)));
        assert!(page(7, Some(1)).follows(&at("e", 5)));
        assert!(!page(7, Some(7)).follows(&at("e", 5)), "message 6 was trimmed");
        assert!(!page(7, None).follows(&at("e", 6)));
        assert!(!page(7, Some(1)).follows(&at("e", 8)), "the stream went back");
        assert!(!page(7, Some(1)).follows(&at("f", 7)));
    }
}
