use thiserror::Error;

/// What a client did against RFC 6455 or the limits. The connection must be closed with [`ProtocolError::close_code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum ProtocolError {
    /// A reserved bit that no negotiated extension gives a meaning (RFC 6455, 5.2).
    #[error("a reserved bit is set")]
    ReservedBits,
    /// Opcodes 3-7 and 11-15 (5.2).
    #[error("an opcode that is not defined")]
    UnknownOpcode,
    /// A client must mask each frame (5.1).
    #[error("a frame without a mask")]
    Unmasked,
    /// A control frame without FIN (5.5).
    #[error("a fragmented control frame")]
    FragmentedControl,
    /// A control frame with more than 125 bytes (5.5).
    #[error("a control frame longer than 125 bytes")]
    LongControl,
    /// A length in more bytes than it needs, or with its highest bit set (5.2).
    #[error("a length that is not encoded as the RFC says")]
    LengthEncoding,
    /// A continuation while no message is open (5.4).
    #[error("a continuation without a message to continue")]
    UnexpectedContinuation,
    /// A new message while another one is open (5.4).
    #[error("a new message inside a fragmented one")]
    InterruptedMessage,
    /// A close frame whose payload is one byte, so half a code (5.5.1).
    #[error("a close frame with half a code")]
    TruncatedCloseCode,
    /// A close code that must not be sent (7.4).
    #[error("a close code that must not be sent")]
    InvalidCloseCode,
    /// A compressed message that cannot be inflated (RFC 7692, 7.2.2).
    #[error("a compressed message that is not valid")]
    InvalidDeflate,
    /// Text, or the reason of a close, that is not UTF-8 (8.1).
    #[error("text that is not UTF-8")]
    InvalidUtf8,
    /// More empty fragments than a client that means well sends: each costs work and none counts against a limit.
    #[error("too many empty fragments")]
    EmptyFragments,
    /// A frame or a message over the limits, or one that would be when it is inflated.
    #[error("a message that is too large")]
    TooLarge,
}

impl ProtocolError {
    /// The code to close the connection with (RFC 6455, 7.4.1; protocol.md 2.5).
    pub fn close_code(self) -> u16 {
        match self {
            Self::InvalidUtf8 | Self::InvalidDeflate => 1007,
            Self::EmptyFragments => 1008,
            Self::TooLarge => 1009,
            Self::ReservedBits
            | Self::UnknownOpcode
            | Self::Unmasked
            | Self::FragmentedControl
            | Self::LongControl
            | Self::LengthEncoding
            | Self::UnexpectedContinuation
            | Self::InterruptedMessage
            | Self::TruncatedCloseCode
            | Self::InvalidCloseCode => 1002,
        }
    }
}
