use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::backend::{Backend, Memory, Publish, Redis};
use super::dialect::Dialect;
use super::error::{HistoryError, PublishError, Unavailable};
use super::histories::Histories;
use super::idempotency::IdempotencyKey;
use super::interest::Interest;
use super::message::{Broadcast, Control, ControlHandler, SubscriberId, names_fit};
use super::metrics::Metrics;
use super::publication::{KeyedPublication, Publication};
use super::topics::Topics;
use crate::history::{self, Limit, Page, Policy, Read};
use crate::ids::NodeId;
use crate::lifecycle::{Readiness, Tasks};
use crate::redis::{Settings, SettingsError};
use crate::wire::Payload;

/// How long an interest waits for its topic (ruling 10); phoenix.js gives a join up after 10 seconds.
const INTEREST_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a topic stays subscribed after the last one has left: who reloads a page finds it live.
const LINGER: Duration = Duration::from_secs(3);

/// The largest payload of a broadcast, in bytes.
const MAX_PAYLOAD: usize = 16 * 1024 * 1024;

/// Publish and subscribe on all pods. Clones share everything.
#[derive(Clone)]
pub struct PubSub(Arc<Inner>);

struct Inner {
    node: NodeId,
    topics: Arc<Topics>,
    /// None where nothing leaves the process.
    dialect: Option<Arc<Dialect>>,
    next_subscriber: AtomicU64,
}

impl PubSub {
    /// One pod alone: nothing leaves the process, and every publication is ready at once. Topics for which the policy says
    /// so keep a history, in the memory of the process.
    pub fn memory(node: NodeId, handler: ControlHandler, metrics: Metrics, policy: Option<Policy>) -> Self {
        Self::memory_over(history::Memory::new(), node, handler, metrics, policy)
    }

    /// As [`PubSub::memory`], with histories that somebody else may append to.
    pub(crate) fn memory_over(
        store: history::Memory,
        node: NodeId,
        handler: ControlHandler,
        metrics: Metrics,
        policy: Option<Policy>,
    ) -> Self {
        metrics.redis_up(true);
        let topics = Arc::new_cyclic(|topics| {
            let backend = Memory::new(&node, topics.clone(), metrics.clone(), store.clone());
            let store = Arc::new(store);
            let histories = policy.map(|policy| Histories::new(policy, store, node.clone(), None));
            Topics::new(Arc::new(backend), handler, metrics, Duration::ZERO, histories, topics)
        });
        Self::over(node, topics, None)
    }

    /// Pods that share a Redis, which also keeps the history of the topics for which the policy says so: all pods should
    /// have the same one. Does not wait for it: until it is there, readiness is held back, and publications and
    /// interests fail. Ends, with all its tasks, when `tasks` stops; what is published after that fails.
    ///
    /// # Errors
    /// When the settings cannot be used.
    pub async fn redis(
        node: NodeId,
        settings: &Settings,
        handler: ControlHandler,
        metrics: Metrics,
        tasks: &Tasks,
        readiness: &Readiness,
        policy: Option<Policy>,
    ) -> Result<Self, SettingsError> {
        let clients = Redis::<Topics>::clients(settings)?;
        let store = Arc::new(history::Redis::new(settings, clients[0].clone()));
        let dialect = Arc::new(Dialect::new(settings.envelope, metrics.clone()));
        let topics = Arc::new_cyclic(|topics| {
            let spoken = dialect.clone();
            let backend = Redis::new(&node, settings, clients, spoken, metrics.clone(), topics.clone());
            let histories = policy.map(|policy| Histories::new(policy, store, node.clone(), Some(tasks.clone())));
            Topics::new(backend.start(tasks, readiness), handler, metrics, LINGER, histories, topics)
        });
        if topics.histories.is_some() {
            tasks.spawn_until_stop(Topics::renew(Arc::downgrade(&topics)));
        }
        Ok(Self::over(node, topics, Some(dialect)))
    }

    fn over(node: NodeId, topics: Arc<Topics>, dialect: Option<Arc<Dialect>>) -> Self {
        Self(Arc::new(Inner { node, topics, dialect, next_subscriber: AtomicU64::new(1) }))
    }

    /// Writes this version of messages between pods from now on, or the newest before it that this pod knows: the newest
    /// that all pods which live can read.
    pub fn speak(&self, version: u8) {
        if let Some(dialect) = &self.0.dialect {
            dialect.speak(version);
        }
    }

