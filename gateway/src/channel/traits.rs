use std::future::{Future, ready};

use super::context::{Context, JoinContext};
use super::outcome::{ChannelError, Ended, HandlerResult, Info, JoinResult, Outcome};
use crate::history::Retention;
use crate::wire::{EncodeError, Payload};

/// One client's side of one topic: callbacks, as a Phoenix channel has.
///
/// A new value is made for every join and dropped when the channel ends, so its fields are the channel's state. One
/// callback runs at a time. The connection's task polls it: a callback must await, not block; heavy work belongs in a
/// task of its own that reports through [`Context::handle`].
///
/// ```
/// use gateway::{Channel, Context, HandlerResult, JoinContext, JoinError, JoinResult, Outcome, Payload};
/// use serde_json::json;
///
/// #[derive(Default)]
/// struct Room;
///
/// impl Channel for Room {
///     async fn join(&mut self, _params: Payload, cx: &mut JoinContext) -> JoinResult {
///         if cx.topic() == "room:secret" { Err(JoinError::reason("unauthorized")) } else { Ok(Payload::empty()) }
///     }
///
///     async fn handle_in(&mut self, event: &str, payload: Payload, cx: &mut Context) -> HandlerResult {
///         match event {
///             "new_msg" => {
///                 cx.broadcast("new_msg", payload).await?;
///                 Ok(Outcome::ok())
///             }
///             "ping" => Outcome::ok_with(&json!({ "pong": true })),
///             _ => Ok(Outcome::error("unknown event")),
///         }
///     }
/// }
/// ```
pub trait Channel: Send + Sized + 'static {
    /// Events that go through [`Channel::handle_out`] instead of straight to the client.
    fn intercept() -> &'static [&'static str] {
        &[]
    }

    /// How much of its topics is kept, so that clients which ask for it (join param `recover`) miss nothing when they come
    /// back, on any pod. By default nothing. Topics with history carry JSON objects only.
    fn history() -> Option<Retention> {
        None
    }

    /// May this client join, and what is it told? Until this returns, the socket's other messages wait, except
    /// heartbeats. Nothing can be sent from here: see [`Channel::after_join`].
    fn join(&mut self, params: Payload, cx: &mut JoinContext) -> impl Future<Output = JoinResult> + Send;

    /// Runs right after the join reply: the place for first pushes and broadcasts.
    fn after_join(&mut self, _cx: &mut Context) -> impl Future<Output = HandlerResult> + Send {
        ready(Ok(Outcome::NoReply))
    }

    /// A message from the client. By default every event is unknown, which ends the channel (row 140).
    fn handle_in(
        &mut self,
        event: &str,
        _payload: Payload,
        _cx: &mut Context,
    ) -> impl Future<Output = HandlerResult> + Send {
        ready(Err(ChannelError::unknown_event(event)))
    }

    /// A broadcast of an intercepted event. By default it is pushed to the client as it is.
    fn handle_out(
        &mut self,
        event: &str,
        payload: Payload,
        cx: &mut Context,
    ) -> impl Future<Output = HandlerResult> + Send {
        ready(match cx.push(event, payload) {
            // As on the fastlane: a client of version 1 is left out of binary broadcasts (row 166).
            Ok(()) | Err(EncodeError::BinaryUnsupported) => Ok(Outcome::NoReply),
            Err(error) => Err(error.into()),
        })
    }

    /// A message from the application: sent through a handle, by a timer, or received from a topic that the channel
    /// subscribed to. By default it is ignored.
    fn handle_info(&mut self, _info: Info, cx: &mut Context) -> impl Future<Output = HandlerResult> + Send {
        tracing::debug!(topic = cx.topic(), "ignored a message that the channel does not handle");
        ready(Ok(Outcome::NoReply))
    }

    /// The channel has ended for its client; clean up. Runs unless a callback panicked, and has a few seconds. What is
    /// pushed from here comes after `phx_close` (row 118); a channel that was replaced pushes nothing, since its client
    /// already talks to the new one.
    fn terminate(&mut self, _reason: Ended, _cx: &mut Context) -> impl Future<Output = ()> + Send {
        ready(())
    }
}
