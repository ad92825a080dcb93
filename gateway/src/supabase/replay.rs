//! Messages of before for who joins a private topic that keeps a history (protocol 8.8).

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use uuid::Uuid;

use super::system::refuse;
use crate::channel::{Context, JoinError};
use crate::pubsub::HistoryError;
use crate::wire::{BROADCAST, Content, Payload, UserBroadcast};

/// The most messages that one join brings.
const MOST: usize = 25;

/// What a client asks to hear again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Replay {
    /// Not what is older, in milliseconds since 1970.
    since: u64,
    /// The last so many.
    limit: usize,
}

/// A stored broadcast, as [`numbered`] makes it.
#[derive(Deserialize)]
struct Kept<'a> {
    #[serde(borrow)]
    event: &'a RawValue,
    #[serde(borrow)]
    payload: &'a RawValue,
    meta: Meta,
}

#[derive(Deserialize)]
struct Meta {
    id: Uuid,
}

impl Replay {
    /// Reads the field `replay` of a join.
    ///
    /// # Errors
    /// When it cannot be had in this topic, or cannot be read.
    pub(super) fn of_join(asked: &Value, private: bool, kept: bool) -> Result<Self, JoinError> {
        let refused = |text| Err(refuse("UnableToReplayMessages", text));
        if !private {
            return refused("Replay is not allowed for public channels");
        }
        if !kept {
            return refused("This topic keeps no messages");
        }
        let number = |name: &str, default: i64| match asked.get(name) {
            None | Some(Value::Null) => Some(default),
            Some(value) => value.as_i64(),
        };
        let (Some(since), Some(limit), true) = (number("since", 0), number("limit", 25), asked.is_object()) else {
            return refused("Replay params are not valid");
        };
        let limit = usize::try_from(limit).unwrap_or_default().clamp(1, MOST);
        Ok(Self { since: u64::try_from(since).unwrap_or_default(), limit })
    }

    /// Pushes what there is, oldest first. What is said meanwhile may come twice, with one id.
    ///
    /// # Errors
    /// When the messages cannot be had.
    pub(super) async fn push(self, cx: &Context) -> Result<(), HistoryError> {
        for message in cx.history().last(self.limit).await? {
            let Some(payload) = self.again(&message.payload).filter(|_| *message.event == *BROADCAST) else { continue };
            // They may be large, and a client that reads slowly is to get them late instead of being closed.
            cx.room().await;
            if let Err(error) = cx.push(BROADCAST, payload) {
                tracing::debug!(topic = cx.topic(), %error, "a message of before could not be encoded");
            }
        }
        Ok(())
    }

    /// A stored message as it is sent again. None: it is too old, or nobody knows how old it is.
    fn again(self, stored: &Payload) -> Option<Payload> {
        let Payload::Json(json) = stored else { return None };
        let Kept { event, payload, meta: Meta { id } } = serde_json::from_slice(json).ok()?;
        if milliseconds(&id)? < self.since {
            return None;
        }
        let metadata = json!({ "id": id, "replayed": true }).to_string();
        let event: Box<str> = serde_json::from_str(event.get()).ok()?;
        UserBroadcast { event: &event, metadata: &metadata, content: Content::Json(payload.get()) }.to_json()
    }
}

/// A broadcast of a private topic with history, under an id that tells when it was said: whoever hears it again knows it.
pub(super) fn numbered(event: &str, payload: &str) -> Option<Payload> {
    let metadata = json!({ "id": Uuid::now_v7() }).to_string();
    UserBroadcast { event, metadata: &metadata, content: Content::Json(payload) }.to_json()
}

fn milliseconds(id: &Uuid) -> Option<u64> {
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    Some(seconds.saturating_mul(1000) + u64::from(nanos / 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(asked: &Value) -> Option<Replay> {
        Replay::of_join(asked, true, true).ok()
    }

    #[test]
    fn what_is_asked_for_is_bounded() {
        let replay = |since, limit| Some(Replay { since, limit });
        assert_eq!(read(&json!({})), replay(0, 25));
        assert_eq!(read(&json!({ "since": 5, "limit": 3 })), replay(5, 3));
        assert_eq!(read(&json!({ "since": -5, "limit": 0 })), replay(0, 1));
        assert_eq!(read(&json!({ "since": null, "limit": 99 })), replay(0, 25));
        assert_eq!(read(&json!({ "limit": -1 })), replay(0, 1));
        for odd in [json!({ "since": "5" }), json!({ "limit": 1.5 }), json!(7), json!([])] {
            assert_eq!(read(&odd), None);
        }
        assert!(Replay::of_join(&json!({}), false, true).is_err() && Replay::of_join(&json!({}), true, false).is_err());
    }

    #[test]
    fn what_was_said_before_is_left_out() {
        let stored = numbered("e", "[1]").unwrap();
        let id = stored.parse::<Value>().unwrap()["meta"]["id"].clone();
        let again = Replay { since: 0, limit: 1 }.again(&stored).unwrap();
        let expected =
            json!({ "type": "broadcast", "event": "e", "payload": [1], "meta": { "id": id, "replayed": true } });
        assert_eq!(again.parse::<Value>().unwrap(), expected);
        assert!(Replay { since: u64::MAX, limit: 1 }.again(&stored).is_none());
        // Nobody knows when a back end has said that.
        assert!(Replay { since: 0, limit: 1 }.again(&json!({ "event": "e", "payload": {} }).into()).is_none());
    }
}
