use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;

use super::message::Received;
use crate::wire::Payload;

#[derive(Serialize)]
struct Line<'a> {
    topic: &'a str,
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
}

impl Received {
    /// The message as one line of JSON with its line feed: `topic`, `event` and `payload`, or `payload_base64` when the
    /// payload is binary.
    pub fn to_json_line(&self) -> String {
        let (topic, event) = (&*self.topic, &*self.event);
        let line = match &self.payload {
            // Line breaks between JSON tokens would make several lines of it: they carry nothing.
            Payload::Json(json) => {
                let text: String = String::from_utf8_lossy(json).replace(['\r', '\n'], " ");
                let payload = serde_json::from_str(&text).ok();
                serde_json::to_string(&Line { topic, event, payload, payload_base64: None })
            }
            Payload::Binary(bytes) => {
                let payload_base64 = Some(STANDARD.encode(bytes));
                serde_json::to_string(&Line { topic, event, payload: None, payload_base64 })
            }
        };
        line.unwrap_or_default() + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(payload: Payload) -> String {
        Received { topic: "room:1".into(), event: "e".into(), payload, offset: None }.to_json_line()
    }

    #[test]
    fn a_message_is_one_line() {
        let json = Payload::Json("{\n\"a\": \"x\\ny\"}".into());
        assert_eq!(line(json), "{\"topic\":\"room:1\",\"event\":\"e\",\"payload\":{ \"a\": \"x\\ny\"}}\n");
        let binary = Payload::Binary(vec![1, 2].into());
        assert_eq!(line(binary), "{\"topic\":\"room:1\",\"event\":\"e\",\"payload_base64\":\"AQI=\"}\n");
    }
}
