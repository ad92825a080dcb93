use std::fmt;
use std::sync::Arc;

use super::broadcast::{Keeping, Spoken};
use super::rules::Rules;
use super::system::PREFIX;
use super::token::Token;
use crate::auth::{TokenRefused, Verifier};
use crate::config::{Channel, TopicPattern};
use crate::wire::{MAX_NAME, Payload, Reason, private_topic};

/// Who may broadcast without having joined: by plain requests (protocol 8.9). The same rules hold as in a channel.
pub(crate) struct Speakers {
    patterns: Vec<(TopicPattern, Rules)>,
    verifier: Arc<Verifier>,
}

/// A topic in which somebody wants to speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Audience {
    /// What the topic is called among all topics.
    pub(crate) topic: String,
    /// What clients call it.
    name: String,
}

impl Audience {
    /// The private or the public topic of a name, which clients give without `realtime:`. None: no frame could carry it.
    pub(crate) fn of(name: &str, private: bool) -> Option<Self> {
        let name = format!("{PREFIX}{name}");
        let topic = if private { private_topic(&name) } else { name.clone() };
        (topic.len() <= MAX_NAME).then_some(Self { topic, name })
    }
}

/// Whoever sent a request with a good token.
#[derive(Debug)]
pub(crate) struct Speaker<'a> {
    speakers: &'a Speakers,
    token: Token,
}

impl Speakers {
    /// With the topics of the configuration.
    pub(crate) fn new(channels: &[Channel], verifier: Arc<Verifier>) -> Self {
        let patterns = channels.iter().map(|channel| (channel.topic.clone(), Rules::of(channel))).collect();
        Self { patterns, verifier }
    }

    /// The speaker that a token names.
    ///
    /// # Errors
    /// When there is none, or it is not good; that is counted.
    pub(crate) async fn identify(&self, token: Option<&str>) -> Result<Speaker<'_>, TokenRefused> {
        let Some(token) = token.filter(|token| !token.is_empty()) else {
            self.verifier.refused(TokenRefused::Missing);
            return Err(TokenRefused::Missing);
        };
        Ok(Speaker { speakers: self, token: Token::verify(token, &self.verifier).await? })
    }
}

impl Speaker<'_> {
    /// What travels when it says something there, under an event of its own. A topic with history takes JSON only, to which bytes
    /// of JSON are turned.
    ///
    /// # Errors
    /// When it may not, or when that cannot be kept.
    pub(crate) fn say(&self, event: &str, payload: Payload, audience: &Audience) -> Result<Payload, Reason> {
        let mut patterns = self.speakers.patterns.iter();
        let found = patterns.find(|(pattern, _)| pattern.matches(&audience.name));
        let Some((_, rules)) = found else { return Err(Reason::Forbidden) };
        if !rules.rights(&self.token, &audience.topic).broadcast || !rules.allows(event) {
            return Err(Reason::Forbidden);
        }
        match (&payload, rules.keeping(&audience.topic)) {
            (Payload::Json(_), _) | (Payload::Binary(_), Keeping::Nothing) => Ok(payload),
            (Payload::Binary(_), keeping) => Ok(Spoken::read(&payload, keeping)?.payload),
        }
    }
}

impl fmt::Debug for Speakers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Speakers").field("patterns", &self.patterns).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::auth::TokenKey;
    use crate::config::{Config, Mode};
    use crate::wire::{Content, UserBroadcast};

    const CONFIG: &str = r#"
