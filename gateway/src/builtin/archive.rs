//! Stores messages before they are broadcast: the one place that knows what becomes of an archived event, whoever sends it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use crate::config::{self, ClientEvents, TopicPattern};
use crate::pubsub::{Broadcast, IdempotencyKey, PubSub, PublishError};
use crate::store::{Archived, Insertion, NewMessage, Source, Store, StoreError, Timestamp};
use crate::wire::{MAX_NAME, Payload};

/// The field of a payload by which a client says which message this is, so that it can send it again without harm.
const CLIENT_MESSAGE_ID: &str = "client_message_id";

/// For how long a message that is sent again is broadcast if it was not yet: a little less than idempotency keys last.
const BROADCAST_AGAIN: Duration = Duration::from_secs(23 * 3600);

/// The archive of the configured channels.
#[derive(Debug)]
pub(crate) struct Archive {
    store: Store,
    /// In the order of the configuration: the first match counts.
    patterns: Vec<(TopicPattern, ClientEvents)>,
}

/// Who sends a message.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Author<'a> {
    /// A client; its user, where it has proved to be one.
    Client(Option<&'a str>),
    /// The application, with its idempotency key if it has one.
    BackEnd(Option<&'a IdempotencyKey>),
}

/// What was stored.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Receipt {
    id: Uuid,
    inserted_at: Timestamp,
    /// Whether it had been stored before.
    #[serde(skip)]
    pub(crate) repeated: bool,
}

impl Archive {
    pub(crate) fn new(store: Store, channels: &[config::Channel]) -> Self {
        let patterns = channels.iter().map(|channel| (channel.topic.clone(), channel.archive.clone())).collect();
        Self { store, patterns }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Whether an event to a topic is stored.
    pub(crate) fn keeps(&self, topic: &str, event: &str) -> bool {
        let pattern = self.patterns.iter().find(|(pattern, _)| pattern.matches(topic));
        pattern.is_some_and(|(_, events)| events.allows(event))
    }

    /// Why a message of the application can never be stored, if so: trying again would not help.
    pub(crate) fn refusal(broadcast: &Broadcast, key: Option<&IdempotencyKey>) -> Option<&'static str> {
        let names = [&*broadcast.topic, &*broadcast.event, key.map_or("", IdempotencyKey::as_str)];
        if names.iter().any(|name| name.contains('\0')) {
            return Some("`topic`, `event` and `idempotency_key` of what is archived cannot have the character U+0000");
        }
        let Payload::Json(json) = &broadcast.payload else { return Some("`payload` must be a JSON object") };
        let readable = std::str::from_utf8(json).is_ok_and(|text| fields(text).is_ok());
        (!readable).then_some("`payload` has a field whose name is no text, and cannot be archived")
    }

    /// Stores a message and then broadcasts it. One that its sender names and has sent before is not stored again, and
    /// broadcast only if it was not.
    ///
    /// # Errors
    /// `Unavailable` when the database or Redis does not answer in time: it may be stored, and it may have been broadcast
    /// if it is.
    pub(crate) async fn publish(
        &self,
        pubsub: &PubSub,
        broadcast: Broadcast,
        author: Author<'_>,
    ) -> Result<Receipt, PublishError> {
        let Payload::Json(json) = &broadcast.payload else { return Err(PublishError::InvalidPayload) };
        let text = std::str::from_utf8(json).map_err(|_| PublishError::InvalidPayload)?;
        let (source, sender, name) = match author {
            Author::Client(user) => (Source::Client, user, client_id(text)?),
            Author::BackEnd(key) => (Source::BackEnd, None, key.map(|key| key.as_str().to_owned())),
        };
        // What cannot be broadcast must not be stored: it would be a message that nobody gets.
        let fields = fields(text)?;
        let message = NewMessage {
            topic: &broadcast.topic,
            event: &broadcast.event,
            payload: text,
            source,
            sender,
            sender_message_id: name.as_deref(),
        };
        let (receipt, broadcast) = match self.store.archive(message).await.map_err(failure)? {
            Insertion::New { id, inserted_at } => {
                let payload = stamped(fields, id, inserted_at, source, sender)?;
                (Receipt { id, inserted_at, repeated: false }, Broadcast { payload, ..broadcast })
            }
            Insertion::Repeat(before) => {
                let receipt = Receipt { id: before.id, inserted_at: before.inserted_at, repeated: true };
                let age = Timestamp::now().micros().saturating_sub(before.inserted_at.micros());
                if u128::try_from(age).unwrap_or_default() > BROADCAST_AGAIN.as_micros() {
                    return Ok(receipt);
                }
                let payload = as_broadcast(&before)?;
                (receipt, Broadcast { payload, event: before.event.into(), ..broadcast })
            }
        };
        // The pod may have died between the two, or Redis been away: then the repetition is what the others get. The key is
        // kept together with the message, so they get it once.
        let key = name.and_then(|_| IdempotencyKey::new(&format!("archive:{}", receipt.id)));
        pubsub.broadcast_keyed(broadcast, key).await?;
        Ok(receipt)
    }
}

/// The payload of a stored message as it was broadcast.
///
/// # Errors
/// When what stands in the database is no object.
pub(crate) fn as_broadcast(stored: &Archived) -> Result<Payload, PublishError> {
    stamped(fields(&stored.payload)?, stored.id, stored.inserted_at, stored.source, stored.sender.as_deref())
}

/// The fields of a payload, in the order of their names.
type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// Reads a payload as far as it is needed to add to it. JSON may be valid and yet have names that are no text, such as half
/// of a surrogate pair: those are refused.
fn fields(payload: &str) -> Result<Fields<'_>, PublishError> {
    serde_json::from_str(payload).map_err(|_| PublishError::InvalidPayload)
}

/// The payload with what the server says about it, which stands whatever the sender wrote: which message it is, when it was
/// stored and, if a client sent it, whose it is. A back end says that itself.
fn stamped(
    given: Fields<'_>,
    id: Uuid,
    inserted_at: Timestamp,
    source: Source,
    sender: Option<&str>,
) -> Result<Payload, PublishError> {
    let raw = |text: Option<&str>| to_raw_value(&text).map_err(|_| PublishError::InvalidPayload);
    let (id, inserted_at) = (raw(Some(&id.to_string()))?, raw(Some(&inserted_at.to_string()))?);
    let sender = raw(sender)?;
    let mut object: Fields<'_> = given;
    object.insert("id".to_owned(), &id);
    object.insert("inserted_at".to_owned(), &inserted_at);
    if source == Source::Client {
        object.insert("user_id".to_owned(), &sender);
    }
    Payload::json(&object).map_err(|_| PublishError::InvalidPayload)
}

/// What a client calls its message, if it does.
fn client_id(payload: &str) -> Result<Option<String>, PublishError> {
    #[derive(serde::Deserialize)]
    struct Named {
        client_message_id: Option<String>,
    }
    // Most payloads have none: no need to read those.
    if !payload.contains(CLIENT_MESSAGE_ID) {
        return Ok(None);
    }
    let named: Named = serde_json::from_str(payload).map_err(|_| PublishError::InvalidPayload)?;
    match named.client_message_id {
        Some(id) if !(1..=MAX_NAME).contains(&id.len()) => Err(PublishError::InvalidPayload),
        id => Ok(id),
    }
}

fn failure(error: StoreError) -> PublishError {
    match error {
        StoreError::Unavailable => PublishError::Unavailable,
        StoreError::Unstorable => PublishError::InvalidPayload,
    }
}
