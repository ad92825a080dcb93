use serde_json::{Map, Value};

use crate::wire::Payload;

/// What a client asks for in its join, as far as it can be read: what cannot is as if it were not there (protocol 8.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JoinConfig {
    /// Whether it gets its own broadcasts.
    pub(super) own: bool,
    /// Whether its broadcasts are answered.
    pub(super) ack: bool,
    /// Which messages of before it wants.
    pub(super) replay: Option<Value>,
    /// Whether it is told who is there.
    pub(super) presence: bool,
    /// As whom it is shown; none: under a name that is made for it.
    pub(super) key: Option<Box<str>>,
    /// Whether it means the private topic of this name.
    pub(super) private: bool,
    /// Whether it wants to hear of changes in a database.
    pub(super) changes: bool,
    /// Its token, unless it is judged by the API key of its connection.
    pub(super) token: Option<Box<str>>,
}

impl JoinConfig {
    pub(super) fn read(params: &Payload) -> Self {
        let params: Map<String, Value> = params.parse().unwrap_or_default();
        let config = params.get("config").and_then(Value::as_object);
        let part = |name: &str| config?.get(name)?.as_object();
        let (broadcast, presence) = (part("broadcast"), part("presence"));
        let in_broadcast = |name: &str| broadcast?.get(name);
        Self {
            own: flag(in_broadcast("self")),
            ack: flag(in_broadcast("ack")),
            replay: in_broadcast("replay").filter(|replay| !replay.is_null()).cloned(),
            // Who says nothing about it is of before there was a choice.
            presence: presence.is_none_or(|presence| flag(presence.get("enabled"))),
            key: presence.and_then(|presence| key(presence.get("key")?)),
            private: flag(config.and_then(|config| config.get("private"))),
            changes: config.and_then(|config| config.get("postgres_changes")).is_some_and(asks_for_changes),
            token: token(&params),
        }
    }
}

/// Booleans may come as text, in any case.
fn flag(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

fn key(value: &Value) -> Option<Box<str>> {
    match value {
        Value::String(key) => (!key.is_empty()).then(|| key.as_str().into()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string().into()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn asks_for_changes(value: &Value) -> bool {
    value.as_array().is_some_and(|changes| changes.iter().any(|change| !change.is_null()))
}

/// Keys of the new form (`sb_…`) are no tokens: who sends one means the key of its connection.
fn token(params: &Map<String, Value>) -> Option<Box<str>> {
    let text = |name: &str| params.get(name).and_then(Value::as_str);
    let token = text("user_token").or_else(|| text("access_token"))?;
    (!token.starts_with("sb_")).then(|| token.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(params: Value) -> JoinConfig {
        JoinConfig::read(&params.into())
    }

    fn nothing() -> JoinConfig {
        JoinConfig {
            own: false,
            ack: false,
            replay: None,
            presence: true,
            key: None,
            private: false,
            changes: false,
            token: None,
        }
    }

    #[test]
    fn what_realtime_js_sends_as_it_was_observed() {
        let broadcast = json!({ "self": true, "ack": true });
        let presence = json!({ "key": "u1", "enabled": true });
        let config = json!({ "broadcast": broadcast, "presence": presence, "postgres_changes": [], "private": false });
        let expected = JoinConfig { own: true, ack: true, key: Some("u1".into()), ..nothing() };
        assert_eq!(read(json!({ "config": config, "version": "realtime-js/2" })), expected);
    }

    #[test]
    fn booleans_may_be_text() {
        let config = json!({ "broadcast": { "self": "TRUE", "ack": "false" }, "private": "True", "presence": { "enabled": "no" } });
        let expected = JoinConfig { own: true, private: true, presence: false, ..nothing() };
        assert_eq!(read(json!({ "config": config })), expected);
    }

    #[test]
    fn what_cannot_be_read_is_as_if_it_were_not_there() {
        for params in [
            json!({}),
            json!(null),
            json!([1]),
            json!({ "config": null }),
            json!({ "config": "x" }),
            json!({ "config": { "broadcast": 1, "presence": [], "private": 7, "postgres_changes": null } }),
            json!({ "config": { "broadcast": { "self": {}, "ack": null, "replay": null }, "postgres_changes": [null] } }),
            json!({ "access_token": 7, "user_token": null }),
        ] {
            assert_eq!(read(params.clone()), nothing(), "{params}");
        }
        assert_eq!(JoinConfig::read(&Payload::Binary(bytes::Bytes::from_static(b"x"))), nothing());
    }

    #[test]
    fn row_277_keys_of_any_type_and_none() {
        let key = |key: Value| read(json!({ "config": { "presence": { "key": key } } })).key;
        assert_eq!(key(json!("a")).as_deref(), Some("a"));
        assert_eq!(key(json!(7)).as_deref(), Some("7"));
        assert_eq!(key(json!(true)).as_deref(), Some("true"));
        for none in [json!(""), json!(null), json!({}), json!([])] {
            assert_eq!(key(none), None);
        }
        assert!(
            !read(json!({ "config": { "presence": { "key": "a" } } })).presence,
            "it has a choice, and has not chosen"
        );
    }

    #[test]
    fn changes_and_replay_are_noticed() {
        let change = json!({ "event": "*", "schema": "public" });
        assert!(read(json!({ "config": { "postgres_changes": [null, change] } })).changes);
        let replay = json!({ "since": 1 });
        assert_eq!(read(json!({ "config": { "broadcast": { "replay": replay } } })).replay, Some(replay));
    }

    #[test]
    fn the_token_of_a_user_comes_first_and_keys_are_none() {
        let token = |params: Value| read(params).token;
        assert_eq!(token(json!({ "access_token": "a", "user_token": "u" })).as_deref(), Some("u"));
        assert_eq!(token(json!({ "access_token": "a" })).as_deref(), Some("a"));
        assert_eq!(token(json!({ "access_token": "sb_publishable_1" })), None);
    }
}
