//! Follows the topics that somebody on this pod watches: reads what the store reports, and sends each difference to this
//! pod's clients of the topic.
//!
//! Lock order: table, then a topic's view, then the topic's subscribers in `pubsub`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::diff::Diff;
use super::hooks::{Hooks, fetched, observed};
use super::metrics::{Cause, Metrics};
use super::model::{State, TrackedMeta};
use super::record::{Reading, RecordId};
use super::replica::Replica;
use super::store::{Reap, Store};
use super::tracker::Tracker;
use super::truth::Former;
use crate::config::TopicPattern;
use crate::ids::NodeId;
use crate::lifecycle::Tasks;
use crate::pubsub::{PubSub, SubscriberId};
use crate::wire::Payload;

#[cfg(test)]
mod tests;

/// What clients get, named as phoenix.js names it.
const DIFF: &str = "presence_diff";

/// How many topics are read at the same time.
const READS: usize = 64;

/// How long who comes under a key that somebody holds may turn out to be the same client: a socket that falls is there
/// again in 10 ms, and its leave takes longer than that.
const KEPT_BACK: Duration = Duration::from_millis(400);

/// After how long a reading that failed is tried again.
const RETRY: Duration = Duration::from_millis(250);

/// The longest pause before it is looked again at what lingers.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The topics that are watched here.
pub(super) struct Watcher {
    views: Mutex<HashMap<Arc<str>, Arc<View>>>,
    hooks: RwLock<Vec<(TopicPattern, Arc<dyn Hooks>)>>,
    reads: Semaphore,
    /// How long a node may take to repeat what the store has lost.
    patience: Duration,
    pubsub: PubSub,
    /// Measures when what it wrote comes back.
    tracker: Arc<Tracker>,
    tasks: Tasks,
    metrics: Metrics,
}

/// One topic, as its clients here see it.
pub(super) struct View {
    topic: Arc<str>,
    hooks: Option<Arc<dyn Hooks>>,
    /// Changed under the table's lock, so that it can't be given up while somebody comes; the last one goes under that of
    /// `shown` too, so that nothing is sent after it.
    watches: AtomicUsize,
    shown: Mutex<Shown>,
    reading: Mutex<ReadingTurn>,
    ready: watch::Sender<bool>,
}

#[derive(Default)]
struct Shown {
    replica: Replica,
    /// The payload of `presence_state`, until something changes.
    payload: Option<Bytes>,
    /// Whether somebody has asked for it since the last beat.
    asked: bool,
    /// Whether somebody looks after what lingers.
    expiring: bool,
}

#[derive(Default)]
struct ReadingTurn {
    running: bool,
    again: bool,
}

impl Watcher {
    pub(super) fn new(
        patience: Duration,
        pubsub: PubSub,
        tracker: Arc<Tracker>,
        tasks: Tasks,
        metrics: Metrics,
    ) -> Self {
        let (views, hooks, reads) = (Mutex::default(), RwLock::default(), Semaphore::new(READS));
        Self { views, hooks, reads, patience, pubsub, tracker, tasks, metrics }
    }

    pub(super) fn add_hooks(&self, pattern: TopicPattern, hooks: Arc<dyn Hooks>) {
        self.hooks.write().push((pattern, hooks));
    }

    pub(super) fn hooks(&self, topic: &str) -> Option<Arc<dyn Hooks>> {
        let hooks = self.hooks.read();
        hooks.iter().find(|(pattern, _)| pattern.matches(topic)).map(|(_, hooks)| hooks.clone())
    }

    /// Counts one more who watches; the first one makes the store report the topic.
    pub(super) fn open(self: &Arc<Self>, store: &Arc<dyn Store>, topic: &Arc<str>) -> Arc<View> {
        let mut views = self.views.lock();
        if let Some(view) = views.get(topic) {
            view.watches.fetch_add(1, Ordering::Relaxed);
            return view.clone();
        }
        let view = Arc::new(View {
            topic: topic.clone(),
            hooks: self.hooks(topic),
            watches: AtomicUsize::new(1),
            shown: Mutex::default(),
            reading: Mutex::default(),
            ready: watch::Sender::new(false),
        });
        views.insert(topic.clone(), view.clone());
        let live = store.subscribe(topic);
        drop(views);
        if live {
            self.read_soon(store, &view);
        }
        view
    }

    /// Counts one less.
    pub(super) fn close(&self, store: &dyn Store, view: &View) {
        let mut views = self.views.lock();
        if view.watches.load(Ordering::Relaxed) > 1 {
            view.watches.fetch_sub(1, Ordering::Relaxed);
        } else {
            // That waits for a diff that is being sent, but only for one that hardly anybody gets.
            let _shown = view.shown.lock();
            view.watches.store(0, Ordering::Relaxed);
            views.remove(&view.topic);
            store.unsubscribe(&view.topic);
        }
    }

