use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::socket::UserId;
use crate::auth::Identity;
use crate::channel::{Context, Outcome, Reply, TrackError};
use crate::clock::unix_seconds;
use crate::presence::{self, Meta, PresenceError};
use crate::wire::{Payload, Reason};

/// When the client was tracked, in seconds since 1970: the server says that, not the client.
const ONLINE_AT: &str = "online_at";

/// As whom and what a relay shows its client to the others (design 2.4).
#[derive(Debug)]
pub(super) struct Attendance {
    key: Box<str>,
    /// What the join brought, until it is tracked.
    meta: Meta,
    /// What the back end says of the client: it stands whatever the client says of itself.
    decided: Meta,
}

/// What a client asks with the event `presence`.
#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

#[derive(Clone, Copy)]
enum Operation {
    Track,
    Update,
    Untrack,
}

impl Attendance {
    /// Reads the join params. Too large: none.
    pub(super) fn of_join(params: &Payload, cx: &Context) -> Option<Self> {
        let mut params: Map<String, Value> = params.parse().unwrap_or_default();
        let sub = cx.client().assign::<Identity>().map(|identity| identity.sub().into());
        let param = match params.get("user_id") {
            Some(Value::String(user)) if !user.is_empty() => Some(user.as_str().into()),
            Some(Value::Number(number)) if number.is_i64() || number.is_u64() => Some(number.to_string().into()),
            _ => None,
        };
        // Who has a token is who it says; a param would let one show as another.
        let key: Box<str> = sub
            .or(param)
            .or_else(|| cx.client().assign::<UserId>().map(|UserId(user)| user.clone()))
            .unwrap_or_else(|| cx.client().uuid().to_string().into());
        let meta = match params.remove("meta") {
            Some(Value::Object(meta)) => meta,
            _ => Meta::new(),
        };
        Self::given(&key, meta, Meta::new())
    }

    /// Under a key that was found for the client, with its own meta and what a back end has decided about it. Too large:
    /// none.
    pub(super) fn given(key: &str, meta: Meta, decided: Meta) -> Option<Self> {
        let small = presence::fits(key, &stamped(meta.clone(), &decided, None));
        small.then(|| Self { key: key.into(), meta, decided })
    }

    /// Tracks the client, who has got the state by now.
    pub(super) fn begin(&mut self, cx: &mut Context) -> Result<(), PresenceError> {
        let meta = stamped(std::mem::take(&mut self.meta), &self.decided, None);
        cx.presence().track_now(&self.key, meta).map(drop)
    }

    /// The client may not be shown any more.
    pub(super) fn end(&self, cx: &mut Context) {
        cx.presence().untrack(&self.key);
    }

    /// Does what the client asks for, and answers.
    pub(super) fn change(&self, payload: &Payload, cx: &mut Context) -> Outcome {
        let done = read(payload).and_then(|(operation, meta)| self.perform(operation, meta, cx));
        match done {
            Ok(()) => Outcome::ok(),
            Err(reason) => Outcome::Reply(Reply::error(reason.payload())),
        }
    }

    fn perform(&self, operation: Operation, meta: Meta, cx: &mut Context) -> Result<(), Reason> {
        let mut presence = cx.presence();
        let (key, decided) = (&*self.key, &self.decided);
        let outcome = match operation {
            Operation::Untrack => {
                presence.untrack(key);
                return Ok(());
            }
            Operation::Update => presence.update_with(key, |old| stamped(meta, decided, old.get(ONLINE_AT))),
            Operation::Track => {
                match presence.update_with(key, |old| stamped(meta.clone(), decided, old.get(ONLINE_AT))) {
                    Err(TrackError::Refused(PresenceError::NotTracked)) => {
                        presence.track_now(key, stamped(meta, decided, None)).map_err(TrackError::from)
                    }
                    outcome => outcome,
                }
            }
        };
        match outcome {
            Ok(_) => Ok(()),
            Err(TrackError::Refused(PresenceError::NotTracked)) => Err(Reason::NoPresence),
            Err(TrackError::Refused(PresenceError::TooLarge)) => Err(Reason::TooLarge),
            Err(TrackError::Refused(PresenceError::AlreadyTracked) | TrackError::NotAnObject) => {
                Err(Reason::InvalidPayload)
            }
            Err(TrackError::Unavailable(_)) => Err(Reason::Unavailable),
        }
    }
}

fn read(payload: &Payload) -> Result<(Operation, Meta), Reason> {
    let Payload::Json(json) = payload else { return Err(Reason::InvalidPayload) };
    let request: Request<'_> = serde_json::from_slice(json).map_err(|_| Reason::InvalidPayload)?;
    let operation = match &*request.event {
        "track" => Operation::Track,
        "update" => Operation::Update,
        // What comes with it says nothing.
        "untrack" => return Ok((Operation::Untrack, Meta::new())),
        _ => return Err(Reason::InvalidPayload),
    };
    let meta = request.payload.ok_or(Reason::InvalidPayload)?;
    Ok((operation, serde_json::from_str(meta.get()).map_err(|_| Reason::InvalidPayload)?))
}

/// A client's meta with what its back end says instead, and its time: the given one, else now.
fn stamped(mut meta: Meta, decided: &Meta, since: Option<&Value>) -> Meta {
    meta.extend(decided.iter().map(|(name, value)| (name.clone(), value.clone())));
    let since = since.cloned().unwrap_or_else(|| unix_seconds().to_string().into());
    meta.insert(ONLINE_AT.to_owned(), since);
    meta
}
