use bytes::{BufMut as _, Bytes};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::pattern::show;
use crate::wire::{Opcode, Payload};

/// A frame of version 2 as its client reads it.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// Empty when it is null.
    pub(super) join_ref: String,
    /// Empty when it is null.
    pub(super) reference: String,
    pub(super) topic: String,
    pub(super) event: String,
    /// Of a reply.
    pub(super) status: Option<String>,
    /// The payload, or the response of a reply.
    pub(super) payload: Payload,
}

impl Frame {
    /// What a client sends: join reference, reference, topic and event, then the payload.
    ///
    /// # Panics
    /// When a name of a binary message is over 255 bytes, for which there is no form.
    pub(super) fn of_client(names: [&str; 4], payload: &Payload) -> (Opcode, Bytes) {
        let mut frame = Vec::new();
        match payload {
            Payload::Json(json) => {
                frame.extend_from_slice(json!(names).to_string().strip_suffix(']').unwrap_or_default().as_bytes());
                frame.put_u8(b',');
                frame.extend_from_slice(json);
                frame.put_u8(b']');
                (Opcode::Text, frame.into())
            }
            Payload::Binary(bytes) => {
                frame.put_u8(0);
                let size =
                    |name: &str| u8::try_from(name.len()).expect("names in binary messages have 255 bytes at most");
                names.iter().for_each(|name| frame.put_u8(size(name)));
                names.iter().for_each(|name| frame.extend_from_slice(name.as_bytes()));
                frame.extend_from_slice(bytes);
                (Opcode::Binary, frame.into())
            }
        }
    }

    /// Reads what an outbox held; the first byte tells text from binary. None for what no gateway sends.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.first() == Some(&b'[') { Self::text(bytes) } else { Self::binary(bytes) }
    }

    fn text(bytes: &[u8]) -> Option<Self> {
        type Parts<'a> = (Option<Value>, Option<Value>, String, String, &'a RawValue);
        let (join_ref, reference, topic, event, payload): Parts<'_> = serde_json::from_slice(bytes).ok()?;
        let plain = |value: Option<Value>| match value {
            None => String::new(),
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
        };
        let mut status = None;
        let mut payload = Payload::Json(payload.get().to_owned().into());
        if event == "phx_reply" {
            let reply: Value = payload.parse().ok()?;
            status = Some(reply["status"].as_str()?.to_owned());
            payload = reply["response"].clone().into();
        }
        Some(Self { join_ref: plain(join_ref), reference: plain(reference), topic, event, status, payload })
    }

    /// Kind, sizes, names, and the rest is the payload (protocol 2.3).
    fn binary(bytes: &[u8]) -> Option<Self> {
        let (&kind, rest) = bytes.split_first()?;
        let names = match kind {
            0 => 3,
            1 => 4,
            2 => 2,
            _ => return None,
        };
        let (sizes, mut rest) = rest.split_at_checked(names)?;
        let mut fields = Vec::new();
        for &size in sizes {
            let (field, behind) = rest.split_at_checked(size.into())?;
            fields.push(String::from_utf8_lossy(field).into_owned());
            rest = behind;
        }
        let payload = Payload::Binary(rest.to_vec().into());
        let none = String::new;
        Some(match <[String; 4]>::try_from(fields) {
            Ok([join_ref, reference, topic, status]) => {
                Self { join_ref, reference, topic, event: "phx_reply".to_owned(), status: Some(status), payload }
            }
            Err(mut fields) => {
                let event = fields.pop()?;
                let topic = fields.pop()?;
                let join_ref = fields.pop().unwrap_or_default();
                Self { join_ref, reference: none(), topic, event, status: None, payload }
            }
        })
    }
}

impl std::fmt::Display for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let payload = show(&self.payload);
        match &self.status {
            Some(status) => write!(f, "reply `{status}` to {} on `{}`: {payload}", self.reference, self.topic),
            None => write!(f, "push `{}` on `{}`: {payload}", self.event, self.topic),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_clients_send() {
        let names = ["1", "2", "t", "e]"];
        let (opcode, frame) = Frame::of_client(names, &Payload::from(json!({ "a": [1] })));
        assert_eq!((opcode, &*frame), (Opcode::Text, &br#"["1","2","t","e]",{"a":[1]}]"#[..]));
        let (opcode, frame) = Frame::of_client(names, &Payload::Binary(vec![7].into()));
        assert_eq!((opcode, &*frame), (Opcode::Binary, &b"\0\x01\x01\x01\x0212te]\x07"[..]));
    }

    #[test]
    fn reads_what_the_gateway_sends() {
        let frame = Frame::read(br#"["1",null,"t","e",{"a":1}]"#).unwrap();
        assert_eq!(frame.to_string(), r#"push `e` on `t`: {"a":1}"#);
        let frame = Frame::read(br#"["1","2","t","phx_reply",{"status":"ok","response":{}}]"#).unwrap();
        assert_eq!(frame.to_string(), "reply `ok` to 2 on `t`: {}");
        let frame = Frame::read(b"\x00\x01\x01\x031tbin\x07").unwrap();
        assert_eq!((&*frame.join_ref, frame.to_string()), ("1", "push `bin` on `t`: 1 bytes b\"\\x07\"".to_owned()));
        let frame = Frame::read(b"\x01\x01\x01\x01\x0212tok\x07").unwrap();
        assert_eq!(frame.to_string(), "reply `ok` to 2 on `t`: 1 bytes b\"\\x07\"");
        let frame = Frame::read(b"\x02\x01\x03tbin\x07").unwrap();
        assert_eq!((&*frame.join_ref, &*frame.event), ("", "bin"));
    }
}
