use thiserror::Error;

use super::limits::{MAX_ANSWER, MAX_ASSIGNS, MAX_SPOKEN};
use crate::wire::Reason;

/// Why a back end gave no answer that can be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum CallError {
    /// The time was over. The back end may have got the request.
    #[error("no answer in time")]
    Timeout,
    /// No connection came about: nothing was sent.
    #[error("it cannot be connected to")]
    Unreachable,
    /// The connection broke before the answer was complete.
    #[error("the connection broke before the answer was complete")]
    Broken,
    /// Another status than 2xx. Redirects are not followed.
    #[error("it answered with status {0}")]
    Status(u16),
    /// The answer is not as docs/WEBHOOKS.md says.
    #[error("its answer cannot be used: {0}")]
    Invalid(#[from] InvalidAnswer),
    /// As many calls wait as may: nothing was sent.
    #[error("too many calls wait for it")]
    Overloaded,
    /// It has failed too often of late: nothing was sent.
    #[error("it failed too often and is left alone for some seconds")]
    CircuitOpen,
}

impl CallError {
    /// What the client is told.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Timeout => Reason::Timeout,
            _ => Reason::Unavailable,
        }
    }

    /// Whether the back end is away or overloaded. That it could not make sense of one request says nothing about the
    /// next one: otherwise a client that can provoke an error could cut off all the others.
    pub(super) fn is_outage(&self) -> bool {
        match self {
            Self::Timeout | Self::Unreachable | Self::Broken => true,
            Self::Status(status) => matches!(status, 429 | 502 | 503 | 504),
            Self::Invalid(_) | Self::Overloaded | Self::CircuitOpen => false,
        }
    }
}

/// What is wrong with an answer: for the log, so without anything that it said.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum InvalidAnswer {
    /// Longer than is read.
    #[error("it is longer than {} KiB", MAX_ANSWER / 1024)]
    TooLong,
    /// No JSON object.
    #[error("it is no JSON object")]
    NotAnObject,
    /// Deeper than client libraries can parse.
    #[error("it nests too deep")]
    TooDeep,
    /// A key that is not in the contract, or one that occurs twice.
    #[error("it has a key that is unknown or occurs twice")]
    UnknownKey,
    /// A value that is not of the type that its key needs.
    #[error("its `{0}` has the wrong form")]
    Key(&'static str),
    /// Neither or both of ok and error.
    #[error("it must hold exactly one of `ok` and `error`")]
    Undecided,
    /// Something that does not go with the kind of the request.
    #[error("`{0}` has no meaning in the answer to this request")]
    Misplaced(&'static str),
    /// Assigns that are too large to keep.
    #[error("`assigns` is longer than {} KiB", MAX_ASSIGNS / 1024)]
    Assigns,
    /// An event that only the gateway may send, or whose name no frame can carry.
    #[error("`{0}` holds an event that is reserved, empty or longer than 255 bytes")]
    Event(&'static str),
    /// More messages than one answer may bring.
    #[error("`{0}` holds more than {max} entries", max = MAX_SPOKEN)]
    TooMany(&'static str),
}

/// The HTTP client for webhooks cannot be set up.
#[derive(Debug, Error)]
#[error("webhooks: {0}")]
pub struct ClientError(pub(super) String);
