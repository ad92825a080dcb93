use serde_json::Value;

use super::claims::{Grants, RawClaims, Rights, check_audience};
use super::refused::TokenRefused;

/// What a token of a Supabase client says: it names a role, which an API key does without naming a user.
#[derive(Debug, Clone)]
pub(crate) struct RoleClaims {
    /// The role, such as `anon` or `authenticated`.
    pub(crate) role: Box<str>,
    /// The user, if it names one.
    pub(crate) user: Option<Box<str>>,
    /// Until when the token is good, in seconds since 1970.
    pub(crate) exp: u64,
    grants: Grants,
}

impl RoleClaims {
    /// What the claim `channels` allows in a topic.
    pub(crate) fn rights(&self, topic: &str) -> Rights {
        self.grants.rights(topic)
    }
}

impl TryFrom<RawClaims> for RoleClaims {
    type Error = TokenRefused;

    fn try_from(raw: RawClaims) -> Result<Self, TokenRefused> {
        check_audience(raw.aud.as_ref())?;
        let Some(Value::String(role)) = raw.role else { return Err(TokenRefused::Claims) };
        // A fraction is a time to others (RFC 7519, 2), and none to Supabase.
        let exp = raw.exp.as_u64().ok_or(TokenRefused::Claims)?;
        let grants = Grants::read(raw.channels)?;
        Ok(Self { role: role.into(), user: raw.sub.map(Into::into), exp, grants })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Result<RoleClaims, TokenRefused> {
        serde_json::from_value::<RawClaims>(value).map_err(|_| TokenRefused::Claims)?.try_into()
    }

    #[test]
    fn a_role_and_a_whole_exp_are_needed_and_no_user() {
        let key = claims(json!({ "role": "anon", "exp": 7, "iss": "supabase" })).unwrap();
        assert_eq!((&*key.role, key.user, key.exp), ("anon", None, 7));
        let channels = json!([{ "topic": "realtime:a", "may": ["join"] }]);
        let user = claims(json!({ "role": "authenticated", "exp": 7, "sub": "u", "channels": channels })).unwrap();
        assert_eq!(user.user.as_deref(), Some("u"));
        assert_eq!(user.rights("realtime:a"), Rights { join: true, broadcast: false, presence: false });
        assert_eq!(user.rights("realtime:b"), Rights::NONE);
        for wrong in [
            json!({ "exp": 7 }),
            json!({ "role": "anon" }),
            json!({ "role": 7, "exp": 7 }),
            json!({ "role": "anon", "exp": 1.5 }),
            json!({ "role": "anon", "exp": "7" }),
            json!({ "role": "anon", "exp": -7 }),
            json!({ "role": "anon", "exp": 7, "channels": "x" }),
        ] {
            assert_eq!(claims(wrong.clone()).unwrap_err(), TokenRefused::Claims, "{wrong}");
        }
    }
}
