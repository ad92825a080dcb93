use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fred::interfaces::{ClientLike, ClusterInterface};
use parking_lot::{Condvar, Mutex};
use redis_protocol::redis_keyslot;
use tokio::sync::mpsc;

use super::super::client::client;
use super::super::listener::Listener;
use super::super::settings::Settings;
use super::super::testing::RedisCluster;
use super::Cluster;
use crate::lifecycle::Tasks;

#[derive(Debug, PartialEq)]
enum Event {
    Subscribed,
    Interrupted,
}

/// Is slow to hear of an interruption: it gives a subscription the time to come first.
struct Slow {
    events: mpsc::UnboundedSender<Event>,
    subscriptions: Mutex<usize>,
    more: Condvar,
}

impl Slow {
    fn note(&self, event: Event) {
        let _ = self.events.send(event);
    }
}

impl Listener for Slow {
    fn message(&self, _channel: &str, _payload: &Bytes) {}

    fn subscribed(&self, _channel: &str) {
        *self.subscriptions.lock() += 1;
        self.note(Event::Subscribed);
        self.more.notify_all();
    }

    fn interrupted(&self, _channel: &str) {
        let mut subscriptions = self.subscriptions.lock();
        let before = *subscriptions;
        self.more.wait_while_for(&mut subscriptions, |now| *now == before, Duration::from_millis(300));
        self.note(Event::Interrupted);
    }

    fn fallen(&self) {}

    fn risen(&self, _again: bool) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_moves_is_interrupted_before_it_is_received_again() {
    let servers = RedisCluster::start();
    let settings = Settings::new(&servers.url(), "test").unwrap();
    let (client, tasks) = (client(&settings.location).unwrap(), Tasks::new());
    client.init().await.unwrap();
    let (sender, mut events) = mpsc::unbounded_channel();
    let slow: Arc<dyn Listener> =
        Arc::new(Slow { events: sender, subscriptions: Mutex::default(), more: Condvar::new() });
    // Plain channels can be received anywhere, so only our own table says where they belong.
    let cluster = Cluster::new(&settings, "node", &client, &slow, false);
    let work = tasks.clone();
    assert!(cluster.spawn.set(Arc::new(move |link| work.spawn_until_stop(link))).is_ok());
    let mut slots = client.cached_cluster_state().unwrap().slots().to_vec();
    cluster.place(slots.clone());
    cluster.subscribe("a");
    assert_eq!(events.recv().await, Some(Event::Subscribed));
    for _ in 0..3 {
        // The primaries change places.
        let primaries: Vec<_> = slots.iter().map(|range| range.primary.clone()).collect();
        let count = primaries.len();
        slots.iter_mut().enumerate().for_each(|(n, range)| range.primary = primaries[(n + 1) % count].clone());
        let owner = slots.iter().find(|range| (range.start..=range.end).contains(&redis_keyslot(b"a")));
        cluster.place(slots.clone());
        assert_eq!(events.recv().await, Some(Event::Interrupted));
        assert_eq!(events.recv().await, Some(Event::Subscribed));
        assert_eq!(cluster.table.lock().owner("a"), owner.map(|range| &range.primary));
    }
    tasks.stop();
    client.quit().await.unwrap();
}
