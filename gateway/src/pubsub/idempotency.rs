use std::time::Duration;

use crate::wire::MAX_NAME;

/// How long an idempotency key is remembered (ruling 9).
pub(super) const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// Names one broadcast to one topic, so that whoever repeats the call within 24 hours repeats nothing (ruling 9): 1 to
/// 255 bytes that the caller chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(Box<str>);

impl IdempotencyKey {
    /// None when it is empty or over 255 bytes.
    pub fn new(key: &str) -> Option<Self> {
        (1..=MAX_NAME).contains(&key.len()).then(|| Self(key.into()))
    }

    /// Of an event in one turn of a job. It may be longer than a caller's.
    pub(crate) fn of_turn(job: &str, number: u64, event: &str) -> Self {
        Self(format!("{job}@{number}/{event}").into())
    }

    /// As the caller wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What became of a broadcast that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// It was sent.
    New,
    /// A broadcast to this topic with the same key was sent before; nothing was sent now.
    Duplicate,
}
