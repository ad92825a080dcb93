use std::collections::BTreeMap;

use serde_json::value::{RawValue, to_raw_value};

use crate::history::Position;
use crate::wire::Payload;

/// The response to a join with what it says of recovery: `position` is just before the next message that the client gets.
/// None when the response is no object.
pub(in super::super) fn with_recovery(response: &Payload, position: &Position, recovered: bool) -> Option<Payload> {
    // What the channel has said stays as it wrote it.
    let mut fields: BTreeMap<String, Box<RawValue>> = response.parse().ok()?;
    let Position { epoch, offset } = position;
    let recovery = serde_json::json!({ "epoch": epoch.as_str(), "offset": offset, "recovered": recovered });
    fields.insert("recovery".to_owned(), to_raw_value(&recovery).ok()?);
    Payload::json(&fields).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Epoch;

    fn told(response: &str) -> Option<String> {
        let position = Position { epoch: Epoch::from("abc"), offset: 7 };
        let reply = with_recovery(&Payload::Json(response.to_owned().into()), &position, true)?;
        Some(String::from_utf8(reply.bytes().to_vec()).unwrap())
    }

    #[test]
    fn it_stands_beside_what_the_channel_says() {
        let recovery = r#""recovery":{"epoch":"abc","offset":7,"recovered":true}"#;
        assert_eq!(told("{}"), Some(format!("{{{recovery}}}")));
        let precise = r#"{"n":12345678901234567890.5}"#;
        assert_eq!(told(precise), Some(format!(r#"{{"n":12345678901234567890.5,{recovery}}}"#)));
        assert_eq!(told(r#"{"recovery":1}"#), Some(format!("{{{recovery}}}")));
        assert_eq!(told("[]"), None);
    }
}
