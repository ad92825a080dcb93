use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Number, Value};

use super::refused::TokenRefused;
use crate::config::TopicPattern;

/// The longest `sub` in bytes. It becomes a presence key and a part of socket ids.
const LONGEST_SUB: usize = 255;

/// What a client may do in a topic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rights {
    /// Join it, and hear what is said there.
    pub join: bool,
    /// Broadcast to it.
    pub broadcast: bool,
    /// Be shown to the others as present.
    pub presence: bool,
}

impl Rights {
    /// Everything.
    pub const ALL: Self = Self { join: true, broadcast: true, presence: true };
    /// Nothing.
    pub const NONE: Self = Self { join: false, broadcast: false, presence: false };

    fn and(self, other: Self) -> Self {
        Self {
            join: self.join || other.join,
            broadcast: self.broadcast || other.broadcast,
            presence: self.presence || other.presence,
        }
    }
}

/// What a verified token says (design 2.3).
#[derive(Debug, Clone)]
pub struct Claims {
    /// The user.
    pub sub: Box<str>,
    /// Until when the token is good, in seconds since 1970.
    pub exp: u64,
    pub(super) grants: Grants,
}

impl Claims {
    /// What the claim `channels` allows in a topic: all that its matching entries allow together.
    pub fn rights(&self, topic: &str) -> Rights {
        self.grants.rights(topic)
    }
}

/// The claim `channels`.
#[derive(Debug, Clone, Default)]
pub(super) struct Grants(Arc<[Grant]>);

#[derive(Debug)]
struct Grant {
    topics: TopicPattern,
    rights: Rights,
}

impl Grants {
    /// Of the claim as it stands in the token.
    pub(super) fn read(channels: Option<Vec<RawGrant>>) -> Result<Self, TokenRefused> {
        let grants = channels.unwrap_or_default().into_iter().map(Grant::try_from);
        Ok(Self(grants.collect::<Result<_, _>>()?))
    }

    pub(super) fn rights(&self, topic: &str) -> Rights {
        let matching = self.0.iter().filter(|grant| grant.topics.matches(topic));
        matching.fold(Rights::NONE, |rights, grant| rights.and(grant.rights))
    }
}

/// The claims as they stand in the token. The library checks `exp`, `nbf`, `iss` and `aud`, but overlooks an `aud` of a
/// form that is none.
#[derive(Deserialize)]
pub(super) struct RawClaims {
    pub(super) sub: Option<String>,
    pub(super) exp: Number,
    pub(super) aud: Option<Value>,
    /// Looked at in the tokens of Supabase's clients only.
    pub(super) role: Option<Value>,
    pub(super) channels: Option<Vec<RawGrant>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum RawGrant {
    /// A pattern: join, broadcast and presence.
    Topics(String),
    Some {
        topic: String,
        may: Vec<String>,
    },
}

impl TryFrom<RawClaims> for Claims {
    type Error = TokenRefused;

    fn try_from(raw: RawClaims) -> Result<Self, TokenRefused> {
        check_audience(raw.aud.as_ref())?;
        let sub =
            raw.sub.filter(|sub| !sub.is_empty() && sub.len() <= LONGEST_SUB && !sub.chars().any(char::is_control));
        let exp = seconds(&raw.exp).ok_or(TokenRefused::Claims)?;
        Ok(Self { sub: sub.ok_or(TokenRefused::Claims)?.into(), exp, grants: Grants::read(raw.channels)? })
    }
}

/// Whether an audience, if there is one, is of a form that the library has compared.
pub(super) fn check_audience(aud: Option<&Value>) -> Result<(), TokenRefused> {
    let is_audience = match aud {
        None | Some(Value::String(_)) => true,
        Some(Value::Array(names)) => names.iter().all(Value::is_string),
        Some(_) => false,
    };
    if is_audience { Ok(()) } else { Err(TokenRefused::Audience) }
}

impl TryFrom<RawGrant> for Grant {
    type Error = TokenRefused;

    fn try_from(raw: RawGrant) -> Result<Self, TokenRefused> {
        let (topics, rights) = match raw {
            RawGrant::Topics(topics) => (topics, Rights::ALL),
            RawGrant::Some { topic, may } => {
                let may = |right: &str| may.iter().any(|name| name == right);
                (topic, Rights { join: may("join"), broadcast: may("broadcast"), presence: may("presence") })
            }
        };
        let topics = topics.parse().map_err(|_| TokenRefused::Claims)?;
        Ok(Self { topics, rights })
    }
}

/// A time may have a fraction (RFC 7519, 2).
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was checked, and saturates")]
fn seconds(number: &Number) -> Option<u64> {
    number.as_u64().or_else(|| number.as_f64().filter(|seconds| *seconds >= 0.0).map(|seconds| seconds as u64))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Result<Claims, TokenRefused> {
        serde_json::from_value::<RawClaims>(value).map_err(|_| TokenRefused::Claims)?.try_into()
    }

    #[test]
    fn rights_of_all_matching_entries_add_up() {
        let channels = json!([
            "lobby",
            { "topic": "room:*", "may": ["join"] },
            { "topic": "room:1", "may": ["broadcast", "fly"] },
            { "topic": "news", "may": [] },
            { "topic": "stage", "may": ["join", "presence"], "note": "overlooked" },
        ]);
        let claims = claims(json!({ "sub": "u", "exp": 1.5, "channels": channels })).unwrap();
        assert_eq!(claims.exp, 1);
        let rights = |join, broadcast, presence| Rights { join, broadcast, presence };
        assert_eq!(claims.rights("lobby"), Rights::ALL);
        assert_eq!(claims.rights("lobby2"), Rights::NONE);
        assert_eq!(claims.rights("room:1"), rights(true, true, false));
        assert_eq!(claims.rights("room:2"), rights(true, false, false));
        assert_eq!(claims.rights("news"), Rights::NONE);
        assert_eq!(claims.rights("stage"), rights(true, false, true));
    }

    #[test]
    fn claims_of_another_form_are_refused() {
        for (wrong, reason) in [
            (json!({ "exp": 1 }), TokenRefused::Claims),
            (json!({ "sub": "u" }), TokenRefused::Claims),
            (json!({ "sub": "", "exp": 1 }), TokenRefused::Claims),
            (json!({ "sub": 7, "exp": 1 }), TokenRefused::Claims),
            (json!({ "sub": "a\nb", "exp": 1 }), TokenRefused::Claims),
            (json!({ "sub": "x".repeat(256), "exp": 1 }), TokenRefused::Claims),
            (json!({ "sub": "u", "exp": -1 }), TokenRefused::Claims),
            (json!({ "sub": "u", "exp": 1, "aud": 7 }), TokenRefused::Audience),
            (json!({ "sub": "u", "exp": 1, "aud": ["a", 7] }), TokenRefused::Audience),
            (json!({ "sub": "u", "exp": 1, "channels": "room:*" }), TokenRefused::Claims),
            (json!({ "sub": "u", "exp": 1, "channels": ["a*b"] }), TokenRefused::Claims),
            (json!({ "sub": "u", "exp": 1, "channels": [""] }), TokenRefused::Claims),
            (json!({ "sub": "u", "exp": 1, "channels": [{ "topic": "a" }] }), TokenRefused::Claims),
            (json!({ "sub": "u", "exp": 1, "channels": [{ "may": ["join"] }] }), TokenRefused::Claims),
        ] {
            assert_eq!(claims(wrong.clone()).unwrap_err(), reason, "{wrong}");
        }
        assert!(claims(json!({ "sub": "u", "exp": 1, "channels": null })).is_ok());
    }
}
