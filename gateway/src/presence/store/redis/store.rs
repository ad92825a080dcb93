use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::{KeysInterface, SetsInterface};
use fred::types::Value;
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, Notify, watch};
use tokio::time::Instant;

use super::super::{Events, Reap, Store, StoreError, Work};
use super::encoding::{reading, texts, unavailable, value};
use super::incoming::Incoming;
use super::listing::live_records;
use crate::config;
use crate::ids::NodeId;
use crate::lifecycle::Tasks;
use crate::presence::model::{Census, Describe, Node};
use crate::presence::record::{Epoch, Position, Reading, Record, Write, Written};
use crate::redis::{COMMAND_TIMEOUT, Keys, Listener, Script, Settings, Subscriber, stay_connected};

/// How many changes of a topic are kept for those who read.
const CHANGES: i64 = 64;

/// How many records one reaping drops.
const REAPED: i64 = 512;

/// The store of pods that share a Redis.
pub(in crate::presence) struct Redis<E> {
    pub(super) client: Client,
    pub(super) keys: Keys,
    pub(super) cluster: bool,
    pub(super) subscriber: Subscriber,
    pub(super) incoming: Arc<Incoming<E>>,
    pub(super) scripts: Scripts,
    pub(super) heartbeat: Duration,
    pub(super) lease: Duration,
    /// How long what is left behind lingers.
    grace: Duration,
    pub(super) held: Mutex<Held>,
    /// Held while the lease is renewed, or given up: what is under way would bring back what the goodbye has removed.
    pub(super) renewing: AsyncMutex<()>,
    /// Until when nobody is reaped: who lives may not have been able to say so.
    pub(super) spare_until: Mutex<Instant>,
    /// Somebody should look for dead nodes.
    pub(super) reaping_wanted: Notify,
    /// Whether it is known, since the connections were last up, what has become of the data.
    pub(super) verified: watch::Sender<bool>,
    /// Whether all servers report changes.
    pub(super) hears: AtomicBool,
    /// What this pod tells of itself.
    pub(super) describe: Describe,
    /// What the others tell of themselves.
    pub(super) census: watch::Sender<Census>,
}

/// This pod's lease.
pub(super) struct Held {
    pub(super) node: NodeId,
    /// When it ends, in milliseconds of the server's clock. None before the first one.
    pub(super) end: Option<u64>,
    /// When it was renewed, by this pod's clock.
    pub(super) since: Instant,
    /// Given up for good: the pod stops.
    pub(super) closed: bool,
}

pub(super) struct Scripts {
    write: Script,
    read: Script,
    reap: Script,
    pub(super) lease: Script,
    pub(super) probe: Script,
}

