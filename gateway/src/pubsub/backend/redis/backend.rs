use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use fred::clients::Client;

use super::super::{Asked, Backend, Publish, Sink, Stamp};
use super::incoming::Incoming;
use super::lane::Body;
use super::letters;
use super::scripts::Scripts;
use crate::ids::NodeId;
use crate::pubsub::dialect::Dialect;
use crate::pubsub::error::PublishError;
use crate::pubsub::message::{Control, LetterHandler};
use crate::pubsub::metrics::Metrics;
use crate::pubsub::publication::Publication;
use crate::redis::{self, Keys, Listener, Location, Settings, SettingsError, Subscriber};

/// An interruption shorter than this is waited out; a longer one is answered at once.
pub(super) const OUTAGE_GRACE: Duration = Duration::from_secs(1);

/// How long a client may take to say goodbye.
pub(super) const QUIT: Duration = Duration::from_secs(1);

/// How many lanes there are, each with clients of its own. A hot topic delays only those that share its lane.
const LANES: usize = 2;

/// The backend of pods that share a Redis.
pub(in crate::pubsub) struct Redis<S> {
    pub(super) incoming: Arc<Incoming<S>>,
    pub(super) subscriber: Subscriber,
    /// One for each lane; for a cluster one alone, which knows where the slots are.
    pub(super) clients: Vec<Client>,
    pub(super) scripts: Scripts,
    pub(super) location: Location,
    /// In a cluster, channels belong to slots.
    pub(super) sharded: bool,
}

impl<S: Sink + 'static> Redis<S> {
    /// The clients that it needs.
    ///
    /// # Errors
    /// When the settings cannot be used.
    pub(in crate::pubsub) fn clients(settings: &Settings) -> Result<Vec<Client>, SettingsError> {
        let count = if settings.location.is_cluster() { 1 } else { LANES };
        (0..count).map(|_| redis::client(&settings.location)).collect()
    }

    /// Connects nothing yet.
    pub(in crate::pubsub) fn new(
        node: &NodeId,
        settings: &Settings,
        clients: Vec<Client>,
        dialect: Arc<Dialect>,
        metrics: Metrics,
        sink: Weak<S>,
    ) -> Self {
        let keys = Keys::new(&settings.prefix);
        let incoming = Arc::new(Incoming::new(node.clone(), keys.clone(), dialect, LANES, sink, metrics));
        let listener: Arc<dyn Listener> = incoming.clone();
        let subscriber = Subscriber::new(settings, node.as_str(), &clients[0], &listener);
        subscriber.subscribe(&keys.control());
        let (location, sharded) = (settings.location.clone(), settings.location.is_cluster());
        Self { incoming, subscriber, clients, scripts: Scripts::new(sharded), location, sharded }
    }

    /// Whether a channel's way to this pod has been interrupted for so long that nobody should wait for it.
    pub(super) fn is_out(&self, channel: &str) -> bool {
        self.subscriber.outage(channel).is_some_and(|outage| outage >= OUTAGE_GRACE)
    }
}

impl<S: Sink + 'static> Backend for Redis<S> {
    fn subscribe(&self, topic: &Arc<str>, _kept: bool) -> bool {
        self.subscriber.subscribe(&self.incoming.keys.broadcast(topic))
    }

    fn unsubscribe(&self, topic: &Arc<str>, _kept: bool) {
        self.subscriber.unsubscribe(&self.incoming.keys.broadcast(topic));
    }

    fn publish(&self, Publish { broadcast, key, kept, hosted }: Publish) -> Publication {
        let channel = self.incoming.keys.broadcast(&broadcast.topic);
        if hosted.is_some() && self.is_out(&channel) {
            return Publication::ready(Err(PublishError::Unavailable));
        }
        let lane = self.incoming.lane(&channel);
        let key = key.map(|key| self.incoming.keys.idempotency(&broadcast.topic, key.as_str()));
        let body = match (kept, key) {
            (Some(retention), key) => Body::Kept(broadcast, retention, key),
            (None, Some(key)) => Body::Once(broadcast, key),
            (None, None) => Body::Broadcast(broadcast),
        };
        lane.push(channel, body, hosted)
    }

    fn dealt_with(&self, topic: &str, stamp: &Stamp) {
        self.incoming.came_back(&self.incoming.keys.broadcast(topic), stamp);
    }

    fn control(&self, control: Control) -> Publication {
        let channel = self.incoming.keys.control();
        let lane = self.incoming.lane(&channel);
        lane.push(channel, Body::Control(control), None)
    }

    fn open_letters(&self, handler: LetterHandler) {
        if self.incoming.letters.set(handler).is_ok() {
            self.subscriber.subscribe(&self.incoming.keys.letters(self.incoming.node.as_str()));
        }
    }

    fn send_letter<'a>(&'a self, to: &'a NodeId, letter: Bytes) -> Asked<'a, usize> {
        let channel = self.incoming.keys.letters(to.as_str());
        Box::pin(letters::send(&self.clients[0], self.sharded, channel, letter))
    }

    fn shared_secret<'a>(&'a self, purpose: &'a str, proposal: Bytes) -> Asked<'a, Bytes> {
        Box::pin(letters::shared_secret(&self.clients[0], self.incoming.keys.secret(purpose), proposal))
    }

    fn is_hopeless(&self, topic: &str) -> bool {
        self.is_out(&self.incoming.keys.broadcast(topic))
    }
}
