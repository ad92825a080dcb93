use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::error::InvalidAnswer;
use super::limits::{MAX_ASSIGNS, MAX_SPOKEN};
use super::request::Kind;
use crate::wire::{MAX_NAME, Payload, is_reserved_event};

/// What a back end has decided; checked.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) verdict: Verdict,
    /// What to keep for the channel instead of what was kept.
    pub(crate) assigns: Option<Box<RawValue>>,
    /// For all subscribers of the topic.
    pub(crate) broadcast: Vec<Spoken>,
    /// For the client that asked.
    pub(crate) push: Vec<Spoken>,
    /// As whom and what to show the client.
    pub(crate) presence: Option<Shown>,
    /// Whether the channel ends.
    pub(crate) stop: bool,
}

/// What the client is answered.
#[derive(Debug)]
pub(crate) enum Verdict {
    Ok(Payload),
    Error(Payload),
}

/// An event to send.
#[derive(Debug)]
pub(crate) struct Spoken {
    pub(crate) event: Box<str>,
    pub(crate) payload: Payload,
    /// Not to the client that asked.
    pub(crate) to_others: bool,
}

/// How a client stands among the presences of its topic.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) key: Option<String>,
    pub(crate) meta: Option<Map<String, Value>>,
}

/// The answer as it came. Values stay unread here, so that an error never repeats them.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Document<'a> {
    #[serde(borrow)]
    ok: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    assigns: Option<&'a RawValue>,
    #[serde(borrow)]
    broadcast: Option<&'a RawValue>,
    #[serde(borrow)]
    push: Option<&'a RawValue>,
    #[serde(borrow)]
    presence: Option<&'a RawValue>,
    #[serde(borrow)]
    stop: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpokenDocument<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
    #[serde(default)]
    to: Recipients,
}

#[derive(Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Recipients {
    #[default]
    All,
    Others,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShownDocument {
    key: Option<String>,
    meta: Option<Map<String, Value>>,
}

impl Answer {
    /// Reads the answer to a request of a kind.
    pub(super) fn read(kind: Kind, body: &Bytes) -> Result<Self, InvalidAnswer> {
        // Nobody waits for what is said to a leave. An event may be answered with nothing, which is ok; a join may not:
        // whatever answers 200 at a wrong address must not let people in.
        let document = match kind {
            Kind::Leave => Document::default(),
            Kind::Event if body.trim_ascii().is_empty() => Document::default(),
            Kind::Join | Kind::Event => document(body)?,
        };
        let verdict = match (document.ok, document.error) {
            (Some(ok), None) => Verdict::Ok(object("ok", ok)?),
            (None, Some(error)) => Verdict::Error(refusal(error)?),
            (None, None) if kind != Kind::Join => Verdict::Ok(Payload::empty()),
            _ => return Err(InvalidAnswer::Undecided),
        };
        let answer = Self {
            verdict,
            assigns: document.assigns.map(assigns).transpose()?,
            broadcast: document.broadcast.map_or(Ok(Vec::new()), |list| spoken("broadcast", list))?,
            push: document.push.map_or(Ok(Vec::new()), |list| spoken("push", list))?,
            presence: document.presence.map(shown).transpose()?,
            stop: document.stop.is_some_and(|stop| stop.get() == "true"),
        };
        if document.stop.is_some_and(|stop| !matches!(stop.get(), "true" | "false")) {
            return Err(InvalidAnswer::Key("stop"));
        }
        answer.check(kind)
    }

    /// What makes no sense for a kind of request is refused, not ignored.
    fn check(self, kind: Kind) -> Result<Self, InvalidAnswer> {
        let refuses_join = kind == Kind::Join && matches!(self.verdict, Verdict::Error(_));
        // Who is not let in has no channel that could keep, be shown, or speak.
        let misplaced = [
            ("stop", self.stop && kind == Kind::Join),
            ("presence", self.presence.is_some() && (kind == Kind::Event || refuses_join)),
            ("assigns", self.assigns.is_some() && refuses_join),
            ("push", !self.push.is_empty() && refuses_join),
            ("broadcast", !self.broadcast.is_empty() && refuses_join),
        ];
        match misplaced.iter().find(|(_, wrong)| *wrong) {
            Some((name, _)) => Err(InvalidAnswer::Misplaced(name)),
            None => Ok(self),
        }
    }
}

