use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::answer::{BLANK, INVALID, Refused, TOO_LARGE, TOO_LONG};
use super::publish::Message;
use crate::supabase::Audience;
use crate::wire::{Content, MAX_NAME, UserBroadcast};

/// How many messages one request may carry.
const MAX_MESSAGES: usize = 1000;

#[derive(Deserialize)]
struct RawBatch<'a> {
    #[serde(borrow)]
    messages: Option<&'a RawValue>,
}

/// A message as a client writes it. What it has beyond these is overlooked.
#[derive(Deserialize)]
struct RawMessage<'a> {
    #[serde(borrow)]
    topic: Option<&'a RawValue>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    private: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

/// The messages of a body, each as text, with an id among its metadata; of at most `max_payload` bytes each.
///
/// # Errors
/// When one of them cannot be sent: with what is wrong, message by message.
pub(super) fn messages(body: &Bytes, max_payload: usize) -> Result<Vec<Message>, Refused> {
    let batch: RawBatch<'_> = serde_json::from_slice(body).map_err(|_| Refused::Invalid(of_all(INVALID)))?;
    let list = batch.messages.ok_or_else(|| Refused::Invalid(of_all(BLANK)))?;
    let list: Vec<&RawValue> = serde_json::from_str(list.get()).map_err(|_| Refused::Invalid(of_all(INVALID)))?;
    if list.is_empty() {
        return Err(Refused::Invalid(of_all(BLANK)));
    }
    if list.len() > MAX_MESSAGES {
        return Err(Refused::Invalid(of_all("are too many")));
    }
    let (mut messages, mut errors) = (Vec::with_capacity(list.len()), Vec::with_capacity(list.len()));
    for raw in list {
        let mut wrong = Map::new();
        messages.extend(message(raw, max_payload, &mut wrong));
        errors.push(Value::Object(wrong));
    }
    let is_fine = |wrong: &Value| wrong.as_object().is_some_and(Map::is_empty);
    if errors.iter().all(is_fine) { Ok(messages) } else { Err(Refused::Invalid(json!({ "messages": errors }))) }
}

fn of_all(problem: &str) -> Value {
    json!({ "messages": [problem] })
}

/// None when something is wrong with it.
fn message(raw: &RawValue, max_payload: usize, wrong: &mut Map<String, Value>) -> Option<Message> {
    let mut complain = |field: &str, problem: &str| {
        wrong.insert(field.to_owned(), json!([problem]));
    };
    let Ok(raw) = serde_json::from_str::<RawMessage<'_>>(raw.get()) else {
        complain("message", INVALID);
        return None;
    };
    let mut field = |name: &str, read: Result<String, &'static str>| match read {
        Ok(value) => Some(value),
        Err(problem) => {
            complain(name, problem);
            None
        }
    };
    let topic = field("topic", required_text(raw.topic));
    let event = field("event", required_text(raw.event));
    let id = field("id", raw.id.map_or(Ok(String::new()), text));
    let payload = field("payload", object(raw.payload, max_payload));
    let Some(private) = flag(raw.private) else {
        complain("private", INVALID);
        return None;
    };
    let (topic, event, id, payload) = (topic?, event?, id?, payload?);
    let Some(audience) = Audience::of(&topic, private) else {
        complain("topic", TOO_LONG);
        return None;
    };
    let meta = json!({ "id": if id.is_empty() { Uuid::now_v7().to_string() } else { id } }).to_string();
    let told = UserBroadcast { event: &event, metadata: &meta, content: Content::Json(&payload) };
    let payload = told.to_json().filter(|payload| !payload.is_too_deep());
    let Some(payload) = payload else {
        complain("payload", "is nested too deeply");
        return None;
    };
    Some(Message { audience, event, payload })
}

fn text(raw: &RawValue) -> Result<String, &'static str> {
    let text: String = serde_json::from_str(raw.get()).map_err(|_| INVALID)?;
    if text.len() > MAX_NAME { Err(TOO_LONG) } else { Ok(text) }
}

fn required_text(raw: Option<&RawValue>) -> Result<String, &'static str> {
    let text = text(raw.ok_or(BLANK)?)?;
    if text.is_empty() { Err(BLANK) } else { Ok(text) }
}