    /// The topic may have changed.
    pub(super) fn changed(self: &Arc<Self>, store: &Arc<dyn Store>, topic: &str) {
        let view = self.views.lock().get(topic).cloned();
        if let Some(view) = view {
            self.read_soon(store, &view);
        }
    }

    /// Any topic may have changed. `set_back`: to what it was at some time.
    pub(super) fn all_changed(self: &Arc<Self>, store: &Arc<dyn Store>, set_back: bool) {
        let views: Vec<Arc<View>> = self.views.lock().values().cloned().collect();
        for view in views {
            if set_back {
                view.shown.lock().replica.distrust(Instant::now(), self.patience);
            }
            self.read_soon(store, &view);
        }
    }

    /// Time has passed: drops payloads that nobody asks for, and reads the topics that wait for nodes which may have gone.
    pub(super) fn beat(self: &Arc<Self>, store: &Arc<dyn Store>) {
        let now = Instant::now();
        let views: Vec<Arc<View>> = self.views.lock().values().cloned().collect();
        for view in views {
            let mut shown = view.shown.lock();
            // Where nobody joins, the topic needs no text of who is there: it is as large as the state itself.
            if !std::mem::take(&mut shown.asked) {
                shown.payload = None;
            }
            let due = shown.replica.believed_until().is_some_and(|until| until <= now);
            drop(shown);
            if due || !*view.ready.borrow() {
                self.read_soon(store, &view);
            }
        }
    }

    /// Whom a client may take over from that comes under a key.
    pub(super) fn former(&self, topic: &str, key: &str) -> Former {
        let view = self.views.lock().get(topic).filter(|_| self.tracker.lingers()).cloned();
        view.map_or_else(Former::default, |view| {
            let shown = view.shown.lock();
            let may_leave = shown.replica.state().get(key).is_some();
            Former { left: shown.replica.returnable(key), may_leave }
        })
    }

    /// Has the tracker tell of a client that it keeps back, as soon as it is known from whom it takes over.
    pub(super) fn settle_soon(
        self: &Arc<Self>,
        store: &Arc<dyn Store>,
        topic: &Arc<str>,
        owner: SubscriberId,
        key: &str,
    ) {
        let (this, store, topic, key) = (self.clone(), store.clone(), topic.clone(), Box::<str>::from(key));
        self.tasks.spawn_until_stop(async move {
            let end = Instant::now() + KEPT_BACK;
            loop {
                tokio::time::sleep(KEPT_BACK / 8).await;
                let Former { left, may_leave } = this.former(&topic, &key);
                let former = Former { left, may_leave: may_leave && Instant::now() < end };
                if this.tracker.settle(&store, &topic, owner, &key, former) {
                    return;
                }
            }
        });
    }

    /// Drops what lingers when its time has come. All pods that watch do so, and the first one does it.
    async fn expire(self: Arc<Self>, store: Arc<dyn Store>, view: Arc<View>) {
        loop {
            let due = {
                let mut shown = view.shown.lock();
                let Some(due) = shown.replica.next_expiry().filter(|_| view.is_watched()) else {
                    shown.expiring = false;
                    return;
                };
                due
            };
            let left = due.saturating_sub(store.now());
            if left == 0 {
                // What cannot be done now is tried again, until the replica knows that it is done.
                let _ = store.reap(&view.topic, &RecordId::topic_itself(), Reap::Expired).await;
            }
            let pause = if left == 0 { RETRY } else { Duration::from_millis(left).min(LONGEST_PAUSE) };
            tokio::time::sleep(pause).await;
        }
    }

    fn read_soon(self: &Arc<Self>, store: &Arc<dyn Store>, view: &Arc<View>) {
        let mut turn = view.reading.lock();
        turn.again = true;
        if !std::mem::replace(&mut turn.running, true) {
            self.tasks.spawn_until_stop(self.clone().read(store.clone(), view.clone()));
        }
    }

