use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngExt as _;
use ring::hmac;

use super::secret::Keys;
use crate::ids::NodeId;

/// How old a token may be, in seconds, and so its session (Phoenix: `max_age`).
const MAX_AGE: u64 = 1_209_600;

/// What every token of a session begins with; no JWT does.
pub(super) const PREFIX: &str = "lp.";

/// Names a session: 128 random bits, which nobody can guess.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SessionId(Box<str>);

impl SessionId {
    pub(super) fn random() -> Self {
        Self(URL_SAFE_NO_PAD.encode(rand::rng().random::<[u8; 16]>()).into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for SessionId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

/// Where a session is, as its token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) node: NodeId,
    pub(super) session: SessionId,
    /// Since when, in seconds since 1970.
    pub(super) issued: u64,
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}.{}.{}", self.node, self.session.as_str(), self.issued)
    }
}

impl Ticket {
    /// The token: what it says, and a proof that this deployment says it of a session of this mount. It is good for nothing
    /// once its session has ended.
    pub(super) fn token(&self, keys: &Keys, mount: &str) -> String {
        let said = self.to_string();
        let proof = hmac::sign(&keys.current, signed(&said, mount).as_bytes());
        format!("{said}.{}", URL_SAFE_NO_PAD.encode(proof))
    }

    /// Reads a token that this deployment has made for a mount, of a session that is no older than [`MAX_AGE`].
    pub(super) fn read(token: &str, keys: &Keys, mount: &str, now: u64) -> Option<Self> {
        let (said, proof) = token.rsplit_once('.')?;
        let proof = URL_SAFE_NO_PAD.decode(proof).ok()?;
        let signed = signed(said, mount);
        let is_good = |key: &hmac::Key| hmac::verify(key, signed.as_bytes(), &proof).is_ok();
        if !is_good(&keys.current) && !keys.former.as_ref().is_some_and(is_good) {
            return None;
        }
        let (node, rest) = said.strip_prefix(PREFIX)?.split_once('.')?;
        let (session, issued) = rest.split_once('.')?;
        // Another pod's clock may be ahead.
        let issued = issued.parse().ok()?;
        (now.saturating_sub(issued) <= MAX_AGE).then(|| Self {
            node: NodeId::from(node),
            session: SessionId::from(session),
            issued,
        })
    }
}

fn signed(said: &str, mount: &str) -> String {
    format!("{said} {mount}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn keys(secret: &[u8]) -> Keys {
        Keys { current: hmac::Key::new(hmac::HMAC_SHA256, secret), former: None }
    }

    #[test]
    fn a_token_is_good_for_its_mount_in_its_deployment() {
        let ticket = Ticket { node: NodeId::random(), session: SessionId::random(), issued: NOW };
        let token = ticket.token(&keys(b"one"), "/socket");
        assert!(token.starts_with(PREFIX) && token.len() < 128, "{token}");
        assert_eq!(Ticket::read(&token, &keys(b"one"), "/socket", NOW), Some(ticket));
        assert_eq!(Ticket::read(&token, &keys(b"one"), "/other", NOW), None);
        assert_eq!(Ticket::read(&token, &keys(b"two"), "/socket", NOW), None);
    }

    #[test]
    fn a_token_is_good_for_two_weeks() {
        let ticket = Ticket { node: NodeId::random(), session: SessionId::random(), issued: NOW };
        let token = ticket.token(&keys(b"one"), "/socket");
        for (now, good) in [(NOW - 60, true), (NOW + MAX_AGE, true), (NOW + MAX_AGE + 1, false)] {
            assert_eq!(Ticket::read(&token, &keys(b"one"), "/socket", now).is_some(), good, "{now}");
        }
        let younger = token.replacen(&NOW.to_string(), &(NOW + 1).to_string(), 1);
        assert_eq!(Ticket::read(&younger, &keys(b"one"), "/socket", NOW), None, "the time is signed");
    }

    #[test]
    fn a_token_of_the_former_secret_is_good_for_a_while() {
        let ticket = Ticket { node: NodeId::random(), session: SessionId::random(), issued: NOW };
        let token = ticket.token(&keys(b"one"), "/socket");
        let changed = Keys { former: Some(hmac::Key::new(hmac::HMAC_SHA256, b"one")), ..keys(b"two") };
        assert_eq!(Ticket::read(&token, &changed, "/socket", NOW), Some(ticket));
    }

    #[test]
    fn what_is_forged_or_cut_is_no_token() {
        let ticket = Ticket { node: NodeId::random(), session: SessionId::random(), issued: NOW };
        let token = ticket.token(&keys(b"one"), "/socket");
        for length in 0..token.len() {
            assert_eq!(Ticket::read(&token[..length], &keys(b"one"), "/socket", NOW), None, "{length}");
        }
        let other = token.replacen(ticket.node.as_str(), NodeId::random().as_str(), 1);
        for forged in [other.as_str(), "lp...", "lp.a.b.", "lp.a.b.c", "", ".", "eyJ.eyJ.sig", "lp.\u{e9}.b.c"] {
            assert_eq!(Ticket::read(forged, &keys(b"one"), "/socket", NOW), None, "{forged}");
        }
    }
}
