//! One pod in a test, and channels on it that show what phoenix.js would.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::client::{Client, Seen};
use crate::ids::NodeId;
use crate::lifecycle::Tasks;
use crate::outbox::{Budget, Outbox, Packet};
use crate::presence::{About, Metrics, Presence, Watch};
use crate::pubsub::{self, Delivery, PubSub, Subscriber, SubscriberId, Subscription};
use crate::wire::{Outgoing, Ref, Vsn};

/// Fails a test that would wait forever.
pub(super) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what).await.expect("soon")
}

/// A meta with one field.
pub(super) fn meta(name: &str) -> Map<String, Value> {
    json!({ "name": name }).as_object().unwrap().clone()
}

/// One pod.
pub(super) struct Pod {
    pub(super) pubsub: PubSub,
    pub(super) presence: Presence,
    pub(super) tasks: Tasks,
    pub(super) registry: prometheus::Registry,
}

impl Pod {
    /// A pod alone.
    pub(super) fn embedded() -> Self {
        Self::with(|pubsub, metrics, tasks| {
            Presence::memory(pubsub, &crate::config::Presence::default(), metrics, tasks)
        })
    }

    /// A pod that shares a Redis with others.
    pub(super) fn on(url: &str, settings: &crate::config::Presence) -> Self {
        let mut redis = crate::redis::Settings::new(url, "test").unwrap();
        (redis.heartbeat, redis.patience) = (settings.heartbeat, Duration::from_millis(1000));
        Self::with(|pubsub, metrics, tasks| {
            Presence::redis(pubsub, &redis, settings, Arc::new(About::default), metrics, tasks).unwrap()
        })
    }

    /// A pod whose broadcasts stay here; its presence is made by `make`.
    pub(super) fn with(make: impl FnOnce(&PubSub, Metrics, &Tasks) -> Presence) -> Self {
        let (registry, tasks) = (prometheus::Registry::new(), Tasks::new());
        let metrics = pubsub::Metrics::register(&registry).unwrap();
        let pubsub = PubSub::memory(NodeId::random(), Arc::new(|_, _| {}), metrics, None);
        let presence = make(&pubsub, Metrics::register(&registry).unwrap(), &tasks);
        Self { pubsub, presence, tasks, registry }
    }

    /// A client joins: it gets the state and then every diff.
    pub(super) async fn join(&self, topic: &str) -> Member {
        let topic: Arc<str> = topic.into();
        let interest = soon(self.pubsub.interest(&topic)).await.unwrap();
        let watch = soon(self.presence.watch(&topic)).await.unwrap();
        let outbox = Arc::new(Outbox::new(64 * 1024 * 1024, Budget::new(usize::MAX)));
        let id = self.pubsub.next_subscriber_id();
        let delivery = Delivery::Fastlane { encoding: Vsn::V2.into(), outbox: outbox.clone(), lost: None };
        let subscription = watch.with_payload(|payload| {
            let join_ref = Ref::Null;
            let push =
                Outgoing::Push { join_ref: &join_ref, topic: &topic, event: "presence_state", payload, offset: None };
            let state = Packet::encode(Vsn::V2, push).unwrap();
            interest.attach(Subscriber { id, delivery }, || outbox.push(state).unwrap())
        });
        let presence = self.presence.clone();
        let (taken, client) = (VecDeque::new(), Client::default());
        Member { id, topic, presence, outbox, taken, client, watch, _subscription: subscription }
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

/// A channel of one client.
pub(super) struct Member {
    pub(super) id: SubscriberId,
    pub(super) topic: Arc<str>,
    pub(super) presence: Presence,
    outbox: Arc<Outbox>,
    taken: VecDeque<Packet>,
    pub(super) client: Client,
    pub(super) watch: Watch,
    _subscription: Subscription,
}

impl Member {
    pub(super) fn track(&self, key: &str, name: &str) -> String {
        self.presence.track(&self.topic, self.id, key, meta(name)).unwrap().to_string()
    }

    /// The next frame: its event and payload; the client has taken it.
    pub(super) async fn next(&mut self) -> (String, Value) {
        let packet = soon(poll_fn(|cx| {
            loop {
                self.taken.extend(self.outbox.take(0).unwrap().packets);
                if let Some(packet) = self.taken.pop_front() {
                    return Poll::Ready(packet);
                }
                if self.outbox.park(cx, 0, false).unwrap() {
                    return Poll::Pending;
                }
            }
        }))
        .await;
        let frame: Value = serde_json::from_slice(packet.payload()).unwrap();
        let (event, payload) = (frame[3].as_str().unwrap().to_owned(), frame[4].clone());
        match event.as_str() {
            "presence_state" => self.client.sync_state(&payload),
            "presence_diff" => self.client.sync_diff(&payload),
            other => panic!("{other}"),
        }
        (event, payload)
    }

    /// The next diff.
    pub(super) async fn diff(&mut self) -> Value {
        loop {
            let (event, payload) = self.next().await;
            if event == "presence_diff" {
                return payload;
            }
        }
    }

    /// Takes the frames that are there already.
    pub(super) async fn catch_up(&mut self) {
        self.taken.extend(self.outbox.take(0).unwrap().packets);
        while !self.taken.is_empty() {
            self.next().await;
        }
    }

    /// Takes frames until the client shows exactly these keys.
    pub(super) async fn shows(&mut self, keys: &[&str]) -> Seen {
        while self.client.state.is_none() || !self.client.shown().keys().eq(keys) {
            self.next().await;
        }
        self.client.shown()
    }
}