impl<E: Events + 'static> Redis<E> {
    /// Connects, and stays connected until the tasks are stopped.
    pub(in crate::presence) fn start(
        settings: &Settings,
        presence: &config::Presence,
        describe: Describe,
        client: Client,
        events: Weak<E>,
        tasks: &Tasks,
    ) -> Arc<Self> {
        let (node, keys) = (NodeId::random(), Keys::new(&settings.prefix));
        let verified = watch::Sender::new(false);
        let incoming = Arc::new(Incoming::new(keys.clone(), settings.location.database(), events, verified.clone()));
        let listener: Arc<dyn Listener> = incoming.clone();
        // Another subscriber of this process may use the node's own name.
        let subscriber = Subscriber::of_keys(settings, &format!("{node}-presence"), &client, &listener);
        let this = Arc::new(Self {
            client,
            keys,
            cluster: settings.location.is_cluster(),
            subscriber,
            incoming,
            scripts: Scripts::new(),
            heartbeat: presence.heartbeat,
            lease: presence.lease,
            grace: presence.leave_grace,
            held: Mutex::new(Held { node, end: None, since: Instant::now(), closed: false }),
            renewing: AsyncMutex::new(()),
            spare_until: Mutex::new(Instant::now() + presence.lease),
            reaping_wanted: Notify::new(),
            verified,
            hears: AtomicBool::new(false),
            describe,
            census: watch::Sender::default(),
        });
        this.spawn(tasks);
        this
    }

    fn spawn(self: &Arc<Self>, tasks: &Tasks) {
        tasks.spawn(stay_connected(self.client.clone(), tasks.stopped()));
        let links = tasks.clone();
        self.subscriber.start(Arc::new(move |work| links.spawn_until_stop(work)));
        tasks.spawn_until_stop(self.clone().renew_on());
        tasks.spawn_until_stop(self.clone().beat_on());
        tasks.spawn_until_stop(self.clone().reap_on());
    }

    pub(super) fn events(&self) -> Option<Arc<E>> {
        self.incoming.events.upgrade()
    }

    /// How long what is empty stays, and what was changed can be read.
    fn life(&self) -> Value {
        millis(2 * self.lease)
    }

    async fn run(&self, script: &Script, topic: &str, arguments: Vec<Value>) -> Result<Value, StoreError> {
        let keys = vec![self.keys.presence(topic), self.keys.presence_changes(topic)];
        script.run(&self.client, keys, arguments).await.map_err(unavailable)
    }

    async fn put(&self, topic: &str, write: &Write) -> Result<Written, StoreError> {
        let end = {
            let held = self.held.lock();
            if held.node != write.node {
                return Err(StoreError::Expired);
            }
            held.end.ok_or(StoreError::Unavailable)?
        };
        if write.epoch.is_none() {
            // First of all, so that a reaper finds whatever comes after: the node too, which a flush has taken off the list.
            self.client.sadd::<(), _, _>(self.keys.nodes(), write.node.as_str()).await.map_err(unavailable)?;
            let topics = self.keys.topics_of_node(write.node.as_str());
            self.client.sadd::<(), _, _>(topics, topic).await.map_err(unavailable)?;
        }
        let epoch = write.epoch.as_ref().map_or("", Epoch::as_str);
        let fresh = Epoch::random();
        let head: [Value; 9] = [
            write.node.as_str().into(),
            // Clocks of servers differ a little.
            end.saturating_sub(as_millis(self.lease) / 20).to_string().into(),
            epoch.into(),
            fresh.as_str().into(),
            if write.complete { "1" } else { "0" }.into(),
            self.life(),
            CHANGES.into(),
            count(write.delta.drop.len()),
            count(write.claims.len()),
        ];
        let claims = write.claims.iter().map(|phx_ref| Value::from(phx_ref.as_str()));
        let drop = write.delta.drop.iter().map(|id| Value::from(id.to_string()));
        let put = write.delta.put.iter().flat_map(|record| [record.id.to_string().into(), value(record).into()]);
        let reply = self
            .run(&self.scripts.write, topic, head.into_iter().chain(drop).chain(claims).chain(put).collect())
            .await?;
        match texts(reply).as_slice() {
            [ok, epoch, failed @ ..] if ok == "ok" => {
                let failed = failed.iter().map(|phx_ref| phx_ref.as_str().into()).collect();
                Ok(Written { epoch: epoch.as_str().into(), failed })
            }
            [other] if other == "epoch" => Err(StoreError::OtherEpoch),
            [expired] if expired == "expired" => {
                self.incoming.renew.notify_one();
                Err(StoreError::Expired)
            }
            _ => Err(StoreError::Unavailable),
        }
    }

    async fn changes(&self, topic: &str, since: Option<&Position>) -> Result<Reading, StoreError> {
        // Before it is known what has become of the data, nobody should draw conclusions from it.
        let mut verified = self.verified.subscribe();
        let known = async { verified.wait_for(|verified| *verified).await.is_ok() };
        if !tokio::time::timeout(COMMAND_TIMEOUT, known).await.unwrap_or(false) {
            return Err(StoreError::Unavailable);
        }
        let arguments = match since {
            Some(Position { epoch, version }) => vec![epoch.as_str().into(), version.to_string().into()],
            None => vec!["".into(), "0".into()],
        };
        let reply = self.run(&self.scripts.read, topic, arguments).await?;
        reading(reply).ok_or(StoreError::Unavailable)
    }

    async fn leave(&self, topic: &str) -> Result<(), StoreError> {
        let node = self.node();
        while self.drop_some(topic, &node, "left").await? {}
        self.client.srem(self.keys.topics_of_node(node.as_str()), topic).await.map_err(unavailable)
    }

    async fn give_up_lease(&self) -> Result<(), StoreError> {
        let _turn = self.renewing.lock().await;
        let node = self.node();
        {
            let mut held = self.held.lock();
            (held.end, held.closed) = (None, true);
        }
        self.client.srem::<(), _, _>(self.keys.nodes(), node.as_str()).await.map_err(unavailable)?;
        self.client.del(self.keys.lease(node.as_str())).await.map_err(unavailable)
    }

    async fn drop_some(&self, topic: &str, node: &NodeId, why: &'static str) -> Result<bool, StoreError> {
        let lingering = millis(2 * self.lease + self.grace);
        let arguments = vec![node.as_str().into(), REAPED.into(), self.life(), CHANGES.into(), why.into(), lingering];
        let reply = self.run(&self.scripts.reap, topic, arguments).await?;
        Ok(reply.as_i64() == Some(1))
    }
}

