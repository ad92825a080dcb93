use thiserror::Error;

/// Why a broadcast did not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PublishError {
    /// Redis is away or too slow. The outcome is unknown: the message may have been delivered, here or elsewhere.
    #[error("unavailable: the message may or may not have been delivered")]
    Unavailable,
    /// The payload is JSON but no object, which version 2 cannot carry (checklist row 67). Nothing was sent.
    #[error("the payload of a broadcast must be a JSON object or binary")]
    InvalidPayload,
    /// The topic or event is over 255 bytes, or the message is larger than pods accept. Nothing was sent.
    #[error("the topic, the event or the payload is too large")]
    TooLarge,
    /// The payload is binary and the topic keeps a history, which holds JSON only (ruling 7). Nothing was sent.
    #[error("the topic keeps a history, which takes JSON objects only")]
    BinaryNotSupported,
}

/// Why the history of a topic was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HistoryError {
    /// No pattern of the configuration or the program gives the topic one.
    #[error("the topic keeps no history")]
    NotKept,
    /// Redis is away or too slow.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// This pod cannot receive the topic now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the topic cannot be received at the moment")]
pub struct Unavailable;
