//! What a message says about presences, read in one pass and without copies: most bytes of a run are these messages.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::client::{Vsn, decode};

/// One tracked client: its key, and the reference of its state.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mention<'a> {
    pub(super) key: Cow<'a, str>,
    pub(super) phx_ref: Cow<'a, str>,
}

/// A message, with its topic.
#[derive(Debug)]
pub(super) struct Heard<'a> {
    pub(super) topic: Cow<'a, str>,
    pub(super) what: What<'a>,
}

#[derive(Debug)]
pub(super) enum What<'a> {
    /// All that are present.
    State(Vec<Mention<'a>>),
    /// Who came, and who went.
    Diff {
        joins: Vec<Mention<'a>>,
        leaves: Vec<Mention<'a>>,
    },
    /// The answer to the message with this reference; an error says why.
    Reply {
        reference: Option<Cow<'a, str>>,
        refused: Option<String>,
    },
    Other,
}

/// Reads a message; None: it is none.
pub(super) fn hear(vsn: Vsn, text: &[u8]) -> Option<Heard<'_>> {
    match vsn {
        Vsn::V2 => serde_json::from_slice::<Array<'_>>(text).ok().map(|Array(heard)| heard),
        Vsn::V1 => {
            let message = decode(vsn, text)?;
            let what = what(&message.event, message.reference, message.payload);
            Some(Heard { topic: message.topic, what: what.ok()? })
        }
    }
}

/// `deserializer` holds the payload of `event`.
fn what<'de, D: Deserializer<'de>>(
    event: &str,
    reference: Option<Cow<'de, str>>,
    deserializer: D,
) -> Result<What<'de>, D::Error> {
    Ok(match event {
        "presence_state" => What::State(People::deserialize(deserializer)?.0),
        "presence_diff" => {
            let Diff { joins, leaves } = Diff::deserialize(deserializer)?;
            What::Diff { joins: joins.0, leaves: leaves.0 }
        }
        "phx_reply" => {
            let Reply { status, response } = Reply::deserialize(deserializer)?;
            What::Reply { reference, refused: (status.0 != "ok").then(|| response.get().to_owned()) }
        }
        _ => {
            IgnoredAny::deserialize(deserializer)?;
            What::Other
        }
    })
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    response: &'a RawValue,
}

/// `Cow` alone would copy inside a tuple or an `Option`.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct Diff<'a> {
    #[serde(borrow)]
    joins: People<'a>,
    #[serde(borrow)]
    leaves: People<'a>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow)]
    phx_ref: Text<'a>,
}

/// The map from keys to metas.
struct People<'a>(Vec<Mention<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for People<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PeopleVisitor).map(People)
    }
}

struct PeopleVisitor;

impl<'de> Visitor<'de> for PeopleVisitor {
    type Value = Vec<Mention<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("presences by key")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut people = Vec::new();
        while let Some(Text(key)) = map.next_key()? {
            map.next_value_seed(Entry { key, people: &mut people })?;
        }
        Ok(people)
    }
}

/// What stands under one key: `metas`, and what the application adds.
struct Entry<'v, 'de> {
    key: Cow<'de, str>,
    people: &'v mut Vec<Mention<'de>>,
}

impl<'de> DeserializeSeed<'de> for Entry<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Entry<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with metas")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(name)) = map.next_key()? {
            if name == "metas" {
                map.next_value_seed(Metas(&mut self))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct Metas<'e, 'v, 'de>(&'e mut Entry<'v, 'de>);

impl<'de> DeserializeSeed<'de> for Metas<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Metas<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of metas")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut metas: A) -> Result<(), A::Error> {
        while let Some(Meta { phx_ref: Text(phx_ref) }) = metas.next_element()? {
            self.0.people.push(Mention { key: self.0.key.clone(), phx_ref });
        }
        Ok(())
    }
}

/// A message of version 2.
struct Array<'a>(Heard<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Array<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ArrayVisitor).map(Array)
    }
}

struct ArrayVisitor;

impl<'de> Visitor<'de> for ArrayVisitor {
    type Value = Heard<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message of five elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        let short = || serde::de::Error::invalid_length(0, &"a message of five elements");
        let _join_ref: Option<Text<'de>> = parts.next_element()?.ok_or_else(short)?;
        let reference: Option<Text<'de>> = parts.next_element()?.ok_or_else(short)?;
        let Text(topic) = parts.next_element()?.ok_or_else(short)?;
        let Text(event) = parts.next_element()?.ok_or_else(short)?;
        let payload = PayloadOf { event: &event, reference: reference.map(|text| text.0) };
        let what = parts.next_element_seed(payload)?.ok_or_else(short)?;
        Ok(Heard { topic, what })
    }
}

struct PayloadOf<'e, 'de> {
    event: &'e str,
    reference: Option<Cow<'de, str>>,
}

impl<'de> DeserializeSeed<'de> for PayloadOf<'_, 'de> {
    type Value = What<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<What<'de>, D::Error> {
        what(self.event, self.reference, deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(people: &[Mention<'_>]) -> Vec<String> {
        people.iter().map(|one| format!("{}={}", one.key, one.phx_ref)).collect()
    }

    #[test]
    fn a_state_and_a_diff_are_read_in_both_versions() {
        let state = r#"{"u1":{"name":{"metas":1},"metas":[{"a":[1],"phx_ref":"r1"},{"phx_ref":"r2"}]},"a\"b":{"metas":[{"phx_ref":"r3"}]}}"#;
        let diff = r#"{"leaves":{"u1":{"metas":[{"phx_ref":"r1"}]}},"joins":{}}"#;
        for vsn in [Vsn::V1, Vsn::V2] {
            let text = |event: &str, payload: &str| match vsn {
                Vsn::V1 => format!(r#"{{"topic":"t","event":"{event}","payload":{payload},"ref":null}}"#),
                Vsn::V2 => format!(r#"["1",null,"t","{event}",{payload}]"#),
            };
            let message = text("presence_state", state);
            let Heard { topic, what: What::State(people) } = hear(vsn, message.as_bytes()).unwrap() else { panic!() };
            assert_eq!((topic.as_ref(), names(&people)), ("t", vec!["u1=r1".into(), "u1=r2".into(), "a\"b=r3".into()]));
            let message = text("presence_diff", diff);
            let What::Diff { joins, leaves } = hear(vsn, message.as_bytes()).unwrap().what else { panic!() };
            assert_eq!((names(&joins), names(&leaves)), (vec![], vec!["u1=r1".to_owned()]));
        }
    }

    #[test]
    fn replies_and_other_events_are_told_apart() {
        let reply = |text: &str| match hear(Vsn::V2, text.as_bytes()).unwrap().what {
            What::Reply { reference, refused } => (reference.unwrap().into_owned(), refused),
            other => panic!("{other:?}"),
        };
        assert_eq!(reply(r#"["1","7","t","phx_reply",{"status":"ok","response":{}}]"#), ("7".to_owned(), None));
        let refused = reply(r#"["1","7","t","phx_reply",{"status":"error","response":{"reason":"no"}}]"#);
        assert_eq!(refused, ("7".to_owned(), Some(r#"{"reason":"no"}"#.to_owned())));
        assert!(matches!(hear(Vsn::V2, br#"[null,null,"t","e",{"a":[1,2]}]"#).unwrap().what, What::Other));
        assert!(hear(Vsn::V2, br#"[null,null,"t"]"#).is_none());
    }
}
