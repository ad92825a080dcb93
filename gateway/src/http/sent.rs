use serde::Serialize;

use crate::builtin::Receipt;
use crate::pubsub::PublishError;

/// A message that was accepted.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Accepted {
    /// Whether it had been sent before, and was not sent again.
    pub(super) duplicate: bool,
    /// What is stored of it.
    #[serde(flatten)]
    pub(super) receipt: Option<Receipt>,
}

/// What became of one message of a batch.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub(super) enum Sent {
    /// It was sent.
    Accepted(Stored),
    /// It was sent before, and not again.
    Duplicate(Stored),
    /// Nobody knows.
    Unavailable,
}

/// What is stored of a message, if anything is.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Stored {
    #[serde(flatten)]
    receipt: Option<Receipt>,
}

impl Sent {
    pub(super) fn of(outcome: Result<Accepted, PublishError>) -> Self {
        match outcome {
            Ok(Accepted { duplicate: false, receipt }) => Self::Accepted(Stored { receipt }),
            Ok(Accepted { duplicate: true, receipt }) => Self::Duplicate(Stored { receipt }),
            // What else could be wrong was checked before.
            Err(_) => Self::Unavailable,
        }
    }
}