fn object(raw: Option<&RawValue>, max: usize) -> Result<String, &'static str> {
    match raw.ok_or(BLANK)?.get() {
        payload if payload.len() > max => Err(TOO_LARGE),
        payload if payload.starts_with('{') => Ok(payload.to_owned()),
        _ => Err(INVALID),
    }
}

/// None when it is no truth value; clients of other languages write them as texts, too.
fn flag(raw: Option<&RawValue>) -> Option<bool> {
    match raw.map(RawValue::get) {
        None | Some("false" | "\"false\"") => Some(false),
        Some("true" | "\"true\"") => Some(true),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::Payload;

    fn read(body: &str) -> Result<Vec<Message>, Refused> {
        messages(&Bytes::copy_from_slice(body.as_bytes()), 100)
    }

    fn errors(body: &str) -> Value {
        match read(body) {
            Err(Refused::Invalid(errors)) => errors,
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn row_301_messages_become_text_broadcasts_with_an_id() {
        let body = r#"{"messages":[
            {"topic":"room1","event":"E","payload":{ "n": 1 },"id":"x\"y"},
            {"topic":"room1","event":"F","payload":{},"private":"true","other":7}]}"#;
        let [first, second] = <[Message; 2]>::try_from(read(body).unwrap()).unwrap();
        assert_eq!((&*first.audience.topic, &*first.event), ("realtime:room1", "E"));
        let said = r#"{"type":"broadcast","event":"E","payload":{ "n": 1 },"meta":{"id":"x\"y"}}"#;
        assert_eq!(first.payload, Payload::Json(Bytes::from_static(said.as_bytes())));
        assert_eq!(&*second.audience.topic, "@private:realtime:room1");
        let told: Value = second.payload.parse().unwrap();
        assert!(told["meta"]["id"].as_str().unwrap().parse::<Uuid>().is_ok());
    }

    #[test]
    fn row_301_each_mistake_is_told_at_its_place() {
        for (body, problem) in [
            ("{", INVALID),
            ("7", INVALID),
            ("{}", BLANK),
            (r#"{"messages":[]}"#, BLANK),
            (r#"{"messages":{}}"#, INVALID),
        ] {
            assert_eq!(errors(body), json!({ "messages": [problem] }), "{body}");
        }
        let large = "x".repeat(100);
        let long = "x".repeat(250);
        for (message, wrong) in [
            (json!({}), json!({ "topic": [BLANK], "event": [BLANK], "payload": [BLANK] })),
            (
                json!({ "topic": "", "event": 7, "payload": [] }),
                json!({ "topic": [BLANK], "event": [INVALID], "payload": [INVALID] }),
            ),
            (json!({ "topic": "t", "event": "e", "payload": { "large": large } }), json!({ "payload": [TOO_LARGE] })),
            (json!({ "topic": long, "event": "e", "payload": {} }), json!({ "topic": [TOO_LONG] })),
            (json!({ "topic": "t", "event": "e", "payload": {}, "private": 7 }), json!({ "private": [INVALID] })),
            (json!({ "topic": "t", "event": "e", "payload": {}, "id": 7 }), json!({ "id": [INVALID] })),
            (json!(7), json!({ "message": [INVALID] })),
        ] {
            let body = json!({ "messages": [{ "topic": "t", "event": "e", "payload": {} }, message] });
            assert_eq!(errors(&body.to_string()), json!({ "messages": [{}, wrong] }));
        }
        let many = json!({ "messages": vec![json!({ "topic": "t", "event": "e", "payload": {} }); 1001] });
        assert_eq!(errors(&many.to_string()), json!({ "messages": ["are too many"] }));
    }

    #[test]
    fn row_301_what_nests_deeper_than_clients_read_is_refused() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(126), "]".repeat(126));
        let body = format!("{{\"messages\":[{{\"topic\":\"t\",\"event\":\"e\",\"payload\":{deep}}}]}}");
        let Err(Refused::Invalid(wrong)) = messages(&Bytes::from(body), 1000) else { panic!("it was taken") };
        assert_eq!(wrong, json!({ "messages": [{ "payload": ["is nested too deeply"] }] }));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(body: Vec<u8>, text in "\\PC*") {
            let _ = messages(&Bytes::from(body), 100);
            let _ = messages(&Bytes::from(format!("{{\"messages\":[{text}]}}")), 100);
        }
    }
}
