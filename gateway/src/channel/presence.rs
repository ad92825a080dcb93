use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::context::Context;
use super::handle;
use super::present::Present;
use super::track_error::TrackError;
use crate::presence::{Entry, Meta, PhxRef, PresenceError, State, Unavailable};
use crate::wire::Payload;

/// What a client gets after its join, named as phoenix.js names it.
const STATE: &str = "presence_state";

/// Who is present in the topic of a channel, and the channel's own part in it (protocol, section 5).
///
/// Clients of the topic get each change as `presence_diff`. All that a channel has tracked leaves when it ends, however
/// it ends.
///
/// ```
/// # use gateway::{Channel, Context, HandlerResult, JoinContext, JoinResult, Outcome, Payload};
/// # use serde_json::json;
/// # struct Room;
/// # impl Channel for Room {
/// # async fn join(&mut self, _: Payload, _: &mut JoinContext) -> JoinResult { Ok(Payload::empty()) }
/// async fn after_join(&mut self, cx: &mut Context) -> HandlerResult {
///     cx.presence().push_state().await?;
///     cx.presence().track("user:7", &json!({ "status": "online" })).await?;
///     Ok(Outcome::NoReply)
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct ChannelPresence<'a>(&'a mut Context);

impl Context {
    /// Who is present in the topic: tracking this client, and what it is told of others.
    pub fn presence(&mut self) -> ChannelPresence<'_> {
        ChannelPresence(self)
    }
}

impl ChannelPresence<'_> {
    /// Tracks this channel under a key, usually a user: a string, or a number that becomes one. `meta` is any object.
    /// The clients of the topic learn it within `presence.coalesce`, and those of other pods soon after. The `phx_ref`.
    ///
    /// # Errors
    /// When the channel has tracked this key already, the key is over 1024 bytes, the meta over 64 KiB or no object, or
    /// the presences of the topic cannot be had from Redis within 5 seconds.
    pub async fn track(&mut self, key: impl fmt::Display, meta: &impl Serialize) -> Result<PhxRef, TrackError> {
        let (key, meta) = (key.to_string(), object(meta)?);
        // Whoever tracks gets the diffs too, its own among them.
        self.watch().await?;
        Ok(self.track_now(&key, meta)?)
    }

    /// Replaces the meta of what this channel has tracked. Clients see one diff. The new `phx_ref`; the old one stands in
    /// the meta as `phx_ref_prev`.
    ///
    /// # Errors
    /// When the channel has not tracked the key, or the meta is over 64 KiB or no object.
    pub fn update(&mut self, key: impl fmt::Display, meta: &impl Serialize) -> Result<PhxRef, TrackError> {
        let meta = object(meta)?;
        self.update_with(key, |_| meta)
    }

    /// Replaces the meta by what `change` makes of the old one, which holds its `phx_ref`. It must not call the gateway.
    ///
    /// # Errors
    /// See [`ChannelPresence::update`].
    pub fn update_with(
        &mut self,
        key: impl fmt::Display,
        change: impl FnOnce(&Meta) -> Meta,
    ) -> Result<PhxRef, TrackError> {
        let (presence, owner) = (self.0.endpoint().presence_service(), self.0.subscriber);
        Ok(presence.update(&self.0.seat.topic, owner, &key.to_string(), change)?)
    }

    /// Ends what this channel has tracked under a key; nothing happens if that is nothing.
    pub fn untrack(&mut self, key: impl fmt::Display) {
        let presence = self.0.endpoint().presence_service();
        presence.untrack(&self.0.seat.topic, self.0.subscriber, &key.to_string());
    }

    /// Who is present, on all pods.
    ///
    /// # Errors
    /// When Redis does not answer in time.
    pub async fn list(&self) -> Result<State, Unavailable> {
        self.0.endpoint().presence_service().list(&self.0.seat.topic).await
    }

    /// What is tracked under one key, on all pods; None when nothing is.
    ///
    /// # Errors
    /// When Redis does not answer in time.
    pub async fn get_by_key(&self, key: impl fmt::Display) -> Result<Option<Entry>, Unavailable> {
        self.0.endpoint().presence_service().get_by_key(&self.0.seat.topic, &key.to_string()).await
    }

    /// Pushes `presence_state` to the client. The diffs that follow it begin where it ends. A client that shows presences
    /// waits for it after every join. It may be large: this waits until the client has read most of what it was sent before.
    ///
    /// # Errors
    /// When the presences of the topic cannot be had from Redis within 5 seconds.
    pub async fn push_state(&mut self) -> Result<(), Unavailable> {
        self.watch().await?;
        let cx = &*self.0;
        cx.room().await;
        if let Some(present) = cx.present.as_ref().filter(|_| !cx.muted) {
            present.watch.with_payload(|state| push_state(cx, state));
        }
        Ok(())
    }

    /// Has the diffs of the topic sent to this pod, for as long as the channel lives.
    pub(crate) async fn watch(&mut self) -> Result<&mut Present, Unavailable> {
        let cx = &mut *self.0;
        if cx.present.is_none() {
            let presence = cx.endpoint().presence_service().clone();
            let watch = presence.watch(&cx.seat.topic).await?;
            cx.present = Some(Box::new(Present::new(presence, watch, cx.subscriber)));
        }
        cx.present.as_deref_mut().ok_or(Unavailable)
    }

    /// Like [`ChannelPresence::track`], for a channel that watches already.
    pub(crate) fn track_now(&mut self, key: &str, meta: Meta) -> Result<PhxRef, PresenceError> {
        self.0.endpoint().presence_service().track(&self.0.seat.topic, self.0.subscriber, key, meta)
    }
}

/// Runs `attach` with what queues the state, if that is to follow the answer to the join: under the lock of the replica
/// then, so that no diff can come before the state and none after it is missed.
pub(super) fn with_state<T>(cx: &Context, attach: impl FnOnce(&dyn Fn()) -> T) -> T {
    match cx.present.as_ref().filter(|present| present.state_follows_reply) {
        Some(present) => present.watch.with_payload(|state| attach(&|| push_state(cx, state))),
        None => attach(&|| {}),
    }
}

/// Queues the state for the client of a channel.
pub(super) fn push_state(cx: &Context, state: &Payload) {
    if let Err(error) = handle::push(&cx.client, &cx.seat, STATE, state) {
        tracing::debug!(topic = &*cx.seat.topic, %error, "a presence state could not be encoded");
    }
}

fn object(meta: &impl Serialize) -> Result<Meta, TrackError> {
    match serde_json::to_value(meta) {
        Ok(Value::Object(meta)) => Ok(meta),
        _ => Err(TrackError::NotAnObject),
    }
}
