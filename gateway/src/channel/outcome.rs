use std::any::Any;
use std::error::Error;
use std::fmt;

use serde::Serialize;

use super::track_error::TrackError;
use crate::presence;
use crate::pubsub::{Publication, PublishError};
use crate::wire::{Payload, Reason};

/// What a join callback returns: the response of the ok reply, `{}` by [`Payload::empty`], or why not.
pub type JoinResult = Result<Payload, JoinError>;

/// What the other callbacks return. An error ends the channel with `phx_error`, and the client rejoins (row 139); only
/// a publication or presence that failed because of Redis is answered `{"reason": "unavailable"}` instead.
pub type HandlerResult = Result<Outcome, ChannelError>;

/// Why a client may not join.
#[derive(Debug)]
pub enum JoinError {
    /// Refused with this response, by convention an object with a `reason` (row 102).
    Refused(Payload),
    /// Redis does not answer: the client is told `unavailable` and tries again.
    Unavailable,
    /// The callback failed; the client is told `join crashed` (row 103), the log why.
    Crashed(ChannelError),
}

impl JoinError {
    /// Refuses with `{"reason": reason}`.
    pub fn reason(reason: &str) -> Self {
        Self::Refused(reason_payload(reason))
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for JoinError {
    fn from(error: E) -> Self {
        Self::Crashed(error.into())
    }
}

/// Why a callback failed: any error.
pub struct ChannelError(Box<dyn Error + Send + Sync>);

impl ChannelError {
    /// The client sent an event that the channel does not know (row 140).
    pub fn unknown_event(event: &str) -> Self {
        Self(format!("no handler for the event {event:?}").into())
    }

    /// What the client is told when only Redis was away. Without a message to answer (`answerable`) a channel whose
    /// presences failed is better joined again.
    pub(super) fn as_reply(&self, answerable: bool) -> Option<Reply> {
        if let Some(&failure) = self.downcast_ref::<PublishError>() {
            return Some(failure.into());
        }
        let unavailable = self.downcast_ref::<presence::Unavailable>().is_some()
            || matches!(self.downcast_ref(), Some(TrackError::Unavailable(_)));
        (unavailable && answerable).then(|| Reply::error(Reason::Unavailable.payload()))
    }

    /// The error, if it is of this type.
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for ChannelError {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Debug for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// An answer to one message: a status, by convention `ok` or `error`, and a response.
#[derive(Debug, Clone)]
pub struct Reply {
    pub(crate) status: Status,
    pub(crate) response: Payload,
}

#[derive(Debug, Clone)]
pub(crate) enum Status {
    Ok,
    Error,
    Other(Box<str>),
}

impl Reply {
    /// Status `ok` with a response.
    pub fn ok(response: impl Into<Payload>) -> Self {
        Self { status: Status::Ok, response: response.into() }
    }

    /// Status `error` with a response.
    pub fn error(response: impl Into<Payload>) -> Self {
        Self { status: Status::Error, response: response.into() }
    }

    /// Status `error` with `{"reason": reason}`.
    pub fn error_reason(reason: &str) -> Self {
        Self::error(reason_payload(reason))
    }

    /// A status of the application's own. Stock clients give it to hooks registered for that status.
    pub fn with_status(status: &str, response: impl Into<Payload>) -> Self {
        let response = response.into();
        let status = match status {
            "ok" => Status::Ok,
            "error" => Status::Error,
            other => Status::Other(other.into()),
        };
        Self { status, response }
    }

    /// The status as it stands on the wire.
    pub fn status(&self) -> &str {
        match &self.status {
            Status::Ok => "ok",
            Status::Error => "error",
            Status::Other(status) => status,
        }
    }
}

impl From<PublishError> for Reply {
    fn from(failure: PublishError) -> Self {
        let reason = match failure {
            PublishError::Unavailable => Reason::Unavailable,
            PublishError::InvalidPayload => Reason::InvalidPayload,
            PublishError::TooLarge => Reason::TooLarge,
            PublishError::BinaryNotSupported => Reason::BinaryNotSupported,
        };
        Self::error(reason.payload())
    }
}

/// What happens after a callback.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing is answered now, perhaps never.
    NoReply,
    /// The message is answered.
    Reply(Reply),
    /// The message is answered ok with `{}` once the publication is done, or with an error when it fails. The channel
    /// goes on with further messages meanwhile; replies keep their order.
    ReplyAfter(Publication),
    /// The channel ends, after the reply if there is one; the client is told `phx_close` and does not rejoin (row 136).
    Stop(Option<Reply>),
}

impl Outcome {
    /// Answers ok with `{}`.
    pub fn ok() -> Self {
        Self::Reply(Reply::ok(Payload::empty()))
    }

    /// Answers ok with a value.
    ///
    /// # Errors
    /// When the value has no JSON form.
    pub fn ok_with<T: Serialize + ?Sized>(value: &T) -> HandlerResult {
        Ok(Self::Reply(Reply::ok(Payload::json(value)?)))
    }

    /// Answers with status `error` and `{"reason": reason}`.
    pub fn error(reason: &str) -> Self {
        Self::Reply(Reply::error_reason(reason))
    }
}

/// Why a channel ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Its client left the topic.
    Left,
    /// Its client joined the topic again; this is the old channel.
    Replaced,
    /// A callback returned [`Outcome::Stop`].
    Stopped,
    /// A callback failed.
    Crashed,
    /// The connection is gone.
    SocketClosed,
}

/// A message of the application's own for a channel: any value.
pub struct Info(Box<dyn Any + Send>);

impl Info {
    /// Wraps a value.
    pub fn new<T: Send + 'static>(value: T) -> Self {
        Self(Box::new(value))
    }

    /// The value, if it is of this type.
    ///
    /// # Errors
    /// Gives the message back when it is of another.
    pub fn downcast<T: 'static>(self) -> Result<T, Self> {
        self.0.downcast().map(|value| *value).map_err(Self)
    }

    /// Looks at the value, if it is of this type.
    pub fn downcast_ref<T: 'static>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

impl fmt::Debug for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Info")
    }
}

fn reason_payload(reason: &str) -> Payload {
    Payload::from(serde_json::json!({ "reason": reason }))
}