fn as_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn count(length: usize) -> Value {
    i64::try_from(length).unwrap_or(i64::MAX).into()
}

pub(super) fn millis(duration: Duration) -> Value {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX).into()
}

impl Scripts {
    fn new() -> Self {
        Self {
            write: Script::new(include_str!("../../../redis/scripts/presence_write.lua")),
            read: Script::new(include_str!("../../../redis/scripts/presence_read.lua")),
            reap: Script::new(include_str!("../../../redis/scripts/presence_reap.lua")),
            lease: Script::new(include_str!("../../../redis/scripts/presence_lease.lua")),
            probe: Script::new(include_str!("../../../redis/scripts/presence_probe.lua")),
        }
    }
}

impl<E: Events + 'static> Store for Redis<E> {
    fn now(&self) -> u64 {
        let held = self.held.lock();
        let since = held.since.elapsed();
        held.end.map_or(0, |end| (end + as_millis(since)).saturating_sub(as_millis(self.lease)))
    }

    fn node(&self) -> NodeId {
        self.held.lock().node.clone()
    }

    fn write<'a>(&'a self, topic: &'a str, write: &'a Write) -> Work<'a, Written> {
        Box::pin(self.put(topic, write))
    }

    fn read<'a>(&'a self, topic: &'a str, since: Option<&'a Position>) -> Work<'a, Reading> {
        Box::pin(self.changes(topic, since))
    }

    fn list<'a>(&'a self, topic: &'a str) -> Work<'a, Vec<Record>> {
        Box::pin(async move { live_records(&self.client, &self.keys, topic, self.now()).await })
    }

    fn reap<'a>(&'a self, topic: &'a str, node: &'a NodeId, why: Reap) -> Work<'a, bool> {
        let why = match why {
            Reap::Dead => "dead",
            Reap::Abandoned => "abandoned",
            Reap::Expired => "expired",
        };
        Box::pin(self.drop_some(topic, node, why))
    }

    fn vacate<'a>(&'a self, topic: &'a str) -> Work<'a, ()> {
        Box::pin(self.leave(topic))
    }

    fn nodes(&self) -> Work<'_, Vec<Node>> {
        Box::pin(self.live_nodes())
    }

    fn census(&self) -> Option<watch::Receiver<Census>> {
        Some(self.census.subscribe())
    }

    fn close(&self) -> Work<'_, ()> {
        Box::pin(self.give_up_lease())
    }

    fn subscribe(&self, topic: &str) -> bool {
        self.subscriber.subscribe(&self.incoming.channel_of(&self.keys.presence(topic)))
    }

    fn hears(&self) -> bool {
        self.hears.load(Ordering::Relaxed)
    }

    fn outage(&self, topic: &str) -> Option<Duration> {
        self.subscriber.outage(&self.incoming.channel_of(&self.keys.presence(topic)))
    }

    fn unsubscribe(&self, topic: &str) {
        self.subscriber.unsubscribe(&self.incoming.channel_of(&self.keys.presence(topic)));
    }
}
