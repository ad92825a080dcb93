use jsonwebtoken::errors::{Error, ErrorKind};
use thiserror::Error;

/// Why a token is not accepted: a closed set, for the log and a metric. The client learns nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[repr(u8)]
pub enum TokenRefused {
    /// There is none, and one is needed.
    #[error("there is no token")]
    Missing,
    /// It is longer than any token should be.
    #[error("the token is too large")]
    TooLarge,
    /// It is not three parts of base64url and JSON, or wants something that is not supported.
    #[error("the token is malformed")]
    Malformed,
    /// Its algorithm is unknown, or not that of the key.
    #[error("the token has another algorithm than the key")]
    Algorithm,
    /// No key has its `kid`.
    #[error("the token's key is unknown")]
    UnknownKey,
    /// The signature is not that of a known key.
    #[error("the token's signature is wrong")]
    Signature,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` has not come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `iss` is missing, or another.
    #[error("the token has another issuer")]
    Issuer,
    /// `aud` is missing, another, or not expected at all.
    #[error("the token is for another audience")]
    Audience,
    /// `sub`, `exp` or `channels` is missing or not of its form.
    #[error("the token's claims are not of the form that is needed")]
    Claims,
    /// A renewal by the token of somebody else.
    #[error("the token is of another subject")]
    AnotherSubject,
}

impl TokenRefused {
    /// All of them, in the order of their numbers.
    pub(super) const ALL: [Self; 12] = [
        Self::Missing,
        Self::TooLarge,
        Self::Malformed,
        Self::Algorithm,
        Self::UnknownKey,
        Self::Signature,
        Self::Expired,
        Self::NotYetValid,
        Self::Issuer,
        Self::Audience,
        Self::Claims,
        Self::AnotherSubject,
    ];

    /// The label of `gateway_tokens_refused_total`.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Claims => "claims",
            Self::AnotherSubject => "another_subject",
        }
    }

    /// What the library says of a token.
    pub(super) fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::InvalidSignature => Self::Signature,
            ErrorKind::InvalidAlgorithm | ErrorKind::InvalidKeyFormat | ErrorKind::MissingAlgorithm => Self::Algorithm,
            ErrorKind::ExpiredSignature => Self::Expired,
            ErrorKind::ImmatureSignature => Self::NotYetValid,
            ErrorKind::InvalidIssuer => Self::Issuer,
            ErrorKind::InvalidAudience => Self::Audience,
            ErrorKind::MissingRequiredClaim(claim) if claim == "iss" => Self::Issuer,
            ErrorKind::MissingRequiredClaim(claim) if claim == "aud" => Self::Audience,
            // What is JSON but no claims is found out behind the signature; the header is read before.
            ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) | ErrorKind::Json(_) => Self::Claims,
            _ => Self::Malformed,
        }
    }
}
