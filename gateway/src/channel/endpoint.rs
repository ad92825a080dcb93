use std::sync::Arc;

use super::metrics::ChannelMetrics;
use super::recovery::Pages;
use crate::ids::NodeId;
use crate::presence::{Counts, Entry, Presence, State, Unavailable};
use crate::pubsub::{Broadcast, IdempotencyKey, KeyedPublication, PubSub, Publication};
use crate::wire::Payload;

/// The longest socket id in bytes that the configuration makes and the API takes: each connection keeps its own, and each
/// order to disconnect is kept for a day.
pub(crate) const MAX_SOCKET_ID: usize = 1024;

/// Sends to topics and sockets from anywhere in the program, inside a channel or not. Clones are cheap.
#[derive(Debug, Clone)]
pub struct Endpoint(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    pubsub: PubSub,
    presence: Presence,
    metrics: Arc<ChannelMetrics>,
    pages: Arc<Pages>,
}

impl Endpoint {
    pub(crate) fn new(pubsub: PubSub, presence: Presence, metrics: Arc<ChannelMetrics>) -> Self {
        Self(Arc::new(Parts { pubsub, presence, metrics, pages: Arc::default() }))
    }

    /// Sends an event to all subscribers of a topic, on every pod. It is under way, in the order of calls, before this
    /// returns; await the result to learn that it was accepted.
    pub fn broadcast(&self, topic: &str, event: &str, payload: impl Into<Payload>) -> Publication {
        let (topic, payload) = (Arc::from(topic), payload.into());
        self.0.pubsub.broadcast(Broadcast { topic, event: event.into(), payload, exclude: None })
    }

    /// As [`Endpoint::broadcast`], once only: a repetition with the same key within 24 hours, on any pod, sends nothing.
    pub fn broadcast_once(
        &self,
        topic: &str,
        event: &str,
        payload: impl Into<Payload>,
        key: IdempotencyKey,
    ) -> KeyedPublication {
        let (topic, payload) = (Arc::from(topic), payload.into());
        self.0.pubsub.broadcast_keyed(Broadcast { topic, event: event.into(), payload, exclude: None }, Some(key))
    }

    /// Closes all sockets with this socket id, on every pod, with code 1001 (protocol, section 4).
    pub fn disconnect(&self, socket_id: &str) -> Publication {
        self.0.pubsub.disconnect(socket_id)
    }

    /// How many subscribers a topic has on this pod.
    pub fn subscribers(&self, topic: &str) -> usize {
        self.0.pubsub.subscribers(topic)
    }

    /// Who is present in a topic, for code outside its channels.
    pub fn presence<'a>(&'a self, topic: &'a str) -> Presences<'a> {
        Presences { presence: &self.0.presence, topic }
    }

    /// The identity of this pod.
    pub fn node(&self) -> &NodeId {
        self.0.pubsub.node()
    }

    pub(crate) fn pubsub(&self) -> &PubSub {
        &self.0.pubsub
    }

    /// What the channels of this pod count.
    pub(crate) fn metrics(&self) -> &Arc<ChannelMetrics> {
        &self.0.metrics
    }

    pub(super) fn pages(&self) -> &Arc<Pages> {
        &self.0.pages
    }

    pub(crate) fn presence_service(&self) -> &Presence {
        &self.0.presence
    }
}

/// Who is present in one topic, on all pods. Nothing is asked before a method is called.
#[derive(Debug, Clone, Copy)]
pub struct Presences<'a> {
    presence: &'a Presence,
    topic: &'a str,
}

impl Presences<'_> {
    /// All, by key: what clients get as `presence_state`.
    ///
    /// # Errors
    /// When Redis does not answer in time.
    pub async fn list(&self) -> Result<State, Unavailable> {
        self.presence.list(self.topic).await
    }

    /// What is tracked under one key; None when nothing is.
    ///
    /// # Errors
    /// When Redis does not answer in time.
    pub async fn get_by_key(&self, key: &str) -> Result<Option<Entry>, Unavailable> {
        self.presence.get_by_key(self.topic, key).await
    }

    /// How many there are.
    ///
    /// # Errors
    /// When Redis does not answer in time.
    pub async fn counts(&self) -> Result<Counts, Unavailable> {
        self.presence.counts(self.topic).await
    }
}
