//! The tasks behind the backend: sending, watching the clock, and the connections' own work.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fred::clients::{Client, Pipeline};
use fred::interfaces::ClientLike;
use fred::types::Value;
use fred::types::config::Server;
use tokio::time::{Instant, MissedTickBehavior};

use super::super::Sink;
use super::backend::{OUTAGE_GRACE, Redis};
use super::incoming::Incoming;
use super::lane::{Body, Item};
use super::ways::Ways;
use crate::lifecycle::{Latch, Readiness, Tasks};
use crate::pubsub::envelope;
use crate::redis::stay_connected;

/// How often deadlines are looked at: one coarse sweep in place of a timer for each publication.
const TICK: Duration = Duration::from_millis(100);

/// At which of the sweeps those who wait for a topic in vain are told.
const HOPELESS_TURNS: u64 = 5;

/// An interruption has to last this long to make the pod unready: a short one makes all pods unready at once, which
/// helps nobody.
const UNREADY_AFTER: Duration = Duration::from_secs(5);

impl<S: Sink + 'static> Redis<S> {
    /// Starts the work. It ends when the tasks are stopped; what is under way fails then.
    pub(in crate::pubsub) fn start(self, tasks: &Tasks, readiness: &Readiness) -> Arc<Self> {
        let this = Arc::new(self);
        this.spawn(tasks, readiness);
        this
    }

    fn spawn(self: &Arc<Self>, tasks: &Tasks, readiness: &Readiness) {
        for client in &self.clients {
            tasks.spawn(stay_connected(client.clone(), tasks.stopped()));
        }
        let links = tasks.clone();
        self.subscriber.start(Arc::new(move |work| links.spawn_until_stop(work)));
        for lane in 0..self.incoming.lanes.len() {
            let ways = if self.sharded {
                Ways::of_cluster(self.location.clone(), tasks.clone())
            } else {
                Ways::One(self.clients[lane].clone())
            };
            tasks.spawn_until_stop(self.clone().drain(lane, ways));
        }
        tasks.spawn_until_stop(self.clone().catch_up());
        let (this, latch, readiness, stopped) = (self.clone(), readiness.latch(), readiness.clone(), tasks.stopped());
        tasks.spawn(async move {
            tokio::select! {
                () = stopped => {}
                () = this.clone().watch(Some(latch), readiness) => {}
            }
            for lane in &this.incoming.lanes {
                lane.close();
            }
        });
    }

    /// Sends what a lane holds, a batch at a time: while one is under way, the next one gathers.
    async fn drain(self: Arc<Self>, lane: usize, mut ways: Ways) {
        let lane = &self.incoming.lanes[lane];
        loop {
            let channel = lane.head().await;
            // What is sent while this pod does not hear it is lost to its own subscribers alone: wait a little.
            self.subscriber.settled(&channel, OUTAGE_GRACE).await;
            let (hopeless, batch): (Vec<_>, Vec<_>) =
                lane.take().into_iter().partition(|item| item.hosted && self.is_out(&item.channel));
            for item in hopeless {
                lane.failed(item.sequence);
            }
            for (sequence, answer) in self.send(&mut ways, &batch).await {
                match answer {
                    Answer::Taken => lane.accepted(sequence),
                    Answer::Known => {
                        self.incoming.metrics.duplicate();
                        lane.duplicate(sequence);
                    }
                    Answer::Unclear => lane.failed(sequence),
                }
            }
        }
    }

    /// Sends a batch, to all servers that it concerns at the same time; what Redis says to each of them.
    async fn send(&self, ways: &mut Ways, batch: &[Item]) -> Vec<(u64, Answer)> {
        // What belongs to one server keeps its order, and a topic belongs to one.
        let mut parts: HashMap<Option<Server>, Vec<&Item>> = HashMap::new();
        for item in batch {
            parts.entry(self.subscriber.owner(&item.channel)).or_default().push(item);
        }
        let mut sent = Vec::new();
        let mut outcomes = Vec::new();
        for (owner, items) in &parts {
            match ways.client(owner.as_ref(), &self.subscriber).await {
                Some(client) => sent.push(self.send_part(client, items)),
                None => outcomes.extend(items.iter().map(|item| (item.sequence, Answer::Unclear))),
            }
        }
        outcomes.extend(futures_util::future::join_all(sent).await.into_iter().flatten());
        outcomes
    }

    async fn send_part(&self, client: Client, batch: &[&Item]) -> Vec<(u64, Answer)> {
        let pipeline = client.pipeline();
        let mut knows_kept = false;
        for item in batch {
            self.queue(&pipeline, item, knows_kept).await;
            knows_kept |= matches!(item.body, Body::Kept(..));
        }
        let mut outcomes = pipeline.try_all::<Value>().await;
        if let Some(error) = outcomes.iter().find_map(|outcome| outcome.as_ref().err()) {
            tracing::debug!(%error, "Redis has not taken a broadcast");
            // The slot may have moved.
            self.subscriber.doubt_places();
        }
        // One error in place of as many results: the connection failed.
        let complete = outcomes.len() == batch.len();
        outcomes.truncate(if complete { batch.len() } else { 0 });
        let outcomes = outcomes.into_iter().map(Result::ok).chain(std::iter::repeat(None));
        batch.iter().zip(outcomes).map(|(item, reply)| (item.sequence, Answer::new(&item.body, reply))).collect()
    }

    async fn queue(&self, pipeline: &Pipeline<Client>, item: &Item, knows_kept: bool) {
        let Incoming { node, dialect, .. } = &*self.incoming;
        let encoded = |broadcast| envelope::encode(node, item.sequence, broadcast);
        let message = |broadcast| dialect.wrap(encoded(broadcast));
        match &item.body {
            Body::Broadcast(broadcast) => {
                self.scripts.publish(pipeline, &item.channel, message(broadcast)).await;
            }
            Body::Once(broadcast, key) => {
                self.scripts.publish_once(pipeline, &item.channel, key, message(broadcast)).await;
            }
            Body::Kept(broadcast, retention, key) => {
                let keys = &self.incoming.keys;
                let position = keys.history_position(&broadcast.topic);
                let mut keys = vec![position, keys.history(&broadcast.topic), item.channel.clone()];
                keys.extend(key.clone());
                // As it is: whoever reads the history later may be of any version.
                let message = encoded(broadcast).into();
                self.scripts.publish_kept(pipeline, keys, *retention, message, knows_kept).await;
            }
            Body::Control(control) => {
                self.scripts.order(pipeline, &item.channel, envelope::encode_control(control).into()).await;
            }
        }
    }

    /// Looks at the deadlines, the metrics and the readiness, again and again.
    async fn watch(self: Arc<Self>, mut latch: Option<Latch>, readiness: Readiness) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut amiss_since = None;
        for turn in 0_u64.. {
            let now = ticks.tick().await;
            self.expire(now);
            let outage = self.subscriber.longest_outage();
            let up = outage.is_none() && self.clients.iter().all(ClientLike::is_connected);
            self.incoming.metrics.redis_up(up);
            if up {
                (amiss_since, latch) = (None, None);
            } else if *amiss_since.get_or_insert(now) + UNREADY_AFTER <= now {
                // A cluster that lacks a primary serves the topics of the others.
                latch = if self.subscriber.is_cut_off() { latch.or_else(|| Some(readiness.latch())) } else { None };
            }
            if let Some(sink) = self.incoming.sink.upgrade() {
                // That looks at every topic, so not each time.
                let hopeless = turn % HOPELESS_TURNS == 0 && outage.is_some_and(|outage| outage >= OUTAGE_GRACE);
                sink.tick(now, hopeless);
            }
        }
    }

    fn expire(&self, now: Instant) {
        for lane in &self.incoming.lanes {
            for topic in lane.expire(now) {
                self.subscriber.doubt(&self.incoming.keys.broadcast(&topic));
            }
        }
    }
}

/// What became of something that was sent.
enum Answer {
    Taken,
    /// Its idempotency key is known: it was not sent again.
    Known,
    /// Nobody knows.
    Unclear,
}

impl Answer {
    fn new(body: &Body, reply: Option<Value>) -> Self {
        match (body, reply) {
            (_, None) => Self::Unclear,
            (Body::Once(..) | Body::Kept(..), Some(reply)) if reply.as_i64() == Some(0) => Self::Known,
            (_, Some(_)) => Self::Taken,
        }
    }
}