fn document(body: &Bytes) -> Result<Document<'_>, InvalidAnswer> {
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(InvalidAnswer::NotAnObject);
    }
    if Payload::Json(body.clone()).is_too_deep() {
        return Err(InvalidAnswer::TooDeep);
    }
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        // Only a key can be wrong: the values are not read yet.
        serde_json::error::Category::Data => InvalidAnswer::UnknownKey,
        _ => InvalidAnswer::NotAnObject,
    })
}

fn payload(raw: &RawValue) -> Payload {
    Payload::Json(raw.get().to_owned().into())
}

fn object(name: &'static str, raw: &RawValue) -> Result<Payload, InvalidAnswer> {
    if raw.get().starts_with('{') { Ok(payload(raw)) } else { Err(InvalidAnswer::Key(name)) }
}

/// An error response: an object, or a text that becomes its reason.
fn refusal(raw: &RawValue) -> Result<Payload, InvalidAnswer> {
    match serde_json::from_str::<String>(raw.get()) {
        Ok(reason) => Ok(serde_json::json!({ "reason": reason }).into()),
        Err(_) => object("error", raw),
    }
}

fn assigns(raw: &RawValue) -> Result<Box<RawValue>, InvalidAnswer> {
    if raw.get().len() > MAX_ASSIGNS { Err(InvalidAnswer::Assigns) } else { Ok(raw.to_owned()) }
}

fn spoken(name: &'static str, list: &RawValue) -> Result<Vec<Spoken>, InvalidAnswer> {
    let list: Vec<SpokenDocument<'_>> = serde_json::from_str(list.get()).map_err(|_| InvalidAnswer::Key(name))?;
    if list.len() > MAX_SPOKEN {
        return Err(InvalidAnswer::TooMany(name));
    }
    let check = |SpokenDocument { event, payload, to }: SpokenDocument<'_>| {
        if event.is_empty() || event.len() > MAX_NAME || is_reserved_event(&event) {
            return Err(InvalidAnswer::Event(name));
        }
        let to_others = to == Recipients::Others;
        if to_others && name == "push" {
            return Err(InvalidAnswer::Misplaced("to"));
        }
        let payload = payload.map_or_else(|| Ok(Payload::empty()), |payload| object(name, payload))?;
        Ok(Spoken { event: event.as_ref().into(), payload, to_others })
    };
    list.into_iter().map(check).collect()
}

