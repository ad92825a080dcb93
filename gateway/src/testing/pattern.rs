use serde_json::Value;

use crate::wire::Payload;

/// In a JSON pattern: any value will do, but there must be one.
pub const ANY: &str = "\u{0}any";

/// What a payload has to be like.
///
/// * A [`Value`], made with `json!`: the fields that it names must be there and match, others may be there too. Arrays match
///   element by element, and [`ANY`] matches everything.
/// * A [`Payload`]: exactly this, the way to match bytes.
/// * A closure that looks at the JSON.
pub trait Pattern {
    /// Whether the payload is like that.
    fn matches(&self, payload: &Payload) -> bool;

    /// For the message of a test that fails.
    fn describe(&self) -> String;
}

impl Pattern for Value {
    fn matches(&self, payload: &Payload) -> bool {
        payload.parse::<Value>().is_ok_and(|value| is_part(self, &value))
    }

    fn describe(&self) -> String {
        self.to_string().replace(r#""\u0000any""#, "ANY")
    }
}

impl Pattern for Payload {
    fn matches(&self, payload: &Payload) -> bool {
        match (self.parse::<Value>(), payload.parse::<Value>()) {
            (Ok(wanted), Ok(value)) => wanted == value,
            _ => self == payload,
        }
    }

    fn describe(&self) -> String {
        format!("exactly {}", show(self))
    }
}

impl<F: Fn(&Value) -> bool> Pattern for F {
    fn matches(&self, payload: &Payload) -> bool {
        payload.parse::<Value>().is_ok_and(|value| self(&value))
    }

    fn describe(&self) -> String {
        "for which the closure holds".to_owned()
    }
}

fn is_part(wanted: &Value, value: &Value) -> bool {
    match (wanted, value) {
        (Value::String(any), _) if any == ANY => true,
        (Value::Object(wanted), Value::Object(value)) => {
            wanted.iter().all(|(name, wanted)| value.get(name).is_some_and(|value| is_part(wanted, value)))
        }
        (Value::Array(wanted), Value::Array(value)) => {
            wanted.len() == value.len() && wanted.iter().zip(value).all(|(wanted, value)| is_part(wanted, value))
        }
        _ => wanted == value,
    }
}

/// A payload for people.
pub(super) fn show(payload: &Payload) -> String {
    match payload {
        Payload::Json(json) => String::from_utf8_lossy(json).into_owned(),
        Payload::Binary(bytes) => format!("{} bytes {bytes:?}", bytes.len()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn matches(pattern: &impl Pattern, payload: Value) -> bool {
        pattern.matches(&payload.into())
    }

    #[test]
    fn json_matches_what_holds_it() {
        let payload = json!({ "id": 7, "body": "hi", "by": { "name": "ann", "age": 9 }, "tags": ["a", { "b": 1 }] });
        assert!(matches(&json!({}), payload.clone()));
        assert!(matches(&json!({ "id": ANY, "by": { "name": "ann" }, "tags": ["a", { "b": ANY }] }), payload.clone()));
        for other in [
            json!({ "id": 8 }),
            json!({ "more": ANY }),
            json!({ "tags": ["a"] }),
            json!({ "tags": [{ "b": 1 }, "a"] }),
            json!({ "by": "ann" }),
            json!([]),
        ] {
            assert!(!matches(&other, payload.clone()), "{other}");
        }
    }

    #[test]
    fn payloads_match_exactly_and_closures_as_they_say() {
        assert!(matches(&Payload::from(json!({ "a": 1, "b": 2 })), json!({ "b": 2, "a": 1 })));
        assert!(!matches(&Payload::from(json!({ "a": 1 })), json!({ "a": 1, "b": 2 })));
        let bytes = Payload::Binary(vec![1, 2].into());
        assert!(bytes.matches(&bytes) && !bytes.matches(&Payload::Binary(vec![1].into())));
        assert!(!json!({}).matches(&bytes) && !(|_: &Value| true).matches(&bytes));
        assert!(matches(&|value: &Value| value["a"] == 1, json!({ "a": 1 })));
        assert!(!matches(&|value: &Value| value["a"] == 1, json!({ "a": 2 })));
    }
}
