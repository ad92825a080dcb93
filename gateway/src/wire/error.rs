use thiserror::Error;

/// Why an inbound frame is not a Phoenix message. The whole socket ends with 1011 (checklist rows 74-80, 85, 86).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Not JSON, not the shape of the version, or a required key or element is missing.
    #[error("not a message of this version")]
    Malformed,
    /// A binary frame of a kind that only servers send, or of no known kind.
    #[error("binary frame of an unknown kind")]
    UnknownKind,
    /// A binary frame that is shorter than its own sizes say.
    #[error("truncated binary frame")]
    Truncated,
    /// JSON nested deeper than any client could parse.
    #[error("payload nested too deeply")]
    TooDeep,
}

/// Why an outgoing message cannot be put on the wire; nothing is sent then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// Version 2 carries only objects in pushes and broadcasts (row 67).
    #[error("the payload of a push or broadcast must be a JSON object or binary")]
    NotAnObject,
    /// A topic, event, status or reference over 255 bytes (row 72).
    #[error("a topic, event or reference is longer than 255 bytes")]
    TooLong,
    /// Version 1 has no binary frames (row 166).
    #[error("version 1 cannot carry binary payloads")]
    BinaryUnsupported,
}