[auth]
hs256_secret = "0123456789abcdef0123456789abcdef"
[[channel]]
topic = "realtime:open:*"
join = "open"
client_events = ["said"]
[[channel]]
topic = "realtime:known"
join = "authenticated"
history = { size = 10, ttl = "1m" }
[[channel]]
topic = "realtime:closed"
join = "granted"
"#;

    /// Where a client of a role may say something: its public topics, and its private ones.
    async fn places(role: &str, event: &str) -> (Vec<&'static str>, Vec<&'static str>) {
        let config = Config::from_toml(Mode::Client, CONFIG).unwrap();
        let auth = config.auth.as_ref().unwrap();
        let speakers = Speakers::new(&config.channels, Arc::new(Verifier::new(auth).unwrap()));
        let channels = json!(["realtime:open:1", { "topic": "realtime:known", "may": ["join"] }, "realtime:closed"]);
        let claims = json!({ "role": role, "exp": 4_000_000_000_u64, "channels": channels });
        let token = TokenKey::of_config(auth).unwrap().sign(claims.as_object().unwrap()).unwrap();
        let speaker = speakers.identify(Some(&token)).await.unwrap();
        let may = |private| {
            let names = ["open:1", "open:2", "known", "closed", "unmatched"];
            let said = |name: &&str| {
                let said = speaker.say(event, Payload::empty(), &Audience::of(name, private).unwrap());
                assert!(matches!(said, Ok(_) | Err(Reason::Forbidden)));
                said.is_ok()
            };
            names.into_iter().filter(said).collect()
        };
        (may(false), may(true))
    }

    #[tokio::test]
    async fn the_rules_of_channels_hold() {
        assert_eq!(places("anon", "said").await, (vec!["open:1", "open:2"], vec!["open:1", "closed"]));
        assert_eq!(places("anon", "other").await, (vec![], vec!["closed"]));
        assert_eq!(places("authenticated", "other").await, (vec!["known"], vec!["closed"]));
    }

    #[tokio::test]
    async fn topics_with_history_take_json_only() {
        let config = Config::from_toml(Mode::Client, CONFIG).unwrap();
        let auth = config.auth.as_ref().unwrap();
        let speakers = Speakers::new(&config.channels, Arc::new(Verifier::new(auth).unwrap()));
        let claims = json!({ "role": "authenticated", "exp": 4_000_000_000_u64, "channels": ["realtime:known"] });
        let token = TokenKey::of_config(auth).unwrap().sign(claims.as_object().unwrap()).unwrap();
        let speaker = speakers.identify(Some(&token)).await.unwrap();
        let of = |content| UserBroadcast { event: "e", metadata: "", content }.to_payload().unwrap();
        let say =
            |payload: &Payload, private| speaker.say("e", payload.clone(), &Audience::of("known", private).unwrap());
        let (json, raw) = (of(Content::Json("[1]")), of(Content::Raw(b"raw")));
        let said: serde_json::Value = say(&json, false).unwrap().parse().unwrap();
        assert_eq!(said, json!({ "type": "broadcast", "event": "e", "payload": [1] }));
        let said: serde_json::Value = say(&json, true).unwrap().parse().unwrap();
        assert!(said["meta"]["id"].is_string(), "who joins later hears it again");
        for private in [false, true] {
            assert_eq!(say(&raw, private), Err(Reason::BinaryNotSupported));
        }
    }

    #[tokio::test]
    async fn row_304_without_a_good_token_nobody_speaks() {
        let config = Config::from_toml(Mode::Client, CONFIG).unwrap();
        let speakers = Speakers::new(&[], Arc::new(Verifier::new(config.auth.as_ref().unwrap()).unwrap()));
        for (token, reason) in [
            (None, TokenRefused::Missing),
            (Some(""), TokenRefused::Missing),
            (Some("sb_publishable_key"), TokenRefused::Malformed),
        ] {
            assert_eq!(speakers.identify(token).await.unwrap_err(), reason);
        }
    }

    #[test]
    fn names_fit_into_frames() {
        let of = |length: usize, private| Audience::of(&"x".repeat(length), private).is_some();
        assert!(of(246, false) && !of(247, false));
        assert!(of(237, true) && !of(238, true));
        assert_eq!(Audience::of("a", true).unwrap().topic, "@private:realtime:a");
    }
}
