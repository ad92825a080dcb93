//! How far a client has come, and what of a page it still needs. Pure: no store, no client, no clock.

use std::ops::Range;

use crate::history::{Page, Position};

/// What is missing cannot be had any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// Where a client is, compared with this pod's subscribers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has had what they have had.
    Level,
    /// They have had more.
    Behind,
    /// It has had more, on another pod; or the stream went back.
    Ahead,
    /// It speaks of another life of the stream.
    Elsewhere,
}

impl Standing {
    pub(super) fn of(client: &Position, subscribers: &Position) -> Self {
        if client.epoch != subscribers.epoch {
            return Self::Elsewhere;
        }
        match client.offset.cmp(&subscribers.offset) {
            std::cmp::Ordering::Less => Self::Behind,
            std::cmp::Ordering::Equal => Self::Level,
            std::cmp::Ordering::Greater => Self::Ahead,
        }
    }
}

/// The position of a client that is catching up.
#[derive(Debug)]
pub(super) struct Cursor(Position);

impl Cursor {
    pub(super) fn new(position: Position) -> Self {
        Self(position)
    }

    pub(super) fn position(&self) -> &Position {
        &self.0
    }

    /// Which messages of a page come next: the page may begin before the cursor, and may be old. The cursor stands behind
    /// them then.
    ///
    /// # Errors
    /// When the page shows that something between the cursor and it is lost.
    pub(super) fn take(&mut self, page: &Page) -> Result<Range<usize>, Broken> {
        if !page.follows(&self.0) {
            return Err(Broken);
        }
        // Numbers that are left out belong to messages that this version cannot read, here or live.
        let begin = page.messages.partition_point(|message| message.offset <= self.0.offset);
        if let Some(last) = page.messages.last() {
            self.0.offset = self.0.offset.max(last.offset);
        }
        Ok(begin..page.messages.len())
    }
}
