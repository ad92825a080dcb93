//! The backend against a real `redis-server`, which each test starts for itself.

mod cluster;
mod contract;
mod history;
mod letters;
mod order;
mod outage;
mod scripts;
mod sentinel;

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use crate::history::Policy;
use crate::ids::NodeId;
use crate::lifecycle::{Readiness, Tasks};
use crate::pubsub::PubSub;
use crate::pubsub::testing::Pod;
use crate::redis::Settings;
use crate::redis::testing::RedisServer;

/// A pod on a server, with tasks of its own.
struct RedisPod {
    pod: Pod,
    tasks: Tasks,
    readiness: Readiness,
}

impl RedisPod {
    async fn start(server: &RedisServer) -> Self {
        Self::with_settings(&settings(&server.url())).await
    }

    async fn with_settings(settings: &Settings) -> Self {
        Self::with_policy(settings, None).await
    }

    /// Some topics keep a history.
    async fn with_policy(settings: &Settings, policy: Option<Policy>) -> Self {
        let (tasks, readiness) = (Tasks::new(), Readiness::new());
        let pod = Pod::new(async |handler, metrics| {
            PubSub::redis(NodeId::random(), settings, handler, metrics, &tasks, &readiness, policy).await.unwrap()
        })
        .await;
        Self { pod, tasks, readiness }
    }

    /// Waits until all connections are up, or not.
    async fn ready(&self, ready: bool) {
        crate::pubsub::testing::soon(async {
            while self.readiness.is_ready() != ready {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }
}

impl Deref for RedisPod {
    type Target = Pod;

    fn deref(&self) -> &Pod {
        &self.pod
    }
}

impl DerefMut for RedisPod {
    fn deref_mut(&mut self) -> &mut Pod {
        &mut self.pod
    }
}

impl Drop for RedisPod {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

/// A fast heartbeat, so that tests need not wait.
fn settings(url: &str) -> Settings {
    let mut settings = Settings::new(url, "test").unwrap();
    settings.heartbeat = Duration::from_millis(500);
    settings.patience = Duration::from_millis(1000);
    settings
}
