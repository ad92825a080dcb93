use std::fmt;
use std::sync::Arc;

use crate::auth::{Rights, RoleClaims, TokenRefused, Verifier};
use crate::clock::unix_seconds;

/// The API key with which a connection came, among the assigns of its channels.
pub(super) struct ApiKey {
    pub(super) verifier: Arc<Verifier>,
    pub(super) token: Token,
}

/// A token that was good when it came. Clones share it.
#[derive(Clone)]
pub(super) struct Token {
    text: Arc<str>,
    claims: Arc<RoleClaims>,
}

impl Token {
    /// Verifies a token.
    ///
    /// # Errors
    /// Why it is not good.
    pub(super) async fn verify(text: &str, verifier: &Verifier) -> Result<Self, TokenRefused> {
        let claims = verifier.verify_role(text).await?;
        Ok(Self { text: text.into(), claims: Arc::new(claims) })
    }

    /// Whether it is this one.
    pub(super) fn is(&self, text: &str) -> bool {
        *self.text == *text
    }

    /// The role that it names.
    pub(super) fn role(&self) -> &str {
        &self.claims.role
    }

    /// The user, if it names one.
    pub(super) fn user(&self) -> Option<&str> {
        self.claims.user.as_deref()
    }

    /// What it grants in a topic, by its name on the wire.
    pub(super) fn rights(&self, topic: &str) -> Rights {
        self.claims.rights(topic)
    }

    /// How many seconds it is still good for; none when it has ended.
    pub(super) fn seconds_left(&self) -> Option<u64> {
        self.claims.exp.checked_sub(unix_seconds()).filter(|left| *left > 0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("role", &self.claims.role).finish_non_exhaustive()
    }
}

/// What a client is told of a token that is not good, in Supabase's words: as much as it needs to get a better one.
pub(super) fn in_words(reason: TokenRefused) -> &'static str {
    match reason {
        TokenRefused::Missing => "API key is missing",
        TokenRefused::Expired => "Token has expired",
        TokenRefused::Claims => "Fields `role` and `exp` are required in JWT",
        TokenRefused::Signature | TokenRefused::UnknownKey | TokenRefused::Algorithm => {
            "Failed to validate JWT signature"
        }
        TokenRefused::TooLarge
        | TokenRefused::Malformed
        | TokenRefused::NotYetValid
        | TokenRefused::Issuer
        | TokenRefused::Audience
        | TokenRefused::AnotherSubject => "The token provided is not a valid JWT",
    }
}

/// The word by which clients tell why a join was refused.
pub(super) fn code(reason: TokenRefused) -> &'static str {
    match reason {
        TokenRefused::Expired | TokenRefused::Claims => "InvalidJWTToken",
        TokenRefused::Signature | TokenRefused::UnknownKey | TokenRefused::Algorithm => "JwtSignatureError",
        _ => "MalformedJWT",
    }
}
