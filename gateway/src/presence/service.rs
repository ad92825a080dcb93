use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::error::{PresenceError, Unavailable};
use super::hooks::{Hooks, fetched};
use super::metrics::Metrics;
use super::model::{Census, Counts, Describe, Entry, Meta, Node, PhxRef, State};
use super::record::state_of;
use super::store::{Events, Memory, Redis, Store};
use super::tracker::Tracker;
use super::watcher::{View, Watcher};
use crate::config::{self, TopicPattern};
use crate::lifecycle::Tasks;
use crate::pubsub::{PubSub, SubscriberId};
use crate::redis::{self, SettingsError};

/// How long a list or the first watch of a topic may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long the store may be away until a watch no longer waits for it: a short interruption should cost nobody a join.
const OUTAGE: Duration = Duration::from_secs(1);

/// Who is present in topics, on all pods. Clones share everything.
#[derive(Clone)]
pub struct Presence(Arc<Core>);

struct Core {
    store: Arc<dyn Store>,
    tracker: Arc<Tracker>,
    watcher: Arc<Watcher>,
}

impl Presence {
    /// One pod alone: nothing leaves the process. Its work ends when `tasks` stops.
    pub fn memory(pubsub: &PubSub, settings: &config::Presence, metrics: Metrics, tasks: &Tasks) -> Self {
        let core = Arc::new_cyclic(|core| {
            let store = Arc::new(Memory::new(pubsub.node().clone(), core.clone()));
            // Nothing can be lost here.
            Core::new(store, Duration::ZERO, pubsub, settings, metrics, tasks)
        });
        Self(core)
    }

    /// Pods that share a Redis. Does not wait for it: until it is there, nobody is known. Its work ends when `tasks` stops,
    /// which should be after [`Presence::close`].
    ///
    /// # Errors
    /// When the settings cannot be used.
    pub fn redis(
        pubsub: &PubSub,
        redis: &redis::Settings,
        settings: &config::Presence,
        describe: Describe,
        metrics: Metrics,
        tasks: &Tasks,
    ) -> Result<Self, SettingsError> {
        let client = redis::client(&redis.location)?;
        let core = Arc::new_cyclic(|core| {
            let store = Redis::start(redis, settings, describe, client, core.clone(), tasks);
            Core::new(store, settings.lease, pubsub, settings, metrics, tasks)
        });
        Ok(Self(core))
    }

    /// Adds what an application says about the topics of a pattern. The first pattern that matches counts, from the next
    /// time that a topic is watched; so call it before clients come.
    pub fn add_hooks(&self, pattern: TopicPattern, hooks: Arc<dyn Hooks>) {
        self.0.watcher.add_hooks(pattern, hooks);
    }

    /// Tracks a client under a key: it is known here at once, and to all pods soon, whatever happens to Redis. With a
    /// `leave_grace`, who comes under a key that somebody else holds is shown 400 ms later: it may turn out to have taken
    /// over from whom is about to leave, reference and all.
    ///
    /// # Errors
    /// When the owner has tracked this key in this topic already, or the key or meta is too large.
    pub fn track(&self, topic: &Arc<str>, owner: SubscriberId, key: &str, meta: Meta) -> Result<PhxRef, PresenceError> {
        let (watcher, tracker) = (&self.0.watcher, &self.0.tracker);
        let former = watcher.former(topic, key);
        let (phx_ref, kept_back) = tracker.track(&self.0.store, topic, owner, key, meta, former)?;
        if kept_back {
            watcher.settle_soon(&self.0.store, topic, owner, key);
        }
        Ok(phx_ref)
    }

    /// Replaces the meta of a client, which is one diff for everybody. `change` gets the old one with its `phx_ref`.
    ///
    /// # Errors
    /// When it is not tracked, or the meta is too large.
    pub fn update(
        &self,
        topic: &Arc<str>,
        owner: SubscriberId,
        key: &str,
        change: impl FnOnce(&Meta) -> Meta,
    ) -> Result<PhxRef, PresenceError> {
        self.0.tracker.update(&self.0.store, topic, owner, key, change)
    }

    /// Ends the presence of a client under a key; nothing happens if there is none.
    pub fn untrack(&self, topic: &Arc<str>, owner: SubscriberId, key: &str) {
        self.0.tracker.untrack(&self.0.store, topic, owner, key);
    }

    /// Ends all that an owner has tracked: its channel has ended.
    pub fn untrack_all(&self, owner: SubscriberId) {
        self.0.tracker.end(&self.0.store, owner);
    }

    /// Who is present, with what this pod has tracked before the call.
    ///
    /// # Errors
    /// When Redis does not answer in time.
    pub async fn list(&self, topic: &str) -> Result<State, Unavailable> {
        let records = in_time(async {
            self.0.tracker.written(&self.0.store, topic).await;
            self.0.store.list(topic).await.map_err(|_| Unavailable)
        })
        .await?;
        let state = state_of(records);
        Ok(match self.0.watcher.hooks(topic) {
            Some(hooks) => fetched(&*hooks, topic, &state),
            None => state,
        })
    }