    /// The newest version of messages between pods that this pod says it reads.
    pub fn newest_version(&self) -> u8 {
        self.0.dialect.as_ref().map_or(1, |dialect| dialect.newest())
    }

    /// The node whose subscribers these are.
    pub fn node(&self) -> &NodeId {
        &self.0.node
    }

    /// A name for a new subscriber.
    pub fn next_subscriber_id(&self) -> SubscriberId {
        SubscriberId(self.0.next_subscriber.fetch_add(1, Ordering::Relaxed))
    }

    /// Declares interest in a topic, at once; resolves when this pod really receives it, within 5 seconds.
    ///
    /// # Errors
    /// When it does not by then; at once when Redis has been away for over a second.
    pub fn interest(
        &self,
        topic: &str,
    ) -> impl Future<Output = Result<Interest, Unavailable>> + Send + 'static + use<> {
        let (hold, waiting) = self.0.topics.declare(topic);
        let hopeless = waiting.is_some() && self.0.topics.backend().is_hopeless(topic);
        async move {
            if hopeless {
                return Err(Unavailable);
            }
            if let Some(waiting) = waiting {
                tokio::time::timeout(INTEREST_TIMEOUT, waiting)
                    .await
                    .map_err(|_| Unavailable)?
                    .unwrap_or(Err(Unavailable))?;
            }
            Ok(Interest::new(hold))
        }
    }

    /// Sends a message to all subscribers of a topic on all pods. It is queued when this returns, in the order of calls.
    pub fn broadcast(&self, broadcast: Broadcast) -> Publication {
        self.publish(broadcast, None)
    }

    /// As [`PubSub::broadcast`], in the same order; with a key it is sent once only, whichever pods are asked within 24
    /// hours. The key belongs to the topic; what the message says does not matter.
    pub fn broadcast_keyed(&self, broadcast: Broadcast, key: Option<IdempotencyKey>) -> KeyedPublication {
        self.publish(broadcast, key).keyed()
    }

    pub(super) fn backend(&self) -> &dyn Backend {
        self.0.topics.backend()
    }

    fn publish(&self, broadcast: Broadcast, key: Option<IdempotencyKey>) -> Publication {
        if !broadcast.payload.is_object_or_binary() {
            return Publication::ready(Err(PublishError::InvalidPayload));
        }
        let fits = names_fit(&broadcast.topic, &broadcast.event);
        if !fits || broadcast.payload.bytes().len() > MAX_PAYLOAD {
            return Publication::ready(Err(PublishError::TooLarge));
        }
        let (hosted, kept) = self.0.topics.hosted(&broadcast.topic);
        if kept.is_some() && matches!(broadcast.payload, Payload::Binary(_)) {
            return Publication::ready(Err(PublishError::BinaryNotSupported));
        }
        self.0.topics.backend().publish(Publish { broadcast, key, kept, hosted })
    }

    /// Messages of a topic's history behind an offset, oldest first, whether this pod hosts the topic or not. None when
    /// there never were any, or none that are remembered.
    pub fn history_page(
        &self,
        topic: &str,
        after: u64,
        limit: Limit,
    ) -> impl Future<Output = Result<Option<Page>, HistoryError>> + Send + 'static + use<> {
        let histories = self.0.topics.histories.as_ref().filter(|histories| (histories.policy)(topic).is_some());
        let page =
            histories.map(|histories| histories.page(&topic.into(), Read { after, epoch: None, limit, renew: None }));
        async move { Ok(page.ok_or(HistoryError::NotKept)?.await?) }
    }

    /// Sends a message to this pod's subscribers of a topic alone; it is in their queues when this returns. Takes the
    /// topic's lock. How many took it.
    pub fn deliver_here(&self, topic: &str, event: &str, payload: Payload) -> usize {
        self.0.topics.deliver_here(topic, event, payload)
    }

    /// Closes all sockets with this id, on every pod.
    pub fn disconnect(&self, socket_id: &str) -> Publication {
        self.0.topics.backend().control(Control::Disconnect { socket_id: socket_id.into() })
    }

    /// How many subscribers a topic has on this pod.
    pub fn subscribers(&self, topic: &str) -> usize {
        self.0.topics.subscribers(topic)
    }

    /// How many topics this pod holds, those that linger included.
    #[cfg(test)]
    pub(super) fn hosted_topics(&self) -> usize {
        self.0.topics.len()
    }
}

impl fmt::Debug for PubSub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PubSub").field("node", &self.0.node).finish_non_exhaustive()
    }
}
