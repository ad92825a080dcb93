//! The store against a real `redis-server`, which each test starts for itself.

use std::sync::Arc;
use std::time::Duration;

use super::super::Store;
use super::super::contract::{Fixture, Recorder, suite};
use super::Redis;
use crate::config;
use crate::lifecycle::Tasks;
use crate::redis::testing::RedisServer;
use crate::redis::{self, Settings};

struct Owner(Tasks, #[expect(dead_code, reason = "lives as long")] RedisServer);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.stop();
    }
}

async fn fixture() -> Fixture {
    let (server, tasks) = (RedisServer::start(), Tasks::new());
    let settings = Settings::new(&server.url(), "test").unwrap();
    let events = Arc::new(Recorder::default());
    let start = || {
        let client = redis::client(&settings.location).unwrap();
        Redis::start(&settings, &config::Presence::default(), client, Arc::downgrade(&events), &tasks)
    };
    let (store, other) = (start(), start());
    let leases = async {
        while [&store, &other].iter().any(|store| store.held.lock().end.is_none() || !*store.verified.borrow()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), leases).await.expect("soon");
    let dead = other.node();
    Fixture { store, other, dead, events, _owner: Box::new(Owner(tasks, server)) }
}

suite!(fixture());