    /// Reads a topic until it has not changed meanwhile.
    async fn read(self: Arc<Self>, store: Arc<dyn Store>, view: Arc<View>) {
        while view.takes_turn() {
            let since = view.shown.lock().replica.since().cloned();
            let reading = {
                // The semaphore is never closed.
                let _permit = self.reads.acquire().await;
                store.read(&view.topic, since.as_ref()).await
            };
            match reading {
                Ok(mut reading) => {
                    let over = reading.leave_out_expired(store.now());
                    let whole = matches!(reading, Reading::Snapshot(_));
                    let abandoned = self.show(&view, reading);
                    if whole {
                        let epoch = view.shown.lock().replica.epoch().cloned();
                        self.tracker.found(&store, &view.topic, epoch.as_ref());
                    }
                    if view.starts_expiring() {
                        self.tasks.spawn_until_stop(self.clone().expire(store.clone(), view.clone()));
                    }
                    // Whoever cannot do it now will be asked again.
                    for node in abandoned {
                        let _ = store.reap(&view.topic, &node, Reap::Abandoned).await;
                    }
                    if over {
                        let _ = store.reap(&view.topic, &RecordId::topic_itself(), Reap::Expired).await;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "presences could not be read");
                    view.reading.lock().again = true;
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// Takes what was read, and sends the difference. The nodes whose records are of no use any more.
    fn show(&self, view: &View, reading: Reading) -> HashSet<NodeId> {
        let mut shown = view.shown.lock();
        if !view.is_watched() {
            // Somebody who has come since has a replica of their own.
            return HashSet::new();
        }
        let cause = if shown.replica.is_interrupted_by(&reading) { Cause::Resync } else { Cause::Change };
        let diff = shown.replica.apply(reading, Instant::now(), self.patience);
        let known = *view.ready.borrow();
        if !diff.is_empty() {
            shown.payload = None;
            // Whoever watches gets the state first, so the first reading is no news to anybody.
            if known {
                let payload = diff_payload(view.hooks.as_deref(), &view.topic, &diff);
                self.pubsub.deliver_here(&view.topic, DIFF, Payload::Json(payload));
                self.metrics.diff(cause);
            }
            if let Some(hooks) = &view.hooks {
                observed(&**hooks, &view.topic, &diff, shown.replica.state());
            }
        }
        let abandoned = shown.replica.take_abandoned();
        drop(shown);
        if !known {
            view.ready.send_replace(true);
        }
        let joined = diff.joins.0.values().flat_map(|entry| &entry.metas);
        self.tracker.came_back(joined.map(TrackedMeta::phx_ref));
        abandoned
    }
}

impl View {
    /// Resolves when the state is known.
    pub(super) async fn ready(&self) {
        // The sender is here, so the channel cannot be closed.
        let mut ready = self.ready.subscribe();
        let _closed = ready.wait_for(|ready| *ready).await;
    }

    fn is_watched(&self) -> bool {
        self.watches.load(Ordering::Relaxed) > 0
    }

    pub(super) fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    /// Runs `f` with the state, while no diff can be sent.
    pub(super) fn with_state<R>(&self, f: impl FnOnce(&State) -> R) -> R {
        let shown = self.shown.lock();
        match &self.hooks {
            Some(hooks) => f(&fetched(&**hooks, &self.topic, shown.replica.state())),
            None => f(shown.replica.state()),
        }
    }

    /// Runs `f` with the payload of `presence_state`, while no diff can be sent. Made once for each change.
    pub(super) fn with_payload<R>(&self, f: impl FnOnce(&Payload) -> R) -> R {
        let mut shown = self.shown.lock();
        shown.asked = true;
        let bytes = match &shown.payload {
            Some(payload) => payload.clone(),
            None => {
                let made = match &self.hooks {
                    Some(hooks) => encoded(&fetched(&**hooks, &self.topic, shown.replica.state())),
                    None => encoded(shown.replica.state()),
                };
                shown.payload.insert(made).clone()
            }
        };
        f(&Payload::Json(bytes))
    }

    /// Whether something lingers that nobody looks after yet.
    fn starts_expiring(&self) -> bool {
        let mut shown = self.shown.lock();
        shown.replica.next_expiry().is_some() && !std::mem::replace(&mut shown.expiring, true)
    }

    fn takes_turn(&self) -> bool {
        let mut turn = self.reading.lock();
        let again = std::mem::take(&mut turn.again) && self.is_watched();
        turn.running = again;
        again
    }
}

fn diff_payload(hooks: Option<&dyn Hooks>, topic: &str, diff: &Diff) -> Bytes {
    match hooks {
        Some(hooks) => {
            let half = |half| fetched(hooks, topic, half);
            encoded(&Diff { joins: half(&diff.joins), leaves: half(&diff.leaves) })
        }
        None => encoded(diff),
    }
}

fn encoded(value: &impl serde::Serialize) -> Bytes {
    // Strings and objects alone: that cannot fail.
    serde_json::to_vec(value).unwrap_or_else(|_| b"{}".to_vec()).into()
}
