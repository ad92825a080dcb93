use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use super::claims::{Claims, Grants, Rights};
use super::refused::TokenRefused;
use super::verifier::Verifier;

/// As whom a client has connected: what its token said, and what the tokens said by which it was renewed. A channel finds
/// it among its client's assigns, where the socket has a [`Verifier`].
pub struct Identity {
    sub: Box<str>,
    grants: Mutex<Grants>,
    verifier: Arc<Verifier>,
}

impl Identity {
    /// Of a verified token.
    pub fn new(claims: Claims, verifier: Arc<Verifier>) -> Self {
        let Claims { sub, grants, .. } = claims;
        Self { sub, grants: Mutex::new(grants), verifier }
    }

    /// The user. It never changes as long as the connection lasts.
    pub fn sub(&self) -> &str {
        &self.sub
    }

    /// What the claim `channels` allows in a topic now.
    pub fn rights(&self, topic: &str) -> Rights {
        let grants = self.grants.lock().clone();
        grants.rights(topic)
    }

    /// Takes the claims of a new token of the same user. Until when it is good, in seconds since 1970.
    ///
    /// # Errors
    /// When it is not good, or of another user: then everything stays as it was.
    pub async fn renew(&self, token: &str) -> Result<u64, TokenRefused> {
        let Claims { sub, exp, grants } = self.verifier.verify(token).await?;
        if sub != self.sub {
            self.verifier.refused(TokenRefused::AnotherSubject);
            return Err(TokenRefused::AnotherSubject);
        }
        *self.grants.lock() = grants;
        Ok(exp)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}
