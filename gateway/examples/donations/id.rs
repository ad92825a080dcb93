use serde::Deserialize;
use serde_json::Value;

/// What clients call a user or a campaign: a text or a number, as presence takes both for keys.
#[derive(Deserialize)]
#[serde(try_from = "Value")]
pub(crate) struct Id(pub(crate) String);

impl TryFrom<Value> for Id {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        match value {
            Value::String(text) if !text.is_empty() => Ok(Self(text)),
            Value::Number(number) => Ok(Self(number.to_string())),
            _ => Err("an id is a text or a number"),
        }
    }
}
