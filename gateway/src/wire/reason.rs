use super::payload::Payload;

/// The reasons that the gateway itself gives in error replies and in `phx_error`: one closed table. Channels may give
/// others of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A client needs a token that allows it, or a better one.
    Unauthorized,
    /// A client may not do this at all.
    Forbidden,
    /// Redis is away or too slow; what was asked for may still have happened.
    Unavailable,
    /// What decides about it did not answer in time; it may still happen.
    Timeout,
    /// The client sends more than it may; the same message may pass later.
    RateLimited,
    /// The payload is not of the shape that is needed, usually an object.
    InvalidPayload,
    /// A topic, an event, a reference or a payload is too long.
    TooLarge,
    /// The event cannot carry bytes here.
    BinaryNotSupported,
    /// The topic has no presence.
    PresenceDisabled,
    /// An update of what is not tracked (Phoenix' own).
    NoPresence,
    /// No channel answers to the topic, or it is not joined (Phoenix' own).
    UnmatchedTopic,
    /// The socket has joined as many topics as it may (Phoenix' own).
    TooManyChannels,
    /// The join callback failed (Phoenix' own).
    JoinCrashed,
    /// A callback failed and ended its channel (Phoenix' own).
    ChannelCrash,
}

impl Reason {
    /// As it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::RateLimited => "rate_limited",
            Self::InvalidPayload => "invalid_payload",
            Self::TooLarge => "too_large",
            Self::BinaryNotSupported => "binary_not_supported",
            Self::PresenceDisabled => "presence_disabled",
            Self::NoPresence => "nopresence",
            Self::UnmatchedTopic => "unmatched topic",
            Self::TooManyChannels => "too many channels joined",
            Self::JoinCrashed => "join crashed",
            Self::ChannelCrash => "channel_crash",
        }
    }

    /// `{"reason": …}`.
    pub fn payload(self) -> Payload {
        Payload::from(serde_json::json!({ "reason": self.as_str() }))
    }
}
