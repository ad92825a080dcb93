use thiserror::Error;

/// Why a connection ended: the one table of close codes (protocol 2.6) and metric labels.
///
/// phoenix.js up to 1.8.15 stays away after code 1000, so the gateway never closes with it unless the client did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[repr(u8)]
pub enum CloseReason {
    /// The client closed; its own code is echoed.
    #[error("closed by the client")]
    ClientClosed = 1,
    /// The connection broke without a close frame.
    #[error("the client is gone")]
    ClientGone,
    /// No byte came for the idle timeout (row 55).
    #[error("idle timeout")]
    IdleTimeout,
    /// A violation of RFC 6455.
    #[error("WebSocket protocol error")]
    ProtocolError,
    /// Text that is not UTF-8 (row 92).
    #[error("text is not UTF-8")]
    InvalidUtf8,
    /// An endless fragmented message.
    #[error("policy violation")]
    PolicyViolation,
    /// A frame or message over the limit (row 57).
    #[error("frame too large")]
    TooLarge,
    /// A frame that is no Phoenix message (rows 74-80).
    #[error("malformed message")]
    Malformed,
    /// All sockets of the user were disconnected (row 148).
    #[error("disconnected by the application")]
    Disconnected,
    /// The pod stops (row 60).
    #[error("the pod is draining")]
    Draining,
    /// The client reads too slowly, or the pod's outbox budget was exceeded and this connection held the most.
    #[error("the client reads too slowly")]
    SlowConsumer,
    /// The token with which the client connected has ended, and was not renewed.
    #[error("the token has expired")]
    TokenExpired,
    /// The client sends many times more than `limits.messages_per_second` or `limits.joins_per_second` allow.
    #[error("the client sends far too much")]
    RateLimited,
    /// The pod has far more connections than the others.
    #[error("the pod has more connections than the others")]
    Rebalanced,
    /// A client of Supabase's dialect joins more than `limits.joins_per_second` allow.
    #[error("the client joins too often")]
    TooManyJoins,
}

impl CloseReason {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 15] = [
        Self::ClientClosed,
        Self::ClientGone,
        Self::IdleTimeout,
        Self::ProtocolError,
        Self::InvalidUtf8,
        Self::PolicyViolation,
        Self::TooLarge,
        Self::Malformed,
        Self::Disconnected,
        Self::Draining,
        Self::SlowConsumer,
        Self::TokenExpired,
        Self::RateLimited,
        Self::Rebalanced,
        Self::TooManyJoins,
    ];

    /// The code of the close frame; none is sent when the client is gone or closed itself.
    pub fn code(self) -> Option<u16> {
        match self {
            Self::ClientClosed | Self::ClientGone => None,
            Self::IdleTimeout | Self::ProtocolError => Some(1002),
            Self::InvalidUtf8 => Some(1007),
            Self::PolicyViolation | Self::RateLimited => Some(1008),
            Self::TooLarge => Some(1009),
            Self::Malformed => Some(1011),
            Self::Disconnected | Self::TooManyJoins => Some(1001),
            Self::Draining | Self::Rebalanced => Some(1012),
            Self::SlowConsumer => Some(1013),
            Self::TokenExpired => Some(4001),
        }
    }

    /// The label of `gateway_disconnects_total`.
    pub fn label(self) -> &'static str {
        match self {
            Self::ClientClosed => "client_closed",
            Self::ClientGone => "client_gone",
            Self::IdleTimeout => "idle_timeout",
            Self::ProtocolError => "protocol_error",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::PolicyViolation => "policy_violation",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Disconnected => "disconnected",
            Self::Draining => "draining",
            Self::SlowConsumer => "slow_consumer",
            Self::TokenExpired => "token_expired",
            Self::RateLimited => "rate_limited",
            Self::Rebalanced => "rebalanced",
            Self::TooManyJoins => "too_many_joins",
        }
    }

    /// Whether what the client waits for is still answered before the connection ends: it did nothing wrong, and will be
    /// back elsewhere.
    pub(crate) fn lets_finish(self) -> bool {
        matches!(self, Self::Draining | Self::Rebalanced)
    }

    /// The reason of a code that the WebSocket codec reports.
    pub(crate) fn of_protocol_code(code: u16) -> Self {
        match code {
            1007 => Self::InvalidUtf8,
            1008 => Self::PolicyViolation,
            1009 => Self::TooLarge,
            _ => Self::ProtocolError,
        }
    }

    pub(super) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_codes_are_consistent() {
        for reason in CloseReason::ALL {
            assert_eq!(CloseReason::from_number(reason as u8), Some(reason));
            assert_ne!(reason.code(), Some(1000), "old clients stay away after 1000");
        }
        assert_eq!(CloseReason::from_number(0), None);
    }
}