fn shown(raw: &RawValue) -> Result<Shown, InvalidAnswer> {
    let shown = serde_json::from_str(raw.get()).ok();
    let shown = shown.filter(|ShownDocument { key, .. }| key.as_ref().is_none_or(|key| !key.is_empty()));
    let ShownDocument { key, meta } = shown.ok_or(InvalidAnswer::Key("presence"))?;
    Ok(Shown { key, meta })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: Kind, body: &str) -> Result<Answer, InvalidAnswer> {
        Answer::read(kind, &Bytes::copy_from_slice(body.as_bytes()))
    }

    fn text(payload: &Payload) -> &str {
        std::str::from_utf8(payload.bytes()).unwrap()
    }

    #[test]
    fn all_that_an_answer_can_say() {
        let body = r#" {"ok": {"a": 1}, "assigns": {"role": "x"}, "broadcast": [{"event": "in", "payload": {"n": 1}, "to": "others"}],
                       "push": [{"event": "hi"}], "presence": {"key": "7", "meta": {"m": true}}}"#;
        let answer = read(Kind::Join, body).unwrap();
        assert!(matches!(&answer.verdict, Verdict::Ok(reply) if text(reply) == r#"{"a": 1}"#));
        assert_eq!(answer.assigns.unwrap().get(), r#"{"role": "x"}"#);
        assert_eq!((&*answer.broadcast[0].event, text(&answer.broadcast[0].payload)), ("in", r#"{"n": 1}"#));
        assert!(answer.broadcast[0].to_others && !answer.push[0].to_others);
        assert_eq!(text(&answer.push[0].payload), "{}");
        let Shown { key, meta } = answer.presence.unwrap();
        assert_eq!((key.as_deref(), meta.unwrap()["m"].as_bool()), (Some("7"), Some(true)));
        let answer = read(Kind::Event, r#"{"error": "no", "stop": true}"#).unwrap();
        assert!(matches!(&answer.verdict, Verdict::Error(reply) if text(reply) == r#"{"reason":"no"}"#) && answer.stop);
    }

    #[test]
    fn a_join_needs_a_decision_and_an_event_does_not() {
        for body in ["", "{}", r#"{"ok": null}"#, r#"{"ok": {}, "error": {}}"#, r#"{"assigns": 1}"#] {
            assert!(read(Kind::Join, body).is_err(), "{body}");
        }
        for body in ["", " \n", "{}", r#"{"assigns": 1}"#] {
            assert!(matches!(read(Kind::Event, body).unwrap().verdict, Verdict::Ok(_)), "{body}");
        }
        assert!(matches!(read(Kind::Leave, "whatever").unwrap().verdict, Verdict::Ok(_)));
    }

    #[test]
    fn what_is_not_in_the_contract_is_refused_whole() {
        let many = format!(r#"{{"push": [{}]}}"#, vec![r#"{"event":"e"}"#; MAX_SPOKEN + 1].join(","));
        let long = format!(r#"{{"assigns": "{}"}}"#, "a".repeat(MAX_ASSIGNS));
        let name = format!(r#"{{"push": [{{"event": "{}"}}]}}"#, "e".repeat(256));
        for body in [
            "<html>",
            "[]",
            "\"ok\"",
            r#"{"ok": {}"#,
            r#"{"ok": {}} x"#,
            r#"{"ok": []}"#,
            r#"{"ok": {}, "ok": {}}"#,
            r#"{"error": 1}"#,
            r#"{"broadcasts": []}"#,
            r#"{"broadcast": {}}"#,
            r#"{"broadcast": [{}]}"#,
            r#"{"broadcast": [{"event": ""}]}"#,
            r#"{"broadcast": [{"event": "e", "payload": []}]}"#,
            r#"{"broadcast": [{"event": "e", "to": "some"}]}"#,
            r#"{"broadcast": [{"event": "e", "topic": "other"}]}"#,
            r#"{"broadcast": [{"event": "phx_close"}]}"#,
            r#"{"broadcast": [{"event": "presence_diff"}]}"#,
            r#"{"push": [{"event": "disconnect"}]}"#,
            r#"{"push": [{"event": "e", "to": "others"}]}"#,
            r#"{"presence": {"meta": {}}}"#,
            r#"{"stop": 1}"#,
            &many,
            &long,
            &name,
        ] {
            assert!(read(Kind::Event, body).is_err(), "{body}");
        }
        for body in [
            r#"{"ok": {}, "stop": true}"#,
            r#"{"ok": {}, "presence": {"key": ""}}"#,
            r#"{"ok": {}, "presence": {"key": 7}}"#,
            r#"{"ok": {}, "presence": {"meta": []}}"#,
            r#"{"error": {}, "assigns": {}}"#,
            r#"{"error": {}, "presence": {}}"#,
            r#"{"error": {}, "push": [{"event": "e"}]}"#,
            r#"{"error": {}, "broadcast": [{"event": "e"}]}"#,
        ] {
            assert!(read(Kind::Join, body).is_err(), "{body}");
        }
        let deep = format!(r#"{{"ok": {{"a": {}1{}}}}}"#, "[".repeat(10_000), "]".repeat(10_000));
        assert!(read(Kind::Join, &deep).is_err());
    }

    #[test]
    fn no_error_repeats_what_the_answer_said() {
        for body in [r#"{"hunter2": 1}"#, r#"{"ok": "hunter2"}"#, r#"{"push": ["hunter2"]}"#, "hunter2"] {
            let error = read(Kind::Join, body).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{body}");
        }
    }
}
