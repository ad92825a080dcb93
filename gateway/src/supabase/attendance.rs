use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::Instant;
use uuid::Uuid;

use super::join_config::JoinConfig;
use super::system::{refuse, shut_down};
use crate::channel::{Context, JoinError, Outcome, Reply, TrackError};
use crate::presence::{self, Meta, PresenceError};
use crate::wire::{Payload, Reason};

/// How many presence messages a client may send on one channel in each [`WINDOW`], as Supabase allows.
const MAX_CHANGES: u32 = 5;

const WINDOW: Duration = Duration::from_secs(30);

/// Presence keys on which stock clients fail, and with them the list of everybody in the topic: one they take for a Postgres
/// change, the others are there already in any object of JavaScript.
const RESERVED_KEYS: [&str; 13] = [
    "ids",
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
    "__proto__",
];

/// As whom and what a client is shown, and how often it has said so.
#[derive(Debug)]
pub(super) struct Attendance {
    key: Box<str>,
    /// What it is shown as now.
    shown: Option<Meta>,
    /// Since when its messages are counted.
    since: Option<Instant>,
    changes: u32,
}

/// What a client asks with the event `presence` (protocol 8.5).
#[derive(Debug, PartialEq)]
pub(super) enum Asked {
    /// To be shown so.
    Track(Meta),
    /// Not to be shown.
    Untrack,
    /// Nothing.
    Nothing,
    /// Something that there is not.
    Unknown,
    /// To be shown as what is no object.
    NoObject,
}

impl Asked {
    pub(super) fn read(payload: &Payload) -> Self {
        let mut request: Map<String, Value> = payload.parse().unwrap_or_default();
        match request.remove("event") {
            None => Self::Nothing,
            Some(Value::String(event)) if event.eq_ignore_ascii_case("track") => match request.remove("payload") {
                None => Self::Track(Meta::new()),
                Some(Value::Object(meta)) => Self::Track(meta),
                Some(_) => Self::NoObject,
            },
            Some(Value::String(event)) if event.eq_ignore_ascii_case("untrack") => Self::Untrack,
            Some(_) => Self::Unknown,
        }
    }
}

impl Attendance {
    /// Of the client of a join.
    ///
    /// # Errors
    /// When it can never be shown under the key that it wants.
    pub(super) fn of_join(config: &JoinConfig) -> Result<Self, JoinError> {
        let key = config.key.clone().unwrap_or_else(|| Uuid::new_v4().to_string().into());
        if RESERVED_KEYS.contains(&&*key) || !presence::fits(&key, &Meta::new()) {
            return Err(refuse("InvalidPresenceKey", "The presence key is reserved or longer than 1024 bytes"));
        }
        Ok(Self { key, shown: None, since: None, changes: 0 })
    }

    /// Counts a message. Whether it may pass.
    pub(super) fn count(&mut self) -> bool {
        let now = Instant::now();
        if self.since.is_none_or(|since| now.duration_since(since) > WINDOW) {
            (self.since, self.changes) = (Some(now), 0);
        }
        self.changes += 1;
        self.changes <= MAX_CHANGES
    }

    /// Shows the client, whose channel watches the presences of its topic.
    pub(super) fn track(&mut self, meta: Meta, cx: &mut Context) -> Outcome {
        let mut presence = cx.presence();
        let done = match &self.shown {
            // Said again, it is no change.
            Some(shown) if *shown == meta => return Outcome::ok(),
            Some(_) => presence.update(&self.key, &meta).map(drop),
            None => presence.track_now(&self.key, meta.clone()).map(drop).map_err(TrackError::from),
        };
        match done {
            Ok(()) => {
                self.shown = Some(meta);
                Outcome::ok()
            }
            Err(TrackError::Refused(PresenceError::TooLarge)) => shut_down(cx, "Track message size exceeded"),
            Err(error) => {
                tracing::debug!(topic = cx.topic(), %error, "a client could not be tracked");
                refused()
            }
        }
    }

    /// Shows the client no more.
    pub(super) fn untrack(&mut self, cx: &mut Context) {
        if self.shown.take().is_some() {
            cx.presence().untrack(&self.key);
        }
    }
}

/// An error without a reason.
pub(super) fn refused() -> Outcome {
    Outcome::Reply(Reply::error(Payload::empty()))
}

/// The error for what is no object.
pub(super) fn no_object() -> Outcome {
    Outcome::error("Presence track payload must be a map")
}

/// The error where the configuration has presence off.
pub(super) fn disabled() -> Outcome {
    Outcome::Reply(Reply::error(Reason::PresenceDisabled.payload()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_asked_for() {
        let read = |payload: Value| Asked::read(&payload.into());
        let meta = Meta::from_iter([("a".to_owned(), json!(1))]);
        assert_eq!(read(json!({ "type": "presence", "event": "TRACK", "payload": { "a": 1 } })), Asked::Track(meta));
        assert_eq!(read(json!({ "event": "track" })), Asked::Track(Meta::new()));
        assert_eq!(read(json!({ "event": "track", "payload": null })), Asked::NoObject);
        assert_eq!(read(json!({ "event": "track", "payload": [] })), Asked::NoObject);
        assert_eq!(read(json!({ "event": "Untrack", "payload": 7 })), Asked::Untrack);
        assert_eq!(read(json!({ "event": "fly" })), Asked::Unknown);
        assert_eq!(read(json!({ "event": 7 })), Asked::Unknown);
        assert_eq!(read(json!({ "type": "presence" })), Asked::Nothing);
        assert_eq!(read(json!([])), Asked::Nothing);
    }

    fn attendance(key: Option<&str>) -> Result<Attendance, JoinError> {
        let config = JoinConfig::read(&json!({ "config": { "presence": { "key": key } } }).into());
        Attendance::of_join(&config)
    }

    #[test]
    fn row_277_who_names_no_key_gets_one_of_its_own() {
        let (one, other) = (attendance(Some("")).unwrap().key, attendance(None).unwrap().key);
        assert_ne!(one, other);
        assert!(Uuid::parse_str(&one).is_ok(), "{one}");
    }

    #[test]
    fn a_key_that_breaks_stock_clients_is_refused() {
        assert!(attendance(Some("ids")).is_err());
        assert!(attendance(Some(&"k".repeat(1025))).is_err());
        assert!(attendance(Some("id")).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn five_changes_are_taken_in_each_window() {
        let mut attendance = attendance(None).unwrap();
        assert_eq!((0..10).filter(|_| attendance.count()).count(), 5);
        tokio::time::advance(WINDOW + Duration::from_millis(1)).await;
        assert_eq!((0..10).filter(|_| attendance.count()).count(), 5);
    }
}