    /// What is tracked under one key; None when nothing is.
    ///
    /// # Errors
    /// When Redis does not answer in time.
    pub async fn get_by_key(&self, topic: &str, key: &str) -> Result<Option<Entry>, Unavailable> {
        Ok(self.list(topic).await?.0.remove(key))
    }

    /// How many are present.
    ///
    /// # Errors
    /// When Redis does not answer in time.
    pub async fn counts(&self, topic: &str) -> Result<Counts, Unavailable> {
        Ok(self.list(topic).await?.counts())
    }

    /// The pods that live, by their leases. One that has just begun appears with its first lease.
    ///
    /// # Errors
    /// When Redis does not answer in time.
    pub async fn nodes(&self) -> Result<Vec<Node>, Unavailable> {
        in_time(async { self.0.store.nodes().await.map_err(|_| Unavailable) }).await
    }

    /// What the other pods tell of themselves, each time that their leases are read: about twice in each heartbeat. None
    /// in embedded mode.
    pub fn census(&self) -> Option<watch::Receiver<Census>> {
        self.0.store.census()
    }

    /// Keeps a replica of the topic on this pod, and has each difference sent to the pod's subscribers of the topic as
    /// `presence_diff`. Resolves when the replica is there.
    ///
    /// # Errors
    /// When Redis does not answer within 5 seconds, or has been away for one.
    pub fn watch(&self, topic: &Arc<str>) -> impl Future<Output = Result<Watch, Unavailable>> + Send + 'static + use<> {
        let view = self.0.watcher.open(&self.0.store, topic);
        let watch = Watch { core: self.0.clone(), view };
        async move {
            in_time(async {
                tokio::select! {
                    biased;
                    () = watch.view.ready() => Ok(()),
                    () = watch.core.hopeless(watch.view.topic()) => Err(Unavailable),
                }
            })
            .await?;
            Ok(watch)
        }
    }

    /// Whether Redis reports changes of keys, as far as the last heartbeat knows. If not, all goes on by polling, a
    /// heartbeat late at most. Always true in embedded mode.
    pub fn hears_changes(&self) -> bool {
        self.0.store.hears()
    }

    /// Ends all that this pod has tracked, and tells the others; for an orderly stop, before the tasks are stopped.
    /// Whether everybody knows.
    pub async fn close(&self, limit: Duration) -> bool {
        self.0.tracker.end_all(&self.0.store);
        let goodbye = async {
            self.0.tracker.all_written(&self.0.store).await;
            self.0.store.close().await.is_ok()
        };
        tokio::time::timeout(limit, goodbye).await.unwrap_or(false)
    }
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presence").field("node", &self.0.store.node()).finish_non_exhaustive()
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T, Unavailable>>) -> Result<T, Unavailable> {
    tokio::time::timeout(TIMEOUT, work).await.unwrap_or(Err(Unavailable))
}

impl Core {
    fn new(
        store: Arc<dyn Store>,
        patience: Duration,
        pubsub: &PubSub,
        settings: &config::Presence,
        metrics: Metrics,
        tasks: &Tasks,
    ) -> Self {
        let tracker = Arc::new(Tracker::new(settings.coalesce, settings.leave_grace, tasks.clone(), metrics.clone()));
        let watcher = Watcher::new(patience, pubsub.clone(), tracker.clone(), tasks.clone(), metrics);
        Self { store, tracker, watcher: Arc::new(watcher) }
    }

    /// Resolves when the store has been away for so long that nobody should wait for a topic of it.
    async fn hopeless(&self, topic: &str) {
        while self.store.outage(topic).is_none_or(|outage| outage < OUTAGE) {
            tokio::time::sleep(OUTAGE / 10).await;
        }
    }
}

impl Events for Core {
    fn changed(&self, topic: &str) {
        self.watcher.changed(&self.store, topic);
    }

    fn deaf(&self) {
        self.watcher.all_changed(&self.store, false);
    }

    fn beat(&self) {
        self.watcher.beat(&self.store);
    }

    fn lost(&self, set_back: bool) {
        self.tracker.repeat(&self.store, false);
        self.watcher.all_changed(&self.store, set_back);
    }

    fn reborn(&self) {
        self.tracker.repeat(&self.store, true);
    }
}

/// The presences of one topic, kept up to date on this pod for as long as this exists.
#[must_use = "dropping it ends the diffs, unless somebody else watches the topic"]
pub struct Watch {
    core: Arc<Core>,
    view: Arc<View>,
}

impl Watch {
    /// Runs `f` with the state: no diff overlaps it, and none is missed after it. It must not wait; it may queue to
    /// outboxes and attach subscribers of this topic, but neither track nor watch.
    pub fn with_state<R>(&self, f: impl FnOnce(&State) -> R) -> R {
        self.view.with_state(f)
    }

    /// As [`Watch::with_state`], with the payload of `presence_state`, which is encoded once for each change.
    pub fn with_payload<R>(&self, f: impl FnOnce(&crate::wire::Payload) -> R) -> R {
        self.view.with_payload(f)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.core.watcher.close(&*self.core.store, &self.view);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("topic", self.view.topic()).finish_non_exhaustive()
    }
}
